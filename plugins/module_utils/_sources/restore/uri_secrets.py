# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The secrets in the parameters of storage URIs, and how they are kept out of what people read."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable

from ..._system.masking import forms_of

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


def secrets_of(uris: Iterable[str]) -> set[str]:
    """Return every value in the URIs' parameters that may be secret, plain and percent-encoded once and twice."""
    values = set()
    for uri in uris:
        parts = urllib.parse.urlsplit(uri)
        # unquote, not parse_qsl: a plus sign that somebody forgot to encode belongs to the secret.
        pairs = [item.partition("=")[::2] for item in uri.partition("?")[2].split("&")]
        values |= {value for name, value in pairs if urllib.parse.unquote(name) not in _NOT_SECRET}
        values |= {parts.password or "", urllib.parse.unquote(parts.netloc).rpartition("@")[0].partition(":")[2]}
    return forms_of(
        form for value in values for form in (value, urllib.parse.unquote(value), urllib.parse.unquote_plus(value))
    )
