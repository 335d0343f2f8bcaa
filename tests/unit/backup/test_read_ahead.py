# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What is read next is there in time, nothing is fetched twice, and no more is held than allowed: counted in requests and bytes, not in seconds."""
from __future__ import annotations

import contextlib
import pathlib
import random
import re
import threading
import time
import types
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import boto3
import building
import faulty_server
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.read_ahead import (
    LIMIT,
    PIECE,
    SMALLEST_PIECE,
    ReadAhead,
    in_parallel,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.stored_file import (
    TAIL,
    WHOLE,
    StoredFile,
    read_ends,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.directory import (
    DirectoryStorage,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.storage import Storage

TABLE = (building.unsigned(60) + building.unsigned(1), building.unsigned(60) + building.unsigned(2))
LARGE_ROWS, SMALL_FILES, ROWS = 1100, 40, 5
SIDE_BY_SIDE, PATIENCE = 3, 0.1


class Memory(Storage):
    """A file in memory that notes what is read of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__("memory", "")
        self.content, self.read_ranges = content, []

    def read_range(self, path, offset, length):
        self.read_ranges.append((offset, length))
        return self.content[offset:offset + length]

    def read_start(self, path, length):
        return self.read_range(path, 0, length), len(self.content)

    def read_end(self, path, length):
        return self.read_range(path, max(0, len(self.content) - length), length), len(self.content)


def times_read(ranges: list[tuple[int, int]], size: int) -> set[int]:
    """Return how often the bytes of a file were read."""
    ends = Counter()
    for offset, length in ranges:
        ends[offset] += 1
        ends[min(offset + length, size)] -= 1
    found, depth, places = set(), 0, sorted({*ends, 0, size})
    for place in places[:-1]:
        depth += ends[place]
        found.add(depth)
    return found


@pytest.mark.parametrize("thought", [None, 1 << 40])
def test_a_large_file_is_read_once_in_pieces_within_the_memory_allowed(thought):
    content = random.Random(5).randbytes(5 * PIECE + 12345)
    storage, ahead = Memory(content), ReadAhead()
    file = StoredFile(storage, "file", read_ends(storage, "file", thought), ahead)
    file.expect(0, file.size, PIECE)
    place, least = 0, ahead.free
    lengths = random.Random(6)
    while place < file.size:
        length = lengths.choice((1, 5000, 33000, 200_000))
        assert file.read(place, length) == content[place:place + length]
        place += length
        least = min(least, ahead.free)
    ahead.close()
    assert times_read(storage.read_ranges, len(content)) == {1}
    assert len(storage.read_ranges) <= 2 + -(-len(content) // PIECE)
    assert LIMIT - 3 * PIECE <= least < LIMIT - PIECE
    file.forget()
    assert ahead.free == LIMIT


def test_memory_that_others_use_ends_the_reading_ahead_not_the_reading():
    content = bytes(5 * PIECE)
    storage, ahead = Memory(content), ReadAhead(PIECE + PIECE // 2)
    file = StoredFile(storage, "file", read_ends(storage, "file", 1 << 40), ahead)
    others = ahead.demand(PIECE, lambda: None)
    file.expect(0, file.size, PIECE)
    assert file.read(0, 10) == bytes(10)
    assert len(storage.read_ranges) == 2  # The file's end, and the piece that is needed.
    others.drop()
    assert b"".join(file.read(place, PIECE // 2) for place in range(0, file.size, PIECE // 2)) == content
    assert times_read(storage.read_ranges, len(content)) == {1}
    ahead.close()


def test_a_block_larger_than_a_piece_is_not_kept():
    content = random.Random(8).randbytes(10 * PIECE)
    storage, ahead = Memory(content), ReadAhead()
    file = StoredFile(storage, "file", read_ends(storage, "file", 1 << 40), ahead)
    file.expect(0, file.size, PIECE)
    assert file.read(0, 100) == content[:100]
    assert file.read(100, 8 * PIECE) == content[100:100 + 8 * PIECE]
    assert ahead.free >= LIMIT - PIECE
    assert file.read(100 + 8 * PIECE, PIECE) == content[100 + 8 * PIECE:100 + 9 * PIECE]
    ahead.close()
    assert max(times_read(storage.read_ranges, len(content))) == 1


@pytest.mark.parametrize(("size", "reads"), [(1, 1), (TAIL + 1, 1), (WHOLE, 1), (WHOLE + 1, 2)])
def test_a_small_file_is_one_request(size, reads):
    storage = Memory(bytes(size))
    file = StoredFile(storage, "file", read_ends(storage, "file", size), ReadAhead())
    assert file.read(0, size) == bytes(size)
    assert len(storage.read_ranges) == reads


def test_what_fails_ahead_fails_where_it_is_read():
    storage = Memory(bytes(4 * PIECE))

    def refuse(path, offset, length):
        if offset:
            raise MigrationError(f"memory/file: no answer at {offset}")
        return bytes(length)

    ends = read_ends(storage, "file", 1 << 40)
    storage.read_range = refuse
    with contextlib.closing(ReadAhead()) as ahead:
        file = StoredFile(storage, "file", ends, ahead)
        file.expect(0, file.size, PIECE)
        assert file.read(0, SMALLEST_PIECE) == bytes(SMALLEST_PIECE)
        with pytest.raises(MigrationError, match=f"memory/file: no answer at {SMALLEST_PIECE}"):
            file.read(SMALLEST_PIECE, 1)


def test_parallel_work_gives_its_results_and_its_first_error_in_order():
    def work(number):
        time.sleep(0.01 * (5 - number))
        if number in (2, 4):
            raise MigrationError(str(number))
        return number

    assert in_parallel(work, [0, 1, 3]) == [0, 1, 3]
    with pytest.raises(MigrationError, match="^2$"):
        in_parallel(work, range(5))


@pytest.fixture(name="bucket", scope="module")
def _bucket(tmp_path_factory):
    """A bucket with a backup of one large file and many small ones of one table; the server that notes the requests, and what the files hold."""
    folder = tmp_path_factory.mktemp("backup")
    make = random.Random(7)

    def points(numbers, length):
        return [(building.row_key(60, 1, number), building.version(building.SECOND), building.value(make.randbytes(length // 2).hex())) for number in numbers]

    files, start = [], TABLE[0]
    firsts = [LARGE_ROWS, *range(LARGE_ROWS + ROWS, LARGE_ROWS + SMALL_FILES * ROWS, ROWS)]
    for number, first in enumerate([0, *firsts]):
        last = [*firsts, firsts[-1] + ROWS][number]
        end = building.row_key(60, 1, last) if number < len(firsts) else TABLE[1]
        files.append((f"data/{number}.sst", (start, end), points(range(first, last), 16000 if number == 0 else 100), {}, ()))
        start = end
    building.write_layer(folder, None, (10 * building.SECOND, 0), files)
    with faulty_server.running_s3() as server:
        client = boto3.client("s3", endpoint_url=server.url, aws_access_key_id="key", aws_secret_access_key="hush", region_name="us-east-1")
        client.create_bucket(Bucket="ahead")
        sizes = {}
        for path in folder.rglob("*"):
            if path.is_file():
                client.upload_file(str(path), "ahead", f"b/{path.relative_to(folder)}")
                sizes[f"/ahead/b/{path.relative_to(folder)}"] = path.stat().st_size
        options = StorageOptions("key", "hush", region="us-east-1", endpoint_url=server.url)
        yield types.SimpleNamespace(server=server, request=BackupRequest(("s3://ahead/b",), storage=options), sizes=sizes, folder=folder)


def rows_of_table(backup, target):
    """Read a table in parts of about so many bytes; return its rows and the number of the parts."""
    bounds = [TABLE[0], *backup.split(*TABLE, target), TABLE[1]]
    backup.close()
    return rows_of_tasks(backup, list(zip(bounds, bounds[1:]))), len(bounds) - 1


def rows_of_tasks(backup, tasks):
    """Read ranges as one process does, which is told of the next ones each time."""
    rows, others = [], set(threading.enumerate())
    for number, task in enumerate(tasks, start=1):
        backup.read_next(tasks[number:number + 32])
        rows += [pair for keys, values in backup.scan(*task, {}) for pair in zip(keys, values)]
    backup.close()
    assert not any(thread.name.startswith("read_ahead") for thread in set(threading.enumerate()) - others)
    return rows


def test_no_object_is_fetched_twice_from_s3(bucket):
    bucket.server.reset()
    rows, tasks = rows_of_table(open_backup(bucket.request), 4 << 20)
    assert rows == rows_of_table(open_backup(BackupRequest((str(bucket.folder),))), 1 << 40)[0]
    assert len(rows) == LARGE_ROWS + SMALL_FILES * ROWS and tasks > 3
    ranges = defaultdict(list)
    for request in bucket.server.requests:
        if request.name.endswith(".sst") and request.method == "GET":
            first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", request.range).groups())
            ranges[request.name].append((first, last + 1 - first))
    assert ranges.keys() == {path for path in bucket.sizes if path.endswith(".sst")}
    large = max(ranges, key=bucket.sizes.get)
    assert {path: times_read(found, bucket.sizes[path]) for path, found in ranges.items()} == {path: {1} for path in ranges}
    assert {path: len(found) for path, found in ranges.items() if path != large} == {path: 1 for path in ranges if path != large}
    assert len(ranges[large]) <= 2 + 2 * tasks  # An end, and pieces that end where what the process knew of ended.
    assert [request.method for request in bucket.server.requests].count("HEAD") <= 4  # LATEST, the manifest's checksum, the size of the large file


@dataclass
class Calls:
    """How many calls there were, and how many of them were not made side by side: nobody else called for a while."""

    arrived: int = 0
    alone: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def arrive(self) -> None:
        with self.changed:
            self.arrived += 1
            others = self.arrived + SIDE_BY_SIDE
            self.changed.notify_all()
            self.alone += not self.changed.wait_for(lambda: self.arrived >= others, timeout=PATIENCE)


@pytest.fixture(name="calls")
def _calls(monkeypatch):
    """Every call to a directory's files waits for others that are made at the same time."""
    calls = Calls()

    def meeting(function):
        def met(self, *arguments, **named):
            calls.arrive()
            return function(self, *arguments, **named)

        return met

    for name in ("read", "read_start", "read_end", "read_range", "list", "exists"):
        monkeypatch.setattr(DirectoryStorage, name, meeting(getattr(DirectoryStorage, name)))
    return calls


def test_the_round_trips_do_not_grow_with_layers(tmp_path, calls):
    root = pathlib.Path(tmp_path / "2021" / "04" / "07-141126.52")
    layers = 60
    for number in range(layers):
        points = [(building.row_key(60, 1, number), building.version((number * 10 + 5) * building.SECOND), building.value(f"row {number}"))]
        folder = root if not number else tmp_path / "incrementals" / root.relative_to(tmp_path) / f"202104{number // 30 + 8:02}" / f"{number:06}.00"
        building.write_layer(folder, (number * 10 * building.SECOND, 0) if number else None, ((number + 1) * 10 * building.SECOND, 0), [("data/1.sst", TABLE, points, {}, ())])
    (tmp_path / "LATEST").write_text("2021/04/07-141126.52")
    rows, _parts = rows_of_table(open_backup(BackupRequest((str(tmp_path),))), 1 << 40)
    assert len(rows) == layers
    assert 3 * layers < calls.arrived <= 4 * layers + 10  # A folder, a manifest, its checksum, a file.
    assert calls.alone < layers


@pytest.mark.parametrize("each", [True, False])
def test_the_round_trips_do_not_grow_with_files(bucket, calls, each):
    """``each`` file is a task of its own, or all are read by one."""
    backup = open_backup(BackupRequest((str(bucket.folder),)))
    spans = [file.span for file in backup.files(*TABLE)][1:]
    spans[0] = building.row_key(60, 1, LARGE_ROWS)[:-1], spans[0][1]  # A row belongs to where its key without the family begins.
    calls.arrived = calls.alone = 0
    rows = rows_of_tasks(backup, spans if each else [(spans[0][0], spans[-1][1])])
    assert len(rows) == SMALL_FILES * ROWS
    assert SMALL_FILES <= calls.arrived <= SMALL_FILES + 4
    assert calls.alone < SMALL_FILES / 2
