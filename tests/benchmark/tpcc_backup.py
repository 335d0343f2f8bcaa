# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes a backup of TPC-C as CockroachDB's own files are, for where no real one is at hand.

The schema is the real one: ``tpcc_descriptors.json`` are the descriptors of a backup that CockroachDB v22.1 made of its own workload ``tpcc``. The rows
are made here, always the same ones, with the numbers of rows and the references that TPC-C asks for (revision 5.11, 1.2.1 and 4.3.3). All warehouses
hold the same rows but for the warehouse's number, so that only two are encoded: each byte that differs between those two grows by the same step from
one warehouse to the next.
"""
from __future__ import annotations

import argparse
import decimal
import itertools
import json
import pathlib
import random
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backup_files import Block, blocks, extrapolated, write_files
from described_table import stored_descriptors, table_alone
from stored_rows import EPOCH, Row, point_maker

# Found since backup_files has set the path.
import building  # isort: skip

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Table
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
)

DISTRICTS = 10
MOST_WAREHOUSES = 64
"""The number of a greater one takes another length where it is stored."""
_SEED = 5_11
_NEVER_DELIVERED = 0.3
"""Orders without a carrier yet, which are the new ones."""


@dataclass(frozen=True)
class Scale:
    """How much there is. ``items`` and ``customers`` (a district) are TPC-C's; smaller ones are for tests."""

    warehouses: int = 1
    items: int = 100_000
    customers: int = 3_000


def rows_of(scale: Scale) -> dict[str, Callable[[], Iterator[Row]]]:
    """Return for each table what gives its rows, values in the columns' order."""
    def of_all(make: Callable[[Scale, int], Iterator[Row]]) -> Callable[[], Iterator[Row]]:
        return lambda: (row for warehouse in range(scale.warehouses) for row in make(scale, warehouse))

    return {**{name: of_all(make) for name, make in _OF_A_WAREHOUSE.items()}, "item": lambda: _items(scale)}


def write_backup(directory: pathlib.Path, scale: Scale, only: str = "") -> int:
    """Write the backup as one layer into ``directory``, of all tables or of one without its foreign keys; return how many rows it has."""
    if scale.warehouses > MOST_WAREHOUSES:
        raise ValueError(f"at most {MOST_WAREHOUSES} warehouses can be written")
    descriptors = table_alone(only) if only else stored_descriptors()
    tables = {table.name: table for table in build_catalog(descriptors).databases[0].tables}
    files = [
        file for name, table in tables.items()
        for file in write_files(directory, table, _blocks(table, _items(scale)) if name == "item" else _of_all_warehouses(table, scale))
    ]
    building.write_layer(directory, None, (EPOCH * 10**9, 0), [], *[field for _rows, field in files], descriptors=descriptors.values())
    return sum(rows for rows, _field in files)


def _blocks(table: Table, rows: Iterator[Row]) -> Iterator[Block]:
    return blocks(sorted(map(point_maker(table), rows)))


def _of_all_warehouses(table: Table, scale: Scale) -> Iterator[Block]:
    """Yield the blocks of all warehouses, in the order of their keys."""
    first, second = (list(_blocks(table, _OF_A_WAREHOUSE[table.name](scale, warehouse))) for warehouse in (0, 1))
    return (extrapolated(*pair, warehouse) for warehouse in range(scale.warehouses) for pair in zip(first, second))


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


def _warehouse(_scale: Scale, warehouse: int) -> Iterator[Row]:
    make = Maker("warehouse")
    yield [warehouse, make.text(6, 10), *make.address(), make.decimal(0, 2000, 4), decimal.Decimal("300000.00")]


def _districts(scale: Scale, warehouse: int) -> Iterator[Row]:
    make = Maker("district")
    for district in range(1, DISTRICTS + 1):
        yield [district, warehouse, make.text(6, 10), *make.address(), make.decimal(0, 2000, 4), decimal.Decimal("30000.00"), scale.customers + 1]


def _places(scale: Scale) -> Iterator[tuple[int, int]]:
    """Yield the district and number of each customer, and of each order: there are as many."""
    return itertools.product(range(1, DISTRICTS + 1), range(1, scale.customers + 1))


def _customers(scale: Scale, warehouse: int) -> Iterator[Row]:
    make = Maker("customer")
    for district, customer in _places(scale):
        yield [
            customer, district, warehouse, make.text(8, 16), "OE", f"{make.number(0, 999):03}".translate(_SYLLABLES)[:16], *make.address(), make.digits(16),
            EPOCH, "BC" if make.number(1, 10) == 1 else "GC", decimal.Decimal("50000.00"), make.decimal(0, 5000, 4), decimal.Decimal("-10.00"),
            decimal.Decimal("10.00"), 1, 0, make.text(300, 500),
        ]


_SYLLABLES = str.maketrans(dict(zip("0123456789", ("BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING"))))


def _history(scale: Scale, warehouse: int) -> Iterator[Row]:
    """Yield rows whose keys begin with the warehouse, so that those of one lie together."""
    make = Maker("history")
    for district, customer in _places(scale):
        key = uuid.UUID(int=warehouse + 1 << 120 | make.random.getrandbits(120))
        yield [key, customer, district, warehouse, district, warehouse, EPOCH, decimal.Decimal("10.00"), make.text(12, 24)]


def _is_new(scale: Scale, order: int) -> bool:
    return order > scale.customers * (1 - _NEVER_DELIVERED)


def _order_sizes(scale: Scale) -> Iterator[tuple[int, int, int]]:
    """Yield district and number of each order, and how many lines it has."""
    make = Maker("order sizes")
    return ((district, order, make.number(5, 15)) for district, order in _places(scale))


def _orders(scale: Scale, warehouse: int) -> Iterator[Row]:
    make = Maker("order")
    customers = list(range(1, scale.customers + 1))
    for district, order, lines in _order_sizes(scale):
        if order == 1:
            make.random.shuffle(customers)
        carrier = None if _is_new(scale, order) else make.number(1, 10)
        yield [order, district, warehouse, customers[order - 1], EPOCH, carrier, lines, 1]


def _new_orders(scale: Scale, warehouse: int) -> Iterator[Row]:
    return ([order, district, warehouse] for district, order in _places(scale) if _is_new(scale, order))


def _items(scale: Scale) -> Iterator[Row]:
    make = Maker("item")
    for item in range(1, scale.items + 1):
        yield [item, make.number(1, 10_000), make.text(14, 24), make.decimal(100, 10_000, 2), make.text(26, 50)]


def _stock(scale: Scale, warehouse: int) -> Iterator[Row]:
    make = Maker("stock")
    for item in range(1, scale.items + 1):
        yield [item, warehouse, make.number(10, 100), *(make.text(24) for _district in range(DISTRICTS)), 0, 0, 0, make.text(26, 50)]


def _order_lines(scale: Scale, warehouse: int) -> Iterator[Row]:
    make = Maker("order_line")
    for district, order, lines in _order_sizes(scale):
        delivered = None if _is_new(scale, order) else EPOCH
        for line in range(1, lines + 1):
            amount = decimal.Decimal("0.00") if delivered else make.decimal(1, 999_999, 2)
            yield [order, district, warehouse, line, make.number(1, scale.items), warehouse, delivered, 5, amount, make.text(24)]


_OF_A_WAREHOUSE: dict[str, Callable[[Scale, int], Iterator[Row]]] = {
    "warehouse": _warehouse, "district": _districts, "customer": _customers, "history": _history, "order": _orders, "new_order": _new_orders,
    "stock": _stock, "order_line": _order_lines,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    for name, default in vars(Scale()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", default="", help="the name of the only table to write")
    arguments = parser.parse_args()
    scale = Scale(arguments.warehouses, arguments.items, arguments.customers)
    print(json.dumps({"rows": write_backup(arguments.directory, scale, arguments.only)}))


if __name__ == "__main__":
    main()
