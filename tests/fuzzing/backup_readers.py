# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The readers of a backup: its manifest and lists, descriptors up to their conversion, layers with their rows, and encrypted files.

What is read goes the way of an export: catalog, conversion, plan, rows.
"""
from __future__ import annotations

import functools
import gzip
import hashlib
import pathlib
import shutil

from building import message, sst, write_layer
from fuzzing.mutations import changed_bytes, changed_message
from fuzzing.reader import BACKUPS, File, Reader
from fuzzing.scratch import scratch
from hypothesis import strategies as st

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable.table import Table
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Catalog
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.table_source import TableSource
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.backup_request import (
    BackupRequest,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.backup_source import BackupSource
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.encryption import (
    EncryptedFile,
    decrypt,
    passphrase_keys,
    unlocks,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.key_ranges import row_range
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import open_backup
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
    system_tables,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.source import ReadRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.storage import Storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import STOP_ALL

_WHOLE = ("awkward", "written", "tenant", "shop", "cluster")
"""Backups whose manifests are changed."""
_DESCRIBED = ("shop", "types", "cluster", "belongings", "written", "intervals")
"""Backups whose descriptors are changed."""
_PASSPHRASE = "correct horse"


def _read_backup(directory: pathlib.Path) -> None:
    """Read a backup as an export does."""
    with BackupSource(BackupRequest((str(directory),))) as source:
        source.describe()
        catalog = source.catalog()
        source.object_numbers(catalog)
        source.read_chosen(catalog, 1)
        tables = {
            table.id: TableSource(database.name, "public", table, {item.id: item for item in database.types}) for database in catalog.databases for table in database.tables}
        for task in source.plan(ReadRequest(tables, STOP_ALL, 100_000, 1)).tasks:
            source.read(task, lambda block: None)


def _convert(catalog: Catalog) -> None:
    for database in catalog.databases:
        convert_database(database, catalog.roles, ServerFeatures(), ConvertOptions("create"))


@functools.cache
def _copied(name: str) -> pathlib.Path:
    """Return the directory of a manifest, next to links to the data of a backup in the fixtures."""
    [path] = (BACKUPS / name).rglob("BACKUP_MANIFEST")
    directory = scratch(name)
    for item in path.parent.iterdir():
        if not item.name.startswith("BACKUP_MANIFEST"):
            (directory / item.name).symlink_to(item)
    return directory


def _read_manifest(data: bytes) -> None:
    """The case is the name of the backup, and the manifest's message."""
    name, _newline, content = data.partition(b"\n")
    directory = _copied(name.decode())
    stored = gzip.compress(content, 1, mtime=0)
    (directory / "BACKUP_MANIFEST").write_bytes(stored)
    (directory / "BACKUP_MANIFEST-CHECKSUM").write_bytes(hashlib.sha256(stored).digest()[:4])
    _read_backup(directory)


@functools.cache
def _manifest(name: str) -> bytes:
    [path] = (BACKUPS / name).rglob("BACKUP_MANIFEST")
    return gzip.decompress(path.read_bytes())


@st.composite
def _manifests(draw) -> bytes:
    name = draw(st.sampled_from((*(_WHOLE[:1] * 20), *_WHOLE)))
    changed = draw(st.one_of(changed_message([_manifest(name)]), changed_bytes([_manifest(name)])))
    return name.encode() + b"\n" + changed


# --- descriptors ---


@functools.cache
def _descriptors(name: str) -> dict[int, bytes]:
    return open_backup(BackupRequest((str(BACKUPS / name),))).descriptors


def _read_descriptor(data: bytes) -> Catalog:
    """The case is the name of the backup and the number of the descriptor that is replaced, and the descriptor."""
    head, _newline, descriptor = data.partition(b"\n")
    name, number = head.decode().split()
    descriptors = {**_descriptors(name), int(number): descriptor}
    system_tables(descriptors, ("users", "comments", "zones"), [])
    return build_catalog(descriptors, before_imports=True)


def _convert_descriptor(data: bytes) -> None:
    _convert(_read_descriptor(data))


@st.composite
def _descriptor_cases(draw) -> bytes:
    name = draw(st.sampled_from(_DESCRIBED))
    number = draw(st.sampled_from([number for number, data in _descriptors(name).items() if len(data) < 6000]))
    changed = draw(st.one_of(changed_message([_descriptors(name)[number]]), changed_message([_descriptors(name)[number]]), changed_bytes([_descriptors(name)[number]])))
    return f"{name} {number}\n".encode() + changed


# --- rows of a layer, with all that is around them ---


@functools.cache
def _layer() -> tuple[list[bytes], list[tuple[bytes, bytes, bytes]], bytes]:
    """The descriptors of a table and what is needed for it, some of its points, and what all its keys begin with."""
    backup = open_backup(BackupRequest((str(BACKUPS / "shop"),)))
    catalog = build_catalog(backup.descriptors)
    table = next(table for database in catalog.databases for table in database.tables if table.name == "orders")
    start, end = row_range(table)
    file = next(iter(backup._sources[0].select(start, end)))
    points = [point for point in zip(*backup._tables.get(file).versioned_points(0)) if start <= point[0] < end]
    others = {table.id for database in catalog.databases for table in database.tables} - {table.id}
    return [data for number, data in backup.descriptors.items() if number not in others], points[:12], start


def _read_layer(data: bytes) -> None:
    """The case is the number of a point, which of key, version and value is replaced, and that."""
    descriptors, points, start = _layer()
    if len(data) < 2:
        return
    number, part = data[0] % len(points), data[1] % 3
    point = list(points[number])
    # The length of a version is a byte.
    point[part] = data[2:252] if part == 1 else data[2:]
    changed = sorted([*points[:number], (point[0], point[1], point[2]), *points[number + 1:]])
    end = start[:-1] + bytes((start[-1] + 1,))
    directory = scratch("layer")
    shutil.rmtree(directory, ignore_errors=True)
    write_layer(directory, None, (2 * 10**18, 0), [("data/1.sst", (start, end), changed, {"family": "pebble", "number": 2}, ())], descriptors=descriptors)
    _read_backup(directory)


@st.composite
def _layers(draw) -> bytes:
    points = _layer()[1]
    number, part = draw(st.integers(0, len(points) - 1)), draw(st.sampled_from((0, 0, 1, 2, 2, 2)))
    seeds = [points[number][part]]
    if part == 2:
        header = message((1, b"\x08\x01"), (4, 3))
        seeds.append(len(header).to_bytes(4, "big") + b"\x65" + header + seeds[0])
    return bytes((number, part)) + draw(changed_bytes(seeds))


# --- the lists of a slim manifest ---


@functools.cache
def _slim() -> tuple[pathlib.Path, dict[str, list[tuple[bytes, bytes, bytes]]]]:
    """The copy of a backup with a slim manifest, and the points of its lists."""
    [manifest] = (BACKUPS / "modern-shaped" / "shop-v4").rglob("BACKUP_METADATA")
    directory = scratch("slim")
    lists = {}
    for item in manifest.parent.iterdir():
        if item.name.endswith("list.sst"):
            table = Table(File(item.read_bytes()))
            lists[item.name] = [point for number in range(len(table.handles)) for point in zip(*table.versioned_points(number))]
        else:
            (directory / item.name).symlink_to(item)
    return directory, lists


def _read_list(data: bytes) -> None:
    """The case is the number of the list and of a point, which of key, version and value is replaced, and that."""
    if len(data) < 3:
        return
    directory, lists = _slim()
    names = sorted(lists)
    for name in names:
        points = [list(point) for point in lists[name]]
        if name == names[data[0] % len(names)]:
            points[data[1] % len(points)][data[2] % 3] = data[3:253] if data[2] % 3 == 1 else data[3:]
        (directory / name).write_bytes(sst([(point[0], point[1], point[2]) for point in points], "pebble", 2))
    _read_backup(directory)


@st.composite
def _lists(draw) -> bytes:
    _directory_of_lists, lists = _slim()
    which = draw(st.integers(0, len(lists) - 1))
    points = lists[sorted(lists)[which]]
    number, part = draw(st.integers(0, min(255, len(points) - 1))), draw(st.sampled_from((0, 1, 2, 2, 2, 2)))
    seed = points[number][part]
    return bytes((which, number, part)) + draw(changed_message([seed]) if part == 2 else changed_bytes([seed]))


# --- encrypted files ---


@functools.cache
def _encrypted() -> tuple[bytes, bytes, bytes]:
    """A data key, and an ENCRYPTION-INFO file and a manifest of it."""
    [info] = (BACKUPS / "modern-shaped" / "types-v7-encrypted").rglob("ENCRYPTION-INFO")
    [key] = passphrase_keys(_storage(info.parent), "", _PASSPHRASE)
    return key, info.read_bytes(), (info.parent / "BACKUP_METADATA").read_bytes()


def _storage(directory: pathlib.Path) -> Storage:
    return open_storage(str(directory), StorageOptions())


def _read_encrypted(data: bytes) -> None:
    key, _info, _manifest_file = _encrypted()
    directory = scratch("encrypted")
    (directory / "ENCRYPTION-INFO").write_bytes(data[1:])
    if data[:1] == b"i":
        passphrase_keys(_storage(directory), "", _PASSPHRASE)
        return
    for read in (lambda: decrypt(data[1:], key, "file"), lambda: unlocks(data[1:], key, "file"), lambda: EncryptedFile(File(data[1:]), key).read(0, 100)):
        read()


@st.composite
def _encrypted_files(draw) -> bytes:
    _key, info, manifest = _encrypted()
    return draw(st.one_of(changed_message([info]).map(lambda data: b"i" + data), changed_bytes([manifest]).map(lambda data: b"m" + data)))


def readers() -> list[Reader]:
    """Return the readers of this file."""
    return [
        Reader("manifest", _manifests(), _read_manifest, slow=True),
        Reader("descriptor", _descriptor_cases(), _read_descriptor),
        Reader("converted_descriptor", _descriptor_cases(), _convert_descriptor, slow=True),
        Reader("layer", _layers(), _read_layer, slow=True),
        Reader("slim_lists", _lists(), _read_list, slow=True),
        Reader("encrypted_file", _encrypted_files(), _read_encrypted),
    ]


