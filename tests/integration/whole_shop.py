# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The sample with everything that it lacks: the dump of it with a catalog that has one of each kind of object."""
from __future__ import annotations

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import (
    ColumnEntry,
    TableEntry,
    read_catalog,
    read_manifest,
    read_roles,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.write_dump import DumpContent, write_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Check,
    Column,
    Database,
    DefaultPrivileges,
    EnumMember,
    ForeignKey,
    Function,
    Grant,
    Index,
    IndexColumn,
    Parameter,
    Policy,
    Sequence,
    SqlType,
    Table,
    Trigger,
    UserType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.stored_columns import (
    computed_columns,
    loaded_columns,
)

ROLES = ("app", "analysts", "reader")
INT, SMALL, TEXT = SqlType("int", 20, 64), SqlType("int", 21, 16), SqlType("string", 25)
PLACE, POSITIVE = 402, 404
TRIGGER_BODY = "BEGIN NEW.note := upper(NEW.note); RETURN NEW; END"


def extras() -> Table:
    """A table without rows, with an identity, a domain, a composite type, a collation, an extension's type and constraints of all kinds."""
    columns = [
        Column(1, "id", SMALL, False, identity="ALWAYS", owns_sequence_ids=[410], uses_sequence_ids=[410]),
        Column(2, "amount", SqlType("int", 20, 64, domain_id=POSITIVE), comment="a domain"), Column(3, "place", SqlType("tuple", 100000 + PLACE, user_type_id=PLACE)),
        Column(4, "name", SqlType("collated", 25, locale="de")), Column(5, "code", SqlType("collated", 90008)), Column(6, "size", INT, False, default="5:::INT8"),
        Column(7, "twice", INT, computed="size * 2"), Column(8, "other", INT), Column(9, "number", INT, default="nextval(411:::REGCLASS)", uses_sequence_ids=[411]),
    ]
    table = Table(400, "extras", 359, columns, Index(1, "extras_pkey", unique=True, columns=[IndexColumn(1)]), comment="one of each")
    table.indexes = [
        Index(2, "extras_size_other_key", unique=True, columns=[IndexColumn(6), IndexColumn(8)], comment="of two columns"),
        Index(3, "extras_other_idx", columns=[IndexColumn(8)], predicate="size > 10:::INT8", created_explicitly=True),
    ]
    table.checks = [Check("small", "size < 1000:::INT8", [6], comment="not too large"), Check("later", "other > 0:::INT8", [8], validated=False)]
    table.foreign_keys = [ForeignKey("extras_other_fkey", [8], 370, [1], "CASCADE", "NO ACTION"), ForeignKey("extras_number_fkey", [9], 370, [1], validated=False)]
    return table


def complete(database: Database) -> None:
    """Add to the sample's catalog what it lacks."""
    database.owner, database.comment = "app", "the sample"
    database.grants = [Grant("analysts", ["CONNECT", "CREATE"])]
    database.settings = ["timezone=Europe/Berlin", "statement_timeout=90s"]
    database.default_privileges = [DefaultPrivileges("app", "TABLES", [Grant("analysts", ["SELECT", "INSERT"])])]
    schemas = {schema.name: schema for schema in database.schemas}
    schemas["billing"].owner, schemas["billing"].comment = "app", "money"
    schemas["billing"].grants.append(Grant("reader", ["USAGE"]))
    schemas["billing"].default_privileges = [DefaultPrivileges("app", "SEQUENCES", [Grant("reader", ["USAGE"])])]
    database.types += [
        UserType(PLACE, "place", 359, "composite", fields=[TEXT, INT], field_names=["street", "zip"], owner="app", grants=[Grant("reader", ["USAGE"])], comment="where"),
        UserType(POSITIVE, "positive", 359, "domain", base=INT, default="1:::INT8", not_null=False, checks=[Check("above", "value > 0:::INT8")], comment="above zero"),
    ]
    database.types.append(UserType(405, "unused", 359, members=[EnumMember("one", "20"), EnumMember("two", "40")]))
    database.sequences += [
        Sequence(410, "extras_id_seq", 359, value=0), Sequence(411, "extras_number_seq", 359, value=7, owner_table_id=400, owner_column_id=9),
        Sequence(412, "plain", 359, increment=3, minimum=-10, maximum=100, start=4, value=10, owner="app", grants=[Grant("reader", ["SELECT"])], comment="counts"),
    ]
    tables = {table.name: table for table in database.tables}
    tables["customers"].owner = "app"
    tables["customers"].grants = [Grant("analysts", ["SELECT", "UPDATE"], ["SELECT"]), Grant("reader", ["SELECT"])]
    database.functions = [
        Function(420, "with_tax", 359, [Parameter("IN", "amount", INT, "")], INT, body="SELECT amount + 19:::INT8", volatility="IMMUTABLE",
                 owner="app", grants=[Grant("public", ["EXECUTE"]), Grant("reader", ["EXECUTE"])], comment="adds"),
        Function(421, "note_change", 359, [], SqlType("trigger", 2279), language="PLPGSQL", body=TRIGGER_BODY),
        Function(422, "rest", 359, [], SqlType("void", 2278), language="PLPGSQL", body="BEGIN SELECT 1; END", procedure=True),
    ]
    orders = tables["orders"]
    orders.triggers = [
        Trigger("changed", "BEFORE", ["UPDATE"], True, "(new).note IS NOT NULL", 421, ["a"]), Trigger("added", "BEFORE", ["INSERT"], True, "", 421, []),
    ]
    orders.policies = [
        Policy("own", "PERMISSIVE", "SELECT", ["reader"], "total > 10:::DECIMAL", ""),
        Policy("cheap", "RESTRICTIVE", "INSERT", ["public"], "", "total < 100:::DECIMAL"),
    ]
    orders.row_level_security = True
    views = {view.name: view for view in database.views}
    views["open_orders"].owner, views["open_orders"].comment = "app", "not sent"
    database.tables.append(extras())


def complete_dump(dump_dir: str) -> str:
    """Write the dump of the sample anew, with the complete catalog; return the directory."""
    manifest = read_manifest(dump_dir)
    (entry,) = manifest.databases
    database = read_catalog(dump_dir, entry)
    complete(database)
    table = database.tables[-1]
    columns, computed = ([ColumnEntry(one.name, one.type.family == "string") for one in some] for some in (loaded_columns(table), computed_columns(table)))
    tables = [*entry.tables, TableEntry(table.id, "public", table.name, columns, computed, [])]
    write_dump(dump_dir, DumpContent(manifest.source, [(database, tables)], read_roles(dump_dir), manifest.findings))
    return dump_dir
