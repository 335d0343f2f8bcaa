# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The manifest of a layer: its files with their keys and times, and the descriptors."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Optional

from ..._errors import CorruptBackupError, UnsupportedError
from ..._formats import protobuf
from ..._formats.sstable.table import Table, named
from ..._formats.timestamps import ZERO, Timestamp, from_protobuf
from ..storage.storage import Storage
from .encryption import INFO, decrypt, is_encrypted
from .key_ranges import tenant_prefix, without_prefix
from .read_ahead import PIECE, ReadAhead, in_parallel
from .stored_file import open_file, read_ends

NAMES = ("BACKUP_METADATA", "BACKUP_MANIFEST", "BACKUP")
"""In the order in which they are preferred; a slim BACKUP_METADATA is as complete as a BACKUP_MANIFEST."""
CHECKSUM = "-CHECKSUM"
GZIP = b"\x1f\x8b\x08"
ELIDE_NOTHING, ELIDE_TENANT, ELIDE_TABLE = 0, 1, 2
_DESCRIPTOR_PREFIX = b"desc/"
_CLUSTER_ID_SIZE = 16
MOST_BYTES, MOST_TIMES = 64 << 20, 32
"""A manifest may always have so many bytes; one that has more, as many times its compressed bytes. Real ones have
3 to 8 times as many."""
_MOST_ENTRIES, _BYTES_OF_ENTRY = 100_000, 8
"""A backup may always list so many files; one that lists more, one for so many stored bytes."""

Span = tuple[bytes, bytes]


@dataclass(frozen=True)
class ManifestFile:
    """One span of one data file. ``data_size`` is the exact sum of its keys' and values' lengths (from v22.2 on of
    those of range tombstones,
    too: see ``coverage``), None when it is not given.
    """

    span: Span
    path: str
    sha512: bytes = b""
    data_size: Optional[int] = None
    rows: int = 0
    start_time: Timestamp = ZERO
    end_time: Timestamp = ZERO
    locality: str = ""
    stored_size: int = 0
    has_range_keys: bool = False


@dataclass
class Manifest:
    """The content of one layer's manifest. ``changes`` are (time, id, descriptor or None if it was deleted); spans are
    without the prefix ``tenant``."""

    start_time: Timestamp
    end_time: Timestamp
    files: list[ManifestFile]
    spans: list[Span]
    introduced: list[Span]
    descriptors: list[bytes]
    changes: list[tuple[Timestamp, int, Optional[bytes]]]
    revision_start: Timestamp
    all_revisions: bool
    complete_databases: list[int]
    cluster_id: bytes
    backup_id: bytes
    cluster_version: str
    build_tag: str
    cluster_coverage: bool
    partitions: list[str]
    localities: list[str]
    elided: int
    compacted: bool
    slim: bool
    tenant: bytes = b""
    """The prefix of all keys in a backup that was made inside a virtual cluster."""
    formats: set[str] = field(default_factory=set)


def read_manifest(storage: Storage, folder: str, name: str, key: Optional[bytes]) -> Manifest:
    """Read a manifest and, when it is slim, the lists next to it. Raises MigrationError naming the file."""
    path = f"{folder}/{name}" if folder else name
    manifest = storage.read_twice_if_damaged(path, partial(_read_one, storage, path, key, name != "BACKUP"))
    if manifest.slim:
        _read_lists(manifest, storage, folder, key)
    with named(storage.describe(path)):
        _take_tenant_off(manifest)
    return manifest


def _read_one(storage: Storage, path: str, key: Optional[bytes], compressed: bool) -> Manifest:
    stored = read_with_checksum(storage, path)
    with named(storage.describe(path)):
        content = _open_container(storage.describe(path), stored, key, compressed)
        message = protobuf.parse(content, protobuf.MOST_LISTED)
        _require_plausible(len(message.get(4, ())), len(stored.data))
        return _parse(message)


def _require_plausible(entries: int, stored: int) -> None:
    if entries > max(_MOST_ENTRIES, stored // _BYTES_OF_ENTRY):
        raise CorruptBackupError(
            f"its {stored} bytes claim to list {entries} files or objects: copy it again from the original"
        )


def read_container(storage: Storage, path: str, key: Optional[bytes]) -> bytes:
    """Return the content of a partition descriptor."""

    def read() -> bytes:
        return _open_container(storage.describe(path), read_with_checksum(storage, path), key, compressed=False)

    return storage.read_twice_if_damaged(path, read)


@dataclass(frozen=True)
class CheckedFile:
    """A file, and what the checksum file next to it says of it."""

    path: str
    data: bytes
    checksum: Optional[bytes]
    """None if there is no such file."""

    @property
    def differs(self) -> bool:
        """Whether the file is not the one of the checksum."""
        return self.checksum is not None and self.checksum != hashlib.sha256(self.data).digest()[:4]


def read_with_checksum(storage: Storage, path: str) -> CheckedFile:
    """Read a file and its checksum file at the same time."""
    paths = [path, path + CHECKSUM] if storage.exists(path + CHECKSUM) else [path]
    data, *checksum = in_parallel(storage.read, paths)
    return CheckedFile(path, data, checksum[0] if checksum else None)


def _open_container(name: str, stored: CheckedFile, key: Optional[bytes], compressed: bool) -> bytes:
    """Check, decrypt and decompress a manifest or partition descriptor; ``name`` is for messages."""
    if not stored.data:
        raise CorruptBackupError(f"{name} is empty: copy it again from the original")
    if stored.differs:
        raise CorruptBackupError(
            f"{name} does not match {stored.path + CHECKSUM}: one of them is damaged, copy both again from the original"
        )
    data = decrypt(stored.data, key, name) if key else stored.data
    if data[:3] == GZIP:
        return _gunzip(data, name)
    if is_encrypted(data):
        raise CorruptBackupError(
            f"{name} is encrypted, but no {INFO} file is next to the full backup: copy that one too"
        )
    if compressed:
        raise CorruptBackupError(
            f"{name} does not begin as a manifest does: it is damaged, copy it again from the original"
        )
    return data


def _gunzip(data: bytes, name: str) -> bytes:
    decompressor = zlib.decompressobj(31)
    most = max(MOST_BYTES, MOST_TIMES * len(data))
    try:
        content = decompressor.decompress(data, most)
    except zlib.error as error:
        raise CorruptBackupError(f"{name} is damaged ({error}): copy it again from the original") from error
    if decompressor.unconsumed_tail:
        raise CorruptBackupError(
            f"{name} claims to hold more than {most} bytes, which its {len(data)} bytes cannot: it is damaged, copy it "
            "again from the original"
        )
    # No writer of manifests sets a flag; zlib ignores some of them.
    if not decompressor.eof or decompressor.unused_data or data[3]:
        raise CorruptBackupError(f"{name} is truncated or damaged: copy it again from the original")
    return content


def parse_span(data: bytes) -> Span:
    """Read a Span; one without an end is a single key."""
    message = protobuf.parse(data)
    start, end = protobuf.blob(message, 3), protobuf.blob(message, 4)
    return start, end or start + b"\0"


def parse_file(data: bytes) -> ManifestFile:
    """Read a File entry. Raises CorruptBackupError for a path that leads out of the backup."""
    message = protobuf.parse(data)
    counts = protobuf.parse(protobuf.blob(message, 6))
    path = protobuf.text(message, 2)
    if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise CorruptBackupError(f"a file entry has the path {path!r}, which does not lie in the backup")
    return ManifestFile(
        span=parse_span(protobuf.blob(message, 1)),
        path=path,
        sha512=protobuf.blob(message, 4),
        data_size=protobuf.integer(counts, 1) if 6 in message else None,
        rows=protobuf.integer(counts, 2),
        start_time=from_protobuf(protobuf.blob(message, 7)),
        end_time=from_protobuf(protobuf.blob(message, 8)),
        locality=protobuf.text(message, 9),
        stored_size=protobuf.integer(message, 10) or protobuf.integer(message, 11),
        has_range_keys=bool(protobuf.integer(message, 12)),
    )


def _parse(message: protobuf.Message) -> Manifest:
    slim = bool(protobuf.integer(message, 27))
    version = protobuf.parse(protobuf.blob(message, 25))
    _refuse_tenants(message)
    elided = protobuf.integer(message, 28)
    if elided not in (ELIDE_NOTHING, ELIDE_TENANT, ELIDE_TABLE):
        raise UnsupportedError(f"elided prefix mode {elided} is not known")
    if protobuf.integer(message, 8) not in (0, 1):
        raise UnsupportedError(f"manifest format {protobuf.integer(message, 8)} is not known")
    coverage = protobuf.integer(message, 22)
    if coverage not in (0, 1):
        raise UnsupportedError(f"descriptor coverage {coverage} is not known")
    start, end = from_protobuf(protobuf.blob(message, 1)), from_protobuf(protobuf.blob(message, 2))
    if end <= start:
        raise CorruptBackupError("its end time is not after its start time")
    return Manifest(
        start_time=start,
        end_time=end,
        slim=slim,
        files=[] if slim else [parse_file(data) for data in protobuf.blobs(message, 4)],
        spans=[parse_span(data) for data in protobuf.blobs(message, 3)],
        introduced=[parse_span(data) for data in protobuf.blobs(message, 15)],
        descriptors=[] if slim else protobuf.blobs(message, 5),
        changes=[] if slim else [_parse_change(data) for data in protobuf.blobs(message, 16)],
        revision_start=from_protobuf(protobuf.blob(message, 17)),
        all_revisions=protobuf.integer(message, 13) == 1,
        complete_databases=protobuf.integers(message, 14),
        cluster_id=_cluster_id(message),
        backup_id=protobuf.blob(message, 18),
        cluster_version=_version_text(version) if version else "",
        build_tag=protobuf.text(protobuf.parse(protobuf.blob(message, 11)), 2),
        cluster_coverage=coverage == 1,
        partitions=protobuf.texts(message, 19),
        localities=protobuf.texts(message, 20),
        elided=elided,
        compacted=bool(protobuf.integer(message, 29)),
    )


def _cluster_id(message: protobuf.Message) -> bytes:
    found = protobuf.blob(message, 9)
    if len(found) not in (0, _CLUSTER_ID_SIZE):
        raise CorruptBackupError(
            f"the id of its cluster has {len(found)} bytes instead of {_CLUSTER_ID_SIZE}: copy it again"
        )
    return found


def _version_text(version: protobuf.Message) -> str:
    text = f"{protobuf.integer(version, 1)}.{protobuf.integer(version, 2)}"
    internal = protobuf.integer(version, 4)
    return f"{text}-{internal}" if internal else text


def _refuse_tenants(message: protobuf.Message) -> None:
    tenants = []
    for data in [*protobuf.blobs(message, 24), *protobuf.blobs(message, 26)]:
        tenant = protobuf.parse(data)
        nested = (
            protobuf.parse(protobuf.blob(tenant, 1)) if tenant.get(1) and isinstance(tenant[1][-1], bytes) else tenant
        )
        tenants.append(str(protobuf.integer(nested, 1)))
    if tenants:
        raise UnsupportedError(
            f"it is a backup of the host of whole virtual clusters (tenants {', '.join(tenants)}), which is not "
            "supported. A backup that was made inside one is: connect to each of them (options=-ccluster=NAME) and "
            "take a BACKUP there"
        )


def _take_tenant_off(manifest: Manifest) -> None:
    """Remove the virtual cluster's prefix from all spans. Raises UnsupportedError if there are several virtual
    clusters."""
    tenants = sorted(
        {
            tenant_prefix(start)
            for start, _end in [*manifest.spans, *manifest.introduced, *(file.span for file in manifest.files)]
        }
    )
    if len(tenants) > 1:
        numbers = [str(tenant_number(tenant)) if tenant else "the host" for tenant in tenants]
        raise UnsupportedError(
            f"it holds keys of several virtual clusters ({', '.join(numbers)}), but its manifest does not list them"
        )
    if tenants and tenants[0]:
        manifest.tenant = tenants[0]
        manifest.spans = [_in_cluster(span, manifest.tenant) for span in manifest.spans]
        manifest.introduced = [_in_cluster(span, manifest.tenant) for span in manifest.introduced]
        manifest.files = [replace(file, span=_in_cluster(file.span, manifest.tenant)) for file in manifest.files]


def _in_cluster(span: Span, tenant: bytes) -> Span:
    return without_prefix(span[0], tenant), without_prefix(span[1], tenant)


def tenant_number(prefix: bytes) -> int:
    """Return the number of a virtual cluster from what its keys begin with."""
    return _unsigned(prefix[1:])


def _parse_change(data: bytes) -> tuple[Timestamp, int, Optional[bytes]]:
    message = protobuf.parse(data)
    return from_protobuf(protobuf.blob(message, 1)), protobuf.integer(message, 2), protobuf.blob(message, 3) or None


def _read_lists(manifest: Manifest, storage: Storage, folder: str, key: Optional[bytes]) -> None:
    base = f"{folder}/" if folder else ""
    for _key, _version, value in _all_points(storage, base + "filelist.sst", key, manifest.formats):
        manifest.files.append(parse_file(value))
    newest: dict[int, bytes] = {}
    for point, version, value in _all_points(storage, base + "descriptorslist.sst", key, manifest.formats):
        if not point.startswith(_DESCRIPTOR_PREFIX):
            raise UnsupportedError(f"{storage.describe(base)}descriptorslist.sst holds the unknown key {point!r}")
        number = _unsigned(point[len(_DESCRIPTOR_PREFIX) :])
        newest.setdefault(number, value)
        if manifest.all_revisions and version:
            time = int.from_bytes(version[:8], "big"), int.from_bytes(version[8:12], "big")
            manifest.changes.append((time, number, value or None))
    manifest.descriptors += [value for value in newest.values() if value]


def _unsigned(key: bytes) -> int:
    """Read an ordered, ascending unsigned integer."""
    if len(key) == 1 and 0x88 <= key[0] <= 0xF5:
        return key[0] - 0x88
    if not key or key[0] < 0xF6 or len(key) != key[0] - 0xF4:
        raise CorruptBackupError(f"{key.hex()} is no ordered integer")
    return int.from_bytes(key[1:], "big")


def _all_points(
    storage: Storage, path: str, key: Optional[bytes], formats: set[str]
) -> Iterator[tuple[bytes, bytes, bytes]]:
    with closing(ReadAhead()) as ahead:
        table = storage.read_twice_if_damaged(
            path, lambda: Table(open_file(storage, path, key, read_ends(storage, path, None), ahead))
        )
        table.expect(0, len(table.handles) - 1, PIECE)
        formats.add(table.format)
        with named(table.name):
            points = 0
            for number in range(len(table.handles)):
                keys, versions, values = table.versioned_points(number)
                points += len(keys)
                _require_plausible(points, table.file.size)
                yield from zip(keys, versions, values)
