# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes a backup of TPC-C as CockroachDB's own files are, for where no real one is at hand.

The schema is the real one: ``tpcc_descriptors.json`` are the descriptors of a backup that CockroachDB v22.1 made of its own workload ``tpcc``. The rows
are made here, always the same ones, with the numbers of rows and the references that TPC-C asks for (revision 5.11, 1.2.1 and 4.3.3).
"""
from __future__ import annotations

import base64
import decimal
import json
import pathlib
import random
import string
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cramjam

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "unit" / "rows")]

import building
import stored_forms

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Table
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
)

DESCRIPTORS = pathlib.Path(__file__).resolve().parent / "tpcc_descriptors.json"
DISTRICTS = 10
ROWS_A_FILE = 100_000
_SNAPPY = 1
_SEED = 5_11
EPOCH = 1_750_000_000
_NEVER_DELIVERED = 0.3
"""Orders without a carrier yet, which are the new ones."""


@dataclass(frozen=True)
class Scale:
    """How much there is. ``items`` and ``customers`` (a district) are TPC-C's; smaller ones are for tests."""

    warehouses: int = 1
    items: int = 100_000
    customers: int = 3_000


Row = list[Any]


def rows_of(scale: Scale) -> dict[str, Callable[[], Iterator[Row]]]:
    """Return for each table what gives its rows, values in the columns' order."""
    return {
        "warehouse": lambda: _warehouses(scale), "district": lambda: _districts(scale), "customer": lambda: _customers(scale),
        "history": lambda: _history(scale), "order": lambda: _orders(scale), "new_order": lambda: _new_orders(scale), "item": lambda: _items(scale),
        "stock": lambda: _stock(scale), "order_line": lambda: _order_lines(scale),
    }


def write_backup(directory: pathlib.Path, scale: Scale) -> int:
    """Write the backup as one layer into ``directory``; return how many rows it has."""
    stored = json.loads(DESCRIPTORS.read_text(encoding="utf-8"))
    descriptors = {int(number): base64.b64decode(text) for number, text in stored["descriptors"].items()}
    tables = {table.name: table for table in build_catalog(descriptors).databases[0].tables}
    files, total = [], 0
    for name, rows in rows_of(scale).items():
        points = sorted(stored_point(tables[name], row) for row in rows())
        total += len(points)
        files += _files(tables[name], points)
    building.write_layer(directory, None, (EPOCH * 10**9, 0), files, descriptors=descriptors.values())
    return total


def _files(table: Table, points: list[tuple[bytes, bytes, bytes]]) -> Iterator[tuple]:
    """Cut a table's rows into files whose spans follow each other."""
    span = building.unsigned(table.id) + building.unsigned(table.primary_index.id)
    start, end = span, span[:-1] + bytes((span[-1] + 1,))
    options = {"block_entries": 300, "compress": lambda data: (_SNAPPY, bytes(cramjam.snappy.compress_raw(data)))}
    for place in range(0, len(points), ROWS_A_FILE):
        part = points[place:place + ROWS_A_FILE]
        following = points[place + ROWS_A_FILE:place + ROWS_A_FILE + 1]
        bound = following[0][0] if following else end
        yield f"data/{table.id}-{place}.sst", (start, bound), part, options, ()
        start = bound


def stored_point(table: Table, row: Row) -> tuple[bytes, bytes, bytes]:
    """Return a row's key, version and value."""
    values = {column.id: (column.type.family, value) for column, value in zip(table.columns, row)}
    key = building.unsigned(table.id) + building.unsigned(table.primary_index.id)
    for part in table.primary_index.columns:
        key += _key(values.pop(part.column_id)[1], part.descending)
    entries = [(number, *_STORED[family](value)) for number, (family, value) in sorted(values.items()) if value is not None]
    return key + b"\x88", building.version(EPOCH * 10**9), stored_forms.row_value(entries)


def _key(value: Any, descending: bool) -> bytes:
    if isinstance(value, uuid.UUID):
        return b"\x12" + value.bytes.replace(b"\0", b"\0\xff") + b"\0\x01"
    if not descending:
        return building.unsigned(value)
    inverted = ~value  # is stored as the negative number that it is, its length first
    length = max(1, (-inverted).bit_length() + 7 >> 3)
    return bytes((0x88 - length,)) + (inverted + (1 << 8 * length)).to_bytes(length, "big")


def _time(seconds: int) -> bytes:
    return stored_forms.zigzag(seconds) + stored_forms.zigzag(0)


_STORED: dict[str, Callable[[Any], tuple[int, bytes]]] = {
    "int": lambda value: (3, stored_forms.zigzag(value)),
    "decimal": lambda value: (5, stored_forms.sized_value(stored_forms.exact_decimal(value))),
    "string": lambda value: (6, stored_forms.sized_value(value.encode())),
    "timestamp": lambda value: (8, _time(value)),
}
"""Each family's type number and body inside of a row's value."""


class Maker:
    """Values of one table, the same in every run."""

    def __init__(self, table: str) -> None:
        self.random = random.Random(f"{_SEED} {table}")
        letters = string.ascii_letters + string.digits
        self._pool = "".join(self.random.choices(letters, k=1 << 16))

    def text(self, shortest: int, longest: int = 0) -> str:
        length = self.random.randint(shortest, longest or shortest)
        place = self.random.randrange(len(self._pool) - length)
        return self._pool[place:place + length]

    def digits(self, length: int) -> str:
        return f"{self.random.randrange(10**length):0{length}}"

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def decimal(self, low: int, high: int, scale: int) -> decimal.Decimal:
        """Return a number between two, which are given without their point."""
        return decimal.Decimal(self.random.randint(low, high)).scaleb(-scale)

    def address(self) -> Row:
        return [self.text(10, 20), self.text(10, 20), self.text(10, 20), self.text(2).upper(), self.digits(4) + "11111"]


def _places(scale: Scale) -> Iterator[tuple[int, int]]:
    return ((warehouse, district) for warehouse in range(scale.warehouses) for district in range(1, DISTRICTS + 1))


def _warehouses(scale: Scale) -> Iterator[Row]:
    make = Maker("warehouse")
    for warehouse in range(scale.warehouses):
        yield [warehouse, make.text(6, 10), *make.address(), make.decimal(0, 2000, 4), decimal.Decimal("300000.00")]


def _districts(scale: Scale) -> Iterator[Row]:
    make = Maker("district")
    for warehouse, district in _places(scale):
        yield [district, warehouse, make.text(6, 10), *make.address(), make.decimal(0, 2000, 4), decimal.Decimal("30000.00"), scale.customers + 1]


def _customers(scale: Scale) -> Iterator[Row]:
    make = Maker("customer")
    for warehouse, district in _places(scale):
        for customer in range(1, scale.customers + 1):
            yield [
                customer, district, warehouse, make.text(8, 16), "OE", f"{make.number(0, 999):03}".translate(_SYLLABLES)[:16], *make.address(), make.digits(16),
                EPOCH, "BC" if make.number(1, 10) == 1 else "GC", decimal.Decimal("50000.00"), make.decimal(0, 5000, 4), decimal.Decimal("-10.00"),
                decimal.Decimal("10.00"), 1, 0, make.text(300, 500),
            ]


_SYLLABLES = str.maketrans(dict(zip("0123456789", ("BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING"))))


def _history(scale: Scale) -> Iterator[Row]:
    make = Maker("history")
    for warehouse, district in _places(scale):
        for customer in range(1, scale.customers + 1):
            key = uuid.UUID(int=make.random.getrandbits(128))
            yield [key, customer, district, warehouse, district, warehouse, EPOCH, decimal.Decimal("10.00"), make.text(12, 24)]


def _is_new(scale: Scale, order: int) -> bool:
    return order > scale.customers * (1 - _NEVER_DELIVERED)


def _order_sizes(scale: Scale) -> Iterator[tuple[int, int, int, int]]:
    """Yield warehouse, district and number of each order, and how many lines it has."""
    make = Maker("order sizes")
    for warehouse, district in _places(scale):
        for order in range(1, scale.customers + 1):
            yield warehouse, district, order, make.number(5, 15)


def _orders(scale: Scale) -> Iterator[Row]:
    make = Maker("order")
    customers = list(range(1, scale.customers + 1))
    for warehouse, district, order, lines in _order_sizes(scale):
        if order == 1:
            make.random.shuffle(customers)
        carrier = None if _is_new(scale, order) else make.number(1, 10)
        yield [order, district, warehouse, customers[order - 1], EPOCH, carrier, lines, 1]


def _new_orders(scale: Scale) -> Iterator[Row]:
    return ([order, district, warehouse] for warehouse, district, order, _lines in _order_sizes(scale) if _is_new(scale, order))


def _items(scale: Scale) -> Iterator[Row]:
    make = Maker("item")
    for item in range(1, scale.items + 1):
        yield [item, make.number(1, 10_000), make.text(14, 24), make.decimal(100, 10_000, 2), make.text(26, 50)]


def _stock(scale: Scale) -> Iterator[Row]:
    make = Maker("stock")
    for warehouse in range(scale.warehouses):
        for item in range(1, scale.items + 1):
            yield [item, warehouse, make.number(10, 100), *(make.text(24) for _district in range(DISTRICTS)), 0, 0, 0, make.text(26, 50)]


def _order_lines(scale: Scale) -> Iterator[Row]:
    make = Maker("order_line")
    for warehouse, district, order, lines in _order_sizes(scale):
        delivered = None if _is_new(scale, order) else EPOCH
        for line in range(1, lines + 1):
            amount = decimal.Decimal("0.00") if delivered else make.decimal(1, 999_999, 2)
            yield [order, district, warehouse, line, make.number(1, scale.items), warehouse, delivered, 5, amount, make.text(24)]
