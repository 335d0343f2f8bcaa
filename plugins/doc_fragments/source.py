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
  verify_checksums:
    description: Whether the checksums of blocks and files are verified while they are read.
    type: bool
    default: true
requirements:
  - cramjam
  - cryptography
  - google-crc32c
  - numpy
  - xxhash
  - zstandard
  - boto3 and tenacity (for locations in S3)
"""
