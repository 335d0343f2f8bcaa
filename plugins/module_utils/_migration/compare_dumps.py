# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Compares two dumps that should hold the same: schemas as the commands they become, tables by rows and checksums.

How the rows are cut into chunks, and the numbers of descriptors, do not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .._convert.database import convert_database
from .._convert.server_features import ConvertOptions, ServerFeatures
from .._convert.statements import RIGHTS_STEPS
from .._dump.manifest import DatabaseEntry, TableEntry, read_catalog, read_manifest, read_roles
from .._model.catalog import Database, Role
from .._model.conversion_policies import ConversionPolicies


@dataclass(frozen=True)
class DumpComparison:
    """What two dumps have in common."""

    equal: bool
    tables: int
    """How many were compared."""
    rows: int
    """Of these tables in the first dump."""
    differences: list[str]
    """One line each."""
    not_compared: list[str]
    """One line each."""


def compare_dumps(first: str, second: str) -> DumpComparison:
    """Compare two dumps.

    Owners and grants are compared unless one of the dumps comes from a restore that did not restore them. Raises
    MigrationError for unusable dumps.
    """
    manifests = read_manifest(first), read_manifest(second)
    left, right = ({entry.name: entry for entry in manifest.databases} for manifest in manifests)
    without_grants = any(manifest.without_grants for manifest in manifests)
    without = RIGHTS_STEPS if without_grants else ()
    differences = _sets("database", left, right)
    tables = rows = 0
    for name in sorted(set(left) & set(right)):
        commands = [
            _commands(read_catalog(dump, entries[name]), read_roles(dump), manifest.policies, without)
            for dump, entries, manifest in zip((first, second), (left, right), manifests)
        ]
        differences += _database_differences(name, left[name], right[name], commands)
        tables += len(left[name].tables)
        rows += sum(table.rows for table in left[name].tables)
    not_compared = (
        ["owners and grants: a restore of databases or tables does not bring them back"] if without_grants else []
    )
    return DumpComparison(not differences, tables, rows, differences, not_compared)


def _sets(what: str, left: Iterable[str], right: Iterable[str]) -> list[str]:
    return [f"{what} {name} is in the first dump only" for name in sorted(set(left) - set(right))] + [
        f"{what} {name} is in the second dump only" for name in sorted(set(right) - set(left))
    ]


def _database_differences(
    name: str, left: DatabaseEntry, right: DatabaseEntry, commands: list[Counter[str]]
) -> list[str]:
    left_tables = {table.full_name: table for table in left.tables}
    right_tables = {table.full_name: table for table in right.tables}
    differences = _sets(f"{name}: table", left_tables, right_tables)
    for table in sorted(set(left_tables) & set(right_tables)):
        differences += [
            f"{name}.{table}: {text}" for text in _table_differences(left_tables[table], right_tables[table])
        ]
    differences += [f"{name}: only the first dump has: {command}" for command in (commands[0] - commands[1]).elements()]
    differences += [
        f"{name}: only the second dump has: {command}" for command in (commands[1] - commands[0]).elements()
    ]
    return differences


def _table_differences(left: TableEntry, right: TableEntry) -> list[str]:
    result = []
    if (left.columns, left.computed) != (right.columns, right.computed):
        result.append("the columns differ")
    if left.rows != right.rows:
        result.append(f"{left.rows} rows and {right.rows} rows")
    elif left.checksum != right.checksum:
        result.append(f"the checksums of the {left.rows} rows differ")
    if left.rejected != right.rejected:
        result.append(f"{left.rejected} rows and {right.rejected} rows were rejected")
    return result


def _commands(
    database: Database, roles: list[Role], policies: ConversionPolicies, without: tuple[str, ...]
) -> Counter[str]:
    statements = convert_database(database, roles, ServerFeatures(), ConvertOptions(policies=policies)).statements
    return Counter(statement.sql for statement in statements if statement.step not in without)
