# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What is fuzzed: a part of the collection that reads what others wrote."""
from __future__ import annotations

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
BACKUPS = FIXTURES / "backups"


@dataclass(frozen=True)
class Reader:
    """``read`` takes a case and may raise nothing but a MigrationError. A case is bytes, so that it can be kept as a file."""

    name: str
    cases: st.SearchStrategy[bytes]
    read: Callable[[bytes], object]
    slow: bool = False
    """Whether a case takes more than some milliseconds."""


class File:
    """A file in memory, as tables read it."""

    name = "memory.sst"

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset:offset + length]

    def read_again(self, offset: int, length: int, problem: object) -> bytes:
        return self.read(offset, length)
