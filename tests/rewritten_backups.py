# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Rewrites a real backup into forms of which no real one is at hand: made inside a virtual cluster, with elided keys, with range tombstones, under IMPORT INTO.

The result is a full layer and an incremental one that give exactly the rows of the original. Each full layer lacks some of the keys, holds another
value of some, and rows that the incremental layer deletes; what belongs to the original comes with the incremental layer.
"""
from __future__ import annotations

import gzip
import hashlib
import pathlib
from dataclasses import dataclass
from typing import Optional

from building import SECOND, message, size, span, sst, time, unsigned, value, version

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats import protobuf
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.key_ranges import (
    index_prefix_length,
    prefix_end,
    unsigned_end,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)

POINT, FLAGGED, UNFLAGGED = "points", "flagged", "unflagged"
BY_TIME, BY_EPOCH = "time", "epoch"
EPOCH = 3
_JUNK = b"\x12junk\x00\x01"
_RANGE_KEYS_FLAG = (12, 1)


@dataclass(frozen=True)
class Form:
    """``elided`` is the manifest's mode (0: whole keys, 1: without tenant, 2: without tenant and table). ``deleted``: how the incremental layer deletes rows: tombstones of keys,
    or of ranges with the flag that v24.2 and later set, or without. ``importing``: the table of that name is under IMPORT INTO, of the type ``import_type``.
    """

    tenant: int = 0
    elided: int = 0
    deleted: str = POINT
    importing: str = ""
    import_type: str = BY_TIME
    table_format: tuple[str, int] = ("pebble", 2)
    build_tag: str = "v24.1.0"
    descriptors: tuple[bytes, ...] = ()
    """More of them, for both layers."""


@dataclass
class _Times:
    """Nanoseconds since 1970: of the full layer's end, of what the incremental layer deletes, writes and imports, and of its end."""

    full: int

    def __post_init__(self) -> None:
        self.deleted, self.written, self.import_start, self.imported, self.end = (self.full + seconds * SECOND for seconds in (2, 4, 6, 7, 9))


def rewrite(source: pathlib.Path, target: pathlib.Path, form: Form) -> list[pathlib.Path]:
    """Write the two layers and return their directories."""
    backup = open_backup(BackupRequest((str(source),)))
    [layer] = backup.layers
    [manifest_path] = source.rglob("BACKUP_MANIFEST")
    manifest = protobuf.parse(gzip.decompress(manifest_path.read_bytes()))
    times = _Times(layer.manifest.end_time[0])
    tables: dict[bytes, list[tuple[bytes, bytes, bytes]]] = {}
    for file in backup.files(b"\x80", b"\xfd"):
        found = next(item for item in backup._sources[0].sources if item.ref.id == file.id)
        table = backup._tables.get(found)
        for block in range(len(table.handles)):
            for key, stamp, content in zip(*table.versioned_points(block)):
                if file.span[0] <= key < file.span[1]:
                    tables.setdefault(key[:unsigned_end(key, 0)], []).append((key, stamp, content))
    full: dict[bytes, list] = {}
    more: dict[bytes, list] = {}
    ranges: dict[bytes, list] = {}
    for number, (prefix, points) in enumerate(sorted(tables.items())):
        full[prefix], more[prefix], ranges[prefix] = _split(points, times, form.deleted if number % 2 else POINT)
    descriptors = [*layer.manifest.descriptors, *form.descriptors]
    if form.importing:
        descriptors = [_under_import(data, form, times, more) for data in descriptors]
    result = []
    for name, points, deleted, start, end in (("full", full, {}, 0, times.full), ("increment", more, ranges, times.full, times.end)):
        result.append(target / name)
        _write(target / name, manifest, form, points, deleted, start, end, descriptors)
    return result


def _split(points: list[tuple[bytes, bytes, bytes]], times: _Times, deleted: str) -> tuple[list, list, list]:
    """Return the points of the full and of the incremental layer and the latter's range tombstones (start, end, version)."""
    written = version(times.written)
    indexes = sorted({key[:index_prefix_length(key)] for key, _stamp, _content in points})
    junk = [(index + _JUNK + b"\x88", version(times.full - 1), value("junk")) for index in indexes]
    if deleted == POINT:
        stays = [point for place, point in enumerate(points) if place % 3 == 2]
        stale = [(key, stamp, value("stale")) for place, (key, stamp, _content) in enumerate(points) if place % 3 == 1]
        new = [(key, written, content) for place, (key, _stamp, content) in enumerate(points) if place % 3 != 2]
        return sorted([*junk, *stays, *stale]), sorted([*new, *((key, written, b"") for key, _stamp, _content in junk)]), []
    stale = [(key, stamp, value("stale")) for key, stamp, _content in points]
    ranges = [(index, prefix_end(index), version(times.deleted)) for index in indexes]
    return sorted([*junk, *stale]), [(key, written, content) for key, _stamp, content in points], ranges


def _under_import(data: bytes, form: Form, times: _Times, more: dict[bytes, list]) -> bytes:
    """Put the table's descriptor offline and give it rows that the import has written."""
    wrapper = protobuf.parse(data)
    if 1 not in wrapper or protobuf.text(protobuf.parse(protobuf.blob(wrapper, 1)), 1) != form.importing:
        return data
    table = protobuf.parse(protobuf.blob(wrapper, 1))
    by_epoch = form.import_type == BY_EPOCH
    table.update({19: [3], 54: [times.import_start], 59: [EPOCH], 60: [int(by_epoch)]})
    prefix = unsigned(protobuf.integer(table, 3))
    header = message((4, EPOCH))
    content = len(header).to_bytes(4, "big") + b"\x65" + header + value("imported") if by_epoch else value("imported")
    indexes = sorted({key[:index_prefix_length(key)] for key, _stamp, _content in more[prefix]})
    imported = [(index + b"\x12import" + b"%d" % number + b"\x00\x01\x88", version(times.imported), content) for index in indexes for number in range(3)]
    more[prefix] = sorted(more[prefix] + imported)
    return message((1, _serialized(table)))


def _serialized(fields: protobuf.Message) -> bytes:
    return message(*[(number, item) for number, items in fields.items() for item in items])


def _write(
    folder: pathlib.Path, manifest: protobuf.Message, form: Form, tables: dict[bytes, list], ranges: dict[bytes, list], start: int, end: int,
    descriptors: list[bytes],
) -> None:
    tenant = b"\xfe" + unsigned(form.tenant) if form.tenant else b""
    (folder / "data").mkdir(parents=True)
    groups = [[prefix] for prefix in sorted(tables)] if form.elided == 2 else [sorted(tables)]
    entries = []
    for number, prefixes in enumerate(groups, 1):
        cut = len(prefixes[0]) if form.elided == 2 else 0
        before = b"" if form.elided else tenant
        points = [(before + key[cut:], stamp, content) for prefix in prefixes for key, stamp, content in tables[prefix]]
        deleted = [(before + low[cut:], before + high[cut:], stamp) for prefix in prefixes for low, high, stamp in ranges.get(prefix, [])]
        path = f"data/{number}.sst"
        family, table_format = form.table_format
        (folder / path).write_bytes(sst(
            points, family, table_format, block_entries=100, range_keys=deleted, prefixed=table_format in (3, 4)))
        for prefix in prefixes:
            counted = size([(tenant + key, stamp, content) for key, stamp, content in tables[prefix]], [
                (tenant + low, tenant + high, stamp) for low, high, stamp in ranges.get(prefix, [])])
            flag: list[Optional[tuple[int, int]]] = [_RANGE_KEYS_FLAG] if ranges.get(prefix) and form.deleted == FLAGGED else []
            entries.append(message(
                (1, span(tenant + prefix, tenant + prefix_end(prefix))), (2, path.encode()), (6, message((1, counted), (2, len(tables[prefix])))), *flag))
    fields = {number: items for number, items in manifest.items() if number not in (1, 2, 3, 4, 5, 11, 15, 28)}
    content = _serialized({
        1: [time(start)] if start else [], 2: [time(end)], 3: [span(tenant + prefix, tenant + prefix_end(prefix)) for prefix in sorted(tables)],
        4: entries, 5: descriptors, 11: [message((2, form.build_tag.encode()))], 28: [form.elided], **fields,
    })
    stored = gzip.compress(content, mtime=0)
    (folder / "BACKUP_MANIFEST").write_bytes(stored)
    (folder / "BACKUP_MANIFEST-CHECKSUM").write_bytes(hashlib.sha256(stored).digest()[:4])
