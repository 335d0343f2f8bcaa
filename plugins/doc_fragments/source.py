# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  locations:
    description:
      - The locations of the backup.
      - This is one C(s3://bucket/prefix) or C(file:///directory) of a backup collection, or a full backup's directory followed by its incremental
        backups in order.
    type: list
    elements: str
    required: true
  subdirectory:
    description: The backup in the collection, V(LATEST) or a path such as V(2024/02/29-123456.78).
    type: str
    default: LATEST
  as_of:
    description: The time to read the data at, as a timestamp or as CockroachDB's decimal. Empty means the end of the backup.
    type: str
    default: ""
  aws_access_key_id:
    description: The AWS access key. If it is empty, boto3 looks for keys in the environment, the profile and the instance role.
    type: str
    default: ""
  aws_secret_access_key:
    description: The secret of O(aws_access_key_id).
    type: str
    default: ""
  aws_session_token:
    description: The session token of temporary keys.
    type: str
    default: ""
  aws_region:
    description: The bucket's region.
    type: str
    default: ""
  aws_profile:
    description: A profile of the AWS configuration on the host.
    type: str
    default: ""
  s3_endpoint_url:
    description: The URL of an S3 server that is not Amazon's.
    type: str
    default: ""
  encryption_passphrase:
    description: The passphrase of an encrypted backup.
    type: str
    default: ""
  verify_checksums:
    description: Whether the checksums of blocks and files are verified while they are read.
    type: bool
    default: true
requirements:
  - cramjam
  - cryptography
  - google-crc32c
  - xxhash
  - zstandard
  - boto3 and tenacity (for locations in S3)
"""
