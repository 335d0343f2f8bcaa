# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Writers that turn a value as ``values`` reads it into PostgreSQL's text, one for each type."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from .._errors import UnsupportedError
from .._formats.encoding import MalformedValue, replacement
from .._model.built_in_types import BIT, BPCHAR, CHAR, FLOAT4, NAME
from .._model.catalog import SqlType, UserType
from .._model.table_source import ObjectNames
from .text.composites import array_text, plain_array_text, record_text
from .text.numbers import double_text, lsn_text, numeric_text, single_text
from .text.scalars import (
    bits_text,
    box2d_text,
    bytes_text,
    check_length,
    geometry_text,
    inet_cast_text,
    inet_text,
    string_text,
    uuid_text,
)
from .text.times import date_text, interval_text, rounded, time_text, timestamp_writer, timetz_text

Writer = Callable[[Any], str]

_SHORT_STRINGS = {CHAR: (1, '"char"'), NAME: (63, "name")}
"""Maximum length in bytes of a value of these types in PostgreSQL, which truncates longer ones silently."""
SHORT_STRING_OIDS = frozenset(_SHORT_STRINGS)
_NEVER_ESCAPED = frozenset(
    (
        "bool",
        "int",
        "float",
        "decimal",
        "date",
        "timestamp",
        "timestamptz",
        "interval",
        "oid",
        "uuid",
        "inet",
        "time",
        "timetz",
        "bit",
        "geometry",
        "geography",
        "box2d",
        "void",
        "pg_lsn",
        "vector",
    )
)
_NEVER_QUOTED = frozenset(("bool", "int", "float", "decimal", "oid", "uuid", "time", "timetz", "inet"))
_SPATIAL = ("geometry", "geography")
_SPECIAL = frozenset("\\\t\n\r")


@dataclass
class NamedIdentifier(SqlType):
    """An object identifier type that becomes text: ``names`` stand for its numbers, a number without one keeps its
    digits."""

    names: Mapping[int, str] = field(default_factory=dict)


def resolve_type(
    kind: SqlType, user_types: Mapping[int, UserType], object_names: Optional[ObjectNames] = None
) -> SqlType:
    """Return ``kind`` with the fields of composite types filled in, and the names of object identifiers that become
    text.

    Raises UnsupportedError when its type is not in the backup.
    """
    if kind.element is not None:
        return dataclasses.replace(kind, element=resolve_type(kind.element, user_types, object_names))
    if object_names and kind.oid in object_names:
        return NamedIdentifier(family=kind.family, oid=kind.oid, names=object_names[kind.oid])
    if kind.family != "tuple":
        return kind
    fields = kind.fields
    if kind.user_type_id and not fields:
        fields = _user_type(kind, user_types).fields
    return dataclasses.replace(kind, fields=[resolve_type(part, user_types, object_names) for part in fields])


def is_escaped(kind: SqlType, user_types: Mapping[int, UserType]) -> bool:
    """Return whether the text of a value may contain a backslash, tab, newline or carriage return."""
    if isinstance(kind, NamedIdentifier):
        return True
    if kind.family == "enum":
        return any(_SPECIAL & set(member.name) for member in _user_type(kind, user_types).members)
    if kind.family == "array" and kind.element is not None:
        if kind.element.family == "enum":
            return any((_SPECIAL | {'"'}) & set(member.name) for member in _user_type(kind.element, user_types).members)
        return is_escaped(kind.element, user_types)
    return kind.family not in _NEVER_ESCAPED


def text_writer(kind: SqlType, user_types: Mapping[int, UserType], inside: bool = False) -> Writer:
    """Return the writer of a resolved type. The writer raises ValueProblem for what PostgreSQL cannot hold.

    ``inside`` an array or a composite value PostgreSQL prints char(n) with its blanks and an inet without a full mask,
    which a cast to text does the other way round.
    """
    family = kind.family
    if isinstance(kind, NamedIdentifier):
        return _name_writer(kind.names)
    if family == "inet":
        return inet_text if inside else inet_cast_text
    if family == "array" and kind.element is not None:
        return _array_writer(kind.element, user_types)
    if family == "tuple":
        return _record_writer([text_writer(field, user_types, True) for field in kind.fields])
    if family == "enum":
        return _enum_writer(kind, user_types)
    if family in ("string", "collated", "refcursor"):
        return _string_writer(kind, inside)
    if family in ("timestamp", "timestamptz"):
        return timestamp_writer(kind.precision, "+00" if family == "timestamptz" else "")
    if family == "decimal":
        precision, scale = kind.precision, kind.width
        return lambda value: numeric_text(value, precision, scale)
    if family == "interval":
        return lambda value: interval_text(value[0], value[1], value[2], kind.precision)
    if family == "time":
        return lambda value: time_text(rounded(value, kind.precision))
    if family == "timetz":
        return lambda value: timetz_text(rounded(value[0], kind.precision), value[1])
    if family == "float":
        return single_text if kind.oid == FLOAT4 else double_text
    if family == "bit":
        return _bits_writer(kind)
    try:
        return _WRITERS[family]
    except KeyError:
        raise UnsupportedError(f"values of the type {family} are not supported") from None


def enum_labels(kind: SqlType, user_types: Mapping[int, UserType]) -> dict[bytes, str]:
    """Return the labels of an enum by their stored bytes."""
    return {bytes.fromhex(member.physical): member.name for member in _user_type(kind, user_types).members}


def _user_type(kind: SqlType, user_types: Mapping[int, UserType]) -> UserType:
    try:
        return user_types[kind.user_type_id]
    except KeyError:
        raise UnsupportedError(f"the user-defined type {kind.user_type_id} is not in the backup") from None


def _enum_writer(kind: SqlType, user_types: Mapping[int, UserType]) -> Writer:
    labels = enum_labels(kind, user_types)

    def write(value: bytes) -> str:
        try:
            return labels[value]
        except KeyError:
            raise MalformedValue(f"the enum type has no member {value.hex()}") from None

    return write


def _name_writer(names: Mapping[int, str]) -> Writer:
    return lambda value: names.get(value) or str(value)


def _string_writer(kind: SqlType, inside: bool) -> Writer:
    width, blank_padded = kind.width, kind.oid == BPCHAR
    longest, short_name = _SHORT_STRINGS.get(kind.oid, (0, ""))

    def write(value: bytes) -> str:
        if longest and len(value) > longest:
            message = f"the text has {len(value)} bytes, PostgreSQL's {short_name} holds {longest}"
            value = replacement(value[:longest].decode("utf-8", "ignore").encode(), message, "length")
        if blank_padded and (width or not inside):
            value = value.rstrip(b" ")
        if 0 < width < len(value):
            value = check_length(value, width)
            if blank_padded:
                value = value.rstrip(b" ")
        text = string_text(value)
        return text.ljust(width) if blank_padded and inside else text

    return write


def _bits_writer(kind: SqlType) -> Writer:
    width, fixed = kind.width, kind.oid == BIT

    def write(value: tuple[int, list[int]]) -> str:
        text = bits_text(*value)
        if width and (value[0] > width or fixed and value[0] != width):
            fitted = text[:width].ljust(width if fixed else 0, "0")
            text = replacement(
                fitted, f"the bit string has {value[0]} bits, its column is declared with {width}", "length"
            )
        return text

    return write


def _array_writer(element: SqlType, user_types: Mapping[int, UserType]) -> Writer:
    write = text_writer(element, user_types, True)
    if element.family in _NEVER_QUOTED and not isinstance(element, NamedIdentifier):
        return lambda value: plain_array_text([None if item is None else write(item) for item in value])
    # PostGIS declares a colon as the delimiter of its arrays.
    delimiter = ":" if element.family in _SPATIAL else ","
    return lambda value: array_text([None if item is None else write(item) for item in value], delimiter)


def _record_writer(writers: list[Writer]) -> Writer:
    return lambda value: record_text([None if item is None else write(item) for write, item in zip(writers, value)])


def _same(value: str) -> str:
    return value


_WRITERS: dict[str, Writer] = {
    "bool": lambda value: "t" if value else "f",
    "int": str,
    "oid": str,
    "date": date_text,
    "pg_lsn": lsn_text,
    "uuid": uuid_text,
    "bytes": bytes_text,
    "geometry": geometry_text,
    "geography": geometry_text,
    "box2d": lambda value: box2d_text(*value),
    "json": _same,
    "tsquery": _same,
    "tsvector": _same,
    "vector": _same,
    "ltree": _same,
    "void": _same,
}
