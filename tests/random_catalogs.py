# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Random databases as CockroachDB could hold them: any name, every type, every kind of constraint."""
from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Check,
    Column,
    Database,
    EnumMember,
    ForeignKey,
    Function,
    Index,
    IndexColumn,
    Parameter,
    Policy,
    Schema,
    Sequence,
    SqlType,
    Table,
    Trigger,
    UniqueWithoutIndex,
    UserType,
    View,
)

WORDS = (
    "select", "user", "table", "Order", "primary", "end", "TRUE", "null", "a.b", "it's", 'say "hi"', "%s", "$1", "$$", "a b", "ünï", "表", "🐘", "\\", "-- x", "/* */", ";",
    "x" * 63, "x" * 64, "é" * 40, "x" * 62 + "é", "_", "1", "new", "old", "pg_x", "rowid", "oid", "tableoid1", "CamelCase",
)
ALPHABET = st.one_of(st.sampled_from('abcXYZ019_ ."\'%$\\;-@#:(){}[]'), st.characters(min_codepoint=0xA1, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cn", "Cc")))
NAMES = st.one_of(st.sampled_from(WORDS), st.text(ALPHABET, min_size=1, max_size=70))
TEXTS = st.one_of(st.sampled_from(WORDS), st.text(ALPHABET, max_size=20))

INT, TEXT = SqlType("int", 20, 64), SqlType("string", 25)
ORDERED = (
    INT, SqlType("int", 21, 16), SqlType("int", 23, 32), TEXT, SqlType("string", 1043, 30), SqlType("string", 1042, 4), SqlType("string", 19), SqlType("string", 18, 1),
    SqlType("bool", 16), SqlType("float", 701, 64), SqlType("float", 700, 32), SqlType("decimal", 1700), SqlType("decimal", 1700, 2, 10), SqlType("date", 1082),
    SqlType("timestamp", 1114), SqlType("timestamp", 1114, precision=3), SqlType("timestamptz", 1184), SqlType("time", 1083, precision=0), SqlType("timetz", 1266),
    SqlType("uuid", 2950), SqlType("inet", 869), SqlType("bytes", 17), SqlType("bit", 1560, 5), SqlType("bit", 1562), SqlType("bit", 1562, 7), SqlType("oid", 26),
    SqlType("collated", 25, locale="de"), SqlType("collated", 1043, 12, locale="en_US"), SqlType("interval", 1186),
    SqlType("interval", 1186, interval_fields="DAY TO SECOND", precision=2),
)
OTHERS = (
    SqlType("json", 3802), SqlType("tsvector", 3614), SqlType("tsquery", 3615), SqlType("pg_lsn", 3220), SqlType("refcursor", 1790), SqlType("jsonpath", 4072),
    SqlType("vector", 90006, 3), SqlType("vector", 90006), SqlType("ltree", 90010), SqlType("collated", 90008), SqlType("geometry", 90000), SqlType("geometry", 90000, geo_shape="PointZ", srid=4326),
    SqlType("geography", 90002, srid=4326), SqlType("box2d", 90004), SqlType("oid", 2205), SqlType("oid", 24), SqlType("oid", 2206), SqlType("oid", 4089),
    SqlType("oid", 2202), SqlType("oid", 4096),
)
ARRAYS = tuple(SqlType("array", 1000, element=kind) for kind in (*ORDERED, *OTHERS))
DEFAULTS = {
    "int": ("unique_rowid()", "7:::INT8", "(-3):::INT8"), "string": ("'it''s':::STRING", r"e'a\nb\\':::STRING", "gen_random_uuid()::STRING"),
    "bool": ("true",), "float": ("1.5:::FLOAT8",), "decimal": ("1.5:::DECIMAL",), "date": ("current_date()", "'2020-01-01':::DATE"),
    "timestamp": ("now():::TIMESTAMP", "current_timestamp():::TIMESTAMP"), "timestamptz": ("now():::TIMESTAMPTZ", "statement_timestamp()"),
    "uuid": ("gen_random_uuid()",), "bytes": (r"'\x00ff':::BYTES", r"b'\x01'"), "json": ("""'{"a": "b''c"}':::JSONB""",), "interval": ("'1 day':::INTERVAL",),
    "inet": ("'10.0.0.1/8':::INET",),
}


def quoted(name: str) -> str:
    """Return a name as CockroachDB prints it."""
    return '"' + name.replace('"', '""') + '"'


@st.composite
def databases(draw, types=(*ORDERED, *OTHERS, *ARRAYS)) -> Database:
    """A database with two schemas, some types, tables and everything that hangs on them."""
    names = iter(draw(st.lists(NAMES, min_size=90, max_size=90, unique=True)))
    database = Database(100, next(names), [Schema(1, "public", comment=draw(TEXTS)), Schema(2, next(name for name in names if not name.startswith("pg_")))])
    schema, enum_type = st.sampled_from((1, 2)), SqlType("enum", 100010, user_type_id=10)
    enum = UserType(10, next(names), draw(schema), members=[
        EnumMember(label, f"{number:02x}") for number, label in enumerate(draw(st.lists(NAMES.filter(lambda text: len(text.encode()) < 64), min_size=1, max_size=4, unique=True)))
    ], array_type_id=11, comment=draw(TEXTS))
    composite = UserType(12, next(names), draw(schema), "composite", fields=[draw(st.sampled_from(ORDERED[:20])), SqlType("enum", 100010, user_type_id=10)], field_names=[next(names), next(names)])
    base = draw(st.sampled_from((*ORDERED, enum_type)))
    checks = [Check(name, "value IS NOT NULL OR true", validated=draw(st.booleans())) for name in draw(st.lists(NAMES, max_size=2, unique=True))]
    domain = UserType(14, next(names), draw(schema), "domain", base=base, not_null=draw(st.booleans()), not_null_name=draw(st.sampled_from(("", "given \"nn\""))),
                      default=draw(st.sampled_from(DEFAULTS["date"])) if base.family == "date" else "", checks=checks, array_type_id=15, comment=draw(TEXTS))
    of_domain = replace(base, domain_id=14)
    database.types = [enum, domain, composite]
    database.sequences = [Sequence(20, next(names), draw(schema), increment=draw(st.sampled_from((1, -2))), minimum=-9, maximum=99, start=5, value=draw(st.integers(5, 50)), comment=draw(TEXTS))]
    kinds = st.sampled_from((
        *types, enum_type, SqlType("tuple", 100012, user_type_id=12), SqlType("array", 100011, element=enum_type), of_domain, SqlType("array", 100015, element=of_domain),
    ))
    for number in range(draw(st.integers(1, 3))):
        database.tables.append(_table(draw, 30 + number, names, draw(schema), kinds, database))
    first = database.tables[0]
    place = next(item.name for item in database.schemas if item.id == first.schema_id)
    shown = [column for column in first.columns if not column.inaccessible and not column.name.endswith("shard")]
    query = f"SELECT {', '.join(quoted(column.name) for column in shown)} FROM {quoted(database.name)}.{quoted(place)}.{quoted(first.name)} WHERE {quoted('id')} > 0:::INT8 ORDER BY 1"
    database.views = [View(60, next(names), draw(schema), query, [Column(column.id, column.name, column.type) for column in shown], draw(st.booleans()), depends_on=[first.id], comment=draw(TEXTS))]
    body = "BEGIN RETURN NEW; END"
    database.functions = [
        Function(70, next(names), draw(schema), [Parameter("IN", next(names), draw(kinds), "")], INT, body="SELECT 1:::INT8", comment=draw(TEXTS)),
        Function(71, next(names), draw(schema), [], SqlType("trigger", 2279), language="PLPGSQL", body=body),
    ]
    first.triggers = [Trigger(next(names), "BEFORE", ["INSERT", "UPDATE"], True, "", 71, [draw(TEXTS)])]
    first.policies = [Policy(next(names), "PERMISSIVE", "ALL", ["public"], "id > 0:::INT8", "")]
    return database


def _indexable(kind: SqlType) -> bool:
    """Whether CockroachDB has an inverted or vector index for the type; of arrays those whose elements it can order."""
    return kind.element in (*ORDERED, OTHERS[0]) if kind.family == "array" else True


def _refer(draw, table: Table, other: Table, names) -> None:
    """Add a foreign key, to the primary key or to a unique index of two columns, which may be the table's own."""
    targets = [index for index in other.indexes if index.unique and index.id == 90]
    referenced = [part.column_id for part in targets[0].columns] if targets and draw(st.booleans()) else [1]
    by_id = {column.id: column for column in other.columns}
    own = [Column(60 + number, next(names), by_id[column_id].type) for number, column_id in enumerate(referenced)]
    table.columns += own
    table.foreign_keys = [ForeignKey(
        next(names), [column.id for column in own], other.id, referenced, draw(st.sampled_from(("NO ACTION", "CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT"))), "CASCADE",
        draw(st.sampled_from(("SIMPLE", "FULL"))), draw(st.booleans()), comment=draw(TEXTS),
    )]


def _table(draw, number: int, names, schema: int, kinds, database: Database) -> Table:
    columns = [Column(1, "id", INT, False, comment=draw(TEXTS))]
    for column_id in range(2, 2 + draw(st.integers(1, 6))):
        kind = draw(kinds)
        column = Column(column_id, next(names), kind, draw(st.booleans()), hidden=draw(st.booleans()), comment=draw(TEXTS))
        choices = DEFAULTS.get(kind.family, ()) if not kind.user_type_id and kind.family != "collated" and kind.oid != 18 else ()
        if choices and draw(st.booleans()):
            column.default = draw(st.sampled_from(choices))
        columns.append(column)
    table = Table(number, next(names), schema, columns, Index(1, draw(st.sampled_from(("primary", "t_pkey"))), unique=True, columns=[IndexColumn(1)]), comment=draw(TEXTS))
    if table.primary_index.name != "primary":
        table.primary_index.name = next(names)
    ordered = [column for column in columns[1:] if column.type in ORDERED and column.type.family != "interval"]
    texts = [column for column in columns if column.type.family == "string" and column.type.oid == 25]
    if texts and draw(st.booleans()):
        computed = draw(st.sampled_from((f"lower({quoted(texts[0].name)})", f"concat({quoted(texts[0].name)}, id::STRING)")))
        columns.append(Column(50, next(names), TEXT, computed=computed))
        columns.append(Column(51, next(names), TEXT, computed=f"upper({quoted(texts[0].name)})", inaccessible=True, virtual=True))
        table.indexes.append(Index(50, next(names), columns=[IndexColumn(51)]))
    for column in ordered[:2]:
        table.indexes.append(Index(
            column.id + 1, next(names), draw(st.booleans()), [IndexColumn(column.id, draw(st.booleans())), IndexColumn(1)],
            predicate=draw(st.sampled_from(("", f"{quoted(column.name)} IS NOT NULL"))), not_visible=draw(st.booleans()), created_explicitly=draw(st.booleans()),
        ))
    for column in columns:
        if column.type.family in ("json", "tsvector", "array", "geometry", "geography", "vector") and _indexable(column.type) and draw(st.booleans()):
            table.indexes.append(Index(column.id + 20, next(names), columns=[IndexColumn(column.id)], kind="vector" if column.type.family == "vector" else "inverted", comment=draw(TEXTS)))
    table.checks = [Check(next(names), f"{quoted(column.name)} IS NOT NULL OR id > 0:::INT8", [column.id], draw(st.booleans()), comment=draw(TEXTS)) for column in columns[1:3]]
    if ordered and draw(st.booleans()):
        table.unique_without_index = [UniqueWithoutIndex(next(names), [ordered[0].id, 1])]
    table.indexes.append(Index(90, next(names), True, [IndexColumn(1, draw(st.booleans())), IndexColumn(columns[1].id)]) if columns[1] in ordered else Index(91, next(names), columns=[IndexColumn(1)]))
    if draw(st.booleans()):
        _refer(draw, table, draw(st.sampled_from((table, *database.tables))), names)
    if draw(st.booleans()):
        columns.append(Column(70, next(names), SqlType("timestamptz", 1184), on_update="now():::TIMESTAMPTZ"))
    return table
