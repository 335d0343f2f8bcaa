# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Names and literals in PostgreSQL's SQL: quoting, length, uniqueness.

The conversion also runs where no server is (the dump's SQL files), while psycopg2.sql quotes identifiers
and strings only with a connection. This file holds the one copy of the same two rules (a name in
double quotes, a string in single quotes, the quote doubled); nothing else builds quoted text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from .._errors import UnsupportedError
from .keywords import QUOTED

MAX_BYTES = 63
_SYSTEM_COLUMNS = frozenset(("cmax", "cmin", "ctid", "xmax", "xmin"))
"""System columns of PostgreSQL that CockroachDB's tables do not have; tableoid exists in both."""
_PLAIN = re.compile("[a-z_][a-z0-9_]*")


def quote(*parts: str) -> str:
    """Return an identifier, or several joined by dots, in double quotes."""
    for part in parts:
        if not part or "\0" in part:
            raise UnsupportedError(f"the name {part!r} cannot be a name in PostgreSQL")
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def written(*parts: str) -> str:
    """Return an identifier, or several joined by dots, as PostgreSQL itself writes it: in double quotes only where it
    has to be."""
    return ".".join(part if _PLAIN.fullmatch(part) and part not in QUOTED else quote(part) for part in parts)


def literal(text: str) -> str:
    """Return a string constant (standard_conforming_strings is on in every supported server)."""
    if "\0" in text:
        raise UnsupportedError("a text with the character U+0000 cannot be stored in PostgreSQL")
    return "'" + text.replace("'", "''") + "'"


def dollar_quote(body: str) -> str:
    """Return a string constant that needs no escapes, for function bodies."""
    tag, number = "$$", 0
    while tag in body or body.endswith("$"):
        number += 1
        tag = f"$q{number}$"
        if tag not in body:
            break
    return tag + body + tag


def clip(name: str) -> str:
    """Return the name in PostgreSQL, of at most 63 bytes. A longer name, and the name of a system column, is shortened
    and ends in a hash of the whole name, so that different names stay different and a name is the same everywhere and
    in every run."""
    return (
        shorten(name, "_" + digest(name)) if len(name.encode("utf-8")) > MAX_BYTES or name in _SYSTEM_COLUMNS else name
    )


def shorten(name: str, suffix: str) -> str:
    """Return a name of at most 63 bytes that ends in ``suffix``."""
    return name.encode("utf-8")[: MAX_BYTES - len(suffix.encode("utf-8"))].decode("utf-8", "ignore") + suffix


def first_of(names: Sequence[str], most: int) -> str:
    """Return the first of the names for a message, and how many more there are: "a, b and 3 more"."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def digest(*parts: str) -> str:
    """Return eight hexadecimal digits that are the same in every run for the same names."""
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:8]


class Scope:
    """The names of tables, views, sequences and indexes of each schema, which share one space in PostgreSQL; functions
    have their own."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str]] = set()
        self._functions: set[tuple[str, str]] = set()

    def claim(self, schema: str, name: str) -> str:
        """Reserve the name of a table, view, sequence or type. Raises UnsupportedError if it is taken already."""
        short = clip(name)
        if (schema, short) in self._taken:
            raise UnsupportedError(
                f"{schema}.{name}: another object has the same first {MAX_BYTES} bytes of the name; rename one in "
                "CockroachDB"
            )
        self._taken.add((schema, short))
        return short

    def reserve(self, schema: str, name: str) -> None:
        """Reserve a name for a user's function; several functions may have it."""
        self._functions.add((schema, clip(name)))

    def unique(self, schema: str, name: str, *context: str) -> str:
        """Reserve and return ``name``, or, if it is taken or too long, a name derived from it with a stable hash of
        ``context``."""
        return self.claim(schema, _free(self._taken, schema, name, context))

    def unique_function(self, schema: str, name: str, *context: str) -> str:
        """Reserve and return a name for a function that the conversion creates, chosen like that of ``unique``; an
        index may still get the same name."""
        free = _free(self._functions | self._taken, schema, name, context)
        self._functions.add((schema, free))
        return free


def _free(taken: set[tuple[str, str]], schema: str, name: str, context: tuple[str, ...]) -> str:
    if clip(name) != name or (schema, name) in taken:
        return shorten(name, "_" + digest(schema, name, *context))
    return name
