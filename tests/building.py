# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes small backups in forms that no fixture has: revision history, range tombstones, localities, table formats."""
from __future__ import annotations

import gzip
import hashlib
import pathlib

import google_crc32c
import xxhash

CLUSTER = bytes(range(16))
MAGIC = {"leveldb": "57fb808b247547db", "rocksdb": "f7cff485b741e288", "pebble": "f09faab3f09faab3"}
SECOND = 10 ** 9


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def message(*fields):
    """A protobuf message of (number, int or bytes)."""
    out = b""
    for number, value in fields:
        out += varint(number << 3) + varint(value) if isinstance(value, int) else varint(number << 3 | 2) + varint(len(value)) + value
    return out


def time(wall, logical=0):
    return message((1, wall), (2, logical))


def span(start, end):
    return message((3, start), (4, end))


def unsigned(value):
    if value <= 109:
        return bytes((0x88 + value,))
    body = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes((0xF5 + len(body),)) + body


def row_key(table, index, *columns):
    """A key of small positive integer columns in family 0."""
    return unsigned(table) + unsigned(index) + b"".join(unsigned(column) for column in columns) + b"\x88"


def value(text):
    return bytes(4) + b"\x03" + text.encode()


def version(wall, logical=0):
    return wall.to_bytes(8, "big") + (logical.to_bytes(4, "big") if logical else b"")


def engine_key(key, stamp=b""):
    return key + b"\0" + (stamp + bytes((len(stamp) + 1,)) if stamp else b"")


def crc(data):
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def checksum(kind, data):
    return (crc(data) if kind == 1 else xxhash.xxh64_intdigest(data) & 0xFFFFFFFF).to_bytes(4, "little")


def row_block(entries, interval=1 << 32):
    """Prefix-compressed entries with a restart point every ``interval`` of them."""
    out, previous, restarts = b"", b"", [0]
    for number, (key, content) in enumerate(entries):
        if number and number % interval == 0:
            previous = b""
            restarts.append(len(out))
        shared = next((place for place, (ours, theirs) in enumerate(zip(key, previous)) if ours != theirs), min(len(key), len(previous)))
        out += varint(shared) + varint(len(key) - shared) + varint(len(content)) + key[shared:] + content
        previous = key
    return out + b"".join(place.to_bytes(4, "little") for place in [*restarts, len(restarts)])


def sst(points, family="rocksdb", number=2, kind=1, compress=lambda data: (0, data), block_entries=4, range_keys=(), prefixed=False,
        two_level=False, meta_blocks=()):
    """A row-format table of (key, version, value); ``range_keys`` are (start, end, version), ``meta_blocks`` further (name, content)."""
    internal = (1).to_bytes(8, "little")
    blocks, index = [], []
    out = b""

    def add(content, compressed=True):
        nonlocal out
        code, stored = compress(content) if compressed else (0, content)
        handle = varint(len(out)) + varint(len(stored))
        stored += bytes((code,))
        out += stored + checksum(kind, stored)
        return handle

    prefix = b"\0" if prefixed else b""
    entries = [(engine_key(key, stamp) + internal, prefix + content) for key, stamp, content in points]
    for place in range(0, len(entries), block_entries):
        blocks = entries[place:place + block_entries]
        index.append((blocks[-1][0], add(row_block(blocks))))
    meta = []
    if range_keys:
        meta.append((b"pebble.range_key", add(row_block([
            (start + b"\0" + (21).to_bytes(8, "little"),
             varint(len(end) + 1) + end + b"\0" + varint(len(stamp) + 1) + stamp + bytes((len(stamp) + 1,)) + varint(0))
            for start, end, stamp in range_keys]))))
    meta += [(name, add(content)) for name, content in meta_blocks]
    properties = [(b"rocksdb.num.entries", varint(len(points)))]
    if two_level:
        properties.insert(0, (b"rocksdb.block.based.table.index.type", (2).to_bytes(4, "little")))
        index = [(part[-1][0], add(row_block(part))) for part in (index[:3], index[3:])]
    index_handle = add(row_block(index))
    meta.append((b"rocksdb.properties", add(row_block(properties))))
    meta_handle = add(row_block(sorted(meta)), compressed=False)
    if family == "leveldb":
        return out + (meta_handle + index_handle).ljust(40, b"\0") + bytes.fromhex(MAGIC[family])
    body = (bytes((kind,)) + meta_handle + index_handle).ljust(41, b"\0")
    tail = number.to_bytes(4, "little") + bytes.fromhex(MAGIC[family])
    if number == 6:
        body += crc(body + tail).to_bytes(4, "little")
    return out + body + tail


def size(points, range_keys=()):
    """What a manifest says of a file: the lengths of all keys and values, from v22.2 on also of range tombstones."""
    return sum(len(key) + len(content) for key, _stamp, content in points) + sum(len(start) + len(end) for start, end, _stamp in range_keys)


def file_entry(path, bounds, points, *more, range_keys=()):
    return message((1, span(*bounds)), (2, path.encode()), (6, message((1, size(points, range_keys)), (2, len(points)))), *more)


def write_layer(folder, start, end, files, *fields, descriptors=(), name="BACKUP_MANIFEST", check=True, key=None):
    """Write a layer: ``files`` are (path, (start, end), points, sst options, more manifest fields)."""
    folder = pathlib.Path(folder)
    entries = []
    for path, bounds, points, options, more in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(sst(points, **options))
        entries.append((4, file_entry(path, bounds, points, *more, range_keys=options.get("range_keys", ()))))
    content = message(
        (1, time(*start) if start else b""), (2, time(*end)), *entries, *[(5, descriptor) for descriptor in descriptors], (9, CLUSTER),
        (11, message((2, b"v22.1.0"))), (18, b"backup".ljust(16, b"0")), *fields)
    stored = gzip.compress(content, mtime=0) if name != "BACKUP" else content
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(stored)
    if check:
        (folder / f"{name}-CHECKSUM").write_bytes(hashlib.sha256(stored).digest()[:4])
    return folder
