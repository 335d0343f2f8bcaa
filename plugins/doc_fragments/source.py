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
      - CockroachDB's URIs with its parameters are read too, C(gs://), C(azure-blob://), C(https://) and C(s3://). Secrets in them are never shown.
      - What a location does not say comes from the environment of the host, as the provider's own tools read it.
    type: list
    elements: str
    required: true
  aws_assume_role:
    description: The ARNs of the roles to assume for S3, in order, each with its C(;external_id=…) if it asks for one.
    type: list
    elements: str
    default: []
    version_added: 1.6.0
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
  - google-cloud-storage and tenacity (for locations in Google Cloud Storage)
  - azure-identity, azure-storage-blob and tenacity (for locations in Azure Blob Storage)
  - requests and tenacity (for locations on an HTTP server)
"""
