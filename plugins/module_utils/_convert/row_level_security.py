# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Row-level security: policies, and enabling it for each table."""

from __future__ import annotations

from .._errors import UnsupportedError
from .._model.built_in_roles import BUILT_IN_ROLES
from .._model.catalog import Policy, Table
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, quote
from .context import Context
from .definitions import Existence, PolicyDefinition
from .expressions import expressions
from .statements import Need, Subject

_KEYWORDS = {"public": "PUBLIC", "current_user": "CURRENT_USER", "session_user": "SESSION_USER"}


def create_policies(table: Table, context: Context) -> None:
    """Add CREATE POLICY and ENABLE ROW LEVEL SECURITY.

    FORCE is left to be said by hand: it would hide the rows from an importing role that is not a superuser, and
    they could not be proved.
    """
    schema, name = context.schema(table), clip(table.name)
    for policy in table.policies:
        where = context.full_name(table).part("policy", policy.name)
        try:
            rule = _rule(policy, table, context, where)
        except UnsupportedError as error:
            context.find(
                FindingCode.POLICY_LEFT_OUT, where, f"The row-level security policy is omitted: {where.unnamed(error)}."
            )
            continue
        context.report_cut(policy.name, where)
        made = PolicyDefinition(rule)
        sql = made.create(quote(clip(policy.name)), context.qualified(table))
        named = [Need("role", role) for role in policy.roles if role in context.available_roles]
        context.conversion.add(
            "policy", Subject("policy", clip(policy.name), schema, name), sql, expects=made, needs=named
        )
    if table.row_level_security:
        context.conversion.add(
            "policy",
            Subject("row_level_security", name, schema, name),
            f"ALTER TABLE {context.qualified(table)} ENABLE ROW LEVEL SECURITY",
            expects=Existence(),
        )
    if table.row_level_security_forced:
        context.find(
            FindingCode.ROW_LEVEL_SECURITY_FORCED,
            context.full_name(table),
            advice=f"Run ALTER TABLE {context.qualified(table)} FORCE ROW LEVEL SECURITY after the verification.",
        )


def _rule(policy: Policy, table: Table, context: Context, where: FullName) -> str:
    parts = [
        f"AS {policy.type} FOR {policy.command}",
        "TO " + ", ".join(_KEYWORDS.get(role) or quote(role) for role in _roles(policy, context, where)),
    ]
    for keyword, condition in (("USING", policy.using), ("WITH CHECK", policy.with_check)):
        if condition:
            parts.append(f"{keyword} ({expressions.convert_in_table(condition, context, where, table.columns).sql})")
    return " ".join(parts)


def _roles(policy: Policy, context: Context, where: FullName) -> list[str]:
    """Return the policy's roles that the target has. Raises UnsupportedError if it has none of them."""
    wanted = [role for role in policy.roles or ["public"] if role not in BUILT_IN_ROLES or role == "public"]
    roles = [role for role in wanted if role in _KEYWORDS or role in context.available_roles]
    missing = [role for role in wanted if role not in roles]
    if missing and roles:
        context.find(
            FindingCode.ROLE_MISSING,
            where,
            f"The target has no role {', '.join(missing)}: the policy is created for the others.",
            "Create the role, and name it with ALTER POLICY … TO.",
        )
    if not roles:
        raise UnsupportedError(f"{where}: the target has none of its roles {', '.join(policy.roles)}")
    return roles
