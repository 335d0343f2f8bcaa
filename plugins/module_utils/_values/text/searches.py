# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Full-text search values, vectors and label paths, from their stored form to PostgreSQL's text."""

from __future__ import annotations

import struct

from ..._formats.encoding import MalformedValue, ValueProblem, msb, ordered_bytes, sized
from .numbers import single_text
from .scalars import string_text

_WEIGHTS = ("", "C", "B", "A")
_WEIGHT_MASKS = ((8, "A"), (4, "B"), (2, "C"), (1, "D"))
_OPERAND, _OPERATOR = 1, 2
_NOT, _AND, _OR, _PHRASE = 1, 2, 3, 4
_PRIORITIES = {_NOT: 4, _AND: 2, _OR: 1, _PHRASE: 3}
_LOWEST = -1
_MOST_LEVELS = 800
"""Python allows some 1,000 calls within one another, and each operator is one."""


def _quoted(lexeme: bytes) -> str:
    return "'" + string_text(lexeme).replace("\\", "\\\\").replace("'", "''") + "'"


def tsvector_text(data: bytes) -> str:
    """A tsvector: number of lexemes, then each with its positions."""
    count, position = int.from_bytes(data[:4], "big"), 4
    entries = []
    for _lexeme in range(count):
        lexeme, position = sized(data, position)
        places = int.from_bytes(data[position : position + 2], "big")
        numbers = struct.unpack_from(f">{places}H", data, position + 2)
        position += 2 + 2 * places
        text = ",".join([f"{number & 0x3FFF}{_WEIGHTS[number >> 14]}" for number in numbers])
        entries.append((lexeme, _quoted(lexeme) + (":" + text if text else "")))
    if position != len(data):
        raise MalformedValue("bytes follow a tsvector")
    return " ".join([text for _lexeme, text in sorted(entries)])


def tsquery_text(data: bytes, binary: bool = False) -> str:
    """A tsquery: number of nodes, then its tree in prefix order.

    ``binary``: PostgreSQL's binary form, where lexemes end with a zero byte and right operands come first.
    """
    if not int.from_bytes(data[:4], "big"):
        return ""
    tree, end = _query_node(data, 4, binary, 0)
    if end != len(data):
        raise MalformedValue("bytes follow a tsquery")
    return _infix(tree, _LOWEST, False)


def _query_node(data: bytes, position: int, binary: bool, level: int) -> tuple[tuple, int]:
    """Return (operand's text,) or (operator, distance, operands) and the position after it."""
    if level > _MOST_LEVELS:
        raise ValueProblem(f"the tsquery is nested more than {_MOST_LEVELS} levels deep", "json_depth")
    kind, detail = data[position], data[position + 1]
    if kind == _OPERAND:
        prefix = data[position + 2]
        if binary:
            end = data.index(0, position + 3)
            lexeme, end = data[position + 3 : end], end + 1
        else:
            lexeme, end = sized(data, position + 3)
        marks = ("*" if prefix else "") + "".join([letter for mask, letter in _WEIGHT_MASKS if detail & mask])
        return (_quoted(lexeme) + (":" + marks if marks else ""),), end
    if kind != _OPERATOR or detail not in _PRIORITIES:
        raise MalformedValue(f"a tsquery has the unknown node {kind}, {detail}")
    position += 2
    distance = 0
    if detail == _PHRASE:
        distance = int.from_bytes(data[position : position + 2], "big")
        position += 2
    operands = []
    for _operand in range(1 if detail == _NOT else 2):
        operand, position = _query_node(data, position, binary, level + 1)
        operands.append(operand)
    if binary:
        operands.reverse()
    return (detail, distance, operands), position


def _infix(node: tuple, outer: int, right_of_phrase: bool) -> str:
    if len(node) == 1:
        return node[0]
    operator, distance, operands = node
    priority = _PRIORITIES[operator]
    if operator == _NOT:
        text = "!" + _infix(operands[0], priority, False)
    else:
        sign = {_AND: "&", _OR: "|", _PHRASE: "<->" if distance == 1 else f"<{distance}>"}[operator]
        text = f"{_infix(operands[0], priority, False)} {sign} {_infix(operands[1], priority, operator == _PHRASE)}"
    if priority < outer or operator == _PHRASE and right_of_phrase:
        return f"( {text} )"
    return text


def vector_text(data: bytes) -> str:
    """A vector: number of dimensions, then its float4 elements."""
    count = int.from_bytes(data[:4], "big")
    if len(data) != 4 + 4 * count:
        raise MalformedValue(f"a vector of {count} dimensions has {len(data)} bytes")
    return "[" + ",".join(map(single_text, struct.unpack(f">{count}f", data[4:]))) + "]"


def ltree_text(data: bytes) -> str:
    """A label path, in either of the two stored forms: the path's text, or its labels one by one."""
    length, position = msb(data, 0)
    if position + length == len(data):
        return string_text(data[position:])
    count, position = int.from_bytes(data[:2], "big"), 2
    labels = []
    for _label in range(count):
        label, position = ordered_bytes(data, position)
        labels.append(string_text(label))
    if position != len(data):
        raise MalformedValue("bytes follow an ltree")
    return ".".join(labels)
