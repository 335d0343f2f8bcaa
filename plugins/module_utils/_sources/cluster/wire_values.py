# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From the text in which CockroachDB sends a value to the plain form that ``backup.values`` describes.

The same writers then make PostgreSQL's text of it, so that an export over SQL and one from a backup's files agree byte
by byte.
"""

from __future__ import annotations

import decimal
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any, Callable, Optional

try:
    from psycopg2 import extensions, extras
except ImportError:  # named by libraries.missing()
    extensions = extras = None

from ..._errors import UnsupportedError
from ..._formats.encoding import Decimal, MalformedValue, ValueProblem
from ..._model.catalog import SqlType, UserType
from ..._values.text.documents import MAX_DEPTH, list_text, number_text, object_text, quoted_text, require_depth
from ..._values.text.numbers import single_text
from ..._values.text.scalars import string_text
from ..._values.type_texts import enum_labels

Parser = Callable[[str], Any]

_MICROSECONDS = 1_000_000
_DAY = 86400
_IPV4, _IPV6 = 0, 1
_BEYOND_CALENDAR = 1 << 40
"""Days that every calendar ends before: the infinities."""

_DATE = re.compile(r"(-?\d{4,})-(\d\d)-(\d\d)")
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?")
_ZONE = re.compile(r"([+-])(\d\d)(?::?(\d\d))?(?::?(-?\d\d))?$")
_INTERVAL_PART = re.compile(r"([+-]?\d+) (year|mon|day)s?\b")
_INTERVAL_TIME = re.compile(r"([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?$")
_BOX = re.compile(r"BOX\((\S+) (\S+),(\S+) (\S+)\)$")


def value_parser(kind: SqlType, user_types: Mapping[int, UserType]) -> Parser:
    """Return the parser of a resolved type (``user_types`` by descriptor id). The parser raises MalformedValue for a
    text that is not one of its type.

    Raises UnsupportedError for a type whose text is not known.
    """
    if kind.family == "array" and kind.element is not None:
        return _array_parser(kind.element, user_types)
    if kind.family == "tuple":
        return _record_parser([value_parser(field, user_types) for field in kind.fields])
    if kind.family == "enum":
        return _enum_parser(kind, user_types)
    try:
        return _PARSERS[kind.family]
    except KeyError:
        raise UnsupportedError(f"values of the type {kind.family} are not supported") from None


def _match(pattern: re.Pattern[str], text: str, what: str) -> re.Match[str]:
    match = pattern.match(text)
    if match is None:
        raise MalformedValue(f"{text[:60]!r} is not {what}")
    return match


def _bool(text: str) -> bool:
    if text in ("t", "true"):
        return True
    if text in ("f", "false"):
        return False
    raise MalformedValue(f"{text[:60]!r} is not a boolean")


def parse_decimal(text: str) -> Decimal:
    """Read a decimal of any size exactly."""
    try:
        return _plain_decimal(decimal.Decimal(text))
    except decimal.InvalidOperation:
        raise MalformedValue(f"{text[:60]!r} is not a decimal") from None


def _plain_decimal(number: decimal.Decimal) -> Decimal:
    if number.is_nan():
        return "NaN"
    if number.is_infinite():
        return "Infinity" if number > 0 else "-Infinity"
    sign, digits, exponent = number.as_tuple()
    return bool(sign), int(decimal.Decimal((0, digits, 0))), int(exponent)


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar; the year 0 is 1 BC."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


def _calendar_day(text: str) -> tuple[int, int]:
    """Return the days of the date that ``text`` begins with, and the position after it."""
    match = _match(_DATE, text, "a date")
    year = int(match.group(1))
    if text.endswith(" BC"):
        year = 1 - year
    return _days(year, int(match.group(2)), int(match.group(3))), match.end()


def parse_date(text: str) -> int:
    """Days from 1970-01-01. Years before 1 AD come as `` BC`` or, from some releases, as negative years."""
    if text.endswith("infinity"):
        return -_BEYOND_CALENDAR if text.startswith("-") else _BEYOND_CALENDAR
    return _calendar_day(text)[0]


def _clock(text: str) -> tuple[int, int]:
    """Return the microseconds of the time of day that ``text`` begins with, and the position after it."""
    match = _match(_TIME, text, "a time")
    hours, minutes, seconds, fraction = match.groups()
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * _MICROSECONDS + _fraction(fraction), match.end()


def _fraction(digits: Optional[str]) -> int:
    return int(f"{digits:0<6}"[:6]) if digits else 0


def _east(text: str) -> int:
    """Return the seconds that a zone such as ``+05:30`` lies east of UTC. Less than a minute west comes as
    ``+00:00:-01``."""
    match = _match(_ZONE, text, "a time zone")
    sign, hours, minutes, seconds = match.groups()
    size = (int(hours) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return -size if sign == "-" else size


def parse_timestamp(text: str) -> tuple[int, int]:
    """Seconds from 1970-01-01 UTC and nanoseconds; the infinities lie beyond every calendar.

    Raises ValueProblem for the first of March of leap years before 1 AD: outside of arrays CockroachDB prints the day
    before it alike.
    """
    if text.endswith("infinity"):
        return -_BEYOND_CALENDAR * _DAY if text.startswith("-") else _BEYOND_CALENDAR * _DAY, 0
    days, position = _calendar_day(text)
    before_christ = text.endswith(" BC")
    if (
        before_christ
        and text[position - 6 : position] == "-03-01"
        and _calendar_day(f"{text[: position - 5]}02-29 BC")[0] < days
    ):
        raise ValueProblem(
            f"the timestamp {text} may be one of the 29th of February, which CockroachDB prints alike; export from "
            "the backup's files instead"
        )
    rest = text[position + 1 : -3] if before_christ else text[position + 1 :]
    microseconds, position = _clock(rest)
    total = (
        days * _DAY * _MICROSECONDS + microseconds - (_east(rest[position:]) * _MICROSECONDS if rest[position:] else 0)
    )
    seconds, fraction = divmod(total, _MICROSECONDS)
    return seconds, fraction * 1000


def _time(text: str) -> int:
    return _clock(text)[0]


def _timetz(text: str) -> tuple[int, int]:
    microseconds, position = _clock(text)
    return microseconds, -_east(text[position:])


def parse_interval(text: str) -> tuple[int, int, int]:
    """Months, days and nanoseconds, from IntervalStyle ``postgres``."""
    units = {"year": 0, "mon": 0, "day": 0}
    position = 0
    for match in _INTERVAL_PART.finditer(text):
        units[match.group(2)] = int(match.group(1))
        position = match.end()
    rest = text[position:].strip()
    nanoseconds = 0
    if rest:
        sign, hours, minutes, seconds, fraction = _match(_INTERVAL_TIME, rest, "an interval").groups()
        size = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * _MICROSECONDS + _fraction(fraction)
        nanoseconds = (-size if sign == "-" else size) * 1000
    return units["year"] * 12 + units["mon"], units["day"], nanoseconds


def _bytea(text: str) -> bytes:
    if not text.startswith("\\x"):
        raise MalformedValue(f"{text[:60]!r} is not a byte string in hexadecimal form")
    return bytes.fromhex(text[2:])


def _uuid(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _inet(text: str) -> bytes:
    address = ipaddress.ip_interface(text)
    return bytes((_IPV4 if address.version == 4 else _IPV6, address.network.prefixlen)) + address.ip.packed


def _bits(text: str) -> tuple[int, list[int]]:
    padded = text.ljust(-(-len(text) // 64) * 64, "0")
    return len(text), [int(padded[start : start + 64], 2) for start in range(0, len(padded), 64)]


def _box(text: str) -> tuple[float, float, float, float]:
    low_x, low_y, high_x, high_y = map(float, _match(_BOX, text, "a box2d").groups())
    return low_x, high_x, low_y, high_y


def _vector(text: str) -> str:
    """CockroachDB and pgvector do not always choose the same of several shortest texts of a float4: the text is
    pgvector's, as from a backup's files."""
    elements = text.strip("[]").split(",")
    return f"[{','.join([single_text(float(element)) for element in elements])}]"


def _lsn(text: str) -> int:
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


class _Object(list):
    """The (name, value) pairs of a JSON object."""


_JSON = json.JSONDecoder(
    object_pairs_hook=_Object, parse_int=decimal.Decimal, parse_float=decimal.Decimal, parse_constant=decimal.Decimal
)


def parse_json(text: str) -> str:
    """Return the document as jsonb prints it; numbers keep all their digits. Raises ValueProblem for what jsonb cannot
    hold."""
    try:
        value = _JSON.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedValue(f"the JSON document cannot be read: {error}") from None
    except RecursionError:
        raise ValueProblem(f"the JSON document is nested more than {MAX_DEPTH} levels deep", "json_depth") from None
    return _document(value, 0)


def _document(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return _json_string(value)
    if isinstance(value, decimal.Decimal):
        return number_text(_plain_decimal(value))
    if isinstance(value, list):
        require_depth(depth)
        if isinstance(value, _Object):
            return object_text([(_json_string(name), _document(item, depth + 1)) for name, item in value])
        return list_text([_document(item, depth + 1) for item in value])
    return _LITERALS[value]


_LITERALS = {None: "null", True: "true", False: "false"}


def _json_string(text: str) -> str:
    return quoted_text(string_text(text.encode("utf-8", "surrogatepass")))


def _enum_parser(kind: SqlType, user_types: Mapping[int, UserType]) -> Parser:
    stored = {label: value for value, label in enum_labels(kind, user_types).items()}

    def parse(text: str) -> bytes:
        try:
            return stored[text]
        except KeyError:
            raise MalformedValue(f"the enum type has no member {text!r}") from None

    return parse


def _array_parser(element: SqlType, user_types: Mapping[int, UserType]) -> Parser:
    parse = value_parser(element, user_types)
    # The arrays of shapes have a colon between their elements, which are hexadecimal.
    spatial = element.family in ("geometry", "geography")

    def parse_array(text: str) -> list[Any]:
        elements = _TEXT_ARRAY(text.replace(":", ",") if spatial else text, None)
        if any(isinstance(item, list) for item in elements):
            raise MalformedValue("an array has more than one dimension")
        return [None if item is None else parse(item) for item in elements]

    return parse_array


def _record_parser(parsers: list[Parser]) -> Parser:
    def parse_record(text: str) -> list[Any]:
        fields = extras.CompositeCaster.tokenize(text)
        if len(fields) != len(parsers):
            raise MalformedValue(f"a composite value has {len(fields)} fields, its type {len(parsers)}")
        return [None if item is None else parse(item) for parse, item in zip(parsers, fields)]

    return parse_record


def _same(text: str) -> str:
    return text


def _text(text: str) -> str:
    return string_text(text.encode())


_TEXT_ARRAY: Any = extensions and extensions.new_array_type(
    (), "TEXTS", extensions.new_type((), "TEXT", lambda value, cursor: value)
)

_PARSERS: dict[str, Parser] = {
    "bool": _bool,
    "int": int,
    "oid": int,
    "date": parse_date,
    "time": _time,
    "pg_lsn": _lsn,
    "float": float,
    "decimal": parse_decimal,
    "string": str.encode,
    "collated": str.encode,
    "refcursor": str.encode,
    "bytes": _bytea,
    "uuid": _uuid,
    "inet": _inet,
    "timestamp": parse_timestamp,
    "timestamptz": parse_timestamp,
    "interval": parse_interval,
    "timetz": _timetz,
    "bit": _bits,
    "geometry": bytes.fromhex,
    "geography": bytes.fromhex,
    "box2d": _box,
    "json": parse_json,
    "tsvector": _text,
    "tsquery": _text,
    "vector": _vector,
    "ltree": _text,
    "void": _same,
}
