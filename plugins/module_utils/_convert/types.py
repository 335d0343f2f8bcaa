# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The PostgreSQL name of a CockroachDB type."""

from __future__ import annotations

from dataclasses import replace

from .._errors import UnsupportedError
from .._model.built_in_types import BIT, BPCHAR, BUILT_IN_TYPES, CHAR, COCKROACH_OIDS, FLOAT4, VARBIT, VARCHAR
from .._model.catalog import SqlType
from .._model.conversion_policies import TEXT
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.object_numbers import OBJECT_IDENTIFIERS
from .._model.postgres_limits import exceeds_modifier
from .context import Context

_TIMES = frozenset(("time", "timetz", "timestamp", "timestamptz", "interval"))
_GEOMETRIES = ("geometry", "geography")
_EXTENSION_TYPES = {"vector": "vector", "ltree": "ltree"}
_LONG_LABELS_FROM = 16
_STRING_FAMILIES = ("string", "collated")


def type_name(kind: SqlType, context: Context, where: FullName) -> str:
    """Return the type's SQL text without a collation. ``where`` is the full name of the column, for findings and
    messages."""
    if kind.family == "array":
        if kind.element is None:
            raise UnsupportedError(f"{where}: an array without an element type")
        return type_name(kind.element, context, where) + "[]"
    if kind.domain_id:
        return context.user_type(kind.domain_id, where)
    if kind.user_type_id:
        return context.user_type(kind.user_type_id, where)
    if kind.family in _GEOMETRIES:
        return _geometry(kind, context, where)
    if kind.family == "box2d":
        context.find(
            FindingCode.TYPE_AS_TEXT,
            where,
            "The box2d column becomes text, which keeps all digits: PostGIS rounds those of its own box2d.",
            "Cast it to box2d in queries.",
        )
        return "text"
    if kind.family in _EXTENSION_TYPES:
        return _extension_type(kind, context, where)
    if kind.family == "collated" and (kind.oid in COCKROACH_OIDS or kind.oid == CHAR):
        return _collated_type_without_collation(kind, context, where)
    if kind.oid in OBJECT_IDENTIFIERS:
        return _object_identifier(kind, context, where)
    if not _name(kind):
        raise UnsupportedError(
            f"{where}: the type {kind.family} (oid {kind.oid}) has no known counterpart in PostgreSQL"
        )
    if kind.oid == FLOAT4:
        context.find(FindingCode.FLOAT4_ROUNDED, where)
    return _plain(_within_limits(kind, context, where))


def _collated_type_without_collation(kind: SqlType, context: Context, where: FullName) -> str:
    if kind.oid in COCKROACH_OIDS:
        return "citext" if context.use_extension("citext") else _text_instead("citext", "citext", context, where)
    context.find(
        FindingCode.TYPE_AS_TEXT,
        where,
        'The "char" column with a collation becomes text: PostgreSQL\'s "char" has no collation.',
        "Nothing has to be done.",
        severity="info",
    )
    return "text"


def _extension_type(kind: SqlType, context: Context, where: FullName) -> str:
    if not context.use_extension(_EXTENSION_TYPES[kind.family]):
        return _text_instead(kind.family, _EXTENSION_TYPES[kind.family], context, where)
    if kind.family == "ltree" and context.features.major < _LONG_LABELS_FROM:
        context.find(FindingCode.LTREE_LABELS, where)
    return kind.family + (f"({kind.width})" if kind.family == "vector" and kind.width else "")


def _object_identifier(kind: SqlType, context: Context, where: FullName) -> str:
    name = _name(kind)
    if context.options.policies.object_identifiers == TEXT:
        context.find(
            FindingCode.OBJECT_IDENTIFIER,
            where,
            f"The {name} values become the names of the objects that they mean, as text that does not follow when an "
            "object is renamed; those that mean no migrated object keep their numbers.",
            "Look up the values that consist of digits only (~ '^[0-9]+$') in CockroachDB before it is switched off.",
        )
        return "text"
    context.find(
        FindingCode.OBJECT_IDENTIFIER,
        where,
        f"The {name} values become plain oid numbers: they name CockroachDB's own objects.",
    )
    return "oid"


def _name(kind: SqlType) -> str:
    """Return the name of a type of PostgreSQL's own, empty for one that is not known here."""
    return BUILT_IN_TYPES[kind.oid].postgres if kind.oid in BUILT_IN_TYPES else ""


def _within_limits(kind: SqlType, context: Context, where: FullName) -> SqlType:
    """Return the type without a length or precision that PostgreSQL does not take; bits become ones of any length."""
    if not exceeds_modifier(kind):
        return kind
    declared, check = f"({kind.width})", f"char_length(column) <= {kind.width}"
    if kind.family == "decimal":
        digits = (kind.precision or 0) - kind.width
        declared, check = f"({kind.precision},{kind.width})", f"abs(column) < 1e{digits}"
    if kind.family == "bit":
        check = f"bit_length(column) {'=' if kind.oid == BIT else '<='} {kind.width}"
    context.find(
        FindingCode.LENGTH_LEFT_OFF,
        where,
        f"The type {_name(kind)} loses its {declared}, which PostgreSQL's does not take: nothing limits or rounds new "
        "values.",
        f"Add a check if it is needed: CHECK ({check}).",
    )
    return replace(kind, width=0, precision=None, oid=VARBIT if kind.oid == BIT else kind.oid)


def _plain(kind: SqlType) -> str:
    """Return a type of PostgreSQL's own with its modifiers."""
    name = _name(kind)
    if kind.family in _STRING_FAMILIES and kind.width and kind.oid != CHAR:
        return f"{'character' if kind.oid == BPCHAR else 'character varying'}({kind.width})"
    if kind.oid == BPCHAR:
        return "bpchar"
    if kind.oid == VARCHAR:
        return "character varying"
    if kind.family == "bit" and kind.width:
        return f"{name}({kind.width})"
    if kind.family == "decimal" and kind.precision:
        return f"numeric({kind.precision},{kind.width})"
    if kind.family == "interval" and kind.interval_fields:
        return _interval_of_fields(kind)
    if kind.family in _TIMES and kind.precision is not None:
        return f"{name}({kind.precision})"
    return name


def _interval_of_fields(kind: SqlType) -> str:
    has_precision = kind.precision is not None and kind.interval_fields.endswith("SECOND")
    return f"interval {kind.interval_fields}" + (f"({kind.precision})" if has_precision else "")


def _geometry(kind: SqlType, context: Context, where: FullName) -> str:
    if not context.use_extension("postgis"):
        return _text_instead(kind.family, "postgis", context, where)
    shape = kind.geo_shape or "Geometry"
    if shape == "Geometry" and not kind.srid:
        # geography(Geometry) would take no SRID but 4326.
        return kind.family
    return f"{kind.family}({shape},{kind.srid})" if kind.srid else f"{kind.family}({shape})"


def _text_instead(family: str, extension: str, context: Context, where: FullName) -> str:
    form = " (hexadecimal EWKB)" if family in _GEOMETRIES else ""
    context.find(
        FindingCode.TYPE_AS_TEXT,
        where,
        f"The {family} column becomes text{form}: the server does not have the extension {extension}.",
        f"Install {extension} on the target server and run again (schema_convert: name it in extensions), or convert "
        "the column later.",
    )
    return "text"


def column_type(kind: SqlType, context: Context, where: FullName) -> str:
    """Return the type's SQL text with its collation."""
    base = type_name(kind, context, where)
    innermost = kind.element if kind.family == "array" and kind.element else kind
    # The collation of a domain is the domain's.
    if innermost.family != "collated" or innermost.oid in COCKROACH_OIDS or innermost.domain_id:
        return base
    collation = context.collation(innermost.locale, where)
    return f"{base} COLLATE {collation}" if collation else base


def operand_type(kind: SqlType, context: Context, where: FullName) -> str:
    """Return the type to which a value must be cast for PostgreSQL's operators; empty if no cast is needed.

    They accept a domain as its base type, except a domain over an enum and arrays of a domain.
    """
    inner = element_of(kind)
    if not inner.domain_id or kind is inner and kind.family != "enum":
        return ""
    plain = replace(inner, domain_id=0)
    return type_name(plain if kind is inner else replace(kind, element=plain), context, where)


def extension_of(kind: SqlType) -> str:
    """Return the extension that provides the type; empty if none is needed. Without the extension the column becomes
    text."""
    if kind.family in _GEOMETRIES:
        return "postgis"
    if kind.family == "collated" and kind.oid in COCKROACH_OIDS:
        return "citext"
    return _EXTENSION_TYPES.get(kind.family, "")


def element_of(kind: SqlType) -> SqlType:
    """Return an array's element type, or the type itself."""
    return kind.element if kind.family == "array" and kind.element else kind
