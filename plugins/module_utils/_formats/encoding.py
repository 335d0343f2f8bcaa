# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The number and byte-string forms that keys and values share.

Every reader takes the bytes and a position and returns what it read and the position after it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Callable, Optional, TypeVar, Union

from .._errors import MigrationError

Decimal = Union[str, tuple[bool, int, int]]
"""``NaN``, ``Infinity``, ``-Infinity``, or (negative, coefficient, exponent); a zero's exponent keeps its decimals."""

Value = TypeVar("Value")

COMPLEMENT = bytes(255 - byte for byte in range(256))

MOST_DECIMAL_BYTES = 1 << 16
"""No longer coefficient is read: PostgreSQL's numeric has 147,455 digits at most, which are 61,229 bytes."""

_LONGEST_NUMBER, _NUMBER_LIMIT = 10, 1 << 64
_INT_ZERO, _INT_SMALL = 0x88, 109
_INT_MIN, _INT_MAX = 0x80, 0xFD
_BYTES, _BYTES_DESC = 0x12, 0x13
_DOUBLE = struct.Struct(">d")

_NAN, _NEGATIVE_INFINITY, _NEGATIVE_LARGE = 0x18, 0x19, 0x1A
_NEGATIVE_MEDIUM, _NEGATIVE_SMALL, _ZERO, _POSITIVE_SMALL = 0x25, 0x26, 0x27, 0x28
_POSITIVE_MEDIUM, _POSITIVE_LARGE, _INFINITY, _NAN_DESC = 0x29, 0x34, 0x35, 0x36
_DECIMAL_OPPOSITES = {"NaN": "NaN", "Infinity": "-Infinity", "-Infinity": "Infinity"}


class ValueProblem(MigrationError):
    """Raised for a value that cannot be read, or that PostgreSQL cannot hold; the row decoder adds table, column and
    key.

    ``kind`` is one of ``value_policies.KINDS``; if it is empty, no policy applies and the value always stops the
    export.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class MalformedValue(ValueProblem):
    """The bytes are not what the column's type says."""


_ACCEPTS: ContextVar[Optional[Callable[[str], bool]]] = ContextVar("accepts", default=None)


@contextmanager
def replacing(accepts: Callable[[str], bool]) -> Iterator[None]:
    """Context manager: values of the kinds for which ``accepts`` returns True are replaced instead of refused."""
    token = _ACCEPTS.set(accepts)
    try:
        yield
    finally:
        _ACCEPTS.reset(token)


def replacement(value: Value, message: str, kind: str) -> Value:
    """Return ``value``, the replacement of a value that PostgreSQL cannot hold, if replacing is allowed here. Raises
    ValueProblem otherwise."""
    accepts = _ACCEPTS.get()
    if accepts is None or not accepts(kind):
        raise ValueProblem(message, kind)
    return value


def leb(data: bytes, position: int) -> tuple[int, int]:
    """Read an unsigned number of at most 64 bits: seven bits in each byte, the least significant group first."""
    result = shift = 0
    for byte in data[position : position + _LONGEST_NUMBER]:
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return _in_64_bits(result), position
        shift += 7
    raise MalformedValue("a number does not end")


def zigzag(data: bytes, position: int) -> tuple[int, int]:
    """Read a signed number: like ``leb``, with the sign in the lowest bit."""
    number, position = leb(data, position)
    return (number >> 1) ^ -(number & 1), position


def msb(data: bytes, position: int) -> tuple[int, int]:
    """Read an unsigned number of at most 64 bits: seven bits in each byte, the most significant group first. Tags and
    lengths have this form."""
    result = 0
    for byte in data[position : position + _LONGEST_NUMBER]:
        position += 1
        result = result << 7 | byte & 0x7F
        if byte < 0x80:
            return _in_64_bits(result), position
    raise MalformedValue("a number does not end")


def _in_64_bits(number: int) -> int:
    if number >= _NUMBER_LIMIT:
        raise MalformedValue("a number has more than 64 bits")
    return number


def sized(data: bytes, position: int) -> tuple[bytes, int]:
    """Read bytes that follow their ``msb`` length."""
    length, position = msb(data, position)
    end = position + length
    if end > len(data):
        raise MalformedValue("the value is cut off")
    return data[position:end], end


def ordered_int(data: bytes, position: int) -> tuple[int, int]:
    """A number whose encoding sorts as it does, signed or unsigned."""
    marker = data[position]
    position += 1
    if marker >= _INT_ZERO:
        if marker <= _INT_ZERO + _INT_SMALL:
            return marker - _INT_ZERO, position
        length = marker - _INT_ZERO - _INT_SMALL
        if marker > _INT_MAX:
            raise MalformedValue(f"0x{marker:02x} does not begin a number")
        return int.from_bytes(_take(data, position, length), "big"), position + length
    if marker < _INT_MIN:
        raise MalformedValue(f"0x{marker:02x} does not begin a number")
    length = _INT_ZERO - marker
    return int.from_bytes(_take(data, position, length), "big") - (1 << 8 * length), position + length


def ordered_int_desc(data: bytes, position: int) -> tuple[int, int]:
    """As ``ordered_int``, in descending order."""
    number, position = ordered_int(data, position)
    return ~number, position


def unsigned_desc(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned number in descending order."""
    length = _INT_ZERO - data[position]
    if not 0 <= length <= 8:
        raise MalformedValue(f"0x{data[position]:02x} does not begin a number")
    position += 1
    number = int.from_bytes(_take(data, position, length), "big")
    return (1 << 8 * length) - 1 - number, position + length


def _take(data: bytes, position: int, length: int) -> bytes:
    part = data[position : position + length]
    if len(part) != length:
        raise MalformedValue("the value is cut off")
    return part


def fixed(data: bytes, position: int, length: int) -> tuple[bytes, int]:
    """Exactly ``length`` bytes."""
    return _take(data, position, length), position + length


def double(data: bytes, position: int) -> tuple[float, int]:
    """A big-endian IEEE 754 number of eight bytes."""
    return _DOUBLE.unpack(_take(data, position, 8))[0], position + 8


def ordered_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    """A byte string of a key: after a marker, with 0x00 escaped, up to its terminator."""
    if data[position] != _BYTES:
        raise MalformedValue(f"0x{data[position]:02x} does not begin a byte string")
    return ordered_bytes_body(data, position + 1)


def ordered_bytes_body(data: bytes, position: int) -> tuple[bytes, int]:
    """As ``ordered_bytes``, without the marker."""
    end = data.index(b"\x00\x01", position)
    return data[position:end].replace(b"\x00\xff", b"\x00"), end + 2


def ordered_bytes_desc(data: bytes, position: int) -> tuple[bytes, int]:
    """As ``ordered_bytes``, in descending order."""
    if data[position] != _BYTES_DESC:
        raise MalformedValue(f"0x{data[position]:02x} does not begin a descending byte string")
    return ordered_bytes_body_desc(data, position + 1)


def ordered_bytes_body_desc(data: bytes, position: int) -> tuple[bytes, int]:
    """As ``ordered_bytes_desc``, without the marker."""
    end = data.index(b"\xff\xfe", position)
    return data[position:end].replace(b"\xff\x00", b"\xff").translate(COMPLEMENT), end + 2


def ordered_float(data: bytes, position: int) -> tuple[float, int]:
    """A floating-point number of a key."""
    marker = data[position]
    if marker in (2, 6):
        return float("nan"), position + 1
    if marker == 4:
        return 0.0, position + 1
    if marker == 5:
        return double(data, position + 1)
    if marker == 3:
        bits = _take(data, position + 1, 8).translate(COMPLEMENT)
        return _DOUBLE.unpack(bits)[0], position + 9
    raise MalformedValue(f"0x{marker:02x} does not begin a floating-point number")


def ordered_float_desc(data: bytes, position: int) -> tuple[float, int]:
    """As ``ordered_float``, in descending order. A zero reads back as -0, for CockroachDB itself returns that."""
    number, position = ordered_float(data, position)
    return -number, position


def decimal(data: bytes) -> Decimal:
    """The exact decimal form of row values: marker, exponent, coefficient to the end."""
    marker = data[0]
    if marker in (_NAN, _INFINITY, _NEGATIVE_INFINITY, _ZERO):
        if len(data) != 1:
            raise MalformedValue("bytes follow a decimal without digits")
        special: dict[int, Decimal] = {
            _NAN: "NaN",
            _INFINITY: "Infinity",
            _NEGATIVE_INFINITY: "-Infinity",
            _ZERO: (False, 0, 0),
        }
        return special[marker]
    if marker in (_POSITIVE_LARGE, _NEGATIVE_LARGE):
        exponent, position = ordered_int(data, 1)
    elif marker in (_POSITIVE_SMALL, _NEGATIVE_SMALL):
        exponent, position = ordered_int(data, 1)
        exponent = -exponent
    elif marker in (_POSITIVE_MEDIUM, _NEGATIVE_MEDIUM):
        exponent, position = 0, 1
    else:
        raise MalformedValue(f"0x{marker:02x} does not begin a decimal")
    _require_few_digits(len(data) - position)
    coefficient = int.from_bytes(data[position:], "big")
    return (
        marker in (_NEGATIVE_LARGE, _NEGATIVE_MEDIUM, _NEGATIVE_SMALL),
        coefficient,
        exponent - digit_count(coefficient),
    )


def _require_few_digits(size: int) -> None:
    if size > MOST_DECIMAL_BYTES:
        raise ValueProblem(
            f"the decimal has digits of {size} bytes, more than PostgreSQL's numeric can hold", "decimal_range"
        )


def digits(number: int) -> str:
    """Decimal text of any length (the interpreter's limit of 4300 digits does not apply)."""
    if number < 1 << 14000:
        return str(number)
    half = number.bit_length() * 30103 // 200000
    high, low = divmod(number, 10**half)
    return digits(high) + digits(low).zfill(half)


def digit_count(number: int) -> int:
    """Return the number of digits of a number's decimal text."""
    if number < 1 << 14000:
        return len(str(number))
    # log10(2) is a little less than 0.30103: the estimate is the count or one more.
    count = number.bit_length() * 30103 // 100000 + 1
    return count - (number < 10 ** (count - 1))


def ordered_decimal(data: bytes, position: int) -> tuple[Decimal, int]:
    """A decimal of a key; trailing zeros and the sign of a zero are not in it."""
    marker = data[position]
    position += 1
    if marker in (_NAN, _NAN_DESC):
        return "NaN", position
    if marker == _NEGATIVE_INFINITY:
        return "-Infinity", position
    if marker == _INFINITY:
        return "Infinity", position
    if marker == _ZERO:
        return (False, 0, 0), position
    negative = marker < _ZERO
    if marker == _POSITIVE_LARGE:
        exponent, position = ordered_int(data, position)
    elif marker == _NEGATIVE_LARGE:
        exponent, position = unsigned_desc(data, position)
    elif marker == _POSITIVE_SMALL:
        exponent, position = unsigned_desc(data, position)
        exponent = -exponent
    elif marker == _NEGATIVE_SMALL:
        exponent, position = ordered_int(data, position)
        exponent = -exponent
    elif _POSITIVE_MEDIUM <= marker < _POSITIVE_LARGE:
        exponent = marker - _POSITIVE_MEDIUM
    elif _NEGATIVE_LARGE < marker <= _NEGATIVE_MEDIUM:
        exponent = _NEGATIVE_MEDIUM - marker
    else:
        raise MalformedValue(f"0x{marker:02x} does not begin a decimal")
    end = data.index(0, position)
    _require_few_digits(end - position)
    pairs = data[position:end]
    if negative:
        pairs = pairs.translate(COMPLEMENT)
    text = "".join(f"{byte >> 1:02d}" for byte in pairs)
    if text.endswith("0"):
        text = text[:-1]
    coefficient = 0
    for start in range(0, len(text), 4000):
        part = text[start : start + 4000]
        coefficient = coefficient * 10 ** len(part) + int(part)
    return (negative, coefficient, 2 * exponent - len(text)), end + 1


def ordered_decimal_desc(data: bytes, position: int) -> tuple[Decimal, int]:
    """As ``ordered_decimal``, in descending order."""
    number, position = ordered_decimal(data, position)
    if isinstance(number, str):
        return _DECIMAL_OPPOSITES[number], position
    negative, coefficient, exponent = number
    return (not negative and coefficient != 0, coefficient, exponent), position
