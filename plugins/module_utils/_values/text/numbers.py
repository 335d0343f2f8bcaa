# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Numbers as PostgreSQL prints them."""

from __future__ import annotations

import functools
import math
import struct
from decimal import Decimal as ExactDecimal
from typing import Optional

from ..._formats.encoding import Decimal, ValueProblem, digit_count, digits, replacement

_SINGLE = struct.Struct(">f")
_MAX_INTEGER_DIGITS, _MAX_SCALE = 131072, 16383
_SINGLE_EXPONENT, _DOUBLE_EXPONENT = 6, 15
_EXACT_INTEGERS = float(1 << 53)
_SPECIAL = {math.inf: "Infinity", -math.inf: "-Infinity"}


def double_text(number: float) -> str:
    """The shortest text of a float8 (extra_float_digits 3)."""
    text = repr(number)
    if text[-2:] == ".0":
        if -1e15 < number < 1e15:
            return text[:-2]
    elif -_EXACT_INTEGERS < number < _EXACT_INTEGERS:
        return text if abs(number) < 1e15 else _scientific(text, _DOUBLE_EXPONENT)
    if math.isnan(number):
        return "NaN"
    if number in _SPECIAL:
        return _SPECIAL[number]
    return _scientific(_without_bounds(number, text), _DOUBLE_EXPONENT)


def plain_text(number: float) -> str:
    """The shortest text of a float8 without an exponent, as CockroachDB prints those of a box2d: Go's
    ``strconv.FormatFloat(number, 'f', -1, 64)``."""
    if math.isnan(number):
        return "NaN"
    if number in _SPECIAL:
        return "+Inf" if number > 0 else "-Inf"
    text = format(ExactDecimal(repr(number)), "f")
    return text[:-2] if text.endswith(".0") else text


def _without_bounds(number: float, text: str) -> str:
    """PostgreSQL never prints what lies exactly half-way to the next number, although it reads back the same.

    Only integers beyond 2**53 have such short texts.
    """
    exact, shown = abs(int(number)), abs(int(ExactDecimal(text)))
    upper = int(math.ulp(number))
    lower = upper // 2 if math.frexp(number)[0] in (0.5, -0.5) else upper
    if shown == exact or 2 * abs(shown - exact) != (upper if shown > exact else lower):
        return text
    for precision in range(17):
        text = f"{number:.{precision}e}"
        if -lower < 2 * (abs(int(ExactDecimal(text))) - exact) < upper:
            return text
    raise AssertionError("seventeen digits tell any two float8 apart")


def single_text(number: float) -> str:
    """The shortest text of a float4. A number too large for it is replaced by the infinity, or ValueProblem is
    raised."""
    if number == 0:
        # Both zeros are equal, so that a cache would mix them up.
        return "-0" if math.copysign(1, number) < 0 else "0"
    try:
        return _single_text(number)
    except OverflowError:
        return replacement(
            _SPECIAL[math.copysign(math.inf, number)], f"{number!r} is out of range for a real", "real_range"
        )


@functools.lru_cache(maxsize=65536)
def _single_text(number: float) -> str:
    packed = _SINGLE.pack(number)
    number = _SINGLE.unpack(packed)[0]
    if math.isnan(number):
        return "NaN"
    if number in _SPECIAL:
        return _SPECIAL[number]
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    return _scientific(_shortest_single(number, int.from_bytes(packed, "big") & 0x7FFFFFFF), _SINGLE_EXPONENT)


def _shortest_single(number: float, bits: int) -> str:
    """The shortest decimal strictly between the middles to both neighbours, the nearest one if there are several."""
    size = abs(number)
    below = _SINGLE.unpack((bits - 1).to_bytes(4, "big"))[0]
    above = 2 * size - below if bits == 0x7F7FFFFF else _SINGLE.unpack((bits + 1).to_bytes(4, "big"))[0]
    low, high = (below + size) / 2, (above + size) / 2
    usual = _between(size, 5, low, high)
    for precision in range(0 if usual else 6, 9):
        text = _between(size, precision, low, high)
        if text:
            return text if number > 0 else "-" + text
    raise AssertionError("nine digits tell any two float4 apart")


def _between(size: float, precision: int, low: float, high: float) -> str:
    """The decimal of that many fractional digits which lies next to ``size`` and inside the bounds, or nothing."""
    text = f"{size:.{precision}e}"
    if low < float(text) < high or low < ExactDecimal(text) < high:
        return text
    # Below a power of two the neighbour is nearer: the next decimal above may fit all the same.
    mantissa, exponent = text.split("e")
    text = f"{ExactDecimal(mantissa) + ExactDecimal(1).scaleb(-precision)}e{exponent}"
    return text if low < ExactDecimal(text) < high else ""


def _scientific(text: str, limit: int) -> str:
    """Write a finite decimal other than zero plainly when its exponent is in -4 … ``limit`` - 1."""
    sign, decimal_digits, exponent = ExactDecimal(text).normalize().as_tuple()
    body = "".join(map(str, decimal_digits))
    minus = "-" if sign else ""
    position = len(body) + int(exponent)
    if -4 <= position - 1 < limit:
        if position <= 0:
            return f"{minus}0.{'0' * -position}{body}"
        if position >= len(body):
            return f"{minus}{body}{'0' * (position - len(body))}"
        return f"{minus}{body[:position]}.{body[position:]}"
    mantissa = body[0] + ("." + body[1:] if len(body) > 1 else "")
    shown = position - 1
    return f"{minus}{mantissa}e{'-' if shown < 0 else '+'}{abs(shown):02d}"


def numeric_text(number: Decimal, precision: Optional[int] = None, scale: int = 0) -> str:
    """A numeric, plainly expanded; with a declared precision padded to ``scale``.

    A number with more digits after its point than numeric(precision, scale), or any numeric, holds is replaced by the
    rounded one, or ValueProblem is raised; it is also raised for a number that is too large.
    """
    if isinstance(number, str):
        if precision and number != "NaN":
            raise ValueProblem(f"{number} does not fit into numeric({precision},{scale})", "decimal_range")
        return number
    negative, coefficient, exponent = number
    if exponent > _MAX_INTEGER_DIGITS:
        raise ValueProblem(
            f"the decimal's exponent {exponent} is more than PostgreSQL's numeric can hold", "decimal_range"
        )
    if exponent < -_MAX_INTEGER_DIGITS:
        message = f"the decimal's exponent {exponent} is more than PostgreSQL's numeric can hold"
        coefficient, exponent = replacement(_rounded(coefficient, exponent, _MAX_SCALE), message, "decimal_scale")
    if precision:
        coefficient, exponent = _fit(coefficient, exponent, precision, scale)
    elif -exponent > _MAX_SCALE:
        message = (
            f"the decimal has more than the {_MAX_SCALE} digits after its point that PostgreSQL's numeric can hold"
        )
        coefficient, exponent = replacement(_rounded(coefficient, exponent, _MAX_SCALE), message, "decimal_scale")
    text = digits(coefficient)
    if len(text) + exponent > _MAX_INTEGER_DIGITS and coefficient:
        raise ValueProblem("the decimal has more digits than PostgreSQL's numeric can hold", "decimal_range")
    if exponent >= 0:
        text = text + "0" * exponent if coefficient else "0"
    else:
        text = text.zfill(1 - exponent)
        text = f"{text[:exponent]}.{text[exponent:]}"
    return "-" + text if negative and coefficient else text


def _fit(coefficient: int, exponent: int, precision: int, scale: int) -> tuple[int, int]:
    if exponent >= -scale:
        fitted = coefficient * 10 ** (exponent + scale)
    else:
        fitted, rest = divmod(coefficient, 10 ** (-scale - exponent))
        if rest:
            message = (
                f"the decimal has more than {scale} digits after its point, which numeric({precision},{scale}) would "
                "round"
            )
            fitted = replacement(_rounded(coefficient, exponent, scale)[0], message, "decimal_scale")
    if fitted >= 10**precision:
        raise ValueProblem(f"the decimal is too large for numeric({precision},{scale})", "decimal_range")
    return fitted, -scale


def _rounded(coefficient: int, exponent: int, scale: int) -> tuple[int, int]:
    """Round half away from zero to ``scale`` digits after the point, as PostgreSQL does."""
    dropped = -scale - exponent
    if dropped > digit_count(coefficient):
        return 0, -scale
    quotient, rest = divmod(coefficient, 10**dropped)
    return quotient + (2 * rest >= 10**dropped), -scale


def lsn_text(number: int) -> str:
    """A pg_lsn; the number may be its signed 64-bit form."""
    return f"{number >> 32 & 0xFFFFFFFF:X}/{number & 0xFFFFFFFF:X}"
