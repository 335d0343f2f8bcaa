# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Keeping secrets out of what people read: in every form in which a server, a library or a program may repeat them."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterable

MASK = "********"
_SHORTEST_SECRET = 4
"""A shorter value would mask letters of ordinary words."""


def secret_forms(value: str) -> set[str]:
    """Return the forms in which a secret may turn up in a text: as it is, escaped as in SQL or JSON, in base64,
    hexadecimal, and percent-encoded in the ways that programs differ in."""
    data = value.encode("utf-8", "surrogateescape")
    forms = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    for _turn in range(2):
        forms |= {
            encoded
            for form in forms
            for encoded in (
                urllib.parse.quote(form, safe="", errors="surrogateescape"),
                urllib.parse.quote(form, errors="surrogateescape"),
                urllib.parse.quote_plus(form, errors="surrogateescape"),
                form.replace("'", "''"),
            )
        }
    forms |= {data.hex(), data.hex().upper()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms |= {encode(data).decode(), encode(data).decode().rstrip("=")}
    return {form for form in forms if len(form) >= _SHORTEST_SECRET} if len(value) >= _SHORTEST_SECRET else set()


def forms_of(secrets: Iterable[str]) -> set[str]:
    """Return the forms of several secrets."""
    return set().union(*(secret_forms(secret) for secret in secrets))


def mask(text: str, forms: Iterable[str]) -> str:
    """Return a text without any of the forms of secrets, the longest first."""
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text
