# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Dates and times of many rows as PostgreSQL prints them: matrices as in text_columns.py.

Only usual days are known, see ``known_days``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..text_columns import side_by_side

try:
    import numpy as np
except ImportError:
    np = None  # named by libraries.missing()

DAY_SECONDS = 86400
_FIRST_DAY, _LAST_DAY = -25567, 84005
"""1900-01-01 and 2199-12-31, as days from 1970-01-01."""
_DATE_SIZE = 10


def known_days(days: Any) -> Any:
    """Tell which days from 1970-01-01 ``date_matrix`` knows."""
    return (days >= _FIRST_DAY) & (days <= _LAST_DAY)


def date_matrix(days: Any) -> Any:
    """Dates; days that are not known become any other date."""
    return _dates()[np.clip(days, _FIRST_DAY, _LAST_DAY) - _FIRST_DAY].view(np.uint8).reshape(-1, _DATE_SIZE)


def clock_matrix(seconds: Any, microseconds: Any) -> Any:
    """Times of a day from seconds, below DAY_SECONDS, and microseconds, below a million."""
    clock = _clocks()[seconds].view(np.uint8).reshape(-1, 8)
    if not microseconds.any():
        return clock
    full, stripped = _thousandths()
    milliseconds = microseconds // 1000
    rest = microseconds - milliseconds * 1000
    point = np.where(microseconds > 0, np.uint8(ord(".")), np.uint8(0)).reshape(-1, 1)
    first = np.where((rest > 0)[:, None], full[milliseconds], stripped[milliseconds])
    return side_by_side([clock, point, first, stripped[rest]])


@lru_cache(maxsize=1)
def _dates() -> Any:
    days = np.arange(_FIRST_DAY, _LAST_DAY + 1).astype("datetime64[D]")
    return days.astype(f"S{_DATE_SIZE}")


@lru_cache(maxsize=1)
def _clocks() -> Any:
    two = np.array([list(b"%02d" % number) for number in range(60)], np.uint8)
    clocks = np.full((24, 60, 60, 8), ord(":"), np.uint8)
    clocks[..., 0:2] = two[:24, None, None]
    clocks[..., 3:5] = two[None, :, None]
    clocks[..., 6:8] = two[None, None, :]
    return clocks.view(np.uint64).ravel()


@lru_cache(maxsize=1)
def _thousandths() -> tuple[Any, Any]:
    """Two tables of the three digits of 0 to 999: as they are, and without the zeros at their end."""
    full = np.frombuffer(b"".join([b"%03d" % number for number in range(1000)]), np.uint8).reshape(1000, 3)
    texts = b"".join([(b"%03d" % number).rstrip(b"0").ljust(3, b"\0") for number in range(1000)])
    return full, np.frombuffer(texts, np.uint8).reshape(1000, 3)
