# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Dates, times and intervals as PostgreSQL prints them (DateStyle ISO, IntervalStyle postgres, TimeZone UTC)."""

from __future__ import annotations

import functools
from typing import Callable, Optional

from ..._formats.encoding import ValueProblem, replacement

_POSTGRES_EPOCH = 10957
"""Days from 1970-01-01 to 2000-01-01."""
_LAST_DATE, _FIRST_DATE = 2145031948, -2451545
_FIRST_SECOND, _LAST_SECOND = -210866803200, 9224318015999
_MICROSECONDS = 1_000_000
_DAY = 86400
_INT32 = 1 << 31
_MAX_DIGITS = 6
_TWO = [f"{number:02d}" for number in range(100)]


def _civil(days: int) -> tuple[int, int, int]:
    """Year (astronomical), month and day of a day since 1970-01-01, in the proleptic Gregorian calendar."""
    days += 719468
    era, day_of_era = divmod(days, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted_month + 2) // 5 + 1


@functools.lru_cache(maxsize=65536)
def _day_parts(days: int) -> tuple[str, str]:
    year, month, day = _civil(days)
    return f"{year if year > 0 else 1 - year:04d}-{_TWO[month]}-{_TWO[day]}", "" if year > 0 else " BC"


def date_text(days: int) -> str:
    """A date from days since 1970-01-01; those beyond the calendar are the infinities."""
    shifted = days - _POSTGRES_EPOCH
    if shifted > _LAST_DATE:
        return "infinity"
    if shifted < _FIRST_DATE:
        return "-infinity"
    day, era = _day_parts(days)
    return day + era


def _clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{_TWO[hours]}:{_TWO[rest // 60]}:{_TWO[rest % 60]}"


def fraction_text(microseconds: int) -> str:
    """The part after the seconds, with its point; empty when there is none."""
    return f".{microseconds:06d}".rstrip("0") if microseconds else ""


def rounded(number: int, precision: Optional[int]) -> int:
    """Round microseconds to ``precision`` digits as PostgreSQL does: half away from zero."""
    if precision is None or precision >= _MAX_DIGITS:
        return number
    unit = 10 ** (_MAX_DIGITS - precision)
    size = (abs(number) + unit // 2) // unit * unit
    return size if number >= 0 else -size


def timestamp_writer(precision: Optional[int], zone: str) -> Callable[[tuple[int, int]], str]:
    """Return the writer of timestamps given as (seconds since 1970-01-01, nanoseconds); ``zone`` is ``+00`` or empty.

    A time outside PostgreSQL's calendar is replaced by the infinity, or the writer raises ValueProblem.
    """
    epoch = _POSTGRES_EPOCH * _DAY * _MICROSECONDS

    def write(moment: tuple[int, int]) -> str:
        seconds, nanoseconds = moment
        number = seconds * _MICROSECONDS + nanoseconds // 1000
        if precision is not None and precision < _MAX_DIGITS:
            number = rounded(number - epoch, precision) + epoch
        seconds, microseconds = divmod(number, _MICROSECONDS)
        if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
            message = f"the timestamp {seconds} seconds from 1970 is outside PostgreSQL's range"
            return replacement("-infinity" if seconds < 0 else "infinity", message, "timestamp_range")
        days, second_of_day = divmod(seconds, _DAY)
        day, era = _day_parts(days)
        return f"{day} {_clock(second_of_day)}{fraction_text(microseconds) if microseconds else ''}{zone}{era}"

    return write


def time_text(microseconds: int) -> str:
    """A time of day from microseconds since midnight; 24:00:00 is one. Raises ValueProblem beyond it."""
    if not 0 <= microseconds <= _DAY * _MICROSECONDS:
        raise ValueProblem(f"{microseconds} microseconds are not a time of day")
    seconds, rest = divmod(microseconds, _MICROSECONDS)
    return _clock(seconds) + fraction_text(rest)


def timetz_text(microseconds: int, west: int) -> str:
    """A time of day in its zone: local microseconds since midnight and the seconds that the zone lies west of UTC."""
    hours, rest = divmod(abs(west), 3600)
    minutes, seconds = divmod(rest, 60)
    zone = f"{'-' if west > 0 else '+'}{hours:02d}"
    if rest:
        zone += f":{minutes:02d}"
    if seconds:
        zone += f":{seconds:02d}"
    return time_text(microseconds) + zone


def interval_text(months: int, days: int, nanoseconds: int, precision: Optional[int] = None) -> str:
    """An interval. Raises ValueProblem when months or days need more than 32 bits."""
    if not (-_INT32 <= months < _INT32 and -_INT32 <= days < _INT32):
        raise ValueProblem(
            f"an interval of {months} months and {days} days is outside PostgreSQL's range", "interval_range"
        )
    microseconds = rounded(nanoseconds // 1000 if nanoseconds >= 0 else -(-nanoseconds // 1000), precision)
    years, months_left = divmod(abs(months), 12)
    if months < 0:
        years, months_left = -years, -months_left
    parts = []
    negative = False
    for number, unit in ((years, "year"), (months_left, "mon"), (days, "day")):
        if number:
            parts.append(f"{'+' if negative and number > 0 else ''}{number} {unit}{'' if number == 1 else 's'}")
            negative = number < 0
    if microseconds or not parts:
        seconds, rest = divmod(abs(microseconds), _MICROSECONDS)
        hours, seconds = divmod(seconds, 3600)
        sign = "-" if microseconds < 0 else "+" if negative else ""
        parts.append(f"{sign}{hours:02d}:{_TWO[seconds // 60]}:{_TWO[seconds % 60]}{fraction_text(rest)}")
    return " ".join(parts)
