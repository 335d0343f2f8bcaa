# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Features of a PostgreSQL server, for the conversion, and those that an import which has begun keeps."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, Callable, Optional

from ..._convert.server_features import EXTENSIONS, ServerFeatures

_STEP = "features"
"""The step in the ledger whose names record the features."""

_SORT_BY_BYTES = frozenset(("c", "posix", "c.utf8"))
"""Locales of the C library that sort text by its bytes; C.UTF-8 sorts it by code point, which is the same."""

Key = tuple[str, str]


def probe(connection: Any) -> ServerFeatures:
    """Return the features of the connected server."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_catalog.pg_collation WHERE collname = 'und-x-icu')")
        icu = cursor.fetchone()[0]
        cursor.execute("SELECT name FROM pg_catalog.pg_available_extensions")
        extensions = frozenset(name for (name,) in cursor.fetchall())
    return ServerFeatures(major=connection.server_version // 10000, icu=icu, extensions=extensions)


def with_order_of(connection: Any, database: str, features: ServerFeatures) -> ServerFeatures:
    """Return the features with how a database of the connected server sorts text; one that is not there yet will sort
    it by its bytes. The order of a database never changes, so that the ledger does not record it."""
    with connection.cursor() as cursor:
        # PostgreSQL 14 knows the provider libc only.
        cursor.execute(
            "SELECT coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'), datcollate FROM pg_catalog.pg_database d WHERE "
            "datname = %s",
            (database,),
        )
        provider, collation = cursor.fetchone() or ("b", "")
    in_c_library = collation.lower().replace("-", "") in _SORT_BY_BYTES
    return replace(features, sorts_by_bytes=provider == "b" or provider == "c" and in_c_library)


def existing_roles(connection: Any) -> frozenset[str]:
    """Return the names of the server's roles."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_catalog.pg_roles")
        return frozenset(name for (name,) in cursor.fetchall())


def roles_without_login(connection: Any) -> frozenset[str]:
    """Return the names of the server's roles that may not log in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE NOT rolcanlogin")
        return frozenset(name for (name,) in cursor.fetchall())


def mark(features: ServerFeatures) -> Key:
    """Return the ledger's record of the features that an import uses."""
    known = {"major": features.major, "icu": features.icu, "extensions": sorted(features.extensions & EXTENSIONS)}
    return _STEP, json.dumps(known)


def noted(done: Iterable[Key]) -> Optional[ServerFeatures]:
    """Return the features recorded in a ledger, None if it has none. Later records never have fewer features."""
    found = [json.loads(name) for step, name in done if step == _STEP]
    if not found:
        return None
    last = max(found, key=lambda item: (len(item["extensions"]), item["icu"], item["major"]))
    return ServerFeatures(last["major"], last["icu"], frozenset(last["extensions"]))


def usable(
    now: ServerFeatures,
    before: Optional[ServerFeatures],
    done: Collection[Key],
    keys_with: Callable[[ServerFeatures], Collection[Key]],
) -> tuple[ServerFeatures, list[str]]:
    """Return the features that an import uses, and those that the server has now but that are not used any more.

    An import that has begun keeps those of ``before``, and adds each new one with which everything that is ``done``
    would have been created as it was. ``keys_with`` converts and returns the keys in the ledger.
    """
    if before is None:
        return now, []
    current, late = before, []
    made = set(keys_with(before)) & set(done)
    for name, addition in _additions(before, now):
        wider = ServerFeatures(
            max(current.major, addition.major), current.icu or addition.icu, current.extensions | addition.extensions
        )
        if made <= set(keys_with(wider)):
            current = wider
        else:
            late.append(name)
    return current, late


def _additions(before: ServerFeatures, now: ServerFeatures) -> Iterator[tuple[str, ServerFeatures]]:
    for extension in sorted(now.extensions & EXTENSIONS - before.extensions):
        yield f"the extension {extension}", ServerFeatures(before.major, before.icu, frozenset((extension,)))
    if now.icu and not before.icu:
        yield "ICU", ServerFeatures(before.major, True)
    if now.major > before.major:
        yield f"PostgreSQL {now.major}", ServerFeatures(now.major, before.icu)
