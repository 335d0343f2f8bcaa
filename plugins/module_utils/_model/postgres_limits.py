# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""PostgreSQL's limits that CockroachDB's schemas can exceed, as every server has them that was built with the usual
block size of 8 kB (see Appendix K of PostgreSQL's manual)."""

from __future__ import annotations

from .built_in_types import CHAR, NAME
from .catalog import SqlType
from .finding_codes import FindingCode

MAX_TABLE_COLUMNS = 1600
"""MaxHeapAttributeNumber in htup_details.h; views and composite types have the same limit."""
MAX_ROW_BYTES = 8160
"""MaxHeapTupleSize in htup_details.h: a row has to fit into one page. Long values are stored elsewhere."""
MAX_INDEX_COLUMNS = 32
"""INDEX_MAX_KEYS in pg_config_manual.h, with the columns of INCLUDE."""
MAX_KEY_BYTES = 2704
"""BTMaxItemSize in nbtree.h, after compression: a third of a page."""
MAX_ARGUMENTS = 100
"""FUNC_MAX_ARGS in pg_config_manual.h."""
_MAX_LENGTH = 10485760
"""MaxAttrSize in htup_details.h: the n of varchar(n) and char(n)."""
_MAX_BITS = 8 * _MAX_LENGTH
"""The n of bit(n) and bit varying(n) (anybit_typmodin in varbit.c)."""
_MAX_PRECISION = 1000
"""NUMERIC_MAX_PRECISION in numeric.h: the p of numeric(p,s)."""
_BYTES_PER_CHARACTER = 4

LIMITS = frozenset(
    (
        FindingCode.ENUM_AS_DOMAIN,
        FindingCode.INDEX_TOO_WIDE,
        FindingCode.KEY_TOO_LONG,
        FindingCode.LENGTH_LEFT_OFF,
        FindingCode.NAME_CUT,
        FindingCode.WIDE_ROW,
    )
)
"""The findings that depend on limits alone, and so are known for every server before an import."""


def exceeds_modifier(kind: SqlType) -> bool:
    """Whether PostgreSQL takes no length or precision as large as the one that the type has."""
    if kind.family in ("string", "collated"):
        return kind.width > _MAX_LENGTH
    if kind.family == "bit":
        return kind.width > _MAX_BITS
    return kind.family == "decimal" and (kind.precision or 0) > _MAX_PRECISION


def can_exceed_key(kind: SqlType) -> bool:
    """Whether a value of the type can be longer than a key of a btree."""
    if kind.family in ("string", "collated"):
        return kind.oid not in (CHAR, NAME) and not 0 < kind.width * _BYTES_PER_CHARACTER <= MAX_KEY_BYTES
    if kind.family == "bit":
        return not 0 < kind.width <= MAX_KEY_BYTES * 8
    return kind.family in ("bytes", "json", "array", "decimal", "tuple", "tsvector", "ltree", "jsonpath", "vector")
