# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Domains in type descriptors (v26.3 and later)."""

from __future__ import annotations

from ..._errors import UnsupportedError
from ..._formats import protobuf
from ..._model.catalog import Check, UserType
from ..._model.domains import base_problem
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName
from . import descriptor_fields as fields
from .sql_types import read_type

_VALIDATED, _DROPPING = 0, 3
_VALIDITIES = frozenset((_VALIDATED, 1, 2, _DROPPING))
"""States of a check: validated, not validated, being validated, being dropped."""
_DEDUCED = (
    "Where its descriptor keeps the name of a NOT NULL and the validity of a check was deduced from CockroachDB's "
    "source: no real one was at hand."
)
_NOT_NULL_FIELDS = fields.DOMAIN - {1, 2, 3, 4}


def read_domain(message: protobuf.Message, item: UserType, where: FullName) -> list[Finding]:
    """Read what a domain has besides its name; a constraint that is being dropped does not count, one that is being
    added is not validated yet.

    Return a finding where something was read whose place in the descriptor is only deduced (see descriptor_fields).
    Raises UnsupportedError for a field, a base type or a constraint's state that is not known.
    """
    fields.refuse_unknown(message, fields.DOMAIN, f"domain {where}")
    item.kind, item.base = "domain", read_type(protobuf.blob(message, 1), str(where))
    if base_problem(item.base):
        raise UnsupportedError(f"domain {where}: {base_problem(item.base)}")
    fields_of_names = [
        number for number in sorted(set(message) & _NOT_NULL_FIELDS) if isinstance(message[number][-1], bytes)
    ]
    item.not_null_name = protobuf.text(message, fields_of_names[0]) if fields_of_names else ""
    item.not_null = bool(protobuf.integer(message, 2) or item.not_null_name)
    item.default = protobuf.text(message, 3)
    deduced = bool(item.not_null_name)
    for data in protobuf.blobs(message, 4):
        check = protobuf.parse(data)
        name = protobuf.text(check, 1)
        fields.refuse_unknown(check, fields.DOMAIN_CHECK, f"check {where.part('constraint', name)}")
        validity = protobuf.integer(check, 4)
        deduced = deduced or 4 in check
        if 3 in check and not protobuf.integer(check, 3) or validity not in _VALIDITIES:
            raise UnsupportedError(
                f"check {where.part('constraint', name)}: the descriptor's fields 3 and 4 are not the id and the "
                "validity that they are taken for"
            )
        if validity != _DROPPING:
            item.checks.append(
                Check(name, protobuf.text(check, 2), validated=validity == _VALIDATED, id=protobuf.integer(check, 3))
            )
    return [Finding.of(FindingCode.DOMAIN_DEDUCED, where, _DEDUCED)] if deduced else []
