# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Integers, decimals and hexadecimal bytes of many rows as PostgreSQL prints them: matrices as in text_columns.py."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..text_columns import side_by_side

try:
    import numpy as np
except ImportError:
    np = None  # named by libraries.missing()

MOST_DIGITS = 18
"""Decimal digits that ``fraction_digits`` and ``power_of_ten`` know: those of any number in signed 64 bits."""

_GROUP, _GROUP_DIGITS = 10_000, 4
_MINUS = ord("-")


def integer_matrix(numbers: Any) -> Any:
    """Signed 64-bit numbers."""
    negative = numbers < 0
    if not negative.any():
        return unsigned_matrix(numbers.view(np.uint64))
    return side_by_side([sign_matrix(negative), unsigned_matrix(np.where(negative, -numbers, numbers).view(np.uint64))])


def sign_matrix(negative: Any) -> Any:
    """A minus where ``negative`` is True."""
    return (negative.view(np.uint8) * np.uint8(_MINUS)).reshape(-1, 1)


def unsigned_matrix(numbers: Any) -> Any:
    """Unsigned 64-bit numbers."""
    last, upper = _groups_of_digits()
    largest = int(numbers.max()) if len(numbers) else 0
    groups = []
    table = last
    while True:
        if largest < _GROUP:
            # Nothing is before this group, in any row.
            groups.append(table[_GROUP:][numbers.astype(np.intp)])
            break
        rest = numbers // np.uint64(_GROUP)
        place = (numbers - rest * np.uint64(_GROUP)).astype(np.intp)
        place += np.where(rest == 0, _GROUP, 0)
        groups.append(table[place])
        numbers, largest, table = rest, largest // _GROUP, upper
    return side_by_side([group.view(np.uint8).reshape(-1, _GROUP_DIGITS) for group in reversed(groups)])


def fraction_digits(numbers: Any, digits: int) -> Any:
    """Unsigned 64-bit numbers with leading zeros, so that each has so many digits."""
    last, _upper = _groups_of_digits()
    groups = []
    for _group in range((digits + _GROUP_DIGITS - 1) // _GROUP_DIGITS):
        rest = numbers // np.uint64(_GROUP)
        groups.append(
            last[(numbers - rest * np.uint64(_GROUP)).astype(np.intp)].view(np.uint8).reshape(-1, _GROUP_DIGITS)
        )
        numbers = rest
    return side_by_side(reversed(groups))[:, -digits:]


@lru_cache(maxsize=1)
def powers_of_ten() -> Any:
    """10 ** 0 to 10 ** MOST_DIGITS, as unsigned 64-bit numbers."""
    return np.array([10**exponent for exponent in range(MOST_DIGITS + 1)], np.uint64)


def decimal_matrix(negative: Any, coefficients: Any, decimals: Any) -> Any:
    """Decimals of a coefficient below 10 ** MOST_DIGITS and a number of digits after the point, at most MOST_DIGITS."""
    most = int(decimals.max()) if len(decimals) else 0
    parts = [sign_matrix(negative & (coefficients > 0))] if negative.any() else []
    if not most:
        return side_by_side([*parts, unsigned_matrix(coefficients)])
    if (decimals == most).all():
        whole = coefficients // np.uint64(10**most)
        fraction = fraction_digits(coefficients - whole * np.uint64(10**most), most)
        return side_by_side([*parts, unsigned_matrix(whole), ".", fraction])
    unit = powers_of_ten()[decimals]
    whole = coefficients // unit
    fraction = fraction_digits((coefficients - whole * unit) * powers_of_ten()[most - decimals], most)
    fraction *= np.arange(most) < decimals[:, None]
    point = ((decimals > 0).view(np.uint8) * np.uint8(ord("."))).reshape(-1, 1)
    return side_by_side([*parts, unsigned_matrix(whole), point, fraction])


def hex_matrix(data: Any) -> Any:
    """A matrix of bytes in lower-case hexadecimal."""
    return _hex_digits()[data].view(np.uint8).reshape(len(data), 2 * data.shape[1])


def uuid_matrix(data: Any) -> Any:
    """A matrix of sixteen bytes as UUIDs."""
    digits = hex_matrix(data)
    return side_by_side(
        [digits[:, :8], "-", digits[:, 8:12], "-", digits[:, 12:16], "-", digits[:, 16:20], "-", digits[:, 20:]]
    )


@lru_cache(maxsize=1)
def _groups_of_digits() -> tuple[Any, Any]:
    """Two tables of four characters each: with leading zeros for 0 to 9999, then without. In the second table the 0 is
    nothing at all: for a group that others follow."""
    full = b"".join([b"%04d" % number for number in range(_GROUP)])
    last = full + b"".join([(b"%d" % number).rjust(_GROUP_DIGITS, b"\0") for number in range(_GROUP)])
    start = len(full)
    upper = last[:start] + bytes(_GROUP_DIGITS) + last[start + _GROUP_DIGITS :]
    return np.frombuffer(last, np.uint32), np.frombuffer(upper, np.uint32)


@lru_cache(maxsize=1)
def _hex_digits() -> Any:
    return np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)
