# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CockroachDB's timestamps: (nanoseconds since 1970, logical counter)."""

from __future__ import annotations

import datetime
import re

from .._errors import ConfigurationError
from . import protobuf

Timestamp = tuple[int, int]
ZERO: Timestamp = (0, 0)
_NANO = 10**9
_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?", re.IGNORECASE
)
_DECIMAL = re.compile(r"(\d{15,19})(?:\.(\d{1,10}))?")


def from_protobuf(data: bytes) -> Timestamp:
    """Read a Timestamp message."""
    message = protobuf.parse(data)
    return protobuf.integer(message, 1), protobuf.integer(message, 2)


def parse(text: str) -> Timestamp:
    """Read what a user may give as a time: RFC 3339, ``YYYY-MM-DD HH:MM:SS[.ffffff]`` (UTC), or CockroachDB's decimal
    form."""
    text = text.strip()
    decimal = _DECIMAL.fullmatch(text)
    if decimal:
        return int(decimal[1]), int((decimal[2] or "").ljust(10, "0"))
    match = _DATE_TIME.fullmatch(text)
    if match:
        zone = (match[8] or "Z").upper()
        try:
            year, month, day, hour, minute, second = (int(match[group] or 0) for group in range(1, 7))
            moment = datetime.datetime(year, month, day, hour, minute, second)
        except ValueError as error:
            raise ConfigurationError(f"as_of {text!r} is no time: {error}") from error
        elapsed = moment - datetime.datetime(1970, 1, 1)
        seconds = elapsed.days * 86400 + elapsed.seconds
        if zone not in ("Z", "UTC"):
            digits = zone[1:].replace(":", "").ljust(4, "0")
            offset = int(digits[:2]) * 3600 + int(digits[2:]) * 60
            seconds -= offset if zone[0] == "+" else -offset
        return seconds * _NANO + int((match[7] or "").ljust(9, "0")), 0
    raise ConfigurationError(
        f"as_of {text!r} is no time: write 2026-11-23T03:24:22Z, '2026-11-23 03:24:22.123456' (UTC) or CockroachDB's "
        "1763868262000000000.0000000000"
    )


def iso(time: Timestamp) -> str:
    """Return a time as ``2026-11-23T03:24:22.320000000Z`` (the logical part has no such form)."""
    seconds, nanos = divmod(time[0], _NANO)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return f"{moment.isoformat()}.{nanos:09d}Z"


def decimal(time: Timestamp) -> str:
    """Return a time as CockroachDB prints it, such as ``1763868262320000000.0000000000``."""
    return f"{time[0]}.{time[1]:010d}"


def version(time: Timestamp) -> bytes:
    """Return 12 bytes that sort as time, comparable with the versions of an SST's points."""
    return time[0].to_bytes(8, "big") + time[1].to_bytes(4, "big")
