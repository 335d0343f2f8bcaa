# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A catalog without numbers: everything that refers to something does so by name, expressions are PostgreSQL's."""
from __future__ import annotations

import dataclasses

from sqlglot import exp

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.context import Context
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions import expressions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName

HERE = FullName("object", name="here")

EXTENSIONS = frozenset(("postgis", "pg_trgm", "vector", "citext", "ltree"))

NOT_SHOWN = {
    "owner": "SHOW CREATE prints no owners",
    "grants": "SHOW CREATE prints no grants",
    "value": "SHOW CREATE SEQUENCE prints the start, not the value",
    "physical": "the bytes of enum values are only in descriptors",
    "format_version": "how rows are stored is only in descriptors",
    "suffix_column_ids": "how index entries are stored is only in descriptors",
    "composite_column_ids": "how index entries are stored is only in descriptors",
    "default_column_id": "how families are stored is only in descriptors",
    "created_explicitly": "UNIQUE and CREATE UNIQUE INDEX are printed alike",
    "ordinal": "columns are printed in the order which it gives",
    "identity_options": "the sequence has them",
    "owner_table_id": "OWNED BY is not printed, save for identity columns, which have their own test",
    "owner_column_id": "OWNED BY is not printed",
    "owns_sequence_ids": "OWNED BY is not printed",
    "array_type_id": "a number",
    "id": "a number",
}
"""Fields that are not compared, and why."""


PRINTED_OTHERWISE = {
    "locale": "COLLATE is printed in its canonical spelling: compared without regard to capitals",
    "query": "views are printed without needless parentheses",
    "computed": "of shard columns: how they hash says nothing of the schema, and up to v21.2 they are not printed",
    "families": "a family called primary that is the only one is not printed; made up by both",
}
"""Fields that are compared in another form, and why."""


def named(database, comments: bool = True) -> dict:
    """Return what the text can tell of a database; ``comments`` are not in descriptors but in a system table."""
    return _Naming(database, comments).database()


class _Naming:
    def __init__(self, database, comments: bool) -> None:
        self.item, self.comments = database, comments
        self.context = Context(database, ServerFeatures(extensions=EXTENSIONS), ConvertOptions())
        self.schemas = {schema.id: schema.name for schema in database.schemas}

    def database(self) -> dict:
        item = self.item
        return {
            "name": item.name, "schemas": sorted(self.schemas.values()), "settings": item.settings, "regions": item.regions, "comment": self.comment(item),
            "types": self.by_name(item.types, self.user_type), "sequences": self.by_name(item.sequences, self.plain),
            "tables": self.by_name(item.tables, self.table), "views": self.by_name(item.views, self.view),
        }

    def by_name(self, items, function) -> dict:
        return {f"{self.schemas[item.schema_id]}.{item.name}": function(item) for item in items}

    def comment(self, item) -> str:
        return item.comment if self.comments else ""

    def plain(self, item) -> dict:
        result = {
            field.name: getattr(item, field.name) for field in dataclasses.fields(item)
            if field.name not in NOT_SHOWN and field.name not in ("schema_id", "name")
        }
        if "comment" in result:
            result["comment"] = self.comment(item)
        return result

    def relation(self, number: int) -> str:
        found = self.context.relations.get(number)
        return f"{self.schemas[found.schema_id]}.{found.name}" if found else ""

    def type(self, kind) -> dict:
        if kind is None:
            return {}
        result = {field.name: getattr(kind, field.name) for field in dataclasses.fields(kind)}
        result["locale"] = kind.locale.lower()
        result["fields"], result["element"] = [self.type(part) for part in kind.fields], self.type(kind.element)
        if kind.user_type_id:
            result.update(oid=0, user_type_id=self.context.types[kind.user_type_id].name)
        if kind.element is not None and kind.element.user_type_id:
            result["oid"] = 0
        return result

    def user_type(self, item) -> dict:
        return {"kind": item.kind, "members": [member.name for member in item.members], "names": item.field_names, "comment": self.comment(item),
                "fields": [self.type(part) for part in item.fields]}

    def expression(self, text: str) -> str:
        if not text:
            return ""
        try:
            return expressions.convert(text, self.context, HERE).sql
        except UnsupportedError:
            return text

    def query(self, text: str) -> str:
        tree = expressions.convert(text, self.context, HERE).tree
        return tree.transform(lambda node: node.this if isinstance(node, exp.Paren) and isinstance(node.parent, (exp.Connector, exp.Where)) else node).sql("postgres")

    def column(self, column) -> dict:
        result = dict(self.plain(column), type=self.type(column.type), uses_sequence_ids=[self.relation(number) for number in column.uses_sequence_ids])
        for part in ("default", "computed", "on_update"):
            result[part] = self.expression(result[part])
        if "_shard_" in column.name:
            result["computed"] = ""
        return dict(result, name=column.name)

    def table(self, table) -> dict:
        names = {column.id: self.column_name(column) for column in table.columns}
        kept = [column for column in table.columns if not column.inaccessible]
        return dict(
            self.plain(table), columns=[self.column(column) for column in kept],
            expressions=sorted(str(self.type(column.type)) + self.expression(column.computed) for column in table.columns if column.inaccessible),
            primary_index=self.index(table.primary_index, names, primary=True),
            indexes={index.name: self.index(index, names) for index in table.indexes},
            families={family.name: sorted(names[number] for number in family.column_ids if number in names) for family in table.families},
            checks={check.name: (self.expression(check.expression), sorted(names[number] for number in check.column_ids), check.validated, self.comment(check))
                    for check in table.checks},
            foreign_keys={key.name: self.foreign_key(key, names) for key in table.foreign_keys},
            unique_without_index={item.name: ([names[number] for number in item.column_ids], self.expression(item.predicate), item.validated)
                                  for item in table.unique_without_index},
        )

    def column_name(self, column) -> str:
        return f"({self.expression(column.computed)})" if column.inaccessible else column.name

    def index(self, index, names, primary=False) -> dict:
        result = dict(
            self.plain(index), name=index.name, columns=[(names[part.column_id], part.descending) for part in index.columns],
            predicate=self.expression(index.predicate), stored_column_ids=[] if primary else [names[number] for number in index.stored_column_ids],
        )
        result["interleave_ancestors"] = [(self.relation(table), shared) for table, _index, shared in index.interleave_ancestors]
        return result

    def foreign_key(self, key, names) -> dict:
        other = {column.id: column.name for column in self.context.tables[key.referenced_table_id].columns}
        return dict(
            self.plain(key), column_ids=[names[number] for number in key.column_ids], referenced_table_id=self.relation(key.referenced_table_id),
            referenced_column_ids=[other[number] for number in key.referenced_column_ids],
        )

    def view(self, view) -> dict:
        return {
            "query": self.query(view.query), "columns": [(column.name, column.hidden) for column in view.columns], "materialized": view.materialized,
            "comment": self.comment(view), "depends_on": sorted(self.relation(number) for number in view.depends_on),
        }
