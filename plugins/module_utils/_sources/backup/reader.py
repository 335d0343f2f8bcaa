# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reading a backup: descriptors and live key-values at the chosen time, from all layers and formats."""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Optional

from ..._errors import UnsupportedError
from ..._formats import timestamps
from ..._formats.packed_bytes import total_length
from ..._formats.sstable.range_keys import RangeTombstone
from ..._formats.sstable.table import Table, named
from ..._model.catalog import UnfinishedImport
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName
from . import mvcc
from .backup_info import BackupInfo, LayerInfo
from .backup_manifest import ELIDE_TABLE, Span, tenant_number
from .backup_request import BackupRequest
from .descriptors import live_descriptors
from .file_spans import FileRef, FileSpan, LayerSpans, require_inside, spans_of_layers
from .key_ranges import KeyRange, index_prefix_length, prefix_end
from .layers import Layer, choose_chain, find_layers
from .open_tables import FILES_AHEAD, OpenTables

BATCH_BYTES = 1 << 20
"""About how many bytes of blocks one process decodes at once."""


def open_backup(request: BackupRequest) -> Backup:
    """Find a backup's layers, read their manifests and check that they lead to the time asked for. Raises
    MigrationError."""
    layers = find_layers(tuple(request.locations), request.subdirectory, request.storage, request.passphrase)
    chain, end_time = choose_chain(layers, request.as_of)
    return Backup(chain, end_time, request.verify_checksums)


class Backup:
    """The content of a backup at ``end_time``. Can be inherited by fork; each process opens files when it needs
    them."""

    def __init__(self, layers: list[Layer], end_time: timestamps.Timestamp, verify: bool = True) -> None:
        self.end_time = end_time
        self.layers = layers
        self.descriptors: dict[int, bytes] = live_descriptors(layers[-1].manifest, end_time)
        self.findings: list[Finding] = []
        self._until = timestamps.version(end_time)
        self._tables = OpenTables([layer.key for layer in layers], verify)
        self._sources = [LayerSpans(sources) for sources in spans_of_layers(layers)]
        self._next: list[KeyRange] = []
        formats = self._formats()
        self.info = _info(layers, end_time, [layer.sources for layer in self._sources], formats)
        self._find_findings(formats)

    def close(self) -> None:
        """Stop reading ahead, before this process forks. Reading begins it again."""
        self._tables.close()

    def read_next(self, following: list[KeyRange]) -> None:
        """Say which ranges this process will read, in order, after the one that it is told to read now."""
        self._next = following[:FILES_AHEAD]

    def files(self, start: bytes, end: bytes) -> list[FileRef]:
        """Return the file entries of all layers that may hold keys of [start, end)."""
        return [source.ref for number in range(len(self.layers)) for source in self._select(number, start, end)]

    def open_to_split(self, ranges: Iterable[tuple[KeyRange, int]]) -> None:
        """Begin to open what ``split`` will need for several ranges, each with its ``target_bytes``."""
        self._tables.open_ahead(
            (source for (start, end), target in ranges for source in _larger(self._biggest(start, end), target)),
            index_only=True,
        )

    def split(self, start: bytes, end: bytes, target_bytes: int) -> list[bytes]:
        """Return keys that cut [start, end) into pieces of about ``target_bytes`` of keys and values.

        The keys come from the biggest layer's indexes and the bounds of its files. Reads no data blocks.
        """
        result: list[bytes] = []
        weight = 0.0
        for key, size in self._key_distances(self._biggest(start, end), start, end, target_bytes):
            weight += size
            if weight >= target_bytes and max(start, result[-1] if result else start) < key < end:
                result.append(key)
                weight = 0.0
        if result and weight < target_bytes / 4:
            result.pop()
        return result

    def _biggest(self, start: bytes, end: bytes) -> list[FileSpan]:
        """Return the files of [start, end) in the layer that has most of it."""
        layers = [self._select(number, start, end) for number in range(len(self.layers))]
        return max(layers, key=lambda sources: sum(source.ref.data_size or 0 for source in sources), default=[])

    def scan(
        self, start: bytes, end: bytes, tally: dict[int, int], unfinished: Optional[UnfinishedImport] = None
    ) -> Iterator[mvcc.Batch]:
        """Yield the live keys (without version) and values of the rows in [start, end), in key order, without those of
        an ``unfinished`` import.

        A row belongs to the range that holds its row prefix (its key without the family suffix), and is never cut.
        Values are four checksum bytes, a tag and data. Adds to ``tally[file.id]`` the bytes of keys and values read,
        every version counted, of those keys that lie in [start, end) exactly, so that adjoining ranges sum up to
        ``data_size``.
        """
        batches = self._merged(start, end, tally, unfinished)
        if len(end) > index_prefix_length(end) or len(start) > index_prefix_length(start):
            batches = mvcc.whole_rows(chain(batches, self._rest_of_row(end, unfinished)), start, end)
        for keys, values in batches:
            keys, values = mvcc.live(keys, values)
            if keys:
                yield keys, values
            # A batch may be as large as the table's largest row: none is kept while the next one is read.
            del keys, values

    def count(self, start: bytes, end: bytes, tally: dict[int, int]) -> None:
        """Count the bytes of [start, end) as ``scan`` does, without decoding."""
        for number in range(len(self.layers)):
            selected = self._select(number, start, end)
            self._begin(start, end, [selected])
            for source in self._each(selected, start, end) if selected else ():
                for _batch in self._blocks(source, start, end, False, tally):
                    pass

    def range_tombstones(self, file: FileRef) -> int:
        """Return by how much a file's range tombstones make its ``data_size`` greater, 0 when it has none.

        That is the length of both their bounds (inside the file's span) and of what is stored with them, as
        mvccExportToWriter of CockroachDB's pkg/storage/mvcc.go counts them. Opens the file.
        """
        source = next(source for source in self._sources[file.layer].sources if source.ref.id == file.id)
        low, high = file.span
        return sum(
            len(max(low, item.start)) + len(min(high, item.end)) + 2 * source.uncounted + item.value_size
            for item in source.tombstones(self._tables.get(source))
            if item.start < high and item.end > low
        )

    def _select(self, layer: int, start: bytes, end: bytes) -> list[FileSpan]:
        return self._sources[layer].select(start, end)

    def _begin(self, start: bytes, end: bytes, streams: list[list[FileSpan]]) -> None:
        """Begin to read the first files of streams that are read side by side; what was read ahead for other ranges
        is dropped."""
        self._tables.keep(
            {
                source.ref.path
                for low, high in [(start, end), *self._next]
                for number in range(len(self.layers))
                for source in self._select(number, low, high)
            }
        )
        self._tables.streams = max(1, len(streams))
        firsts = [sources[0] for sources in streams if sources]
        self._tables.open_ahead(firsts)
        for source in firsts if len(firsts) > 1 else ():
            self._expect(source, start, end)

    def _each(self, sources: list[FileSpan], start: bytes, end: bytes) -> Iterator[FileSpan]:
        """Yield files of one layer that hold [start, end), while those that follow are opened, in the ranges that are
        read next, too. Of the first of these that is open some blocks are read."""
        layer = self._sources[sources[0].ref.layer]
        parts = [(source, start, end) for source in sources]
        parts += [(source, *span) for span in self._next for source in layer.select(*span)]
        wanted = {source.ref.path for source, _start, _end in parts[len(sources) :]}
        for place, source in enumerate(sources):
            self._tables.open_ahead(part[0] for part in parts[place : place + self._tables.files_ahead])
            self._expect(source, start, end)
            following = next((part for part in parts[place + 1 :] if part[0].ref.path != source.ref.path), None)
            if following and self._tables.is_ready(following[0]):
                self._expect(*following)
            with self._tables.held(source):
                yield source
            if place + 1 < len(sources) and source.ref.path not in wanted:
                self._tables.forget(source)

    def _expect(self, source: FileSpan, start: bytes, end: bytes) -> None:
        """Begin to read a file's blocks of [start, end), and of those ranges read next that follow without a gap."""
        table = self._tables.get(source)
        low, high = max(start, source.ref.span[0]), min(end, source.ref.span[1])
        # That a range has ended is seen in the block that follows.
        last = _last_block(table, source, high) + 1
        for following_low, following_high in self._next:
            if not source.prefix and table.find(source.place(following_low)) <= last:
                last = max(last, _last_block(table, source, following_high) + 1)
        self._tables.expect(table, table.find(source.place(low)), min(last, len(table.handles) - 1))

    def _merged(
        self, start: bytes, end: bytes, tally: dict[int, int], unfinished: Optional[UnfinishedImport]
    ) -> Iterator[mvcc.Batch]:
        """Yield the newest keys and values of [start, end), deletions still among them."""
        selected = [self._select(number, start, end) for number in range(len(self.layers))]
        used = [number for number in range(len(self.layers)) if selected[number]]
        groups = [
            group
            for number in reversed(used)
            for group in (
                [[source] for source in selected[number]] if self._sources[number].overlapping else [selected[number]]
            )
        ]
        self._begin(start, end, groups)
        tombstones = self._tombstones(selected)
        simple = (
            not tombstones
            and not unfinished
            and not any(
                self.layers[number].manifest.all_revisions or self._sources[number].overlapping for number in used
            )
        )
        if simple and len(used) == 1:
            yield from self._chain(selected[used[0]], start, end, False, tally)
            return
        streams: list[Iterator[tuple]] = []
        for group in groups:
            stream = self._chain(group, start, end, not simple, tally)
            streams.append(stream if simple else mvcc.newest(stream, self._until, tombstones))
        merged = mvcc.merge(streams)
        for batch in mvcc.without_import(merged, unfinished) if unfinished else merged:
            yield batch[0], batch[-1]

    def _rest_of_row(self, end: bytes, unfinished: Optional[UnfinishedImport]) -> Iterator[mvcc.Batch]:
        """Yield the keys from ``end`` on of the row that begins before it, in however many files and layers they lie.
        Counts nothing."""
        first = self._first_key(end, _row_limit(end))
        prefix = mvcc.row_prefix(first) if first else end
        if prefix < end:
            yield from self._merged(end, prefix_end(prefix), {}, unfinished)

    def _first_key(self, start: bytes, end: bytes) -> bytes:
        """Return the first key of [start, end) that any layer has, empty when none has one."""
        found = end
        for number in range(len(self.layers)):
            for source in self._select(number, start, end):
                if source.ref.span[0] >= found:
                    break
                # With versions blocks are read one by one.
                for batch in self._blocks(source, start, found, True, {}):
                    found = batch[0][0]
                    break
        return found if found != end else b""

    def _chain(
        self, sources: list[FileSpan], start: bytes, end: bytes, versioned: bool, tally: dict[int, int]
    ) -> Iterator[tuple]:
        """Yield the batches of files of one layer, which follow each other in key order; without versions every key
        is there once."""
        hidden = [
            span
            for later in self.layers[sources[0].ref.layer + 1 :]
            for span in later.manifest.introduced
            if span[0] < end and span[1] > start
        ]
        last = b""
        for source in self._each(sources, start, end):
            for batch in self._blocks(source, start, end, versioned, tally):
                if not versioned:
                    with named(source.ref.path):
                        mvcc.require_ascending(batch[0], last)
                    last = batch[0][-1]
                yield _without_hidden(batch, hidden) if hidden else batch
                del batch

    def _blocks(
        self, source: FileSpan, start: bytes, end: bytes, versioned: bool, tally: dict[int, int]
    ) -> Iterator[tuple]:
        """Yield the blocks of one file entry in [start, end), and count their bytes."""
        low, high = max(start, source.ref.span[0]), min(end, source.ref.span[1])
        number = source.ref.id
        table = self._tables.get(source)
        if table.tombstones and not source.entry.has_range_keys and not self._may_have_tombstones(source.ref.layer):
            raise UnsupportedError(f"{table.name} has range tombstones, where the manifest says there are none")
        block, last_block = table.find(source.place(low)), _last_block(table, source, high)
        while block < len(table.handles):
            batch: tuple
            if versioned:
                batch, block = table.versioned_points(block), block + 1
            else:
                batch, block = table.points_of_blocks(
                    block, max(block, last_block) + 1, BATCH_BYTES // self._tables.streams
                )
            with named(table.name):
                keys = source.keys(batch[0])
            if not keys:
                continue
            if keys[0] < low or keys[-1] >= high:
                first, last = bisect_left(keys, low), bisect_left(keys, high)
                require_inside(chain(keys[:first], keys[last:]), source, table.name)
                beyond = last < len(keys)
                keys, batch = keys[first:last], tuple(column[first:last] for column in batch)
            else:
                beyond = False
            if keys:
                size = total_length(keys) + total_length(batch[-1]) + len(keys) * source.uncounted
                tally[number] = tally.get(number, 0) + size
                yield (keys, *batch[1:])
            del keys, batch
            if beyond:
                return

    def _may_have_tombstones(self, layer: int) -> bool:
        manifest = self.layers[layer].manifest
        return manifest.all_revisions or manifest.start_time != timestamps.ZERO

    def _tombstones(self, selected: list[list[FileSpan]]) -> list[RangeTombstone]:
        result = []
        for layer, sources in enumerate(selected):
            for source in sources:
                if source.entry.has_range_keys or self._may_have_tombstones(layer):
                    result += [
                        tombstone
                        for tombstone in source.tombstones(self._tables.get(source))
                        if tombstone.version <= self._until
                    ]
        return result

    def _key_distances(
        self, sources: list[FileSpan], start: bytes, end: bytes, target: int
    ) -> Iterator[tuple[bytes, float]]:
        """Yield keys with the approximate number of bytes between each and the one before."""
        large = _larger(sources, target)
        opened = 0
        for source in sources:
            span = source.ref.span
            if source.ref.data_size is not None and source.ref.data_size <= target:
                yield span[1], float(source.ref.data_size)
                continue
            self._tables.open_ahead(large[opened : opened + FILES_AHEAD], index_only=True)
            opened += 1
            table = self._tables.get(source, index_only=True)
            low, high = max(start, span[0]), min(end, span[1])
            first = table.find(source.place(span[0]))
            last = table.find(source.place(span[1])) if span[1].startswith(source.prefix) else len(table.bounds)
            if source.ref.data_size is None:
                scale = table.compression_ratio()
            else:
                scale = source.ref.data_size / max(1, sum(table.sizes[first : last + 1]))
            for block in range(first, min(last + 1, len(table.bounds))):
                bound = table.bounds[block]
                if not bound.startswith(source.cut):
                    continue
                key = source.prefix + bound[len(source.cut) :]
                if low < key <= high:
                    yield key, table.sizes[block] * scale

    def _formats(self) -> list[str]:
        """Return the table format of each layer's smallest data file."""
        smallest = [
            min(layer.sources, key=lambda source: source.ref.stored_size or source.size or 0) if layer.sources else None
            for layer in self._sources
        ]
        self._tables.open_ahead(filter(None, smallest))
        return [self._tables.get(source).format if source else "" for source in smallest]

    def _find_findings(self, formats: list[str]) -> None:
        if len(self.layers) == 1 and not self.layers[0].storage.can_list:
            place = FullName("backup", name=self.layers[0].name)
            self.findings.append(Finding.of(FindingCode.BACKUP_INCREMENTS_UNKNOWN, place))
        for number, (layer, table_format) in enumerate(zip(self.layers, formats)):
            manifest = layer.manifest
            unseen = [table_format] if table_format.startswith("pebble") else []
            unseen += ["slim manifest"] if manifest.slim else []
            unseen += ["elided key prefixes"] if manifest.elided == ELIDE_TABLE else []
            unseen += ["encryption"] if layer.key else []
            if unseen:
                self.findings.append(
                    Finding.of(
                        FindingCode.BACKUP_FORMAT_UNPROVED,
                        FullName("backup", name=layer.name),
                        f"The layer was written by {manifest.build_tag or 'an unknown release'} and read by "
                        "specification, which was not yet tested on a real backup of such a release: "
                        f"{', '.join(unseen)}.",
                    )
                )
            if manifest.compacted:
                self.findings.append(Finding.of(FindingCode.BACKUP_COMPACTED, FullName("backup", name=layer.name)))
            if any(source.entry.has_range_keys for source in self._sources[number].sources):
                self.findings.append(range_tombstone_finding(layer.name))


def range_tombstone_finding(layer: str) -> Finding:
    """Return the finding for a layer with range tombstones."""
    return Finding.of(
        FindingCode.BACKUP_RANGE_TOMBSTONES,
        FullName("backup", name=layer),
        "The layer has range tombstones, which are applied as the specification says.",
    )


def _without_hidden(batch: tuple, hidden: list[Span]) -> tuple:
    """Drop keys of spans that a later layer holds completely."""
    columns = [list(column) for column in batch]
    kept = [row for row, key in enumerate(columns[0]) if not any(start <= key < end for start, end in hidden)]
    return tuple([column[row] for row in kept] for column in columns)


def _larger(sources: list[FileSpan], target: int) -> list[FileSpan]:
    """Return the files that have to be cut into pieces of ``target`` bytes, as far as that is known."""
    return [source for source in sources if not source.ref.data_size or source.ref.data_size > target]


def _last_block(table: Table, source: FileSpan, end: bytes) -> int:
    """Return the number of the last block that may hold keys before ``end``."""
    last = len(table.handles) - 1
    return min(last, table.find(source.place(end))) if end.startswith(source.prefix) else last


def _row_limit(end: bytes) -> bytes:
    """Return a key that is greater than all keys of a row that begins before ``end``."""
    length = index_prefix_length(end)
    return end[:length] + b"\xff" * 2 if len(end) > length else end


def _info(
    layers: list[Layer], end_time: timestamps.Timestamp, sources: list[list[FileSpan]], formats: list[str]
) -> BackupInfo:
    last = layers[-1].manifest
    locations = [storage.location for layer in layers for storage in (layer.storage, *layer.partitions.values())]
    return BackupInfo(
        locations=list(dict.fromkeys(locations)),
        layers=[
            LayerInfo(
                path=layer.name,
                start=timestamps.iso(layer.manifest.start_time) if layer.manifest.start_time != timestamps.ZERO else "",
                end=timestamps.iso(layer.manifest.end_time),
                version=layer.manifest.build_tag,
                files=len({source.entry.path for source in sources[number]}),
                bytes=sum(source.ref.data_size or 0 for source in sources[number]),
                format=formats[number],
            )
            for number, layer in enumerate(layers)
        ],
        cluster_id=str(uuid.UUID(bytes=last.cluster_id)) if last.cluster_id else "",
        end_time=timestamps.iso(end_time),
        end_time_decimal=timestamps.decimal(end_time),
        cluster_version=last.cluster_version,
        coverage="cluster" if last.cluster_coverage else "requested",
        encrypted=any(layer.key for layer in layers),
        revision_history=any(layer.manifest.all_revisions for layer in layers),
        complete_databases=last.complete_databases,
        virtual_cluster=tenant_number(last.tenant) if last.tenant else 0,
    )
