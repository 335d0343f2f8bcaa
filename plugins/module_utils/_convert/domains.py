# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE DOMAIN, and its checks."""

from __future__ import annotations

from .._errors import UnsupportedError
from .._model.catalog import Check, SqlType, UserType
from .._model.domains import base_type
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, quote
from .context import Context
from .definitions import DomainCheckDefinition, DomainDefinition
from .expressions import expressions
from .statements import Subject
from .types import column_type

_VALUE = "value"
"""The name of the value in a check of either database: PostgreSQL reads a column of this name as its keyword VALUE."""


def create_domain(item: UserType, context: Context) -> None:
    """Add a domain before the tables, and its checks: those that CockroachDB has not validated are added after the
    rows, as NOT VALID."""
    where, schema, name = context.full_name(item), context.schema(item), clip(item.name)
    base = base_type(item)
    made = DomainDefinition(
        column_type(base, context, where), _default(item, context, where), item.not_null, clip(item.not_null_name)
    )
    context.report_cut(item.not_null_name, where.part("constraint", item.not_null_name))
    context.conversion.add("type", Subject("domain", name, schema), made.create(quote(schema, name)), expects=made)
    for check in item.checks:
        _create_check(check, item, base, context)


def _default(item: UserType, context: Context, where: FullName) -> str:
    if not item.default:
        return ""
    try:
        return expressions.convert(item.default, context, where).sql
    except UnsupportedError as error:
        context.find(
            FindingCode.DEFAULT_LEFT_OUT,
            where,
            f"The default {item.default} is omitted: {where.unnamed(error)}.",
            "Set a default by hand with ALTER DOMAIN.",
        )
        return ""


def _create_check(check: Check, item: UserType, base: SqlType, context: Context) -> None:
    where, schema, domain, name = (
        context.full_name(item).part("constraint", check.name),
        context.schema(item),
        clip(item.name),
        clip(check.name),
    )
    try:
        expression = expressions.convert(check.expression, context, where, {_VALUE: base})
    except UnsupportedError as error:
        context.find(
            FindingCode.CHECK_LEFT_OUT,
            where,
            f"The domain's check constraint is omitted: {where.unnamed(error)}.",
            "Add it by hand with ALTER DOMAIN.",
        )
        return
    context.report_cut(check.name, where)
    if not check.validated:
        context.find(
            FindingCode.NOT_VALID, where, advice="Correct these rows, then run ALTER DOMAIN … VALIDATE CONSTRAINT."
        )
    made = DomainCheckDefinition(expression.sql, check.validated)
    step = "type" if check.validated else "check"
    context.conversion.add(
        step,
        Subject("domain_check", name, schema, domain),
        made.create(quote(name), quote(schema, domain)),
        expects=made,
    )
