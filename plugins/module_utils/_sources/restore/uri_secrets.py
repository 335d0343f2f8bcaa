# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The secrets in the parameters of storage URIs, and how they are kept out of what people read."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable

MASK = "********"
_NOT_SECRET = frozenset(
    (
        "AUTH",
        "AWS_REGION",
        "REGION",
        "AWS_ENDPOINT",
        "AWS_USE_PATH_STYLE",
        "AWS_SKIP_CHECKSUM",
        "AWS_SKIP_TLS_VERIFY",
        "COCKROACH_LOCALITY",
        "ASSUME_ROLE",
        "AWS_SERVER_ENC_MODE",
        "S3_STORAGE_CLASS",
        "GOOGLE_BILLING_PROJECT",
        "AZURE_ACCOUNT_NAME",
        "AZURE_ENVIRONMENT",
        "BUCKET_SKIP_TLS",
    )
)
_SHORTEST_SECRET = 4
"""A shorter value would mask letters of ordinary words."""


def secrets_of(uris: Iterable[str]) -> set[str]:
    """Return every value in the URIs' parameters that may be secret, plain and percent-encoded once and twice."""
    values = set()
    for uri in uris:
        parts = urllib.parse.urlsplit(uri)
        # unquote, not parse_qsl: a plus sign that somebody forgot to encode belongs to the secret.
        pairs = [item.partition("=")[::2] for item in uri.partition("?")[2].split("&")]
        values |= {value for name, value in pairs if urllib.parse.unquote(name) not in _NOT_SECRET}
        values |= {parts.password or "", urllib.parse.unquote(parts.netloc).rpartition("@")[0].partition(":")[2]}
    return set().union(
        *(
            secret_forms(form)
            for value in values
            for form in (value, urllib.parse.unquote(value), urllib.parse.unquote_plus(value))
        )
    )


def secret_forms(value: str) -> set[str]:
    """Return the forms in which a secret may turn up in a text: as it is, and percent-encoded in the ways that programs
    differ in."""
    forms = {value}
    for _turn in range(2):
        forms |= {
            encoded
            for form in forms
            for encoded in (
                urllib.parse.quote(form, safe=""),
                urllib.parse.quote(form),
                urllib.parse.quote_plus(form),
                form.replace("'", "''"),
            )
        }
    return {form for form in forms if len(form) >= _SHORTEST_SECRET}


def mask(text: str, secrets: Iterable[str]) -> str:
    """Return a text in which no secret is left, the longest forms first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
