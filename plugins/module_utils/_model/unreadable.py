# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Objects that are not understood, in descriptors or in text: they are refused only if they are chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .._errors import UnsupportedError
from .catalog import USER_TYPE_OID_BASE, Database, SqlType, Table, UnreadableObject
from .catalog_names import full_names
from .finding_codes import FindingCode
from .findings import Finding
from .full_name import FullName

_ADVICE = "exclude it (databases: exclude) and migrate it by hand, or use a release of this collection that knows it"
_CHOSEN_ALONE = ("table", "view")


class RefusedObjectsError(UnsupportedError):
    """Objects that cannot be converted, all of them."""

    def __init__(self, objects: list[UnreadableObject]) -> None:
        super().__init__("; ".join(map(_named_reason, objects)))
        self.objects = objects


def _named_reason(item: UnreadableObject) -> str:
    """Return why an object is refused, with its name unless the reason begins with it."""
    name = item.full_name
    return item.reason if item.reason.startswith(name) else f"{item.kind} {name}: {item.reason}"


def refusal_of_user(needed: UnreadableObject) -> tuple[str, FullName]:
    """Return why something is refused that needs a refused object, and the object that was refused for itself."""
    root = needed.because or needed.name
    reason = f"refused because {needed.kind} {needed.full_name} was refused"
    return reason + ("" if root == needed.name else f", which needs {root.kind} {root}"), root


def omitted_key(about: FullName, referenced: UnreadableObject) -> Finding:
    """Return the finding for a foreign key to a table that is refused."""
    return Finding.of(
        FindingCode.FOREIGN_KEY_WITHOUT_TARGET,
        about,
        f"The foreign key is omitted, because {referenced.kind} {referenced.full_name}, to which it refers, was "
        "refused.",
        "Add it by hand when that table is in PostgreSQL.",
    )


def unreadable_finding(item: UnreadableObject) -> Finding:
    """Return the finding for an unreadable object before anything is chosen."""
    return Finding.of(
        FindingCode.UNKNOWN_DESCRIPTOR,
        item.name,
        f"The {item.kind} cannot be migrated: {item.reason}.",
        f"To migrate the rest, {_ADVICE}.",
        severity="info",
    )


def refuse_chosen(
    unreadable: Iterable[UnreadableObject], databases: list[Database], chosen: Callable[[str], bool]
) -> list[Finding]:
    """Raise UnsupportedError that names all unreadable objects among what was chosen.

    ``databases`` are the chosen ones with nothing but what was chosen of them, ``chosen`` tells it of a full name. A
    type, sequence or function is also chosen with a table that uses it, a database or schema with whatever is in it.
    What is chosen and only needs a table or view that is not chosen, such as a view, is omitted: returns its findings.
    """
    findings = []
    used = {number: name for database in databases for number, name in _used(database)}
    holders = {name for database in databases for name in _holders(database)}
    refused = []
    for item in unreadable:
        if item.id in used:
            refused.append(f"{used[item.id]} uses the {item.kind} {item.full_name}: {_problem(item)}")
        elif not (item.full_name in holders or chosen(item.full_name)):
            continue
        elif item.because and item.because.kind in _CHOSEN_ALONE and not chosen(str(item.because)):
            findings.append(Finding.of(FindingCode.UNKNOWN_DESCRIPTOR, item.name, f"It is omitted: {item.reason}."))
        else:
            refused.append(f"{item.kind} {item.full_name}: {_problem(item)}")
    if refused:
        raise UnsupportedError("; ".join(refused) + f". This collection does not know what that means: {_ADVICE}")
    return findings


def _problem(item: UnreadableObject) -> str:
    return f"{item.reason}, in the statement: {item.statement}" if item.statement else item.reason


def _holders(database: Database) -> Iterator[str]:
    """Yield the names of a chosen database and of its schemas that hold something chosen."""
    yield database.name
    held = {table.schema_id for table in database.tables} | {view.schema_id for view in database.views}
    for schema in database.schemas:
        if schema.id in held:
            yield f"{database.name}.{schema.name}"


def _used(database: Database) -> Iterator[tuple[int, str]]:
    """Yield (descriptor id, table's full name) of what the chosen tables use."""
    names = full_names(database)
    for table in database.tables:
        for number in _used_by(table):
            yield number, str(names[table.id])


def _used_by(table: Table) -> Iterator[int]:
    for column in table.columns:
        yield from user_types(column.type)
        yield from column.uses_sequence_ids
    for trigger in table.triggers:
        yield trigger.function_id


def user_types(kind: SqlType) -> Iterator[int]:
    """Yield the descriptor ids of the user types that a type is made of."""
    if kind.oid >= USER_TYPE_OID_BASE:
        yield kind.oid - USER_TYPE_OID_BASE
    for part in [*kind.fields, *([kind.element] if kind.element else [])]:
        yield from user_types(part)
