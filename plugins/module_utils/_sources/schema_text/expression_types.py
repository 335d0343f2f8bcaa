# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Types of expressions, for the columns that CockroachDB creates for expression indexes: the text does not show
them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

from ..._convert.expressions import dialect
from ..._convert.expressions.families import Scope
from ..._convert.expressions.type_inference import type_of
from ..._errors import UnsupportedError
from ..._model.catalog import USER_TYPE_OID_BASE, Column, SqlType
from .cursor import Cursor, Statement
from .model_builder import Builder
from .parsing import words
from .types import read_type, user_type

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

UNKNOWN = SqlType("unknown")
"""The type is not known: the conversion omits the index with a finding."""


def expression_type(text: str, columns: list[Column], builder: Builder, statement: Statement) -> SqlType:
    """Return the type of an expression over these columns; the type UNKNOWN when it cannot be determined."""
    tree = builder.tree(text, "an index")
    if tree is None:
        return UNKNOWN
    scope = Scope({column.name: _with_fields(column.type, builder) for column in columns})
    return type_of(tree, scope, lambda target: named_type(target, builder, statement)) or UNKNOWN


def _with_fields(kind: SqlType, builder: Builder) -> SqlType:
    """Return a composite type with its fields."""
    found = builder.user_type_by_id(kind.user_type_id)
    return replace(kind, fields=found.fields, field_names=found.field_names) if found else kind


def named_type(target: Any, builder: Builder, statement: Statement) -> Optional[SqlType]:
    """Return the type that a cast names, None if it is not known."""
    kind = target.args.get("kind")
    if isinstance(kind, exp.Var) and kind.name.startswith("@"):
        found = builder.user_type_by_id(int(kind.name[1:]) - USER_TYPE_OID_BASE)
        return user_type(found) if found else None
    text = target.sql(dialect.Cockroach)
    try:
        return read_type(
            Cursor(Statement(words(text, "a type"), text, statement.line, statement.database)),
            lambda path: builder.user_type(path, statement),
        )
    except UnsupportedError:
        return None
