# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The text that names where a backup is, taken apart in one way for everybody who needs a part of it.

An S3 key may hold any character but the question mark (where parameters begin), and stands there as it is, as in other
tools: ``#`` and ``%`` mean themselves. A ``file:`` URL is percent-encoded, a plain path is not. Every other location,
and S3's with parameters, is a URI of CockroachDB's, which is percent-encoded.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field

from .._errors import ConfigurationError
from .._system import libraries
from .uri_parameters import AZURE, GOOGLE, S3, Parameters, parse_parameters, without_locality

FILE = "file"
HTTP = ("http", "https")
_AZURE_SPELLINGS = (AZURE, "azure", "azure-storage")
"""All that CockroachDB takes (pkg/cloud/azure/azure_storage.go)."""
_S3_SPELLINGS = ("s3", "s3a", "s3n")
_BUCKET = re.compile(r"[A-Za-z0-9._-]+")
_AUTHORITY = re.compile(r"(?:[^\s/@,]*@)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?")
_FORMS = "s3://bucket/prefix, gs://bucket/prefix, azure-blob://container/prefix, https://host/path"


@dataclass(frozen=True)
class Location:
    """``bucket`` and ``path`` (the prefix, without slashes at its ends) of S3, Google or Azure (its container), or the
    absolute ``path`` of a directory; both as they are, not encoded. Over HTTP the ``bucket`` is the server, with the
    user and the password that may be there, and ``query`` is what every request has after the question mark."""

    scheme: str
    path: str
    bucket: str = field(default="", repr=False)
    parameters: Parameters = field(default_factory=dict, repr=False)
    query: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The location without secrets."""
        if self.scheme == FILE:
            return f"{FILE}://{self.path}"
        return f"{self.scheme}://{self.bucket.rpartition('@')[2]}/{self.path}".rstrip("/")


def scheme_of(text: str) -> str:
    """Return the scheme of a location in lower case: ``file`` for a plain path, empty where there is none."""
    if text.startswith("/"):
        return FILE
    scheme, separator, _rest = text.partition(":")
    return scheme.lower() if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) else ""


def libraries_for(locations: Iterable[str]) -> tuple[str, ...]:
    """Return the libraries that read these backup locations, those of a provider only where one is there."""
    schemes = {scheme_of(location) for location in locations}
    needed = {
        libraries.READ_S3: (S3,),
        libraries.READ_GOOGLE: (GOOGLE,),
        libraries.READ_AZURE: _AZURE_SPELLINGS,
        libraries.READ_HTTP: HTTP,
    }
    chosen = [names for names, readable in needed.items() if schemes.intersection(readable)]
    return tuple(dict.fromkeys(sum(chosen, libraries.READ_BACKUP)))


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
    """Take apart a location that this collection reads itself: a directory's path, ``file:///directory``,
    ``s3://bucket/prefix``, or a URI of CockroachDB's for S3, Google, Azure and HTTP. Raises ConfigurationError, also
    for any other scheme."""
    if text.startswith("/"):
        return Location(FILE, text)
    scheme = scheme_of(text)
    shown = without_secrets(text)
    if scheme in _S3_SPELLINGS and not text.startswith("s3:"):
        raise ConfigurationError(f"{shown}: write s3://bucket/prefix, other spellings of S3 are not taken")
    if scheme == FILE:
        return _parse_file(text, shown)
    if scheme == S3 and not has_parameters(text):
        # As it is: # and % mean themselves.
        bucket, _slash, prefix = text[len("s3:") :].partition("//")[2].partition("/")
        return _in_bucket(Location(S3, prefix.strip("/"), bucket), shown)
    if scheme in (S3, GOOGLE, *_AZURE_SPELLINGS, *HTTP) and "://" in text:
        require_whole(text)
        rest, _mark, query = text.partition("://")[2].partition("?")
        bucket, _slash, path = rest.partition("/")
        path = urllib.parse.unquote(path).strip("/")
        if scheme in HTTP:
            if not _AUTHORITY.fullmatch(bucket):
                raise ConfigurationError(f"{shown} names no server: write https://host/path")
            return Location(scheme, path, bucket, query=without_locality(query))
        scheme = AZURE if scheme in _AZURE_SPELLINGS else scheme
        return _in_bucket(Location(scheme, path, bucket, parse_parameters(scheme, query, shown)), shown)
    raise ConfigurationError(f"{shown!r} is no location: write {_FORMS} or file:///absolute/path")


def _in_bucket(place: Location, shown: str) -> Location:
    if not _BUCKET.fullmatch(place.bucket):
        kind = "container" if place.scheme == AZURE else "bucket"
        rest = shown.partition("://")[2].rpartition("@")[2]
        raise ConfigurationError(
            f"{place.scheme}://{rest} names no {kind}: write {place.scheme}://{kind}/prefix, without user and password"
        )
    return place


def _parse_file(text: str, shown: str) -> Location:
    if has_parameters(text) or shown != text:
        raise ConfigurationError(f"{shown}: give a directory without parameters and without a question mark")
    host, slash, path = text[len("file:") :].partition("//")[2].partition("/")
    if host not in ("", "localhost"):
        raise ConfigurationError(f"{shown} names a host: write file:///absolute/path")
    if not slash:
        raise ConfigurationError(f"{shown} names no directory: write file:///absolute/path")
    return Location(FILE, "/" + urllib.parse.unquote(path))
