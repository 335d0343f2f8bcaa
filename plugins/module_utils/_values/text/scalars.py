# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Strings, byte strings, networks, bits and shapes as PostgreSQL prints them, and what becomes text as CockroachDB
does."""

from __future__ import annotations

from ..._formats.encoding import MalformedValue, replacement
from .numbers import plain_text

_IPV4, _IPV6 = 0, 1
_POINT, _HAS_SRID = 1, 0x20
_SOURCE_NAN, _POSTGIS_NAN = bytes.fromhex("010000000000f87f"), bytes.fromhex("000000000000f87f")


def string_text(data: bytes) -> str:
    """A text. U+0000, which PostgreSQL's text cannot hold, and what is not UTF-8 is replaced by U+FFFD, or ValueProblem
    is raised."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = replacement(data.decode("utf-8", "replace"), "the text is not UTF-8", "invalid_utf8")
    if "\0" in text:
        text = replacement(
            text.replace("\0", "\ufffd"), "the text holds U+0000, which PostgreSQL cannot hold", "zero_character"
        )
    return text


def check_length(data: bytes, width: int) -> bytes:
    """Return a text that has at most ``width`` characters. A longer one is cut off, or ValueProblem is raised."""
    # Bytes that are no UTF-8 stay as they are: string_text says so.
    text = data.decode("utf-8", "surrogateescape")
    if len(text) <= width:
        return data
    return replacement(
        text[:width].encode("utf-8", "surrogateescape"),
        f"the text has {len(text)} characters, its column is declared with {width}",
        "length",
    )


def bytes_text(data: bytes) -> str:
    """A bytea (bytea_output hex)."""
    return "\\x" + data.hex()


def uuid_text(data: bytes) -> str:
    """A UUID of sixteen bytes."""
    if len(data) != 16:
        raise MalformedValue(f"a UUID has {len(data)} bytes")
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def inet_text(data: bytes) -> str:
    """An inet from its family, mask length and address; a full mask is not printed."""
    text, mask, full = _inet_parts(data)
    return text if mask == full else f"{text}/{mask}"


def inet_cast_text(data: bytes) -> str:
    """An inet as a cast to text prints it: always with its mask."""
    text, mask, _full = _inet_parts(data)
    return f"{text}/{mask}"


def _inet_parts(data: bytes) -> tuple[str, int, int]:
    family, mask, address = data[0], data[1], data[2:]
    if family == _IPV4 and len(address) == 4 and mask <= 32:
        return ".".join(map(str, address)), mask, 32
    if family == _IPV6 and len(address) == 16 and mask <= 128:
        return _ipv6(address), mask, 128
    raise MalformedValue(f"an inet of family {family} with {len(address)} bytes and mask {mask}")


def _ipv6(address: bytes) -> str:
    words = [address[index] << 8 | address[index + 1] for index in range(0, 16, 2)]
    start, length = _longest_zeros(words)
    if length < 2:
        return ":".join(f"{word:x}" for word in words)
    tail = words[start + length :]
    if start == 0 and (length == 6 or length == 5 and words[5] == 0xFFFF):
        head = "::" if length == 6 else "::ffff:"
        return head + ".".join(map(str, address[12:]))
    return ":".join(f"{word:x}" for word in words[:start]) + "::" + ":".join(f"{word:x}" for word in tail)


def _longest_zeros(words: list[int]) -> tuple[int, int]:
    best_start = best_length = length = 0
    for index, word in enumerate(words):
        length = length + 1 if word == 0 else 0
        if length > best_length:
            best_start, best_length = index - length + 1, length
    return best_start, best_length


def bits_text(length: int, words: list[int]) -> str:
    """A bit string from 64-bit words, the first bit the most significant."""
    return "".join(f"{word:064b}" for word in words)[:length]


def geometry_text(ewkb: bytes) -> str:
    """A geometry or geography: extended well-known binary in upper-case hexadecimal."""
    if ewkb[-8:] == _SOURCE_NAN and ewkb[1] == _POINT:
        start = 9 if ewkb[4] & _HAS_SRID else 5
        # The coordinates of an empty point are NaN, of which PostGIS knows another one.
        ewkb = ewkb[:start] + _POSTGIS_NAN * ((len(ewkb) - start) // 8)
    return ewkb.hex().upper()


def box2d_text(low_x: float, high_x: float, low_y: float, high_y: float) -> str:
    """A box2d, whose column becomes text: as CockroachDB prints it (``CartesianBoundingBox.Repr`` in its
    pkg/geo/bbox.go)."""
    return f"BOX({plain_text(low_x)} {plain_text(low_y)},{plain_text(high_x)} {plain_text(high_y)})"
