# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writers of stored forms, for tests: what CockroachDB writes, so that the readers have something to read."""
from __future__ import annotations

import decimal
from typing import Any, Optional


def leb(number: int) -> bytes:
    """Least significant group first."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F)
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def msb(number: int) -> bytes:
    """Most significant group first."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def zigzag(number: int) -> bytes:
    return leb(number << 1 if number >= 0 else (-number << 1) - 1)


def unsigned(number: int) -> bytes:
    if number <= 109:
        return bytes([0x88 + number])
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([0xF5 + len(body)]) + body


def exact_decimal(value: decimal.Decimal) -> bytes:
    """The form of row values, trailing zeros included."""
    sign, digits, exponent = value.as_tuple()
    coefficient = int("".join(map(str, digits)))
    if not coefficient and not exponent and not sign:
        return b"\x27"
    body = coefficient.to_bytes((coefficient.bit_length() + 7) // 8, "big")
    shown = int(exponent) + len(str(coefficient))
    if shown > 0:
        return (b"\x1a" if sign else b"\x34") + unsigned(shown) + body
    if shown < 0:
        return (b"\x26" if sign else b"\x28") + unsigned(-shown) + body
    return (b"\x25" if sign else b"\x29") + body


def tag(delta: int, kind: int) -> bytes:
    """An entry's tag inside a TUPLE."""
    return msb(delta << 4 | kind) if kind < 15 else msb(delta << 4 | 15) + msb(kind)


def row_value(entries: list[tuple[int, int, bytes]]) -> bytes:
    """A TUPLE value of (column id, type number, body)."""
    body, last = b"", 0
    for column_id, kind, data in entries:
        body += tag(column_id - last, kind) + data
        last = column_id
    return b"\0\0\0\0\x0a" + body


_NULL, _STRING, _NUMBER, _FALSE, _TRUE, _CONTAINER = (number << 28 for number in range(6))


def json_document(value: Any) -> bytes:
    if isinstance(value, (list, dict)):
        return _json_container(value)
    entry, data = _json_entry(value)
    return (0x20000001).to_bytes(4, "big") + (entry | len(data)).to_bytes(4, "big") + data


def _json_container(value: Any) -> bytes:
    if isinstance(value, list):
        entries = [_json_entry(item) for item in value]
        header, groups = 0x80000000 | len(value), [entries]
    else:
        pairs = sorted((key.encode(), item) for key, item in value.items())
        header = 0x40000000 | len(value)
        groups = [[(_STRING, key) for key, _item in pairs], [_json_entry(item) for _key, item in pairs]]
    words, data = header.to_bytes(4, "big"), b""
    for group in groups:
        for number, (entry, body) in enumerate(group):
            data += body
            words += (entry | (0x80000000 | len(data) if number % 32 == 0 else len(body))).to_bytes(4, "big")
    return words + data


def _json_entry(value: Any) -> tuple[int, bytes]:
    if value is None:
        return _NULL, b""
    if isinstance(value, bool):
        return (_TRUE if value else _FALSE), b""
    if isinstance(value, str):
        return _STRING, value.encode()
    if isinstance(value, decimal.Decimal):
        body = exact_decimal(value)
        return _NUMBER, leb(len(body)) + body
    return _CONTAINER, _json_container(value)


def search_query(tree: Optional[tuple], binary: bool = False) -> bytes:
    """A tsquery of (lexeme, weights, prefix), ("!", node) and (sign or distance, left, right)."""
    if tree is None:
        return bytes(4)
    body, count = _query_node(tree, binary)
    return count.to_bytes(4, "big") + body


def _query_node(tree: tuple, binary: bool) -> tuple[bytes, int]:
    if len(tree) == 3 and isinstance(tree[1], int):
        lexeme = tree[0].encode()
        return b"\x01" + bytes([tree[1], tree[2]]) + (lexeme + b"\0" if binary else msb(len(lexeme)) + lexeme), 1
    if tree[0] == "!":
        body, count = _query_node(tree[1], binary)
        return b"\x02\x01" + body, count + 1
    head = {"&": b"\x02\x02", "|": b"\x02\x03"}.get(tree[0]) or b"\x02\x04" + tree[0].to_bytes(2, "big")
    left, left_count = _query_node(tree[1], binary)
    right, right_count = _query_node(tree[2], binary)
    return head + (right + left if binary else left + right), left_count + right_count + 1


def search_vector(lexemes: list[tuple[str, list[tuple[int, int]]]]) -> bytes:
    """A tsvector of (lexeme, [(position, weight 0 to 3)])."""
    body = len(lexemes).to_bytes(4, "big")
    for lexeme, places in lexemes:
        raw = lexeme.encode()
        body += msb(len(raw)) + raw + len(places).to_bytes(2, "big") + b"".join((weight << 14 | number).to_bytes(2, "big") for number, weight in places)
    return body


def sized_value(body: bytes) -> bytes:
    return msb(len(body)) + body


def array_value(kind: int, elements: list[Optional[bytes]]) -> bytes:
    """An array of elements' bodies of the type number ``kind``, with its length; None is NULL."""
    nulls = sum(1 << number for number, element in enumerate(elements) if element is None)
    header = (b"\x11" if nulls else b"\x01") + tag(0, kind) + msb(len(elements))
    bitmap = nulls.to_bytes((len(elements) + 7) // 8, "little") if nulls else b""
    return sized_value(header + bitmap + b"".join(element for element in elements if element is not None))
