# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From a location to its storage. Each provider's library is imported only where a location needs it."""

from __future__ import annotations

from dataclasses import replace

from ..._errors import ConfigurationError, UnsupportedError
from ..location import AZURE, FILE, GOOGLE, S3, Location, parse_location, scheme_of, without_secrets
from .directory import DirectoryStorage
from .options import StorageOptions
from .remote import Provider, RemoteStorage
from .storage import Storage
from .uri_parameters import AUTH, IMPLICIT, Parameters, is_true, parse_parameters, without_locality

_INSIDE = {
    "nodelocal": "lives inside the cluster; copy the backup to a directory and name it as file:///directory",
    "userfile": "lives inside the cluster; copy the backup to a directory and name it as file:///directory",
    "external": "is a name that only the cluster knows: give the location that SHOW CREATE EXTERNAL CONNECTION shows",
}


def open_storage(location: str, options: StorageOptions) -> Storage:
    """Return the storage at a location: S3, Google Cloud Storage, Azure Blob Storage, an HTTP server, a directory.

    Raises MigrationError; whether it can be reached shows when it is read.
    """
    scheme = scheme_of(location)
    if scheme in _INSIDE:
        raise UnsupportedError(f"{without_secrets(location)}: {scheme} {_INSIDE[scheme]}")
    place = parse_location(location)
    if place.scheme == FILE:
        return DirectoryStorage(place.path)
    if place.scheme == S3:
        provider: Provider = _s3(place, options)
    elif place.scheme == GOOGLE:
        from .google_cloud import GoogleProvider

        provider = GoogleProvider(place.bucket, _parameters(place))
    elif place.scheme == AZURE:
        from .azure_blob import AzureProvider

        provider = AzureProvider(place.bucket, _parameters(place))
    else:
        from .http_files import HttpProvider

        provider = HttpProvider(place.scheme, place.bucket, without_locality(place.query))
        return RemoteStorage(provider, place.path, options.log_file, can_list=False)
    return RemoteStorage(provider, place.path, options.log_file)


def _parameters(place: Location) -> Parameters:
    return parse_parameters(place.scheme, place.query, place.name)


def _s3(place: Location, options: StorageOptions) -> Provider:
    from .s3 import S3Provider

    given = _parameters(place)
    own = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    if given.get(AUTH) == IMPLICIT:
        # As in CockroachDB the identity of the machine, not keys that are meant for other locations.
        options = replace(options, access_key_id="", secret_access_key="", session_token="")
    elif any(given.get(name) for name in own):
        if not all(given.get(name) for name in own):
            raise ConfigurationError(f"{place.name}: {' and '.join(own)} belong together: only one of them is there")
        options = replace(
            options,
            access_key_id=given[own[0]],
            secret_access_key=given[own[1]],
            session_token=given.get("AWS_SESSION_TOKEN", ""),
        )
    elif given.get(AUTH) not in (None, "", "specified"):
        raise ConfigurationError(f"{place.name}: AUTH={given[AUTH]} is not known: write implicit or specified")
    options = replace(
        options,
        region=given.get("AWS_REGION") or options.region,
        endpoint_url=given.get("AWS_ENDPOINT") or options.endpoint_url,
        assume_role=tuple(filter(None, given.get("ASSUME_ROLE", "").split(","))) or options.assume_role,
    )
    path_style = is_true(given, "AWS_USE_PATH_STYLE", place.name) if "AWS_USE_PATH_STYLE" in given else None
    skips = "AWS_SKIP_TLS_VERIFY" in given and is_true(given, "AWS_SKIP_TLS_VERIFY", place.name)
    return S3Provider(place.bucket, options, path_style, verify_tls=not skips)
