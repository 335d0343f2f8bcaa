# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CockroachDB's messages when it cannot restore, in one line with what to do and without secrets."""

from __future__ import annotations

from collections.abc import Iterable

from ..._system.masking import mask
from ..cluster.sql_connection import CLOSED_INTERNALS

_LONGEST = 1000

_ADVICE = (
    (
        CLOSED_INTERNALS,
        "its system tables stay closed to this user, although this asked for allow_unsafe_internals: use a "
        "CockroachDB of your own",
    ),
    ("is newer than current version", "use a CockroachDB release of the backup's version"),
    ("older than the minimum supported version", "use a CockroachDB release of the backup's version, or the next one"),
    ("restore from version", "use a CockroachDB release of the backup's version, or the next one"),
    ("unsupported manifest", "use a CockroachDB release of the backup's version"),
    ("SignatureDoesNotMatch", "the secret access key is wrong: check aws_secret_access_key"),
    ("InvalidAccessKeyId", "the access key is not known there: check aws_access_key_id and s3_endpoint_url"),
    ("ExpiredToken", "the session token has expired: get a new one"),
    ("AccessDenied", "access is denied: the key needs s3:GetObject and s3:ListBucket on this bucket"),
    ("NoSuchBucket", "there is no such bucket: check its name, aws_region and s3_endpoint_url"),
    ("BucketRegionError", "the bucket is in another region: set aws_region"),
    ("unknown S3 query parameters", "this release does not know that parameter of the URI"),
    (
        "could not find or read encryption information",
        "the backup is not encrypted, or its location or subdirectory is wrong",
    ),
    ("cipher: message authentication failed", "the passphrase or the key is wrong"),
    ("failed to decrypt", "the passphrase or the key is wrong"),
    ("file appears encrypted", "the backup is encrypted: set encryption_passphrase or kms_uris"),
    (
        "path does not contain a completed latest backup",
        "there is no backup collection: check the location, or name the subdirectory",
    ),
    ("does not contain a completed", "there is no complete backup there: check the location and the subdirectory"),
    ("root of a backup collection", "set backup_subdirectory to LATEST or to one of its backups"),
    (
        "BACKUP_MANIFEST",
        "there is no backup of a form that this release knows: check the location and the subdirectory",
    ),
    ("skip_missing_foreign_keys", "choose the tables it refers to too, or set restore_skip_missing to [foreign_keys]"),
    ("skip_missing_sequence_owners", "choose the owning tables too, or set restore_skip_missing to [sequence_owners]"),
    ("skip_missing_sequences", "choose the sequences too, or set restore_skip_missing to [sequences]"),
    ("skip_missing_views", "choose what the views read too, or set restore_skip_missing to [views]"),
    ("backup of individual tables", "name its tables in include, such as shop.public.orders"),
    (
        "full cluster restore can only be run on a cluster with no tables or databases",
        "what an earlier attempt left there is in the way: remove the temporary CockroachDB's directory and start it "
        "anew",
    ),
    ("interleaved", "use CockroachDB v21.1, the last one with interleaved tables, or migration_source: backup"),
    ("restoring backup to an earlier time than", "choose another as_of"),
    ("invalid RESTORE timestamp", "as_of has to be within a layer with revision history, or the end of a layer"),
    (
        "referenced descriptor not found",
        "this release cannot restore these tables alone: restore the whole database, or use a later release",
    ),
    (
        "requires an enterprise license",
        "set the cluster settings cluster.organization and enterprise.license of this CockroachDB",
    ),
    ("license", "this release wants a licence: see CockroachDB's documentation"),
    ("at or near", "this release does not know the statement: use another one"),
    ("no space left on device", "free room on the disk of the CockroachDB's directory"),
    ("out of disk space", "free room on the disk of the CockroachDB's directory"),
    (
        "NoCredentialProviders",
        "the CockroachDB's process finds no credentials: give keys, or start it with its cloud's credentials",
    ),
    ("connection refused", "CockroachDB cannot reach the storage: check s3_endpoint_url and the network"),
    ("no such host", "CockroachDB cannot reach the storage: check s3_endpoint_url and the network"),
    ("local file access is disabled", "start CockroachDB with --external-io-dir"),
    ("already exists", "it must not hold what is restored: start a new, empty CockroachDB, or remove that by hand"),
)
"""Part of CockroachDB's message to what to do; the first that fits counts."""


def restore_error(message: str, secrets: Iterable[str]) -> str:
    """Return a message of CockroachDB in one line, masked, with what to do about it when that is known."""
    text = " ".join(mask(message, secrets).split())
    advice = next((advice for part, advice in _ADVICE if part in text), "")
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + " …"
    return f"{text}: {advice}" if advice else text
