# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The data files of a backup by the spans of keys that its manifests name, with everything needed to read them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Optional

from ..._errors import CorruptBackupError
from ..._formats.packed_bytes import PackedBytes
from ..._formats.sstable.range_keys import RangeTombstone
from ..._formats.sstable.table import Table
from ..storage.storage import Storage
from .backup_manifest import ELIDE_NOTHING, ELIDE_TABLE, ManifestFile, Span
from .key_ranges import merge, unsigned_end, without_prefix
from .layers import Layer


@dataclass(frozen=True)
class FileRef:
    """One span of keys in one data file, as the manifest describes it. ``data_size`` is the manifest's sum of the
    lengths of keys and values in bytes, exact as ``coverage`` says; None if the manifest does not have it. ``path`` is
    for messages."""

    id: int
    layer: int
    path: str
    span: Span
    data_size: Optional[int]
    rows: int
    stored_size: int


@dataclass(frozen=True)
class FileSpan:
    """A span of a data file with everything needed to read it."""

    ref: FileRef
    entry: ManifestFile
    storage: Storage
    path: str
    prefix: bytes
    """The prefix that the file's own keys do not have."""
    cut: bytes
    """The prefix of the file's own keys that has to be removed: a virtual cluster's."""
    uncounted: int
    """Number of bytes by which a key was longer in its cluster, if the manifest counts them."""
    spans: Sequence[Span]
    """All spans that the manifest names for this file, merged."""
    size: Optional[int]
    """About how many bytes the whole file has without compression; None when the manifest does not say."""

    def place(self, key: bytes) -> bytes:
        """Return a key as the file has it; the lowest one when none of the file's keys is before ``key``."""
        if self.cut:
            return self.cut + key
        return key[len(self.prefix) :] if key.startswith(self.prefix) else b""

    def keys(self, stored: Sequence[bytes]) -> Sequence[bytes]:
        """Return sorted keys of the file as the backup has them. Raises CorruptBackupError for those of another virtual
        cluster."""
        if self.prefix:
            if isinstance(stored, PackedBytes):
                return stored.with_prefix(self.prefix)
            return [self.prefix + key for key in stored]
        if not self.cut or not stored:
            return stored
        without_prefix(stored[0], self.cut)
        without_prefix(stored[-1], self.cut)
        size = len(self.cut)
        if isinstance(stored, PackedBytes):
            return stored.without_prefix(size)
        return [key[size:] for key in stored]

    def tombstones(self, table: Table) -> list[RangeTombstone]:
        """Return the file's range tombstones with their bounds as the backup has them."""
        if self.cut:
            return [
                replace(item, start=without_prefix(item.start, self.cut), end=without_prefix(item.end, self.cut))
                for item in table.tombstones
            ]
        return [replace(item, start=self.prefix + item.start, end=self.prefix + item.end) for item in table.tombstones]


def spans_of_layers(layers: list[Layer]) -> list[list[FileSpan]]:
    """Return each layer's file entries, sorted by span, numbered through all layers."""
    result: list[list[FileSpan]] = []
    number = 0
    for position, layer in enumerate(layers):
        entries: dict[str, list[ManifestFile]] = {}
        for entry in layer.manifest.files:
            entries.setdefault(entry.path, []).append(entry)
        spans = {path: merge([entry.span for entry in of_file]) for path, of_file in entries.items()}
        sizes = {path: _size(of_file) for path, of_file in entries.items()}
        found = []
        for entry in layer.manifest.files:
            prefix = entry.span[0][: unsigned_end(entry.span[0], 0)] if layer.manifest.elided == ELIDE_TABLE else b""
            cut = layer.manifest.tenant if layer.manifest.elided == ELIDE_NOTHING else b""
            storage, path = layer.place(entry)
            ref = FileRef(
                number, position, storage.describe(path), entry.span, entry.data_size, entry.rows, entry.stored_size
            )
            found.append(
                FileSpan(
                    ref,
                    entry,
                    storage,
                    path,
                    prefix,
                    cut,
                    uncounted=len(layer.manifest.tenant),
                    spans=spans[entry.path],
                    size=sizes[entry.path],
                )
            )
            number += 1
        result.append(sorted(found, key=lambda source: (source.ref.span, source.entry.start_time)))
    return result


def _size(entries: list[ManifestFile]) -> Optional[int]:
    sizes = [entry.data_size for entry in entries]
    return None if None in sizes else sum(size or 0 for size in sizes)


class LayerSpans:
    """The file entries of one layer, sorted by span, and which of them a range of keys touches."""

    def __init__(self, sources: list[FileSpan]) -> None:
        self.sources = sources
        self._starts = [source.ref.span[0] for source in sources]
        self._ends = list(accumulate((source.ref.span[1] for source in sources), max))
        self.overlapping = any(end > start for end, start in zip(self._ends, self._starts[1:]))
        """Whether any two spans overlap."""

    def select(self, start: bytes, end: bytes) -> list[FileSpan]:
        """Return the entries that may hold keys of [start, end)."""
        found = self.sources[bisect_right(self._ends, start) : bisect_left(self._starts, end)]
        return [source for source in found if source.ref.span[1] > start]


def require_inside(keys: Iterable[bytes], source: FileSpan, name: str) -> None:
    """Raise CorruptBackupError unless the keys next to a range belong to another span of the same file: otherwise the
    keys were misread."""
    starts = [start for start, _end in source.spans]
    for key in keys:
        place = bisect_right(starts, key) - 1
        if place < 0 or key >= source.spans[place][1]:
            raise CorruptBackupError(
                f"{name}: key {key.hex()} lies outside the spans that the manifest names for this file"
            )
