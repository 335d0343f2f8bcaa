# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CockroachDB's own storage URIs: made from the collection's locations and keys, and kept out of messages."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..._errors import ConfigurationError
from ..location import FILE, S3, Location, has_parameters, parse_location, require_whole, scheme_of, without_secrets
from ..storage.options import StorageOptions

PASSED_SCHEMES = frozenset(
    ("gs", "azure", "azure-blob", "azure-storage", "nodelocal", "http", "https", "userfile", "external", "s3")
)
"""URIs of these kinds that carry parameters of their own reach CockroachDB as they are; s3 without any is built
here."""
IMPLICIT = "implicit"
SPECIFIED = "specified"
LOCAL_NODE = "1"
"""The only node of ``start-single-node``; every release knows nodelocal://1."""
_PATH_STYLE_SINCE = {(24, 1): 10, (24, 2): 8, (24, 3): 3}
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class StorageAccess:
    """How CockroachDB reaches S3: keys (``specified``), or its node's own identity (``implicit``), then the roles to
    assume, in order."""

    options: StorageOptions = field(default_factory=StorageOptions)
    auth: str = ""
    assume_role: tuple[str, ...] = ()


def is_own(location: str) -> bool:
    """Tell whether the collection reads this location itself, so that its URI has to be built: ``s3://`` without
    parameters, ``file://``, a path."""
    return scheme_of(location) in (FILE, S3) and not has_parameters(location)


def with_keys(access: StorageAccess) -> StorageAccess:
    """Return the access with the keys that boto3 finds (environment, profile, instance role) where none are given.

    CockroachDB knows no profiles. Raises ConfigurationError when there are no keys.
    """
    options = access.options
    if access.auth == IMPLICIT or (options.access_key_id and options.secret_access_key):
        return access
    from ..storage.s3_session import found_keys

    return replace(access, options=found_keys(options))


def external_io_dir(locations: Iterable[str]) -> str:
    """Return the directory that a node has to be started with (``--external-io-dir``) to reach these locations, empty
    without a local one.

    It is the nearest directory above all of them. Raises ConfigurationError when only the root directory is.
    """
    paths = [_normal(parse_location(location)) for location in locations if scheme_of(location) == FILE]
    if not paths:
        return ""
    common = os.path.commonpath(paths)
    directory = os.path.dirname(common) if common in paths else common
    if directory == "/":
        raise ConfigurationError(
            f"{', '.join(paths)}: put the backup into one directory that is not directly below /, for CockroachDB "
            "gets access to all of it"
        )
    return directory


def takes_path_style(server_version: str) -> bool:
    """Tell whether a release has to be told to name the bucket in the path of an endpoint's URL.

    Earlier ones always do so, and refuse the parameter.
    """
    match = _VERSION.match(server_version)
    if match is None:
        return False
    release, patch = (int(match[1]), int(match[2])), int(match[3])
    return release > max(_PATH_STYLE_SINCE) or patch >= _PATH_STYLE_SINCE.get(release, patch + 1)


def storage_uri(location: str, access: StorageAccess, io_dir: str = "", path_style: bool = False) -> str:
    """Return CockroachDB's URI of one location; ``io_dir`` is its node's directory for external files, ``path_style``
    as ``takes_path_style`` says.

    Raises ConfigurationError for a location that is none, or that lies outside ``io_dir``.
    """
    if is_own(location) or scheme_of(location) == FILE:
        place = parse_location(location)
        return _nodelocal_uri(_normal(place), io_dir) if place.scheme == FILE else _s3_uri(place, access, path_style)
    if scheme_of(location) not in PASSED_SCHEMES:
        known = ", ".join(sorted(PASSED_SCHEMES | {"file"}))
        raise ConfigurationError(f"{public_uri(location)} is no location of a backup: CockroachDB knows {known}")
    require_whole(location)
    return location


def joined(uri: str, path: str) -> str:
    """Return the URI of ``path`` (not encoded) below the one of a collection."""
    parts = urllib.parse.urlsplit(uri)
    return urllib.parse.urlunsplit(
        parts._replace(path=f"{parts.path.rstrip('/')}/{urllib.parse.quote(path.strip('/'))}")
    )


def public_uri(uri: str) -> str:
    """Return a URI without its user part and parameters, to tell backups apart and to name them."""
    return without_secrets(uri)


def _normal(place: Location) -> str:
    return os.path.normpath("/" + place.path.lstrip("/"))


def _nodelocal_uri(path: str, io_dir: str) -> str:
    root = os.path.normpath(io_dir) if io_dir else ""
    if not root or os.path.commonpath((root, path)) != root:
        place = root or "no directory"
        raise ConfigurationError(
            f"file://{path}: CockroachDB's node reads files below {place} only: start it with "
            f"--external-io-dir={os.path.dirname(path)}, and give that directory here"
        )
    return f"nodelocal://{LOCAL_NODE}/{urllib.parse.quote(os.path.relpath(path, root))}"


def _s3_uri(place: Location, access: StorageAccess, path_style: bool) -> str:
    options = access.options
    implicit = access.auth == IMPLICIT
    values = {
        "AUTH": access.auth or SPECIFIED,
        "AWS_ACCESS_KEY_ID": "" if implicit else options.access_key_id,
        "AWS_SECRET_ACCESS_KEY": "" if implicit else options.secret_access_key,
        "AWS_SESSION_TOKEN": "" if implicit else options.session_token,
        "AWS_REGION": options.region or ("us-east-1" if options.endpoint_url else ""),
        "AWS_ENDPOINT": options.endpoint_url,
        "AWS_USE_PATH_STYLE": "true" if options.endpoint_url and path_style else "",
        "ASSUME_ROLE": ",".join(access.assume_role),
    }
    query = urllib.parse.urlencode(
        {name: value for name, value in values.items() if value}, quote_via=urllib.parse.quote, safe=""
    )
    return f"s3://{place.bucket}/{urllib.parse.quote(place.path)}?{query}"
