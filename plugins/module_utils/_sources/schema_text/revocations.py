# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""REVOKE: what GRANT gave before is taken back. What it did not give is omitted and counted."""

from __future__ import annotations

from typing import Any

from ..._errors import UnsupportedError
from .cursor import Cursor
from .model_builder import Builder
from .privileges import objects_of_grant, read_privileges, role_named

_ALL = "ALL"


def read_revoke(cursor: Cursor, builder: Builder) -> None:
    """Read a REVOKE statement from the word after it on."""
    begin = cursor.index
    only_option = cursor.accept("GRANT", "OPTION", "FOR") or cursor.accept("ADMIN", "OPTION", "FOR")
    first = cursor.index
    while not cursor.at_end and not cursor.at("ON") and not cursor.at("FROM"):
        cursor.take()
    of_roles = cursor.at("FROM")
    cursor.index = first
    try:
        done = _revoke_roles(cursor, only_option, builder) if of_roles else _revoke(cursor, only_option, builder)
    except UnsupportedError:
        cursor.index, done = begin, False
    cursor.rest()
    if not done:
        builder.omitted.add("REVOKE", cursor.statement)


def _revoke_roles(cursor: Cursor, only_option: bool, builder: Builder) -> bool:
    """Take roles from their members; return whether all of them had them."""
    roles = cursor.name_list()
    cursor.expect("FROM")
    done = True
    for name in cursor.name_list():
        role = role_named(name, builder)
        done = done and set(roles) <= set(role.admin_of if only_option else role.member_of)
        role.admin_of = [other for other in role.admin_of if other not in roles]
        if not only_option:
            role.member_of = [other for other in role.member_of if other not in roles]
    return done


def _revoke(cursor: Cursor, only_option: bool, builder: Builder) -> bool:
    """Take privileges; return whether they had been granted one by one, or all are taken."""
    privileges = read_privileges(cursor)
    items, _refused = objects_of_grant(cursor, builder)
    cursor.expect("FROM")
    roles = cursor.name_list()
    taken = [_take(item, role, privileges, only_option) for item in items for role in roles]
    return all(taken)


def _take(item: Any, role: str, privileges: list[str], only_option: bool) -> bool:
    grant = next((grant for grant in item.grants if grant.role == role), None)
    if grant is None:
        return False
    known = grant.grantable if only_option else grant.privileges
    everything = _ALL in privileges
    done = everything or set(privileges) <= set(known)
    grant.grantable = [] if everything else [name for name in grant.grantable if name not in privileges]
    if not only_option:
        grant.privileges = [] if everything else [name for name in grant.privileges if name not in privileges]
    item.grants = [grant for grant in item.grants if grant.privileges]
    return done
