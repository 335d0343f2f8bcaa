# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Random tables with random rows in their stored form, whole or damaged. The same seed makes the same table."""
from __future__ import annotations

import decimal
import random
import struct
from dataclasses import dataclass
from typing import Callable, Optional

from stored_forms import array_value, exact_decimal, json_document, leb, msb, row_value, sized_value, unsigned, zigzag

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    EnumMember,
    Family,
    Index,
    IndexColumn,
    SqlType,
    Table,
    UserType,
)

MOOD = UserType(106, "mood", 1, members=[EnumMember("sad", "40"), EnumMember("o\tk", "80"), EnumMember("ünhappy", "c0"), EnumMember("late", "8040")])
USER_TYPES = {106: MOOD}
POLICIES = [
    {}, {}, {"zero_character": "replace", "invalid_utf8": "replace", "length": "replace", "decimal_scale": "replace", "timestamp_range": "replace", "real_range": "replace"},
    {"zero_character": "reject", "invalid_utf8": "null", "length": "reject", "decimal_scale": "reject", "decimal_range": "null", "timestamp_range": "null"},
]

Make = Callable[[random.Random, bool], bytes]
"""Makes a stored form; with True it may be one that PostgreSQL cannot hold, or none at all."""


def number(rng: random.Random) -> int:
    size = rng.choice((1, 7, 8, 13, 14, 15, 31, 32, 48, 55, 56, 57, 62, 63))
    return rng.choice((-1, 1)) * rng.getrandbits(size) - rng.randrange(2)


def ordered(value: int) -> bytes:
    if value >= 0:
        return unsigned(value)
    size = next(size for size in range(1, 9) if -value <= 1 << 8 * size)
    return bytes((0x88 - size,)) + ((1 << 8 * size) + value).to_bytes(size, "big")


def text(rng: random.Random, odd: bool, longest: int = 0) -> bytes:
    alphabet = rng.choice(("ab c", "ab c", "aé漢🚀", "a\\b\t\n\rc", "\x01\x0b\x1f\x7f!", "  a"))
    size = rng.choice((0, 1, 3, 4, 5, 20, 63, 64, 65, 127, 128, 254, 255, 256, 257, 600))
    result = "".join(rng.choices(alphabet, k=min(size, longest) if longest and not odd else size)).encode()
    if odd and rng.random() < 0.5:
        result += rng.choice((b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x80"))
    return result


def digits(rng: random.Random, precision: int, scale: int, odd: bool) -> decimal.Decimal:
    if odd or not precision:
        return decimal.Decimal((rng.randrange(2), tuple(map(int, str(rng.getrandbits(rng.choice((0, 1, 10, 50, 60, 63, 64, 65, 80)))))), rng.choice((0, -1, -2, -5, -17, -18, -19, -30, 1, 3))))
    return decimal.Decimal((rng.randrange(2), tuple(map(int, str(rng.randrange(10 ** rng.randrange(precision + 1))))), -rng.choice((scale, scale, scale, 0 if scale < precision else scale))))


def stored_decimal(precision: int, scale: int) -> Make:
    def make(rng: random.Random, odd: bool) -> bytes:
        special = rng.choice((b"\x18", b"\x35", b"\x19", b"\x17", b"\x34\x88", b"\x34\xf7\x01", b"")) if odd and rng.random() < 0.5 else b""
        return special or exact_decimal(digits(rng, precision, scale, odd))
    return make


def moment(rng: random.Random, odd: bool) -> tuple[int, int]:
    seconds = number(rng) if odd else rng.choice((0, 86399, 86400, -1, 4102444800, 7258118399, 7258118400, -2208988800, -2208988801, 253402300799, -62135596801, rng.randrange(-(10**9), 2 * 10**9)))
    nanoseconds = number(rng) if odd and rng.random() < 0.5 else rng.choice((0, 1000, 500000000, 120000000, 999999000, 123456000, 1, 999, rng.randrange(10**9)))
    return seconds, nanoseconds


def stored_float(rng: random.Random, odd: bool) -> bytes:
    size = rng.choice((0.0, -0.0, 1.5, 1e15, 1e14 + 0.5, 1e15 + 0.5, 123456.789, 1e-4, 9.9e-5, 1e300, float("nan"), float("inf"), -float("inf"), 2.0**60, rng.random(), rng.gauss(0, 1e6)))
    return struct.pack(">d", size if odd else rng.choice((1, -1)) * rng.choice((size, rng.random() * 1000)))


def document(rng: random.Random, odd: bool, depth: int = 0) -> object:
    """A JSON document of one of a few shapes."""
    words = ("", "a", "text", "-" * 64, "é漢", "x" * 300, "tab\t", 'quo"te', "back\\slash", "\x7f", "\x1f", *(("\0",) if odd else ()))
    numbers = ("0", "1.50", "-3", "12345678901234567890", "0.001", "-0.000", "7E+3", "99999999999999999.9", "1E-30")
    leaves = (None, True, False, rng.choice(words), decimal.Decimal(rng.choice(numbers)), [], {})
    kind = rng.randrange(6 if depth < 3 else 3)
    if kind < 3 and depth:
        return rng.choice(leaves)
    inside = [document(rng, odd, depth + 1) for _item in range(rng.choice((0, 1, 2, 2, 3, 40 if depth == 1 else 3)))]
    if kind == 4:
        return inside
    names = rng.choice((("b", "a", "ccc", "aa"), ("k", 'q"', "z"), ("ü", "a\\"), tuple(f"name{number}" for number in range(40))))
    return dict(zip(names, inside))


def json_value(rng: random.Random, odd: bool) -> bytes:
    if odd and rng.random() < 0.5:
        return rng.randbytes(rng.randrange(12))
    if rng.random() < 0.5:
        return json_document(document(rng, odd))
    leaf = rng.choice((None, True, "a\\b\n", "é", "", decimal.Decimal("1.50"), decimal.Decimal(-3), ["x", {}], {"k": [None]}, "\0" if odd else "-"))
    return json_document({"a": leaf, "bb": "text", "c": decimal.Decimal(rng.randrange(1000))} if rng.random() < 0.5 else leaf)


@dataclass(frozen=True)
class Kind:
    """A type, its forms inside of a tuple, alone in a family, and in an ascending key."""

    type: SqlType
    wire: int
    body: Make
    tag: int
    alone: Make
    key: Optional[Make] = None


def _string(kind: SqlType, longest: int = 0) -> Kind:
    def make(rng: random.Random, odd: bool) -> bytes:
        return text(rng, odd, longest)
    return Kind(kind, 6, lambda rng, odd: sized_value(make(rng, odd)), 3, make, _key_bytes(make))


def _raw(kind: SqlType, make: Make, wire: int = 6, key: bool = True) -> Kind:
    sized = wire != 12
    return Kind(kind, wire, lambda rng, odd: sized_value(make(rng, odd)) if sized else make(rng, odd)[:16].ljust(16, b"u"), 3, make, _key_bytes(make) if key else None)


def _key_bytes(make: Make) -> Make:
    return lambda rng, odd: b"\x12" + make(rng, odd).replace(b"\0", b"\0\xff") + b"\0\x01"


def _number(kind: SqlType, make: Callable[[random.Random, bool], int]) -> Kind:
    return Kind(kind, 3, lambda rng, odd: zigzag(make(rng, odd)), 1, lambda rng, odd: zigzag(make(rng, odd)), lambda rng, odd: ordered(make(rng, odd)))


def _moment(kind: SqlType) -> Kind:
    def ordered_moment(rng: random.Random, odd: bool) -> bytes:
        return b"\x14" + b"".join(map(ordered, moment(rng, odd)))
    return Kind(kind, 8, lambda rng, odd: b"".join(map(zigzag, moment(rng, odd))), 4, ordered_moment, ordered_moment)


def _decimal(precision: int, scale: int) -> Kind:
    make = stored_decimal(precision, scale)

    def sized(rng: random.Random, odd: bool) -> bytes:
        body = make(rng, odd)
        return leb(len(body)) + body
    return Kind(SqlType("decimal", 1700, scale, precision or None), 5, sized, 5, make)


KINDS = [
    _number(SqlType("int", 20, 64), lambda rng, odd: number(rng)),
    _number(SqlType("int", 23, 32), lambda rng, odd: rng.randrange(100)),
    _number(SqlType("oid", 26), lambda rng, odd: abs(number(rng))),
    _number(SqlType("date", 1082), lambda rng, odd: number(rng) if odd else rng.choice((0, -25567, -25568, 84005, 84006, -719163, 11016, rng.randrange(20000)))),
    _number(SqlType("time", 1083), lambda rng, odd: number(rng) if odd else rng.randrange(86400 * 10**6 + 1)),
    _string(SqlType("string", 25)), _string(SqlType("string", 25)), _string(SqlType("string", 1043, 5), 5), _string(SqlType("string", 1043, 300), 300), _string(SqlType("string", 1042, 4), 4),
    _string(SqlType("string", 19), 63), _string(SqlType("string", 18, 1), 1),
    _raw(SqlType("collated", 25, locale="de"), text),
    _raw(SqlType("bytes", 17), lambda rng, odd: rng.randbytes(rng.choice((0, 1, 16, 63, 64, 65, 128, 300)))),
    _raw(SqlType("uuid", 2950), lambda rng, odd: rng.randbytes(3 if odd and rng.random() < 0.3 else 16), 12),
    _raw(SqlType("enum", 100106, user_type_id=106), lambda rng, odd: rng.choice((b"\x40", b"\x80", b"\xc0", b"\x80\x40", b"\x41" if odd else b"\x40"))),
    _decimal(0, 0), _decimal(6, 2), _decimal(4, 4), _decimal(38, 20), _decimal(12, 0),
    _moment(SqlType("timestamp", 1114)), _moment(SqlType("timestamptz", 1184)), _moment(SqlType("timestamptz", 1184, precision=3)), _moment(SqlType("timestamp", 1114, precision=0)),
    Kind(SqlType("float", 701, 64), 4, stored_float, 2, stored_float, lambda rng, odd: b"\x05" + struct.pack(">d", rng.random() + 1)),
    Kind(SqlType("float", 700, 32), 4, stored_float, 2, stored_float),
    Kind(SqlType("bool", 16), 0, lambda rng, odd: b"", 1, lambda rng, odd: zigzag(rng.randrange(3 if odd else 2)), lambda rng, odd: unsigned(rng.randrange(2))),
    _raw(SqlType("json", 3802), json_value, 15, key=False),
    Kind(SqlType("inet", 869), 14, lambda rng, odd: bytes((0, 24)) + rng.randbytes(4), 3, lambda rng, odd: bytes((1, 64)) + rng.randbytes(16)),
    Kind(SqlType("array", 1016, element=SqlType("int", 20, 64)), 13, lambda rng, odd: array_value(3, [zigzag(number(rng)), None]), 3, lambda rng, odd: array_value(3, [zigzag(5)])[1:]),
    Kind(SqlType("interval", 1186), 9, lambda rng, odd: zigzag(rng.randrange(50)) + zigzag(-3) + zigzag(number(rng)), 6, lambda rng, odd: b"\x16" + ordered(5 * 10**9) + b"\x88\x88"),
]


class RandomTable:
    """A table and its pairs of keys and values."""

    def __init__(self, seed: int, rows: int = 40) -> None:
        self.rng = random.Random(seed)
        rng = self.rng
        self.odd = rng.choice((0.0, 0.0, 0.01, 0.2))
        self.policies = rng.choice(POLICIES)
        ids = sorted(rng.sample(range(1, rng.choice((12, 12, 40, 3000))), rng.randrange(2, 11)))
        self.kinds = {column: rng.choice(KINDS) for column in ids}
        self.keys = rng.sample([column for column in ids if self.kinds[column].key] or [ids[0]], 1) + [column for column in ids[1:] if self.kinds[column].key and rng.random() < 0.15]
        self.keys = list(dict.fromkeys(self.keys))
        for column in self.keys:
            if not self.kinds[column].key:
                self.kinds[column] = KINDS[0]
        self.composite = [column for column in self.keys if self.kinds[column].type.family in ("collated", "float")]
        self.nullable = rng.choice((0.0, 0.0, 0.3, 0.9))
        self.gone = rng.random() < 0.15
        self.descending = {column: rng.random() < 0.2 for column in self.keys}
        self.families = self._families(ids)
        columns = [Column(column, f"c{column}", kind.type) for column, kind in self.kinds.items()]
        for column in columns:
            if column.id not in self.keys and rng.random() < 0.1:
                column.computed = "c1"
        index = Index(1, "primary", True, [IndexColumn(column, self.descending[column]) for column in self.keys], composite_column_ids=self.composite)
        self.table = Table(rng.choice((53, 110, 70000)), "t", 1, columns, index, families=self.families)
        # Each key once, in the order of a backup.
        self.pairs = sorted({pair[0]: pair for row in range(rng.randrange(1, rows)) for pair in self._row()}.values())

    def _families(self, ids: list[int]) -> list[Family]:
        if self.rng.random() < 0.6:
            return [Family(0, "primary", ids)]
        rest = [column for column in ids if column not in self.keys]
        families = [Family(0, "f0", [column for column in ids if column in self.keys])]
        for name in (1, 2, 130):
            taken, rest = rest[: (size := self.rng.randrange(3))], rest[size:]
            families.append(Family(name, f"f{name}", taken, taken[0] if len(taken) == 1 else 0))
        families[0].column_ids += rest
        return families

    def _row(self) -> list[tuple[bytes, bytes]]:
        rng = self.rng
        prefix = unsigned(self.table.id) + b"\x89"
        for column in self.keys:
            form = self.kinds[column].key(rng, rng.random() < self.odd)
            prefix += bytes(255 - byte for byte in form) if self.descending[column] and form[:1] == b"\x12" else form
            if self.descending[column] and form[:1] == b"\x12":
                prefix = prefix[: -len(form)] + b"\x13" + prefix[len(prefix) - len(form) + 1 :]
        result = []
        for number_of_family, family in enumerate(self.families):
            key = prefix + (b"\x88" if family.id == 0 else unsigned(family.id) + bytes((0x88 + len(unsigned(family.id)),)))
            columns = [column for column in family.column_ids if (column not in self.keys or column in self.composite) and rng.random() >= self.nullable]
            if not columns and number_of_family:
                continue
            if family.default_column_id and columns and rng.random() < 0.8:
                kind = self.kinds[columns[0]]
                result.append((key, b"\0\0\0\0" + bytes((kind.tag,)) + kind.alone(rng, rng.random() < self.odd)))
                continue
            entries = []
            for column in sorted(columns):
                kind = self.kinds[column]
                entries.append((column, kind.wire or rng.choice((10, 11)), kind.body(rng, rng.random() < self.odd)))
            if self.gone and rng.random() < 0.2:
                entries = sorted([*entries, (next(item for item in range(1, 9999) if item not in self.kinds), 6, sized_value(b"gone"))])
            empty = not entries and rng.random() < 0.5
            result.append((key, b"\0\0\0\0\0" if empty else row_value(entries)))
        return result

    def damage(self) -> None:
        """Damage one key or value: a byte is flipped, lost or added, or the end is lost."""
        rng = self.rng
        at = rng.randrange(len(self.pairs))
        pair = list(self.pairs[at])
        which = rng.random() < 0.8
        data = bytearray(pair[which])
        # The first four bytes of a value are a checksum that is not looked at.
        place = rng.randrange(min(4, len(data) - 1) if which else 0, len(data)) if len(data) > 1 else 0
        how = rng.randrange(5) if data else 4
        if how == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[place] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif how == 2:
            del data[place:]
        elif how == 3:
            del data[place]
        else:
            data[place:place] = rng.choice((b"\0", b"\xff", msb(rng.getrandbits(rng.choice((7, 14, 30, 70)))), rng.randbytes(3)))
        pair[which] = bytes(data)
        self.pairs[at] = (pair[0], pair[1])
