# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The full names of a catalog's objects, and the texts that change with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from .._convert.expressions.references import Name, References
from .._errors import ConfigurationError, UnsupportedError
from .._model.catalog import Catalog, Database, Function, Table, UserType, View
from .._model.catalog_names import full_names, objects
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName
from .._model.names import MAX_BYTES, clip

_RESERVED_SCHEMAS = frozenset(("information_schema", "cockroach_migrator"))


def names_by_id(catalog: Catalog) -> dict[int, Name]:
    """Return database, schema and name of every object by its id."""
    result = {}
    for database in catalog.databases:
        schemas = {schema.id: schema.name for schema in database.schemas}
        result.update({item.id: (database.name, schemas[item.schema_id], item.name) for item in objects(database)})
    return result


def check_names(catalog: Catalog, variable: str) -> None:
    """Refuse names that PostgreSQL does not allow or shortens to an equal name. Raises ConfigurationError naming the
    variable."""
    _refuse_clashes([(database.name, database.name) for database in catalog.databases], "databases", variable)
    for database in catalog.databases:
        names = full_names(database)
        schemas = [(schema.name, str(FullName("schema", database.name, schema.name))) for schema in database.schemas]
        _refuse_clashes(schemas, "schemas", variable)
        for schema in database.schemas:
            if schema.name.startswith("pg_") or schema.name in _RESERVED_SCHEMAS:
                raise ConfigurationError(
                    f"{variable}: PostgreSQL keeps the schema name {schema.name} for itself, choose another one"
                )
            named = [
                item for item in objects(database) if item.schema_id == schema.id and not isinstance(item, Function)
            ]
            _refuse_clashes([(item.name, str(names[item.id])) for item in named], "objects", variable)


def _refuse_clashes(names: list[tuple[str, str]], kind: str, variable: str) -> None:
    seen: set[str] = set()
    for name, full_name in names:
        if clip(name) in seen:
            raise ConfigurationError(
                f"{variable}: two {kind} would be {full_name} (PostgreSQL's names have {MAX_BYTES} bytes): give one "
                "of them another name"
            )
        seen.add(clip(name))


def follow_names(catalog: Catalog, before: Mapping[int, Name], homes: Mapping[int, str]) -> None:
    """Change every SQL text of the catalog to the objects' current names.

    ``before`` are the names by id before the change, ``homes`` the database that each object was in. Views and
    functions whose text cannot be changed are omitted with a finding. Raises ConfigurationError for any other such
    text.
    """
    after = names_by_id(catalog)
    references = References(
        {name: after[number] for number, name in before.items() if number in after and after[number] != name}
    )
    if not references.changed:
        return
    places = {number: name for database in catalog.databases for number, name in full_names(database).items()}
    for database in catalog.databases:
        for item in database.types:
            _follow_in_type(item, references, homes[item.id], places[item.id])
        for table in database.tables:
            _follow_in_table(table, references, homes[table.id], places[table.id])
        _follow_in_functions(database, references, homes, places, catalog.findings)
        _follow_in_views(database, references, homes, places, catalog.findings)


def _followed(text: str, references: References, home: str, where: object) -> str:
    try:
        return references.follow(text, home, where) if text else text
    except UnsupportedError as error:
        raise ConfigurationError(f"rename: an SQL text cannot follow the new names: {error}") from error


def _follow_in_type(item: UserType, references: References, home: str, where: FullName) -> None:
    item.default = _followed(item.default, references, home, where)
    for check in item.checks:
        check.expression = _followed(check.expression, references, home, where.part("constraint", check.name))


def _follow_in_table(table: Table, references: References, home: str, where: FullName) -> None:
    def followed(text: str, part: str) -> str:
        return _followed(text, references, home, f"{where}.{part}") if text else text

    for column in table.columns:
        column.default, column.computed = followed(column.default, column.name), followed(column.computed, column.name)
        column.on_update = followed(column.on_update, column.name)
    for index in [table.primary_index, *table.indexes]:
        index.predicate = followed(index.predicate, index.name)
    for unique in table.unique_without_index:
        unique.predicate = followed(unique.predicate, unique.name)
    for check in table.checks:
        check.expression = followed(check.expression, check.name)
    for trigger in table.triggers:
        trigger.when = followed(trigger.when, trigger.name)
    for policy in table.policies:
        policy.using, policy.with_check = followed(policy.using, policy.name), followed(policy.with_check, policy.name)


def _follow_in_functions(
    database: Database,
    references: References,
    homes: Mapping[int, str],
    places: Mapping[int, FullName],
    findings: list[Finding],
) -> None:
    kept = []
    for function in database.functions:
        where = places[function.id]
        follow: Callable[[str, str, object], str] = (
            references.follow if function.language == "SQL" else references.follow_procedural
        )
        try:
            function.body = follow(function.body, homes[function.id], where)
            for parameter in function.parameters:
                if parameter.default:
                    parameter.default = references.follow(parameter.default, homes[function.id], where)
        except UnsupportedError as error:
            findings.append(_omitted(where, error))
            continue
        kept.append(function)
    gone = {function.id for function in database.functions} - {function.id for function in kept}
    for table in database.tables:
        for trigger in table.triggers:
            if trigger.function_id in gone:
                findings.append(_omitted(places[table.id].part("trigger", trigger.name), "Its function is omitted."))
        table.triggers = [trigger for trigger in table.triggers if trigger.function_id not in gone]
    database.functions = kept


def _follow_in_views(
    database: Database,
    references: References,
    homes: Mapping[int, str],
    places: Mapping[int, FullName],
    findings: list[Finding],
) -> None:
    gone: set[int] = set()
    for view in database.views:
        try:
            view.query = references.follow(view.query, homes[view.id], places[view.id])
        except UnsupportedError as error:
            gone.add(view.id)
            findings.append(_omitted(places[view.id], error))
    while True:
        omitted: list[View] = [view for view in database.views if view.id not in gone and gone & set(view.depends_on)]
        if not omitted:
            break
        for view in omitted:
            gone.add(view.id)
            findings.append(_omitted(places[view.id], "It reads a view that is omitted."))
    database.views = [view for view in database.views if view.id not in gone]


def _omitted(where: FullName, reason: object) -> Finding:
    return Finding.of(
        FindingCode.RENAME_NOT_FOLLOWED,
        where,
        f"The {where.kind} is omitted, because its SQL text cannot be brought to the new names. {reason}",
    )


def rename_findings(findings: list[Finding], renamed: Mapping[str, str]) -> list[Finding]:
    """Return the findings with the new full names of their objects; ``renamed`` maps old to new full names."""

    return [finding.about(renamed_name(finding.full_name, renamed)) for finding in findings]


def renamed_name(name: FullName, renamed: Mapping[str, str]) -> FullName:
    """Return the full name that an object has now; ``renamed`` maps old to new full names."""
    parts: dict[str, Any] = {}
    old = new = ""
    for part in ("database", "schema", "table" if name.table else "name"):
        if not getattr(name, part) or part == "name" and not name.schema:
            break
        old = f"{old}.{getattr(name, part)}" if old else getattr(name, part)
        place, new = new, renamed.get(old, f"{new}.{getattr(name, part)}" if new else getattr(name, part))
        parts[part] = new[len(place) + 1 :] if place else new
    return dataclasses.replace(name, **parts)
