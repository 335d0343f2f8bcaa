# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Primary keys and indexes, in CREATE TABLE and by CREATE INDEX."""

from __future__ import annotations

from dataclasses import dataclass

from ..._model.catalog import Column, Index, IndexColumn, SqlType, Table
from ..._model.finding_codes import FindingCode
from .cursor import Cursor
from .expression_types import expression_type
from .parsing import NAME, NUMBER, WORD, Word
from .table_place import TablePlace

DEFAULT_BUCKETS = 16
"""The number of buckets of a hash-sharded index that does not specify one."""
_KINDS = {
    "GIN": "inverted",
    "GIST": "inverted",
    "CSPANN": "vector",
    "HNSW": "vector",
    "BTREE": "forward",
    "PREFIX": "forward",
}
_EXPRESSION_COLUMN = "crdb_internal_idx_expr"
_STOPS = frozenset(("NOT", "VISIBLE", "VISIBILITY", "INTERLEAVE", "PARTITION", "TABLESPACE"))
_CATALOG = "pg_catalog"
_OPERATOR_CLASSES = ("_ops",)
_DISTANCES = {"vector_l2_ops": "l2", "vector_ip_ops": "ip", "vector_cosine_ops": "cosine"}


@dataclass
class KeyPart:
    """One key of an index: a column's name, else the text of an expression."""

    column: str = ""
    expression: str = ""
    descending: bool = False
    operator_class: str = ""


def make_primary_key(place: TablePlace, name: str, parts: list[KeyPart], buckets: int = 0) -> None:
    """Make the table's primary index."""
    table, cursor = place.own_table, Cursor(place.statement)
    index = Index(1, name or f"{table.name}_pkey", True)
    _set_key(index, parts, place, cursor, buckets)
    for part in index.columns:
        _column_by_id(place, part.column_id).nullable = False
    table.primary_index = index


def add_unique_index(place: TablePlace, name: str, column: str) -> None:
    """Add the unique index of a column declared UNIQUE."""
    index = Index(place.next_index_id(), name or place.free_index_name(f"{place.table.name}_{column}_key"), True)
    _set_key(index, [KeyPart(column)], place, Cursor(place.statement), 0)
    place.table.indexes.append(index)


def read_primary_key(cursor: Cursor, place: TablePlace, name: str) -> None:
    """Read the part after PRIMARY KEY in a table constraint."""
    index = Index(1, name or f"{place.table.name}_pkey", True)
    _read_key_and_options(cursor, index, place)
    for part in index.columns:
        _column_by_id(place, part.column_id).nullable = False
    place.own_table.primary_index = index


def read_index(cursor: Cursor, place: TablePlace, unique: bool, kind: str, name: str, explicit: bool = False) -> None:
    """Read an index from its key on, and add it. ``name`` may be empty."""
    index = Index(place.next_index_id(), name, unique, kind=kind, created_explicitly=explicit)
    _read_key_and_options(cursor, index, place)
    if not index.name:
        columns = [column for column in _key_columns(index, place) if column.name != index.shard_column]
        expressions = iter(["expr", *(f"expr{number}" for number in range(1, len(columns)))])
        names = "_".join(next(expressions) if column.inaccessible else column.name for column in columns)
        index.name = place.free_index_name(f"{place.table.name}_{names}_{'key' if unique else 'idx'}")
    place.table.indexes.append(index)


def read_hash(cursor: Cursor) -> int:
    """Read USING HASH with its buckets if it comes; return how many there are, 0 without it."""
    if not cursor.accept("USING", "HASH"):
        return 0
    if cursor.accept("WITH", "BUCKET_COUNT"):
        cursor.expect("=")
        return cursor.integer()
    if cursor.at("WITH", "(", "BUCKET_COUNT"):
        cursor.accept("WITH")
        inside = cursor.parenthesis()
        inside.expect("BUCKET_COUNT", "=")
        buckets = inside.integer()
        inside.end()
        return buckets
    return DEFAULT_BUCKETS


def skip_partition(cursor: Cursor) -> bool:
    """Read PARTITION BY … if it comes; return whether it makes partitions."""
    if not cursor.accept("PARTITION"):
        return False
    cursor.accept("ALL")
    cursor.expect("BY")
    if cursor.accept("NOTHING"):
        return False
    if not cursor.accept_one("LIST", "RANGE"):
        cursor.fail("expected LIST or RANGE")
    cursor.parenthesis()
    cursor.parenthesis()
    return True


def read_interleave(cursor: Cursor, index: Index, place: TablePlace) -> bool:
    """Read INTERLEAVE IN PARENT … if it comes; return whether it did."""
    if not cursor.accept("INTERLEAVE", "IN", "PARENT"):
        return False
    path = cursor.path()
    shared = len(cursor.names())

    def find_parent() -> None:
        parent = place.builder.known_relation(path, place.statement)
        index.interleave_ancestors = [(parent.id if parent is not None else 0, 1, shared)]

    place.builder.defer(find_parent)
    return True


def read_parameters(cursor: Cursor) -> dict[str, str]:
    """Read ``(name = value, …)``; values are as written."""
    found = {}
    for item in cursor.parenthesis().items():
        name = item.take().text.lower()
        value = ""
        if item.accept("="):
            value = cursor.statement.text(item.rest())
        item.end()
        found[name] = value
    return found


def _read_key_and_options(cursor: Cursor, index: Index, place: TablePlace) -> None:
    if cursor.at("USING") and cursor.peek(1).keyword in _KINDS:
        _read_method(cursor, index)
    parts = [_read_part(item, place) for item in cursor.parenthesis().items()]
    buckets = 0
    stored: list[str] = []
    while not cursor.at_end:
        if cursor.at("USING", "HASH"):
            buckets = read_hash(cursor)
        elif cursor.at("USING"):
            _read_method(cursor, index)
        elif cursor.accept_one("STORING", "COVERING", "INCLUDE"):
            stored = cursor.names()
        elif cursor.at("PARTITION"):
            index.partitioned = skip_partition(cursor)
        elif cursor.accept("WITH"):
            _report_parameters(read_parameters(cursor), index, place)
        elif cursor.accept("TABLESPACE", "PG_DEFAULT"):
            pass
        elif cursor.accept("WHERE"):
            index.predicate = place.builder.expression(cursor.statement, cursor.expression(_STOPS))
        else:
            _read_visibility(cursor, index, place)
    _set_key(index, parts, place, cursor, buckets)
    if index.kind == "vector" and parts[-1].operator_class:
        index.distance = _distance(parts[-1].operator_class, cursor)
    index.stored_column_ids = [place.column(name, cursor).id for name in stored]


def _distance(operator_class: str, cursor: Cursor) -> str:
    return _DISTANCES.get(operator_class) or cursor.fail(
        f"the operator class {operator_class} is not known in a vector index"
    )


def _read_method(cursor: Cursor, index: Index) -> None:
    cursor.expect("USING")
    method = cursor.take().keyword
    if method not in _KINDS:
        cursor.fail(f"the index method {method} is not known")
    index.kind = _KINDS[method]


def _read_visibility(cursor: Cursor, index: Index, place: TablePlace) -> None:
    if cursor.accept("NOT", "VISIBLE"):
        index.not_visible = True
    elif cursor.at("VISIBILITY") and cursor.peek(1).kind == NUMBER:
        cursor.take()
        index.not_visible = float(cursor.take().text) < 1
    elif not cursor.accept("VISIBLE") and not read_interleave(cursor, index, place):
        cursor.fail(f"{cursor.peek().text!r} is not known in an index")


def _report_parameters(parameters: dict[str, str], index: Index, place: TablePlace) -> None:
    place.builder.find(
        FindingCode.STORAGE_PARAMETERS,
        place.full_name.part("index", index.name),
        f"The index's storage parameters have no counterpart: {', '.join(parameters)}.",
    )


def _read_part(cursor: Cursor, place: TablePlace) -> KeyPart:
    """Read ``column [operator class] [ASC | DESC] [NULLS …]`` or an expression instead of the column."""
    begin, last = cursor.rest()
    words = cursor.statement.words
    descending = False
    if last - begin > 2 and words[last - 2].keyword == "NULLS":
        last -= 2
    if last - begin > 1 and words[last - 1].keyword in ("ASC", "DESC"):
        descending = words[last - 1].keyword == "DESC"
        last -= 1
    operator_class = ""
    if (
        last - begin > 1
        and words[last - 1].kind in (WORD, NAME)
        and words[last - 1].text.lower().endswith(_OPERATOR_CLASSES)
    ):
        last -= 1
        operator_class = words[last].identifier
        last = _before_schema(words, begin, last)
    last = _before_default_collation(words, begin, last)
    if last - begin == 1 and words[begin].kind in (WORD, NAME):
        return KeyPart(words[begin].identifier, "", descending, operator_class)
    return KeyPart(
        "",
        place.builder.expression(cursor.statement, cursor.without_parentheses((begin, last))),
        descending,
        operator_class,
    )


def _before_schema(words: list[Word], begin: int, last: int) -> int:
    """Return where ``pg_catalog.`` begins that ends at ``last``; else ``last``."""
    is_there = last - begin > 2 and words[last - 1].is_symbol(".") and words[last - 2].identifier == _CATALOG
    return last - 2 if is_there else last


def _before_default_collation(words: list[Word], begin: int, last: int) -> int:
    """Return where ``COLLATE pg_catalog."default"`` begins that ends at ``last``; else ``last``."""
    if last - begin < 3 or words[last - 1].text != "default":
        return last
    before = _before_schema(words, begin, last - 1)
    return before - 1 if words[before - 1].keyword == "COLLATE" else last


def _set_key(index: Index, parts: list[KeyPart], place: TablePlace, cursor: Cursor, buckets: int) -> None:
    if not parts:
        cursor.fail("an index without columns")
    for part in parts:
        column = place.column(part.column, cursor) if part.column else _expression_column(part.expression, place)
        index.columns.append(IndexColumn(column.id, part.descending))
    if buckets:
        shard = _shard_column(index, place, buckets)
        index.shard_column, index.shard_buckets = shard.name, buckets
        index.columns.insert(0, IndexColumn(shard.id))


def _expression_column(text: str, place: TablePlace) -> Column:
    """Return the column that CockroachDB keeps for an expression; each index has its own, save for the same
    expression."""
    for column in place.table.columns:
        if column.inaccessible and column.computed == text:
            return column
    kind = expression_type(text, place.table.columns, place.builder, place.statement)
    column = Column(
        place.next_column_id(),
        place.free_column_name(_EXPRESSION_COLUMN),
        kind,
        computed=text,
        virtual=True,
        inaccessible=True,
    )
    place.table.columns.append(column)
    return column


def _shard_column(index: Index, place: TablePlace, buckets: int) -> Column:
    """Return the hidden column of a hash-sharded index, which has the columns' names in alphabetical order; releases up
    to v21.2 do not print it."""
    names = sorted(column.name for column in _key_columns(index, place))
    name = f"crdb_internal_{'_'.join(names)}_shard_{buckets}"
    for column in place.table.columns:
        if column.name == name:
            return column
    arguments = ", ".join(names)
    column = Column(
        place.next_column_id(),
        name,
        SqlType("int", 23, 32),
        False,
        hidden=True,
        virtual=True,
        computed=f"mod(fnv32(crdb_internal.datums_to_bytes({arguments})), {buckets}:::INT8)",
    )
    place.table.columns.append(column)
    return column


def _key_columns(index: Index, place: TablePlace) -> list[Column]:
    return [_column_by_id(place, part.column_id) for part in index.columns]


def _column_by_id(place: TablePlace, column_id: int) -> Column:
    return next(column for column in place.table.columns if column.id == column_id)


def is_shard(name: str, table: Table) -> bool:
    """Tell whether this is the hidden column of a hash-sharded index."""
    return any(index.shard_column == name for index in [table.primary_index, *table.indexes])
