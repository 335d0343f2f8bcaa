# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Writes all of a dump but its chunks: catalogs, SQL for people with psql, roles, and last the manifest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any, Optional

from .._convert.database import convert_database
from .._convert.schema_needs import database_needs
from .._convert.server_features import ConvertOptions, ServerFeatures
from .._convert.statements import render
from .._dump.dump_key import SUFFIX, DumpKey
from .._dump.manifest import (
    ENCRYPTED_FORMAT_VERSION,
    FORMAT_VERSION,
    DatabaseEntry,
    Encryption,
    Manifest,
    TableEntry,
    manifest_json,
)
from .._dump.paths import CATALOG, MANIFEST, PASSWORDS, ROLES, path_name, rejects_directory, table_directory
from .._model.catalog import Database, Role
from .._model.conversion_policies import DEFAULT_POLICIES, ConversionPolicies
from .._model.findings import Finding
from .._model.json_form import to_json
from .._system.file_modes import make_directories
from .._system.json_file import json_text, write_json
from .._system.text_file import write_bytes, write_text
from .psql_scripts import data_script, readme


@dataclass(frozen=True)
class DumpContent:
    """What a dump holds besides its chunks."""

    source: dict[str, Any]
    """See Manifest.source."""
    databases: list[tuple[Database, list[TableEntry]]]
    """Each database with the entries of its tables."""
    roles: list[Role]
    findings: list[Finding]
    policies: ConversionPolicies = DEFAULT_POLICIES
    """How the dump is to be converted."""


def write_dump(
    dump_dir: str, content: DumpContent, keep_passwords: bool = False, key: Optional[DumpKey] = None
) -> None:
    """Write the files of a dump into the directory that has its chunks; the manifest makes it complete.

    ``keep_passwords`` writes the roles' SCRAM verifiers into a file of mode 0600. ``key`` is what the chunks are
    encrypted with. Raises ConfigurationError when there is no room.
    """
    os.chmod(dump_dir, 0o700)
    options = ConvertOptions(policies=content.policies)
    entries = [
        _write_database(dump_dir, database, tables, _Written(options, content.roles, key is not None))
        for database, tables in content.databases
    ]
    roles = json_text(to_json(content.roles))
    write_text(os.path.join(dump_dir, ROLES), roles)
    hashes = {role.name: role.password_hash for role in content.roles if role.password_hash} if keep_passwords else {}
    passwords_sha256 = _write_passwords(dump_dir, hashes, key)
    write_text(os.path.join(dump_dir, "README.txt"), readme(entries, encrypted=key is not None))
    chosen = content.policies.chosen()
    needs = {database.name: database_needs(database, content.policies) for database, _tables in content.databases}
    manifest = Manifest(
        ENCRYPTED_FORMAT_VERSION if key else FORMAT_VERSION,
        _dump_id(entries, chosen, encrypted=key is not None),
        content.source,
        entries,
        content.findings,
        chosen,
        Encryption(key.recipient, hashlib.sha256(roles.encode()).hexdigest(), passwords_sha256) if key else None,
        needs,
    )
    write_json(os.path.join(dump_dir, MANIFEST), manifest_json(manifest, key))


def _write_passwords(dump_dir: str, hashes: dict[str, str], key: Optional[DumpKey]) -> str:
    """Write the file of the roles' password verifiers, or see to it that there is none; return its SHA-256, empty
    without one."""
    path = os.path.join(dump_dir, PASSWORDS + (SUFFIX if key else ""))
    if not hashes:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return ""
    data = json_text(hashes).encode()
    if key:
        data = key.encrypt(data)
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class _Written:
    """What the SQL of all databases depends on."""

    options: ConvertOptions
    roles: list[Role]
    encrypted: bool


def _write_database(dump_dir: str, database: Database, tables: list[TableEntry], written: _Written) -> DatabaseEntry:
    directory = path_name(database.name)
    make_directories(os.path.join(dump_dir, directory))
    for table in tables:
        table.directory = table_directory(database.name, table.schema, table.name)
        table.rejects_directory = rejects_directory(database.name, table.schema, table.name) if table.rejects else ""
    catalog = json_text(to_json(database))
    entry = DatabaseEntry(database.name, directory, hashlib.sha256(catalog.encode()).hexdigest(), tables)
    pre_data, post_data = render(convert_database(database, written.roles, ServerFeatures(), written.options))
    files = {
        CATALOG: catalog,
        "pre-data.sql": pre_data,
        "data.sql": data_script(tables, encrypted=written.encrypted),
        "post-data.sql": post_data,
    }
    for name, text in files.items():
        write_text(os.path.join(dump_dir, directory, name), text)
    return entry


def _dump_id(entries: list[DatabaseEntry], chosen: dict[str, str], *, encrypted: bool) -> str:
    content = to_json(entries)
    if encrypted:
        # The bytes of encrypted files differ each time; the rows' checksums say what is in them.
        for file in (file for entry in content for table in entry["tables"] for file in _files(table)):
            del file["sha256"], file["bytes"]
    hashed = json.dumps([content, chosen] if chosen else content, sort_keys=True)
    return hashlib.sha256(hashed.encode()).hexdigest()[:32]


def _files(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [*table["chunks"], *table.get("rejects", [])]
