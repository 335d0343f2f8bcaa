# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""New names for databases, schemas and the objects in them."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from .._errors import ConfigurationError
from .._model.catalog import Catalog, Function
from .._model.catalog_names import full_names, objects
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName
from .._model.names import MAX_BYTES
from .full_names import check_names, follow_names, names_by_id, rename_findings, renamed_name

_CLOSE = 0.5


def rename(catalog: Catalog, mapping: Mapping[str, str]) -> Catalog:
    """Return a copy of the catalog with new names, also in every SQL text; ``mapping`` is from CockroachDB's full
    names.

    A new name is bare (``store``) or full with the new names of what holds it (``store.sales``). Raises
    ConfigurationError for names that match nothing, new names that PostgreSQL cannot have, two things of one name, and
    texts that cannot follow.
    """
    if not mapping:
        return catalog
    catalog = copy.deepcopy(catalog)
    before = names_by_id(catalog)
    homes = {number: name[0] for number, name in before.items()}
    known = _renamable_objects(catalog)
    _check_mapping(mapping, known)
    renamed: dict[str, str] = {}
    for old, (_name, holder, item) in known.items():
        if old in mapping:
            item.name = _new_name(old, mapping[old], renamed[holder] if holder else "")
        renamed[old] = f"{renamed[holder]}.{item.name}" if holder else item.name
    check_names(catalog, "rename")
    catalog.findings = rename_findings(catalog.findings, renamed)
    follow_names(catalog, before, homes)
    catalog.findings += [
        Finding.of(FindingCode.RENAMED, renamed_name(known[old].name, renamed), f"Its name in CockroachDB is {old}.")
        for old in mapping
        if renamed[old] != old
    ]
    return catalog


class _Renamable(NamedTuple):
    """``holder`` is the full name of the schema or database that holds the object."""

    name: FullName
    holder: str
    item: Any


def _renamable_objects(catalog: Catalog) -> dict[str, _Renamable]:
    """Return all objects that can be renamed by their full names, each container before its content."""
    found = []
    for database in catalog.databases:
        names = full_names(database)
        schemas = {schema.id: FullName("schema", database.name, schema.name) for schema in database.schemas}
        found.append(_Renamable(FullName("database", database.name), "", database))
        found += [_Renamable(schemas[schema.id], database.name, schema) for schema in database.schemas]
        found += [
            _Renamable(names[item.id], str(schemas[item.schema_id]), item)
            for item in objects(database)
            if not isinstance(item, Function)
        ]
    return {str(item.name): item for item in found}


def _check_mapping(mapping: Mapping[str, str], known: Collection[str]) -> None:
    for old, new in mapping.items():
        if not isinstance(new, str):
            raise ConfigurationError(f"rename: the new name of {old} has to be a string")
        if old not in known:
            nearest = difflib.get_close_matches(old, known, 1, _CLOSE)
            hint = f", did you mean {nearest[0]}?" if nearest else f"; it has: {', '.join(sorted(known)[:20])}"
            raise ConfigurationError(f"rename: nothing that is migrated has the name {old}{hint}")


def _new_name(old: str, given: str, parent: str) -> str:
    """Return the bare new name."""
    name = given[len(parent) + 1 :] if parent and given.startswith(parent + ".") else given
    if "." in name and name == given:
        place = f"it is in {parent}, and things stay where they are" if parent else "a database's name has no dot here"
        raise ConfigurationError(f"rename: {old} cannot become {given}: {place}")
    if not name or "\0" in name or len(name.encode("utf-8")) > MAX_BYTES:
        raise ConfigurationError(
            f"rename: {old} cannot become {given!r}: PostgreSQL's names have 1 to {MAX_BYTES} bytes"
        )
    return name
