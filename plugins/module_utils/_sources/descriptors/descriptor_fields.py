# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which fields of CockroachDB's descriptors are known; anything else is refused by name.

Numbers and meanings are those of CockroachDB's pkg/sql/catalog/descpb/structured.proto. Up to v22.1 a descriptor keeps
the names that it had until a moment ago (draining_names: table 21, database 6, schema 7, type 11); they say nothing
about the object.
"""

from __future__ import annotations

from ..._errors import UnsupportedError
from ..._formats import protobuf

ID_FIELDS = {1: 3, 2: 2, 3: 4, 4: 3, 5: 2}
"""The fields of a descriptor's id, by its kind: table, database, type, schema, function."""
DESCRIPTOR_KINDS = frozenset(ID_FIELDS)
TABLE = frozenset(
    (
        1,
        3,
        4,
        5,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        16,
        17,
        19,
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        27,
        28,
        29,
        30,
        31,
        32,
        34,
        35,
        36,
        37,
        38,
        39,
        40,
        41,
        42,
        43,
        44,
        45,
        47,
        48,
        49,
        50,
        51,
        52,
        53,
        54,
        55,
        56,
        57,
        58,
        59,
        60,
        61,
        62,
        63,
        64,
        65,
        66,
        67,
        68,
        69,
        70,
        71,
    )
)
"""Field 12 (the next index id) is in every real backup, 15, 16, 23, 27 and 30 in some; they are counters and
bookkeeping."""
COLUMN = frozenset((1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21))
INDEX = frozenset(range(1, 32))
FOREIGN_KEY = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 9, 14))
CHECK = frozenset((1, 2, 3, 5, 6, 7, 8))
UNIQUE_WITHOUT_INDEX = frozenset((1, 2, 3, 4, 5, 6))
FAMILY = frozenset((1, 2, 3, 4, 5))
SEQUENCE_OPTIONS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 9))
TRIGGER = frozenset(range(1, 16))
POLICY = frozenset(range(1, 13))
DATABASE = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14))
SCHEMA = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14))
TYPE = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21))
"""Fields 9, 10 and 12 (version, modification time, referencing descriptors) are in every real backup and do not
describe the type."""
ENUM_MEMBER = frozenset((1, 2, 3, 4))
DOMAIN = frozenset(range(1, 9))
"""1 to 4 (base type, NOT NULL, default, checks) came with cockroachdb/cockroach#165187. ALTER DOMAIN added the id of
the next constraint and id and name of the NOT NULL (#169057; pkg/sql/schemachanger/scexec/scmutationexec/type.go);
which numbers they have was not found, but the name is the only text among them."""
DOMAIN_CHECK = frozenset((1, 2, 3, 4))
"""Name and expression came with #165187, then the id (#169057) and the validity (#170921), taken in this order: no id
is 0, which tells them apart."""
FUNCTION = frozenset(range(1, 25))
"""Of 12 and above, 12 (privileges), 13 and 22 (what it needs), 21 (procedure) and 23 (security) say something about the
function."""


def refuse_unknown(message: protobuf.Message, known: frozenset[int], what: str) -> None:
    """Raise UnsupportedError naming the first field of ``message`` that is not ``known``."""
    unknown = sorted(set(message) - known)
    if unknown:
        raise UnsupportedError(f"{what}: the descriptor has the unknown field {unknown[0]}")
