# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The statements that look into a backup and restore it, in the grammar of v20.2 to v26.

Names are identifiers of psycopg2, texts its literals; both hold secrets, so that a statement is never shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Optional

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._errors import ConfigurationError
from ..cluster.releases import (
    COLLECTIONS_ONLY_SINCE,
    DETACHED_SINCE,
    INCREMENTAL_LOCATION,
    SHOW_BACKUP_FROM_SINCE,
    Release,
    shown,
)
from .backup_contents import CLUSTER, Plan
from .storage_uri import joined

SKIPS = (
    "skip_missing_foreign_keys",
    "skip_missing_sequences",
    "skip_missing_sequence_owners",
    "skip_missing_views",
    "skip_missing_udfs",
)
"""The options of RESTORE that users may give."""


@dataclass(frozen=True)
class BackupAddress:
    """Where CockroachDB finds the backup.

    ``uris`` are those of one collection (several when it is locality-aware: the one with the manifest first) with its
    ``subdirectory``, or without one the directories of a full backup and of its incrementals, in order.
    """

    uris: tuple[str, ...] = field(repr=False)
    subdirectory: str = ""
    incremental: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Unlocking:
    """How an encrypted backup is read: by its passphrase, or by one of the keys of a key management service."""

    passphrase: str = field(default="", repr=False)
    kms_uris: tuple[str, ...] = field(default=(), repr=False)

    def options(self) -> list[Any]:
        """Return the options of RESTORE and of SHOW BACKUP."""
        result = []
        if self.passphrase:
            result.append(sql.SQL("encryption_passphrase = {}").format(sql.Literal(self.passphrase)))
        if self.kms_uris:
            result.append(sql.SQL("kms = {}").format(_one_or_list(self.kms_uris)))
        return result


def require_grammar(address: BackupAddress, server: Release) -> None:
    """Raise ConfigurationError for what this release cannot do with the backup's form."""
    name = f"CockroachDB {shown(server)}"
    since, until = INCREMENTAL_LOCATION
    if server < DETACHED_SINCE:
        raise ConfigurationError(
            f"{name} has no detached RESTORE: use v20.2 or later, which restores backups of v20.1 too"
        )
    if address.incremental and server < since:
        raise ConfigurationError(f"{name} knows no incremental_location, which came with {shown(since)}")
    if address.incremental and server >= until:
        raise ConfigurationError(
            f"{name} knows no incremental_location (removed in {shown(until)}): set cockroach_version to a release of "
            "v25.4 or v26.1 where that can restore the backup, or copy the incremental backups below incrementals/ of "
            "the collection and leave incremental_location out; migration_source: backup reads them where they are, as "
            "further locations of s3_backup_path"
        )
    if not address.subdirectory and len(address.uris) > 1 and server >= COLLECTIONS_ONLY_SINCE:
        raise ConfigurationError(
            f"{name} cannot restore a chain of directories that BACKUP TO made (removed in v24.3): use v24.2 or "
            "earlier, or migration_source: backup"
        )


def show_backup(address: BackupAddress, unlocking: Unlocking, server: Release) -> Any:
    """Return the statement that lists a backup's objects; of a chain of directories those of its last."""
    options = unlocking.options()
    if address.subdirectory:
        options += _incremental(address)
        source = _in_collection(address)
    else:
        if unlocking.options() and len(address.uris) > 1:
            # Only the full backup's directory says how the chain is encrypted.
            options.append(sql.SQL("encryption_info_dir = {}").format(sql.Literal(address.uris[0])))
        source = (
            sql.SQL("'/' IN {}").format(sql.Literal(address.uris[-1]))
            if server >= COLLECTIONS_ONLY_SINCE
            else sql.Literal(address.uris[-1])
        )
    word = (
        "SHOW BACKUP FROM {}{}"
        if server >= SHOW_BACKUP_FROM_SINCE and (address.subdirectory or server >= COLLECTIONS_ONLY_SINCE)
        else "SHOW BACKUP {}{}"
    )
    return sql.SQL(word).format(source, _with(options))


def show_schemas(address: BackupAddress, unlocking: Unlocking, server: Release) -> Any:
    """Return the statement that lists a backup's objects with what creates them."""
    if server >= SHOW_BACKUP_FROM_SINCE and address.subdirectory:
        return sql.SQL("SHOW BACKUP SCHEMAS FROM {}{}").format(_in_collection(address), _with(unlocking.options()))
    uri = joined(address.uris[0], address.subdirectory) if address.subdirectory else address.uris[-1]
    return sql.SQL("SHOW BACKUP SCHEMAS {}{}").format(sql.Literal(uri), _with(unlocking.options()))


def restore_statements(
    plan: Plan,
    address: BackupAddress,
    unlocking: Unlocking,
    skips: Iterable[str],
    as_of: str,
    server: Release,
) -> list[tuple[str, Any]]:
    """Return the jobs of a plan in order: a name for messages, and the statement that starts it and returns its id at
    once."""
    targets: list[tuple[str, Optional[Any]]] = []
    if plan.coverage == CLUSTER:
        targets.append(("cluster", None))
    elif plan.databases:
        targets.append(("databases", sql.SQL("DATABASE {}").format(_identifiers((name,) for name in plan.databases))))
    if plan.tables:
        targets.append(("tables", sql.SQL("TABLE {}").format(_identifiers(plan.tables))))
    options = unlocking.options() + _incremental(address)
    options += [sql.SQL(name) for name in SKIPS if name in set(skips)]
    options.append(sql.SQL("detached"))
    moment = sql.SQL(" AS OF SYSTEM TIME {}").format(sql.Literal(as_of)) if as_of else sql.SQL("")
    return [
        (
            name,
            sql.SQL("RESTORE {}FROM {}{}{}").format(
                sql.SQL("{} ").format(target) if target is not None else sql.SQL(""),
                _source(address, server),
                moment,
                _with(options),
            ),
        )
        for name, target in targets
    ]


def _source(address: BackupAddress, server: Release) -> Any:
    if address.subdirectory:
        return _in_collection(address)
    if server >= COLLECTIONS_ONLY_SINCE:
        return sql.SQL("'/' IN {}").format(sql.Literal(address.uris[0]))
    return sql.SQL(", ").join(sql.Literal(uri) for uri in address.uris)


def _in_collection(address: BackupAddress) -> Any:
    return sql.SQL("{} IN {}").format(sql.Literal(address.subdirectory), _one_or_list(address.uris))


def _incremental(address: BackupAddress) -> list[Any]:
    return (
        [sql.SQL("incremental_location = {}").format(_one_or_list(address.incremental))] if address.incremental else []
    )


def _one_or_list(values: tuple[str, ...]) -> Any:
    if len(values) == 1:
        return sql.Literal(values[0])
    return sql.SQL("({})").format(sql.SQL(", ").join(sql.Literal(value) for value in values))


def _identifiers(names: Iterable[tuple[str, ...]]) -> Any:
    return sql.SQL(", ").join(sql.Identifier(*name) for name in names)


def _with(options: list[Any]) -> Any:
    return sql.SQL(" WITH {}").format(sql.SQL(", ").join(options)) if options else sql.SQL("")
