# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The dump directory: names of its files, and its manifest.

``manifest.json`` is written last; where it is, the dump is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import string
from dataclasses import dataclass, field
from typing import Any

from .._convert.database import convert_database
from .._convert.server_features import ConvertOptions, ServerFeatures
from .._convert.statements import render
from .._errors import ConfigurationError, MigrationError
from .._export.psql_scripts import data_script, readme
from .._model.catalog import Database, Finding, Role, from_json, to_json
from .._model.conversion_policies import DEFAULT_POLICIES, ConversionPolicies, conversion_policies
from .._system.text_file import write_text

FORMAT_VERSION = 1
MAKE_AGAIN = "make the dump again (start_over: true, or remove its directory)"
"""What to do about one that is damaged: running again would find it as it is."""
MANIFEST = "manifest.json"
CATALOG = "catalog.json"
ROLES = "roles.json"
PASSWORDS = "roles.secret.json"
_PLAIN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_-")
_LONGEST_NAME = 180


@dataclass
class Chunk:
    """One file of COPY text, whole rows of one table."""

    file: str
    """Its name inside the table's directory."""
    rows: int
    bytes: int
    """The size of the (compressed) file."""
    text_bytes: int
    sha256: str
    """Of the (compressed) file."""
    checksum: str
    """Sum of the rows' checksums, decimal."""


@dataclass
class ColumnEntry:
    name: str
    escaped: bool
    """False: the text never holds backslash, tab, newline or carriage return."""


@dataclass
class RejectFile:
    """One file of rows that were put aside while a chunk was exported: JSON lines (see dump.rejects)."""

    file: str
    """Its name inside the table's directory of rejects."""
    rows: int
    bytes: int
    sha256: str


@dataclass
class TableEntry:
    """A table: the COPY column list, the columns PostgreSQL computes, the chunks, and the rows that were put aside."""

    id: int
    schema: str
    name: str
    columns: list[ColumnEntry]
    computed: list[ColumnEntry]
    chunks: list[Chunk]
    directory: str = ""
    """Of the chunks, inside the dump."""
    rejects: list[RejectFile] = field(default_factory=list)
    rejects_directory: str = ""

    @property
    def rejected(self) -> int:
        """How many rows were put aside and are not in the chunks."""
        return sum(file.rows for file in self.rejects)

    @property
    def full_name(self) -> str:
        """For messages and reports."""
        return f"{self.schema}.{self.name}"

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def text_bytes(self) -> int:
        return sum(chunk.text_bytes for chunk in self.chunks)

    @property
    def checksum(self) -> str:
        """Of all rows, decimal."""
        return str(sum(int(chunk.checksum) for chunk in self.chunks))


@dataclass
class DatabaseEntry:
    name: str
    directory: str
    catalog_sha256: str
    tables: list[TableEntry]


@dataclass
class Manifest:
    format_version: int
    dump_id: str
    """A digest of the schema, all rows and how they are converted: the same content has the same id."""
    source: dict[str, Any]
    databases: list[DatabaseEntry]
    findings: list[Finding] = field(default_factory=list)
    conversion_policies: dict[str, str] = field(default_factory=dict)
    """The choices that are not the defaults."""

    @property
    def policies(self) -> ConversionPolicies:
        """How the dump is to be converted. Raises ConfigurationError for choices that this release does not know."""
        return conversion_policies(self.conversion_policies)


def path_name(name: str) -> str:
    """Return an SQL name as a file name: all but ASCII letters, digits, ``_`` and ``-`` is percent-encoded."""
    encoded = "".join(
        character if character in _PLAIN_CHARACTERS else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in name
    )
    if len(encoded) <= _LONGEST_NAME // 2:
        return encoded
    # File names end at 255 bytes; "%~" cannot come out of the encoding above.
    return encoded[: _LONGEST_NAME // 2 - 20] + "%~" + hashlib.sha256(name.encode()).hexdigest()[:16]


def table_directory(database: str, schema: str, table: str) -> str:
    """Return the directory of a table's chunks, inside the dump."""
    return f"{path_name(database)}/data/{path_name(schema)}.{path_name(table)}"


def chunk_path(dump_dir: str, database: str, schema: str, table: str, number: int) -> str:
    """Return the path of a table's chunk; numbers begin at 1."""
    return os.path.join(dump_dir, table_directory(database, schema, table), f"{number:05}.copy.zst")


def rejects_directory(database: str, schema: str, table: str) -> str:
    """Return the directory of a table's rows that were put aside, inside the dump."""
    return f"{path_name(database)}/rejects/{path_name(schema)}.{path_name(table)}"


def rejects_path(dump_dir: str, database: str, schema: str, table: str, number: int) -> str:
    """Return the path of the rows that were put aside from a table's chunk."""
    return os.path.join(dump_dir, rejects_directory(database, schema, table), f"{number:05}.jsonl.zst")


def table_entry(table_id: int, schema: str, name: str, columns: Any, computed: Any, results: list[dict]) -> TableEntry:
    """Describe a table; ``columns`` and ``computed`` have ``name`` and ``escaped``.

    ``results`` have ``chunk``, and ``rejects`` where rows were put aside: a Chunk and a RejectFile as JSON values.
    """
    return TableEntry(
        table_id,
        schema,
        name,
        [ColumnEntry(column.name, column.escaped) for column in columns],
        [ColumnEntry(column.name, column.escaped) for column in computed],
        [from_json(Chunk, result["chunk"]) for result in results],
        rejects=[from_json(RejectFile, result["rejects"]) for result in results if result.get("rejects")],
    )


def is_complete(dump_dir: str) -> bool:
    """Tell whether the directory holds a complete dump."""
    return os.path.isfile(os.path.join(dump_dir, MANIFEST))


def read_manifest(dump_dir: str) -> Manifest:
    """Read the manifest. Raises ConfigurationError when there is none, MigrationError when it cannot be used."""
    path = os.path.join(dump_dir, MANIFEST)
    if not is_complete(dump_dir):
        raise ConfigurationError(
            f"{dump_dir} holds no complete dump ({MANIFEST} is missing): run the export first, it goes on where it "
            "stopped"
        )
    value = _read_json(path)
    version = value.get("format_version") if isinstance(value, dict) else None
    if version != FORMAT_VERSION:
        raise MigrationError(
            f"{path} has the format version {version!r}, this collection reads {FORMAT_VERSION}: {MAKE_AGAIN}"
        )
    try:
        return from_json(Manifest, value)
    except TypeError as error:
        raise MigrationError(f"{path} is not a manifest of this collection ({error}): {MAKE_AGAIN}") from error


def read_catalog(dump_dir: str, entry: DatabaseEntry) -> Database:
    """Read a database's catalog. Raises MigrationError when it is missing or not the one the manifest means."""
    path = os.path.join(dump_dir, entry.directory, CATALOG)
    data = _read_bytes(path)
    if hashlib.sha256(data).hexdigest() != entry.catalog_sha256:
        raise MigrationError(f"{path} was changed after the dump was made: {MAKE_AGAIN}")
    return from_json(Database, json.loads(data))


def read_roles(dump_dir: str) -> list[Role]:
    """Read the roles, with password verifiers where the dump keeps them."""
    roles = [from_json(Role, value) for value in _read_json(os.path.join(dump_dir, ROLES))]
    secrets_path = os.path.join(dump_dir, PASSWORDS)
    hashes = _read_json(secrets_path) if os.path.exists(secrets_path) else {}
    for role in roles:
        role.password_hash = hashes.get(role.name, "")
    return roles


def write_dump(
    dump_dir: str,
    source: dict,
    databases: list[tuple[Database, list[TableEntry]]],
    roles: list[Role],
    findings: list[Finding],
    keep_passwords: bool = False,
    policies: ConversionPolicies = DEFAULT_POLICIES,
) -> None:
    """Write all but the chunks: catalogs, SQL for people with psql, roles, and last the manifest.

    ``keep_passwords`` writes the roles' SCRAM verifiers into a file of mode 0600. ``policies`` go with the dump.
    """
    os.chmod(dump_dir, 0o700)
    entries = []
    for database, tables in databases:
        entries.append(_write_database(dump_dir, database, tables, ConvertOptions(policies=policies), roles))
    write_text(os.path.join(dump_dir, ROLES), _json_text(to_json(roles)))
    hashes = {role.name: role.password_hash for role in roles if role.password_hash}
    if keep_passwords and hashes:
        write_text(os.path.join(dump_dir, PASSWORDS), _json_text(hashes))
    write_text(os.path.join(dump_dir, "README.txt"), readme(entries))
    chosen = policies.chosen()
    manifest = Manifest(FORMAT_VERSION, _dump_id(entries, chosen), source, entries, findings, chosen)
    write_text(os.path.join(dump_dir, MANIFEST), _json_text(to_json(manifest)))


def _write_database(
    dump_dir: str, database: Database, tables: list[TableEntry], options: ConvertOptions, roles: list[Role]
) -> DatabaseEntry:
    directory = path_name(database.name)
    os.makedirs(os.path.join(dump_dir, directory), mode=0o700, exist_ok=True)
    for table in tables:
        table.directory = table_directory(database.name, table.schema, table.name)
        table.rejects_directory = rejects_directory(database.name, table.schema, table.name) if table.rejects else ""
    catalog = _json_text(to_json(database))
    entry = DatabaseEntry(database.name, directory, hashlib.sha256(catalog.encode()).hexdigest(), tables)
    pre_data, post_data = render(convert_database(database, roles, ServerFeatures(), options))
    files = {CATALOG: catalog, "pre-data.sql": pre_data, "data.sql": data_script(tables), "post-data.sql": post_data}
    for name, text in files.items():
        write_text(os.path.join(dump_dir, directory, name), text)
    return entry


def _dump_id(entries: list[DatabaseEntry], chosen: dict[str, str]) -> str:
    content = to_json(entries)
    return hashlib.sha256(json.dumps([content, chosen] if chosen else content, sort_keys=True).encode()).hexdigest()[
        :32
    ]


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _read_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise MigrationError(f"cannot read the dump's file {path}: {error.strerror}") from error


def _read_json(path: str) -> Any:
    try:
        return json.loads(_read_bytes(path))
    except ValueError as error:
        raise MigrationError(f"the dump's file {path} is damaged ({error}): {MAKE_AGAIN}") from error
