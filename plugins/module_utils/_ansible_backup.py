# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What the arguments of the modules say of a backup and its storage."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ._ansible_module import log_path
from ._sources.backup.backup_request import BackupRequest
from ._sources.storage.options import StorageOptions


def storage_options(module: AnsibleModule) -> StorageOptions:
    """Build the options of the backup's storage from the source arguments."""
    given = module.params
    return StorageOptions(
        access_key_id=given["aws_access_key_id"],
        secret_access_key=given["aws_secret_access_key"],
        session_token=given["aws_session_token"],
        region=given["aws_region"],
        profile=given["aws_profile"],
        endpoint_url=given["s3_endpoint_url"],
        log_file=log_path(module),
        assume_role=tuple(filter(None, ",".join(given["aws_assume_role"]).split(","))),
        requester_pays=given.get("s3_requester_pays", False),
        timeout=given.get("storage_timeout", StorageOptions.timeout),
    )


def backup_request(module: AnsibleModule) -> BackupRequest:
    """Build the request from the source arguments."""
    given = module.params
    return BackupRequest(
        locations=tuple(given["locations"]),
        subdirectory=given["subdirectory"],
        as_of=given["as_of"],
        storage=storage_options(module),
        passphrase=given["encryption_passphrase"],
        verify_checksums=given["verify_checksums"],
    )
