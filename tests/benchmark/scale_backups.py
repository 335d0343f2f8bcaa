# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes backups that are large in one way each: many layers, columns or files, large rows, a large table.

Each has one table, whose primary key are a part's number and a number in the part. All parts hold the same rows but for the part's number, so that only
two are encoded (see ``backup_files.extrapolated``).
"""
from __future__ import annotations

import argparse
import datetime
import decimal
import itertools
import json
import pathlib
import random
import string
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from backup_files import ROWS_A_FILE, Block, Point, blocks, extrapolated, write_files
from described_table import Column, described_table
from stored_rows import EPOCH, Row, point_maker

# Found since backup_files has set the path.
import building  # isort: skip

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Table

MOST_PARTS = 64
"""The number of a further one takes another length where it is stored."""
KEY = (Column("part", "int"), Column("number", "int"))
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Content:
    """What a table holds: of each part the rows that ``rows_of_part`` gives for its number."""

    columns: tuple[Column, ...]
    rows_of_part: Callable[[int], Iterable[Row]]
    parts: int
    rows_a_file: int = ROWS_A_FILE


def write_table(directory: pathlib.Path, content: Content) -> int:
    """Write a backup of one layer; return how many rows it has."""
    descriptors, table = described_table("large", (*KEY, *content.columns), len(KEY))
    make = point_maker(table)
    return _write_layer(directory, table, content, descriptors, (None, EPOCH), lambda part: map(make, content.rows_of_part(part)))


def _write_layer(
    directory: pathlib.Path, table: Table, content: Content, descriptors: list[bytes], times: tuple[int | None, int],
    points_of_part: Callable[[int], Iterable[Point]],
) -> int:
    """Write a layer from the points of the first two parts; ``times`` are seconds since 1970 of its start and end. Return how many points it has."""
    if content.parts > MOST_PARTS:
        raise ValueError(f"at most {MOST_PARTS} parts can be written")
    first, second = (list(blocks(points_of_part(part), content.rows_a_file)) for part in (0, 1))
    repeated: Iterator[Block] = (extrapolated(*pair, part) for part in range(content.parts) for pair in zip(first, second))
    files = list(write_files(directory, table, repeated, content.rows_a_file))
    start, end = ((seconds * 10**9, 0) if seconds else None for seconds in times)
    building.write_layer(directory, start, end, [], *[field for _rows, field in files], descriptors=descriptors)
    return sum(rows for rows, _field in files)


def write_layers(collection: pathlib.Path, layers: int, parts: int = 10, rows_of_part: int = 30_000) -> int:
    """Write a full backup and incremental ones, each of which changes, deletes and adds rows; return how many rows are there at the end.

    Of the rows whose number is that of a layer modulo the number of layers, a layer deletes every tenth and changes the others; it adds as many as it
    deletes.
    """
    content = Content((Column("changed_by", "int"), Column("note", "string")), lambda part: (), parts)
    descriptors, table = described_table("large", (*KEY, *content.columns), len(KEY))

    def points(part: int, layer: int) -> Iterator[Point]:
        make = point_maker(table, EPOCH + layer)
        note = itertools.cycle(texts("layers", 40, 1000))
        if not layer:
            return (make([part, number, 0, next(note)]) for number in range(rows_of_part))
        changed = [(number, place % 10 == 0) for place, number in enumerate(range(layer, rows_of_part, layers))]
        added = [(rows_of_part * layer + place, False) for place, (_number, deleted) in enumerate(changed) if deleted]
        return (_deletion(make([part, number, layer, next(note)]), deleted) for number, deleted in changed + added)

    full = datetime.datetime.fromtimestamp(EPOCH, datetime.timezone.utc)
    name = f"{full:%Y/%m/%d-%H%M%S}.00"
    for layer in range(layers):
        end = full + datetime.timedelta(seconds=layer)
        directory = collection / name if not layer else collection / "incrementals" / name / f"{end:%Y%m%d}" / f"{end:%H%M%S}.00"
        times = (EPOCH + layer - 1 if layer else None, EPOCH + layer)
        _write_layer(directory, table, content, descriptors, times, lambda part, layer=layer: points(part, layer))
    (collection / "LATEST").write_text(f"/{name}", encoding="ascii")
    return parts * rows_of_part


def _deletion(point: Point, deleted: bool) -> Point:
    return (*point[:2], b"") if deleted else point


def texts(seed: str, length: int, count: int) -> list[str]:
    """Return texts that are the same in every run."""
    chance = random.Random(seed)
    return ["".join(chance.choices(_LETTERS, k=length)) for _number in range(count)]


def wide(columns: int, rows: int) -> Content:
    """Columns of four types in turn; a row of a thousand fits into a page of PostgreSQL."""
    families = ("int", "string", "bool", "timestamp")
    words = texts("wide", 3, 500)
    described = tuple(Column(f"c{number}", families[number % 4]) for number in range(columns))

    def cell(place: int, number: int) -> object:
        return (number, words[(place + number) % len(words)], bool(place & number & 1), EPOCH + number)[place % 4]

    return Content(described, lambda part: ([part, number, *(cell(place, number) for place in range(columns))] for number in range(rows // 10)), 10)


def mixed(parts: int, rows_of_part: int) -> Content:
    """The types of an ordinary table of an application; texts have 50 to 90 bytes."""
    families = ("string", "decimal", "timestamptz", "uuid", "bool", "json", "float")
    chance = random.Random("mixed")
    words = texts("mixed", 90, 1000)

    def row(part: int, number: int) -> Row:
        word = words[number % 1000]
        document = {"name": word[:12], "tags": [word[12:18], word[18:24]], "size": decimal.Decimal(number % 500), "active": number % 3 == 0}
        return [part, number, word[:50 + number % 41], decimal.Decimal(chance.randrange(10**9)).scaleb(-2), EPOCH - chance.randrange(10**8),
                uuid.UUID(int=chance.getrandbits(128)), number % 2 == 0, document, chance.gauss(0, 1e6)]

    def rows(part: int) -> Iterator[Row]:
        chance.seed("mixed")
        return (row(part, number) for number in range(rows_of_part))

    return Content(tuple(Column(f"a_{family}", family) for family in families), rows, parts)


def large_rows(row_bytes: int, rows: int) -> Content:
    """One text a row, which hardly compresses within a block of snappy or PostgreSQL's TOAST."""
    [text] = texts("large rows", min(row_bytes, 1 << 20), 1)
    return Content((Column("content", "string"),), lambda part: [[part, 1, (text * (row_bytes // len(text) + 1))[:row_bytes]]], rows, 1)


def many_files(files: int, rows_a_file: int) -> Content:
    """Short rows in small files."""
    parts = 50
    words = texts("files", 40, 1000)
    rows = files // parts * rows_a_file
    return Content((Column("note", "string"),), lambda part: ([part, number, words[number % 1000]] for number in range(rows)), parts, rows_a_file)


def large_table(gibibytes: float, row_bytes: int = 16 << 10) -> Content:
    """Rows that compress well, so that the files are small."""
    words = texts("large table", 64, 100)
    rows = max(1, int(gibibytes * (1 << 30)) // MOST_PARTS // row_bytes)
    return Content((Column("content", "string"),), lambda part: ([part, number, words[number % 100] * (row_bytes // 64)] for number in range(rows)), MOST_PARTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("case", choices=("layers", "wide", "mixed", "large_rows", "many_files", "large_table"))
    parser.add_argument("numbers", type=float, nargs="+", help="the arguments of the function of that name")
    arguments = parser.parse_args()
    numbers = [int(number) if number == int(number) else number for number in arguments.numbers]
    if arguments.case == "layers":
        rows = write_layers(arguments.directory, *numbers)
    else:
        rows = write_table(arguments.directory, globals()[arguments.case](*numbers))
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
