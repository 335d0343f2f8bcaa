# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The text that names where a backup is, taken apart in one way for everybody who needs a part of it.

An S3 key may hold any character but the question mark (where parameters begin), and stands there as it is, as in other
tools: ``#`` and ``%`` mean themselves. A ``file:`` URL is percent-encoded, a plain path is not.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass

from .._errors import ConfigurationError
from .._system import libraries

S3 = "s3"
FILE = "file"
_S3_SPELLINGS = ("s3", "s3a", "s3n")
_BUCKET = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Location:
    """``bucket`` and ``path`` (the prefix, without slashes at its ends) of S3, or the absolute ``path`` of a directory;
    both as they are, not encoded."""

    scheme: str
    path: str
    bucket: str = ""


def scheme_of(text: str) -> str:
    """Return the scheme of a location in lower case: ``file`` for a plain path, empty where there is none."""
    if text.startswith("/"):
        return FILE
    scheme, separator, _rest = text.partition(":")
    return scheme.lower() if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) else ""


def libraries_for(locations: Iterable[str]) -> tuple[str, ...]:
    """Return the libraries that read these backup locations: boto3 and tenacity only where one is in S3."""
    return libraries.READ_BACKUP + (
        libraries.READ_S3 if any(scheme_of(location) == S3 for location in locations) else ()
    )


def has_parameters(text: str) -> bool:
    """Tell whether a location has parameters after a question mark. A plain path has none."""
    return not text.startswith("/") and "?" in text


def without_secrets(text: str) -> str:
    """Return a location without its user part and its parameters, to tell backups apart and to name them."""
    if text.startswith("/"):
        return text
    scheme, separator, rest = text.partition("?")[0].partition("://")
    if not separator:
        return text.partition("?")[0]
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def require_whole(uri: str) -> None:
    """Raise ConfigurationError for a URI of CockroachDB's that it would read only a part of: it goes through Go's
    ``url.Parse``, of which only path and parameters are used (cockroachdb/cockroach, pkg/cloud/impl_registry.go,
    ExternalStorageConfFromURI), and both end at ``#``.
    """
    if "#" in uri:
        raise ConfigurationError(
            f"{without_secrets(uri)}: CockroachDB reads a URI only as far as its #: write %23 for it"
        )


def parse_location(text: str) -> Location:
    """Take apart ``s3://bucket/prefix``, ``file:///directory`` or a directory's path. Raises ConfigurationError, also
    for any other scheme."""
    if text.startswith("/"):
        return Location(FILE, text)
    scheme = scheme_of(text)
    shown = without_secrets(text)
    if scheme in _S3_SPELLINGS and not text.startswith("s3:"):
        raise ConfigurationError(f"{shown}: write s3://bucket/prefix, other spellings of S3 are not taken")
    if scheme in (S3, FILE) and (has_parameters(text) or shown != text):
        raise ConfigurationError(
            f"{shown}: give the location without parameters and credentials, and without a question mark; "
            "the keys, aws_region and s3_endpoint_url have options of their own"
        )
    if scheme == S3:
        bucket, _slash, prefix = text[len("s3:") :].partition("//")[2].partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise ConfigurationError(
                f"s3://{shown.rpartition('@')[2].removeprefix('s3://')} names no bucket: write s3://bucket/prefix"
            )
        return Location(S3, prefix.strip("/"), bucket)
    if scheme == FILE:
        host, slash, path = text[len("file:") :].partition("//")[2].partition("/")
        if host not in ("", "localhost"):
            raise ConfigurationError(f"{shown} names a host: write file:///absolute/path")
        if not slash:
            raise ConfigurationError(f"{shown} names no directory: write file:///absolute/path")
        return Location(FILE, "/" + urllib.parse.unquote(path))
    raise ConfigurationError(f"{shown!r} is no location: write s3://bucket/prefix or file:///absolute/path")
