# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Merging all databases into one, as its schemas."""

from __future__ import annotations

import copy
import dataclasses

from .._errors import ConfigurationError
from .._model.catalog import Catalog, Database, Grant, Schema
from .._model.catalog_names import objects
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName
from .._model.names import MAX_BYTES
from .full_names import check_names, follow_names, names_by_id, rename_findings

_PLACED = frozenset(
    (
        "id",
        "name",
        "schemas",
        "types",
        "sequences",
        "tables",
        "views",
        "functions",
        "settings",
        "regions",
        "primary_region",
        "owner",
        "grants",
        "comment",
    )
)
"""The parts of a database that the merged database keeps."""
_PUBLIC = "public"
_CONNECT = "CONNECT"


def merge(catalog: Catalog, name: str) -> Catalog:
    """Return a copy of the catalog with one database: ``public`` of the database shop becomes its schema ``shop``, any
    other one ``shop_<schema>``.

    An empty ``name`` leaves the catalog as it is. Raises ConfigurationError for a name that PostgreSQL cannot have, for
    schemas that would have one name, and for SQL texts that cannot follow.
    """
    if not name:
        return catalog
    if "\0" in name or len(name.encode("utf-8")) > MAX_BYTES:
        raise ConfigurationError(
            f"merged_database: {name!r} cannot be a name, PostgreSQL's have 1 to {MAX_BYTES} bytes"
        )
    catalog = copy.deepcopy(catalog)
    before = names_by_id(catalog)
    homes = {number: found[0] for number, found in before.items()}
    merged = Database(min((database.id for database in catalog.databases), default=0), name)
    renamed: dict[str, str] = {}
    for database in catalog.databases:
        _add(database, merged, renamed)
    _add_owner_and_grants(catalog, merged)
    merged.settings = [
        setting
        for setting in _first_settings(catalog)
        if all(setting in database.settings for database in catalog.databases)
    ]
    primary_regions = {database.primary_region for database in catalog.databases}
    merged.primary_region = primary_regions.pop() if len(primary_regions) == 1 else ""
    merged.regions = sorted({region for database in catalog.databases for region in database.regions})
    catalog.findings = rename_findings(catalog.findings, renamed) + _findings(catalog, merged)
    catalog.databases = [merged]
    check_names(catalog, "database_layout")
    follow_names(catalog, before, homes)
    return catalog


def _findings(catalog: Catalog, merged: Database) -> list[Finding]:
    """Return the findings about each merged database, with the parts of it that are omitted."""
    found = []
    for database in catalog.databases:
        found.append(
            Finding.of(
                FindingCode.DATABASE_AS_SCHEMAS,
                FullName("database", merged.name),
                f"The database {database.name} becomes schemas of {merged.name}.",
            )
        )
        omitted = [setting for setting in database.settings if setting not in merged.settings]
        if omitted:
            found.append(
                Finding.of(
                    FindingCode.DATABASE_SETTINGS,
                    FullName("schema", merged.name, database.name),
                    f"Session defaults of the database are omitted: {', '.join(omitted)}.",
                    "Set those that PostgreSQL knows with ALTER ROLE … SET.",
                )
            )
        for spec in dataclasses.fields(database):
            if spec.name not in _PLACED and getattr(database, spec.name):
                what = spec.name.replace("_", " ")
                found.append(
                    Finding.of(
                        FindingCode.DATABASE_PART_LEFT_OUT,
                        FullName("database", database.name),
                        f"The {what} of the database are omitted, because they would apply to the schemas of other "
                        "databases, too.",
                        "Set them for the schemas by hand.",
                    )
                )
    return found


def _first_settings(catalog: Catalog) -> list[str]:
    return catalog.databases[0].settings if catalog.databases else []


def _add(database: Database, merged: Database, renamed: dict[str, str]) -> None:
    """Move the objects of a database; the public schemas of old releases, which share an id, get that of their
    database."""
    ids = {}
    renamed[database.name] = merged.name
    for schema in database.schemas:
        public = schema.name == _PUBLIC
        new = Schema(**vars(schema))
        new.name = database.name if public else f"{database.name}_{schema.name}"
        if public:
            new.id = database.id
            new.comment = schema.comment or database.comment
        ids[schema.id] = new.id
        renamed[f"{database.name}.{schema.name}"] = f"{merged.name}.{new.name}"
        merged.schemas.append(new)
    for item in objects(database):
        item.schema_id = ids[item.schema_id]
    merged.types += database.types
    merged.sequences += database.sequences
    merged.tables += database.tables
    merged.views += database.views
    merged.functions += database.functions


def _add_owner_and_grants(catalog: Catalog, merged: Database) -> None:
    """Keep the owner if all databases have the same, and CONNECT of the roles that have it on any of them; other grants
    would apply to more objects than before and are omitted with a finding."""
    owners = {database.owner for database in catalog.databases}
    merged.owner = owners.pop() if len(owners) == 1 else ""
    roles: set[str] = set()
    for database in catalog.databases:
        for grant in database.grants:
            if _CONNECT in grant.privileges or "ALL" in grant.privileges:
                roles.add(grant.role)
            omitted = [privilege for privilege in grant.privileges if privilege != _CONNECT]
            if omitted and grant.role not in ("admin", "root", "public"):
                catalog.findings.append(
                    Finding.of(
                        FindingCode.DATABASE_GRANT_LEFT_OUT,
                        FullName("database", database.name),
                        f"{', '.join(omitted)} on the database for {grant.role} is omitted, because it would apply to "
                        "the schemas of other databases, too.",
                    )
                )
    merged.grants = [Grant(role, [_CONNECT]) for role in sorted(roles)]
