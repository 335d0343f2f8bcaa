# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Primary keys, unique constraints and indexes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional, Union

from .._errors import UnsupportedError
from .._model.catalog import Check, Column, ForeignKey, Index, IndexColumn, Table, View
from .._model.conversion_policies import COCKROACH
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, digest, quote, shorten
from .._model.stored_columns import written_keys
from .context import Context, Relation
from .definitions import IndexDefinition, KeyDefinition
from .expressions import expressions, null_order
from .expressions.immutable import immutable_sql
from .expressions.text_kinds import is_text
from .long_keys import hash_index_key, hashed_keys
from .statements import Need, Subject
from .tables import kept_columns
from .types import element_of, type_name

_OLD_PRIMARY_NAME = "primary"
_SCALARS = {"gin": "btree_gin", "gist": "btree_gist"}
"""The extension that lets an index method also index numbers, texts and other scalar types."""
_MAX_DIMENSIONS = 2000
_DISTANCES = {
    "l2": "the Euclidean distance (<->)",
    "ip": "the inner product (<#>)",
    "cosine": "the cosine distance (<=>)",
}


def create_primary_key(table: Table, context: Context) -> None:
    """Add the primary key, in ascending order: keys in PostgreSQL have no direction."""
    index, columns = table.primary_index, context.columns(table)
    kept = written_keys(index, columns)
    if not kept:
        # It has too many columns for PostgreSQL: see fit_indexes.
        return
    where = context.full_name(table).part("index", index.name)
    name = _claim(index, _primary_name(table, context), table, context)
    if any(part.descending for part in kept):
        context.find(FindingCode.DESCENDING_PRIMARY_KEY, where)
    if index.shard_column:
        _report_hash(where, context)
    _note_order(kept, table, context, where)
    if _has_interval(kept, columns):
        _create_interval_key(name, kept, table, context, where)
        context.index_names[table.id, index.id] = ("index", name)
        return
    made = KeyDefinition("PRIMARY KEY", _names(kept, columns), hashes=hashed_keys(_columns_of(kept, columns)))
    _add("primary_key", made, name, table, context)
    context.index_names[table.id, index.id] = ("constraint", name)
    _note_unique(kept, table, context)


def _primary_name(table: Table, context: Context) -> str:
    """Return the key's name; up to v21.2 all are called "primary", and the name that PostgreSQL would choose may be
    that of another constraint."""
    if table.primary_index.name != _OLD_PRIMARY_NAME:
        return table.primary_index.name
    name = f"{table.name}_pkey"
    constraints: list[Union[Check, ForeignKey]] = [*table.checks, *table.foreign_keys]
    taken = any(item.name == name for item in constraints)
    return shorten(name, "_" + digest(context.schema(table), name, table.name)) if taken else name


def _note_unique(parts: list[IndexColumn], table: Table, context: Context) -> None:
    context.unique_keys.add((table.id, frozenset(part.column_id for part in parts)))


def _has_interval(parts: list[IndexColumn], columns: dict[int, Column]) -> bool:
    return any(columns[part.column_id].type.family == "interval" for part in parts)


def _create_interval_key(name: str, parts: list[IndexColumn], table: Table, context: Context, where: FullName) -> None:
    """Add a unique index on the binary form of intervals instead of a key: in PostgreSQL 1 month, 30 days and 720 hours
    are equal, in CockroachDB they are not."""
    keys = []
    for part in parts:
        column = context.columns(table)[part.column_id]
        text = quote(clip(column.name))
        keys.append(f"(pg_catalog.interval_send({text}))" if column.type.family == "interval" else text)
    context.find(FindingCode.INTERVAL_KEY, where)
    _add("primary_key", IndexDefinition(tuple(keys), unique=True), name, table, context)


def _add(
    step: str,
    made: Union[KeyDefinition, IndexDefinition],
    name: str,
    table: Relation,
    context: Context,
    extensions: Iterable[str] = (),
) -> None:
    sql = made.create(quote(name), context.qualified(table))
    needs = [Need("extension", extension) for extension in extensions]
    context.conversion.add(
        step, Subject(_kind(made), name, context.schema(table), clip(table.name)), sql, expects=made, needs=needs
    )
    for other in made.within_limits():
        context.conversion.add_alternative(
            _kind(other), other.create(quote(name), context.qualified(table)), expects=other
        )


def _kind(made: Union[KeyDefinition, IndexDefinition]) -> str:
    if isinstance(made, KeyDefinition):
        return "primary_key" if made.kind == "PRIMARY KEY" else "unique_constraint"
    return "unique_index" if made.unique else "index"


def create_indexes(table: Table, context: Context) -> None:
    """Add every secondary index."""
    for index in table.indexes:
        create_index(index, table, context)


def create_view_indexes(view: View, context: Context) -> None:
    """Add the indexes of a materialized view; they are made after the view."""
    table = Table(view.id, view.name, view.schema_id, view.columns)
    for index in view.indexes:
        create_index(index, table, context, step="view")


def create_index(index: Index, table: Table, context: Context, step: str = "index") -> None:
    """Add one index, or a finding that it is omitted."""
    where = context.full_name(table).part("index", index.name)
    try:
        if index.kind == "forward":
            _create_forward(index, table, context, where, step)
        elif index.kind == "inverted":
            _create_inverted(index, table, context, where, step)
        elif index.kind == "vector":
            _create_vector(index, table, context, where, step)
        else:
            raise UnsupportedError(f"{where}: an index of the kind {index.kind} is not converted")
    except UnsupportedError as error:
        context.find(
            FindingCode.INDEX_LEFT_OUT,
            where,
            f"The index is omitted: {where.unnamed(error)}.",
            severity="error" if index.unique else "warning",
        )
        return
    if index.not_visible:
        context.find(FindingCode.INDEX_NOT_VISIBLE, where)


def _claim(index: Index, wanted: str, table: Relation, context: Context) -> str:
    name = context.scope.unique(context.schema(table), wanted, table.name)
    if name != index.name:
        context.find(
            FindingCode.INDEX_RENAMED,
            context.full_name(table).part("index", index.name),
            f"The index is called {name} in PostgreSQL, where the indexes of a schema share one namespace (of names of "
            "at most 63 bytes) with its tables.",
        )
    return name


def _names(parts: list[IndexColumn], columns: dict[int, Column]) -> tuple[str, ...]:
    return tuple(clip(columns[part.column_id].name) for part in parts)


def _columns_of(parts: list[IndexColumn], columns: dict[int, Column]) -> list[tuple[str, Column]]:
    """Return each key as quoted SQL, with its column."""
    return [(quote(clip(columns[part.column_id].name)), columns[part.column_id]) for part in parts]


def _report_hash(where: FullName, context: Context) -> None:
    context.find(FindingCode.HASH_SHARDED, where)


def _create_forward(index: Index, table: Table, context: Context, where: FullName, step: str) -> None:
    columns = context.columns(table)
    parts = written_keys(index, columns)
    texts = [
        (_key_text(columns[part.column_id], index, table, context, where), columns[part.column_id]) for part in parts
    ]
    keys = tuple(text + null_order.key_direction(part, column, context) for (text, column), part in zip(texts, parts))
    predicate = _predicate(index, table, context, where)
    stored = [columns[column_id] for column_id in index.stored_column_ids]
    included = tuple(clip(column.name) for column in stored if column.name != index.shard_column)
    name = _claim(index, index.name, table, context)
    if index.shard_column:
        _report_hash(where, context)
    of_columns = not index.predicate and not any(columns[part.column_id].inaccessible for part in parts)
    is_constraint = index.unique and of_columns and step == "index" and _is_constraint(index, parts)
    _note_order(parts, table, context, where, is_constraint)
    if index.unique and of_columns and not included and _has_interval(parts, columns):
        _create_interval_key(name, parts, table, context, where)
        context.index_names[table.id, index.id] = ("index", name)
        return
    if index.unique and of_columns:
        _note_unique(parts, table, context)
    if is_constraint:
        hashes = hashed_keys(texts)
        _add(step, KeyDefinition("UNIQUE", _names(parts, columns), included, hashes), name, table, context)
        context.index_names[table.id, index.id] = ("constraint", name)
        return
    hashes = hashed_keys(texts) if index.unique else hash_index_key(texts)
    made = IndexDefinition(keys, index.unique, include=included, predicate=predicate, hashes=hashes)
    _add(step, made, name, table, context)
    context.index_names[table.id, index.id] = ("index", name)


def _note_order(
    parts: list[IndexColumn], table: Table, context: Context, where: FullName, is_constraint: bool = False
) -> None:
    """Note an index whose NULLs stand where the policy says, which a constraint cannot say, and one over text."""
    columns = [context.columns(table)[part.column_id] for part in parts]
    has_order = not (is_constraint and context.options.policies.null_order == COCKROACH)
    if has_order and any(map(null_order.can_be_null, columns)):
        context.indexes_with_nulls.append(where)
    if any(is_text(column.type) for column in columns):
        context.text_indexes.append(where)


def _is_constraint(index: Index, parts: list[IndexColumn]) -> bool:
    """Whether a unique index over columns can be a constraint, which has no direction."""
    return not index.created_explicitly and not any(part.descending for part in parts)


def _key_text(column: Column, index: Index, table: Table, context: Context, where: FullName) -> str:
    return _expression(column, index, table, context, where) if column.inaccessible else quote(clip(column.name))


def _expression(column: Column, index: Index, table: Table, context: Context, where: FullName) -> str:
    columns = kept_columns(table)
    expression = expressions.convert_in_table(column.computed, context, where, columns)
    result = type_name(column.type, context, where)
    function = (context.schema(table), f"{table.name}_{index.name}_expr")
    call = immutable_sql(expression, context, function, where, result, columns)
    return f"({call})"


def _predicate(index: Index, table: Table, context: Context, where: FullName) -> str:
    if not index.predicate:
        return ""
    columns = kept_columns(table)
    expression = expressions.convert_in_table(index.predicate, context, where, columns)
    function = (context.schema(table), f"{table.name}_{index.name}_where")
    return immutable_sql(expression, context, function, where, "boolean", columns)


def _create_inverted(index: Index, table: Table, context: Context, where: FullName, step: str) -> None:
    columns = context.columns(table)
    *leading, last = written_keys(index, columns)
    method, key, extension = _inverted_key(columns[last.column_id], index, table, context, where)
    keys = [key]
    if leading and context.use_extension(_SCALARS[method]):
        keys = [_key_text(columns[part.column_id], index, table, context, where) for part in leading] + keys
    elif leading:
        context.find(
            FindingCode.INVERTED_PREFIX,
            where,
            f"The index holds only its last column: the server does not have the extension {_SCALARS[method]}.",
        )
    predicate = _predicate(index, table, context, where)
    name = _claim(index, index.name, table, context)
    extensions = [_SCALARS[method]] if len(keys) > 1 else []
    extensions += [extension] if extension else []
    made = IndexDefinition(tuple(keys), method=method, predicate=predicate)
    _add(step, made, name, table, context, extensions)
    context.index_names[table.id, index.id] = ("index", name)


def _create_vector(index: Index, table: Table, context: Context, where: FullName, step: str) -> None:
    """Add an index of pgvector for the same distance; its operator classes have CockroachDB's names."""
    column = context.columns(table)[index.columns[-1].column_id]
    if not context.use_extension("vector"):
        raise UnsupportedError(f"{where}: a vector index needs the extension vector")
    if not 0 < column.type.width <= _MAX_DIMENSIONS:
        raise UnsupportedError(
            f"{where}: a vector index needs a column with a declared number of dimensions, of at most {_MAX_DIMENSIONS}"
        )
    if len(written_keys(index, context.columns(table))) > 1:
        context.find(FindingCode.VECTOR_PREFIX, where)
    predicate = _predicate(index, table, context, where)
    name = _claim(index, index.name, table, context)
    made = IndexDefinition(
        (f"{quote(clip(column.name))} vector_{index.distance}_ops",), method="hnsw", predicate=predicate
    )
    _add(step, made, name, table, context, ["vector"])
    context.index_names[table.id, index.id] = ("index", name)
    context.find(
        FindingCode.VECTOR_INDEX, where, f"The vector index becomes an hnsw index for {_DISTANCES[index.distance]}."
    )


def _inverted_key(
    column: Column, index: Index, table: Table, context: Context, where: FullName
) -> tuple[str, str, str]:
    """Return the index method, the key and the extension that the key needs, empty if none."""
    text = _key_text(column, index, table, context, where)
    if column.type.family in ("geometry", "geography"):
        if not context.use_extension("postgis"):
            raise UnsupportedError(f"{where}: a spatial index needs the extension postgis")
        return "gist", text, "postgis"
    if column.type.family in ("json", "array", "tsvector"):
        return "gin", text, ""
    if element_of(column.type).family in ("string", "collated"):
        if not context.use_extension("pg_trgm"):
            raise UnsupportedError(f"{where}: a trigram index needs the extension pg_trgm")
        return "gin", f"{text} gin_trgm_ops", "pg_trgm"
    raise UnsupportedError(f"{where}: an inverted index on {column.type.family} has no counterpart")


def index_of(table: Relation, index: Index, context: Context) -> Optional[tuple[str, str]]:
    """Return ("constraint" or "index", name in PostgreSQL) of an index; None if it was omitted."""
    return context.index_names.get((table.id, index.id))
