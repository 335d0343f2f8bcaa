# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The roles that owners, grants and policies name."""

from __future__ import annotations

from ..._model.built_in_roles import BUILT_IN_ROLES
from ..._model.catalog import Role
from .model_builder import Builder

_CURRENT_ROLES = frozenset(("current_user", "session_user", "current_role"))
"""Words that a policy may have instead of a role."""


def add_named_roles(builder: Builder) -> None:
    """Add the roles named by memberships, owners and grants, as the descriptors' reader does."""
    known = {role.name for role in builder.catalog.roles}
    named = {group for role in builder.catalog.roles for group in role.member_of}
    for database in builder.catalog.databases:
        items: list = [
            database,
            *database.schemas,
            *database.types,
            *database.sequences,
            *database.tables,
            *database.views,
            *database.functions,
        ]
        for item in items:
            named |= {grant.role for grant in item.grants} | ({item.owner} if item.owner else set())
        named |= {
            role for table in database.tables for policy in table.policies for role in policy.roles
        } - _CURRENT_ROLES
        for given in [
            *database.default_privileges,
            *(given for schema in database.schemas for given in schema.default_privileges),
        ]:
            named |= {grant.role for grant in given.grants} | ({given.role} if given.role else set())
    builder.catalog.roles += [Role(name, login=False) for name in sorted(named - known - BUILT_IN_ROLES)]
