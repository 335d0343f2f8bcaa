# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The manifest of a dump, and how it is read with the catalogs and roles next to it.

``manifest.json`` is written last; where it is, the dump is complete.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from .._errors import ConfigurationError, MigrationError
from .._model.catalog import Database, Role
from .._model.catalog_names import objects
from .._model.conversion_policies import ConversionPolicies, conversion_policies
from .._model.findings import Finding
from .._model.json_form import Kind, from_json, to_json
from .dump_key import SUFFIX, DecryptionError, DumpKey
from .paths import CATALOG, MANIFEST, PASSWORDS, ROLES

FORMAT_VERSION = 1
ENCRYPTED_FORMAT_VERSION = 2
"""Of a dump whose rows are encrypted. Releases before 1.7.0 refuse it."""
MAKE_AGAIN = "make the dump again (start_over: true, or remove its directory)"
"""What to do about a damaged dump: another run would find it unchanged."""

_IDENTITY, _EXPORT_SECONDS, _END_TIME = "identity", "export_seconds", "end_time"
_CHECKSUM = re.compile("-?[0-9]{1,40}")
_MANIFEST_SIGNED = "manifest"


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
    """One file of rows that were rejected while a chunk was exported: JSON lines."""

    file: str
    """Its name inside the table's directory of rejects."""
    rows: int
    bytes: int
    sha256: str


@dataclass
class TableEntry:
    """A table: the COPY column list, the columns PostgreSQL computes, the chunks, and the rejected rows."""

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
        """How many rows were rejected and are not in the chunks."""
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
class Encryption:
    """By which key the rows of a dump are encrypted."""

    recipient: str
    """The public half of the key, ``age1…``."""
    roles_sha256: str
    """Of the file of the roles."""
    passwords_sha256: str = ""
    """Of the encrypted file of their password verifiers; empty without one. Whoever knows the public half of the key
    can encrypt another one."""
    signature: str = ""
    """What the key says of all else in the manifest, see ``DumpKey.sign``: the files and their SHA-256 among it."""


@dataclass
class Manifest:
    format_version: int
    dump_id: str
    """A digest of the schema, all rows and how they are converted: the same content has the same id."""
    source: dict[str, Any]
    """What the source says of itself: JSON values under names that each kind of source chooses; with them ``identity``
    and ``export_seconds``, see the properties."""
    databases: list[DatabaseEntry]
    findings: list[Finding] = field(default_factory=list)
    conversion_policies: dict[str, str] = field(default_factory=dict)
    """The choices that are not the defaults."""
    encryption: Optional[Encryption] = None
    """None: the rows are not encrypted."""
    schema_needs: Optional[dict[str, list[str]]] = None
    """By the names of databases: ``icu`` and the extensions that a database uses where a server has them; None in a
    dump of an earlier release."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What tells the dump from others: name and JSON value of each fact of the source and of each option; empty in
        a dump that no export made."""
        return self.source.get(_IDENTITY, {})

    @property
    def end_time(self) -> str:
        """The time of the rows in UTC, ISO 8601."""
        return self.source[_END_TIME]

    @property
    def export_seconds(self) -> Optional[float]:
        """How long the export took; None for a dump of an earlier release."""
        return self.source.get(_EXPORT_SECONDS)

    @property
    def without_grants(self) -> bool:
        """Whether the source is a restored cluster that has no grants."""
        return self.source.get("grants_restored") is False

    @property
    def description(self) -> dict[str, Any]:
        """What the source says of itself, for a report."""
        return {name: value for name, value in self.source.items() if name not in (_IDENTITY, _EXPORT_SECONDS)}

    @property
    def policies(self) -> ConversionPolicies:
        """How the dump is to be converted. Raises ConfigurationError for choices that this release does not know."""
        return conversion_policies(self.conversion_policies)


def source_facts(description: Mapping[str, Any], identity: Mapping[str, Any], export_seconds: float) -> dict[str, Any]:
    """Return the manifest's ``source``."""
    return {**description, _IDENTITY: dict(identity), _EXPORT_SECONDS: export_seconds}


def is_complete(dump_dir: str) -> bool:
    """Tell whether the directory holds a complete dump."""
    return os.path.isfile(os.path.join(dump_dir, MANIFEST))


def read_manifest(dump_dir: str) -> Manifest:
    """Read the manifest. Raises ConfigurationError when there is none, MigrationError when it cannot be used."""
    return _manifest(dump_dir, _read_value(dump_dir))


def read_manifest_for_rows(dump_dir: str, key: Optional[DumpKey]) -> Manifest:
    """Read the manifest before the rows are read; ``key`` is that of an encrypted dump.

    Raises ConfigurationError unless the rows can be read with the key, and MigrationError for a manifest or roles that
    were changed since the key has signed them.
    """
    value = _read_value(dump_dir)
    manifest = _manifest(dump_dir, value)
    require_key(dump_dir, manifest.encryption.recipient if manifest.encryption else "", key)
    if key and manifest.encryption:
        if not hmac.compare_digest(key.sign(_MANIFEST_SIGNED, _signed(value)), manifest.encryption.signature):
            raise _changed(os.path.join(dump_dir, MANIFEST))
        roles, passwords = os.path.join(dump_dir, ROLES), os.path.join(dump_dir, PASSWORDS + SUFFIX)
        if sha256_of(roles) != manifest.encryption.roles_sha256:
            raise _changed(roles)
        if (sha256_of(passwords) if os.path.lexists(passwords) else "") != manifest.encryption.passwords_sha256:
            raise _changed(passwords)
    return manifest


def require_key(dump_dir: str, recipient: str, key: Optional[DumpKey]) -> None:
    """Raise ConfigurationError unless ``key`` is the one with this public half, which is empty for what is not
    encrypted."""
    given = key.recipient if key else ""
    if given == recipient:
        return
    if not recipient:
        raise ConfigurationError(
            f"the dump in {dump_dir} is not encrypted, but dump_encryption_key is set: run once with start_over: true "
            "to export it anew, encrypted, or do not set the key"
        )
    if not given:
        raise ConfigurationError(
            f"the dump in {dump_dir} is encrypted for {recipient}: set dump_encryption_key, or "
            "dump_encryption_key_command, to the key that it was made with"
        )
    raise ConfigurationError(
        f"the dump in {dump_dir} is encrypted for {recipient}, and dump_encryption_key is the key of {given}: set the "
        "key that the dump was made with, or run once with start_over: true to export it anew"
    )


def manifest_json(manifest: Manifest, key: Optional[DumpKey]) -> dict[str, Any]:
    """Return what the file of a manifest holds, signed by the key of an encrypted dump."""
    value = to_json(manifest)
    if key:
        value["encryption"]["signature"] = key.sign(_MANIFEST_SIGNED, _signed(value))
    return value


def _signed(value: Mapping[str, Any]) -> bytes:
    unsigned = {name: text for name, text in value["encryption"].items() if name != "signature"}
    return json.dumps({**value, "encryption": unsigned}, sort_keys=True).encode()


def _read_value(dump_dir: str) -> Any:
    path = os.path.join(dump_dir, MANIFEST)
    if not is_complete(dump_dir):
        raise ConfigurationError(
            f"{dump_dir} holds no complete dump ({MANIFEST} is missing): run the export first, it resumes where it "
            "stopped"
        )
    return _parse(path, _read_bytes(path))


def _manifest(dump_dir: str, value: Any) -> Manifest:
    path = os.path.join(dump_dir, MANIFEST)
    version = value.get("format_version") if isinstance(value, dict) else None
    known = ENCRYPTED_FORMAT_VERSION if isinstance(value, dict) and "encryption" in value else FORMAT_VERSION
    if version != known:
        raise MigrationError(f"{path} has the format version {version!r}, this collection reads {known}: {MAKE_AGAIN}")
    try:
        manifest = from_json(Manifest, value)
        _require_usable(manifest)
    except ValueError as error:
        raise MigrationError(f"{path} is not a manifest of this collection ({error}): {MAKE_AGAIN}") from error
    return manifest


def _require_usable(manifest: Manifest) -> None:
    """Raise ValueError for names of files outside of the dump, and for what its properties could not return."""
    for entry in manifest.databases:
        for table in entry.tables:
            files = [chunk.file for chunk in table.chunks] + [file.file for file in table.rejects]
            for name in (entry.directory, table.directory, table.rejects_directory, *files):
                if name.startswith("/") or "\0" in name or ".." in name.split("/"):
                    raise ValueError(f"{name!r} does not lie in the dump")
            for chunk in table.chunks:
                if not _CHECKSUM.fullmatch(chunk.checksum):
                    raise ValueError(f"{chunk.checksum[:40]!r} is no checksum")
    if not isinstance(manifest.identity, dict) or not isinstance(manifest.export_seconds, (int, float, type(None))):
        raise ValueError(f"source has no {_IDENTITY} or {_EXPORT_SECONDS}")
    if not isinstance(manifest.source.get(_END_TIME, ""), str):
        raise ValueError(f"source has no {_END_TIME}")


def read_catalog(dump_dir: str, entry: DatabaseEntry) -> Database:
    """Read a database's catalog. Raises MigrationError when it is missing or not the one the manifest means."""
    path = os.path.join(dump_dir, entry.directory, CATALOG)
    data = _read_bytes(path)
    if hashlib.sha256(data).hexdigest() != entry.catalog_sha256:
        raise _changed(path)
    database = _build(path, Database, _parse(path, data))
    schemas = {schema.id for schema in database.schemas}
    for item in objects(database):
        if item.schema_id not in schemas:
            raise MigrationError(
                f"the dump's file {path} is damaged ({item.name} is in a schema that is not there): {MAKE_AGAIN}"
            )
    return database


def read_roles(dump_dir: str, key: Optional[DumpKey] = None) -> list[Role]:
    """Read the roles, with password verifiers where the dump keeps them; those of an encrypted dump only with its key.
    Raises MigrationError."""
    path = os.path.join(dump_dir, ROLES)
    secrets_path = os.path.join(dump_dir, PASSWORDS + (SUFFIX if key else ""))
    roles = _build(path, list[Role], _parse(path, _read_bytes(path)))
    hashes: dict[str, str] = {}
    if os.path.exists(secrets_path):
        text = decrypted(secrets_path, _read_bytes(secrets_path), key)
        hashes = _build(secrets_path, dict[str, str], _parse(secrets_path, text))
    for role in roles:
        role.password_hash = hashes.get(role.name, "")
    return roles


def _changed(path: str) -> MigrationError:
    return MigrationError(f"{path} was changed after the dump was made: {MAKE_AGAIN}")


def decrypted(path: str, data: bytes, key: Optional[DumpKey]) -> bytes:
    """Return what a file of the dump holds; its bytes are ``data``. Raises MigrationError."""
    try:
        return key.decrypt(data) if key else data
    except DecryptionError as error:
        raise MigrationError(f"the dump's file {path} is damaged ({error}): {MAKE_AGAIN}") from error


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a small file of the dump, hexadecimal. Raises MigrationError."""
    return hashlib.sha256(_read_bytes(path)).hexdigest()


def _read_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise MigrationError(f"cannot read the dump's file {path}: {error.strerror}") from error


def _parse(path: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MigrationError(f"the dump's file {path} is damaged ({error}): {MAKE_AGAIN}") from error


def _build(path: str, kind: type[Kind], value: Any) -> Kind:
    try:
        return from_json(kind, value)
    except ValueError as error:
        raise MigrationError(f"the dump's file {path} is damaged ({error}): {MAKE_AGAIN}") from error


def chosen_databases(manifest: Manifest, names: tuple[str, ...]) -> list[DatabaseEntry]:
    """Return the databases with these names, or all if no name is given. Raises ConfigurationError for a name that the
    dump does not have."""
    known = [entry.name for entry in manifest.databases]
    for name in names:
        if name not in known:
            raise ConfigurationError(f"the dump has no database {name}, it has: {', '.join(known)}")
    return [entry for entry in manifest.databases if not names or entry.name in names]
