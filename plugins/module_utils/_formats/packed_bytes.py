# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Many byte strings that lie in one buffer, so that numpy can work on all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import lt
from typing import Any, Union, overload

try:
    import numpy as np
except ImportError:  # named by libraries.missing()
    np = None  # type: ignore[assignment]


PADDING = 256
"""Bytes that belong to no string at the end of all content, so that as many can be read at any position of a string,
even its end."""


@dataclass(frozen=True, eq=False)
class PackedBytes(Sequence[bytes]):
    """A sequence of byte strings: ``content[starts[i]:ends[i]]`` is the string i. They need not follow each other."""

    content: bytes
    starts: Any
    """Array of int64."""
    ends: Any
    """Array of int64."""
    width: int = 0
    """If it is not 0: each string begins at a multiple of it, and zeros follow up to the next multiple."""

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[bytes]:
        for start, end in zip(self.starts.tolist(), self.ends.tolist()):
            yield self.content[start:end]

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> PackedBytes: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[bytes, PackedBytes]:
        if isinstance(index, slice):
            return PackedBytes(self.content, self.starts[index], self.ends[index], self.width)
        return self.content[self.starts[index] : self.ends[index]]

    @cached_property
    def data(self) -> Any:
        """The content as an array of uint8."""
        return np.frombuffer(self.content, np.uint8)

    @cached_property
    def zeros(self) -> Any:
        """The positions of all zero bytes of the content, those after the last string among them."""
        return np.flatnonzero(self.data == 0)

    def parts(self, starts: Any, ends: Any) -> list[bytes]:
        """Return the bytes between these positions."""
        return [self.content[start:end] for start, end in zip(starts.tolist(), ends.tolist())]

    def words(self, kind: str, positions: Any) -> Any:
        """Return the numbers of the numpy type ``kind`` at the positions, aligned or not."""
        size = np.dtype(kind).itemsize
        return np.ndarray((len(self.content) - size + 1,), kind, self.content, strides=(1,))[positions]

    def windows(self, positions: Any, width: int) -> Any:
        """Return the ``width`` bytes at each position as a matrix. ``width`` is at most PADDING."""
        return self.words(f"V{width}", positions).view(np.uint8).reshape(len(positions), width)

    def chosen(self, mask: Any) -> PackedBytes:
        """Return the strings for which an array of booleans has true."""
        return PackedBytes(self.content, self.starts[mask], self.ends[mask], self.width)

    def with_prefix(self, prefix: bytes) -> PackedBytes:
        """Return the strings, which have a ``width``, with a prefix."""
        return packed_matrix(np.hstack([self._filled(prefix), self._matrix()]), self.lengths() + len(prefix))

    def without_prefix(self, size: int) -> PackedBytes:
        """Return the strings, which have a ``width``, without their first bytes."""
        return packed_matrix(self._matrix()[:, size:], np.maximum(self.lengths() - size, 0))

    def _matrix(self) -> Any:
        rows = self.starts // self.width
        return self.data[: len(self.content) // self.width * self.width].reshape(-1, self.width)[rows]

    def _filled(self, prefix: bytes) -> Any:
        return np.broadcast_to(np.frombuffer(prefix, np.uint8), (len(self), len(prefix)))

    def lengths(self) -> Any:
        """Return an array of the strings' lengths."""
        return self.ends - self.starts


def pack(strings: Sequence[bytes]) -> PackedBytes:
    """Return the strings in one buffer; what is packed stays as it is."""
    if isinstance(strings, PackedBytes):
        return strings
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    ends = np.cumsum(lengths)
    return PackedBytes(b"".join((*strings, bytes(PADDING))), ends - lengths, ends)


def packed_matrix(matrix: Any, lengths: Any) -> PackedBytes:
    """Return the strings that the rows of a matrix of uint8 begin with; zeros follow them."""
    rows, width = matrix.shape
    starts = np.arange(rows) * width
    return PackedBytes(matrix.tobytes() + bytes(PADDING), starts, starts + lengths, width)


def total_length(strings: Sequence[bytes]) -> int:
    """Return the sum of the strings' lengths."""
    if isinstance(strings, PackedBytes):
        return int(strings.lengths().sum())
    return sum(map(len, strings))


def are_ascending(strings: PackedBytes) -> bool:
    """Tell whether each string is greater than the one before."""
    if not strings.width:
        return all(map(lt, strings, strings[1:]))
    places = strings.starts // strings.width
    texts = np.ndarray(len(strings.content) // strings.width, f"S{strings.width}", strings.content)[places]
    before, after = texts[:-1], texts[1:]
    # Numpy ignores zeros at the end when it compares: of such equals the longer one is the greater one.
    lengths = strings.lengths()
    return bool(((before < after) | ((before == after) & (lengths[:-1] < lengths[1:]))).all())
