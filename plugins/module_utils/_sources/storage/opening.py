# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From a location to its storage. Each provider's library is imported only where a location needs it."""

from __future__ import annotations

from ..._errors import UnsupportedError
from ..location import AZURE, FILE, GOOGLE, S3, parse_location, scheme_of, without_secrets
from .directory import DirectoryStorage
from .options import StorageOptions
from .remote import Provider, RemoteStorage
from .storage import Storage

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
        return DirectoryStorage(place.path, options.log_file)
    if place.scheme == S3:
        from .s3 import S3Provider

        provider: Provider = S3Provider(place, options)
    elif place.scheme == GOOGLE:
        from .google_cloud import GoogleProvider

        provider = GoogleProvider(place.bucket, place.parameters)
    elif place.scheme == AZURE:
        from .azure_blob import AzureProvider

        provider = AzureProvider(place.bucket, place.parameters)
    else:
        from .http_files import HttpProvider

        provider = HttpProvider(place.scheme, place.bucket, place.query)
        return RemoteStorage(provider, place.path, options, can_list=False)
    return RemoteStorage(provider, place.path, options)
