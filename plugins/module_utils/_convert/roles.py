# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Roles of the cluster: CREATE ROLE and memberships."""

from __future__ import annotations

from .._model.built_in_roles import BUILT_IN_ROLES
from .._model.catalog import Role
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import literal, quote
from .server_features import ConvertOptions, ServerFeatures
from .statements import Conversion, Subject

_OPTIONS = {"CREATEDB": "CREATEDB", "CREATEROLE": "CREATEROLE"}


def convert_roles(roles: list[Role], features: ServerFeatures, options: ConvertOptions) -> Conversion:
    """Return CREATE ROLE and GRANT role for the roles and memberships that the target lacks; nothing unless grants is
    ``create``.

    A role may log in only if PostgreSQL can check its password (SCRAM-SHA-256). What a role cannot keep is a finding in
    every run, even if the role exists already.
    """
    del features
    conversion = Conversion()
    if options.grants != "create":
        return conversion
    own = [role for role in roles if role.name not in BUILT_IN_ROLES]
    made = [role for role in own if role.name not in options.existing_roles]
    for role in made:
        _create(role, conversion)
    known = {role.name for role in roles} | set(options.existing_roles)
    for role in made:
        _join(role, known, conversion)
    for role in own:
        _report_omitted_attributes(role, role in made or role.name in options.roles_without_login, conversion)
    return conversion


def _logs_in(role: Role) -> bool:
    return role.login and bool(role.password_hash)


def _create(role: Role, conversion: Conversion) -> None:
    parts = ["CREATE ROLE", quote(role.name)]
    secret = _logs_in(role)
    parts.append("LOGIN" if secret else "NOLOGIN")
    parts += [_OPTIONS[option] for option in role.options if option in _OPTIONS]
    if role.valid_until:
        parts.append(f"VALID UNTIL {literal(role.valid_until)}")
    if secret:
        parts.append(f"PASSWORD {literal(role.password_hash)}")
    conversion.add("role", Subject("role", role.name), " ".join(parts), secret=secret)


def _join(role: Role, known: set[str], conversion: Conversion) -> None:
    for group in role.member_of:
        if group in known and group not in BUILT_IN_ROLES:
            option = " WITH ADMIN OPTION" if group in role.admin_of else ""
            conversion.add(
                "role", Subject("role_member", role.name), f"GRANT {quote(group)} TO {quote(role.name)}{option}"
            )


def _report_omitted_attributes(role: Role, without_login: bool, conversion: Conversion) -> None:
    if without_login and role.login and not _logs_in(role):
        reason = (
            "its password is kept as bcrypt, which PostgreSQL cannot check"
            if role.password_kind == "bcrypt"
            else "the source has no password of it"
        )
        conversion.find(
            FindingCode.ROLE_WITHOUT_LOGIN,
            FullName("role", name=role.name),
            f"The role is created without LOGIN: {reason}.",
        )
    omitted = [option for option in role.options if option not in _OPTIONS]
    if omitted:
        conversion.find(
            FindingCode.ROLE_OPTION,
            FullName("role", name=role.name),
            f"Role options without a counterpart are omitted: {', '.join(omitted)}.",
        )
    for group in role.member_of:
        if group in BUILT_IN_ROLES:
            conversion.find(
                FindingCode.ADMIN_MEMBERSHIP,
                FullName("role", name=role.name),
                f"The membership in CockroachDB's built-in role {group} is omitted.",
            )
