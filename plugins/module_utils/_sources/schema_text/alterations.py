# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""ALTER …"""

from __future__ import annotations

from typing import Optional

from ..._model.catalog import Sequence
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from .columns import read_column
from .comments import named_index
from .constraints import read_constraint, validate
from .cursor import Cursor
from .databases import alter_database
from .domains import alter_domain
from .indexes import read_parameters, skip_partition
from .model_builder import Builder
from .privileges import alter_role, object_of, read_default_privileges
from .sequences import alter_sequence
from .table_place import TablePlace
from .tables import place_of, read_locality, set_parameters
from .user_types import alter_type

_ROW_SECURITY = ("ROW", "LEVEL", "SECURITY")
_WITHOUT_SCHEMA = ("SPLIT", "UNSPLIT", "SCATTER", "INJECT", "EXPERIMENTAL_AUDIT", "EXPERIMENTAL_RELOCATE", "RELOCATE")


def alter(cursor: Cursor, builder: Builder) -> None:
    """Read an ALTER statement from the kind of its object on."""
    if cursor.accept("DEFAULT", "PRIVILEGES"):
        read_default_privileges(cursor, builder)
    elif cursor.accept_one("PARTITION", "RANGE") or _is_zone_of_index(cursor):
        report_zone(cursor, builder)
    elif cursor.accept("INDEX"):
        _alter_index(cursor, builder)
    elif cursor.accept_one("ROLE", "USER"):
        alter_role(cursor, builder)
    elif cursor.accept("DATABASE"):
        cursor.accept("IF", "EXISTS")
        database = builder.database(cursor.name())
        if cursor.accept("OWNER", "TO"):
            database.owner = cursor.name()
        elif cursor.at("CONFIGURE", "ZONE") or cursor.at("ALTER", "LOCALITY"):
            report_zone(cursor, builder, FullName("database", database.name))
        else:
            alter_database(cursor, database)
    else:
        _alter_object(cursor, builder)


def _is_zone_of_index(cursor: Cursor) -> bool:
    words = cursor.statement.words
    return cursor.at("INDEX") and any(
        words[number].keyword == "CONFIGURE" and words[number + 1].keyword == "ZONE" for number in range(len(words) - 1)
    )


def report_zone(cursor: Cursor, builder: Builder, about: Optional[FullName] = None) -> None:
    """Add the finding for a zone configuration, which places replicas and has no counterpart."""
    words = cursor.statement.words
    cursor.rest()
    end = next((word.start for word in words if word.keyword == "CONFIGURE"), words[-1].end)
    builder.find(
        FindingCode.ZONE_CONFIGURATION,
        about or FullName("object", name=cursor.statement.source[words[1].start : end].strip()),
    )


def _alter_index(cursor: Cursor, builder: Builder) -> None:
    cursor.accept("IF", "EXISTS")
    index = named_index(cursor, builder)
    if cursor.accept("NOT", "VISIBLE"):
        index.not_visible = True
    elif cursor.at("PARTITION"):
        index.partitioned = skip_partition(cursor)
    elif cursor.at("SPLIT") or cursor.at("SCATTER") or cursor.at("UNSPLIT"):
        cursor.rest()
        builder.find(FindingCode.SPLIT, FullName("index", name=index.name))
    else:
        cursor.expect("VISIBLE")
    cursor.end()


def _alter_object(cursor: Cursor, builder: Builder) -> None:
    cursor.accept("MATERIALIZED")
    kind = cursor.accept_one("TABLE", "SCHEMA", "TYPE", "DOMAIN", "SEQUENCE", "FUNCTION", "PROCEDURE", "VIEW")
    if not kind:
        cursor.fail(f"ALTER {cursor.peek().text} is not known")
    cursor.accept("IF", "EXISTS")
    begin = cursor.index
    items = object_of("TYPE" if kind == "DOMAIN" else kind, cursor, builder)
    if cursor.accept("OWNER", "TO"):
        owner = cursor.name()
        for item in items:
            item.owner = owner
    elif kind == "SEQUENCE" and isinstance(items[0], Sequence):
        alter_sequence(cursor, items[0], builder)
    elif kind == "DOMAIN":
        alter_domain(cursor, items[0], builder)
    elif kind == "TYPE":
        alter_type(cursor, items[0])
    elif kind == "TABLE":
        cursor.index = begin
        _alter_table(cursor, place_of(cursor, builder))
    else:
        cursor.fail(f"ALTER {kind} … {cursor.peek().text} is not known")


def _alter_table(cursor: Cursor, place: TablePlace) -> None:
    if cursor.at("CONFIGURE", "ZONE"):
        report_zone(cursor, place.builder, place.full_name)
    elif cursor.peek().keyword in _WITHOUT_SCHEMA:
        place.builder.find(
            FindingCode.STATEMENT_LEFT_OUT,
            place.full_name,
            f"ALTER TABLE … {cursor.peek().keyword} has no counterpart and is omitted.",
            severity="info",
        )
        cursor.rest()
    else:
        for part in cursor.items():
            _alter_part(part, place)
            part.end()


def _alter_part(cursor: Cursor, place: TablePlace) -> None:
    if cursor.accept("ADD", "CONSTRAINT"):
        cursor.accept("IF", "NOT", "EXISTS")
        read_constraint(cursor, place, cursor.name())
    elif cursor.at("ADD") and cursor.peek(1).keyword in ("UNIQUE", "CHECK", "FOREIGN", "PRIMARY"):
        cursor.accept("ADD")
        read_constraint(cursor, place, "")
    elif cursor.accept("ADD"):
        cursor.accept("COLUMN")
        cursor.accept("IF", "NOT", "EXISTS")
        read_column(cursor, place)
        place.finish()
    elif cursor.accept("VALIDATE", "CONSTRAINT"):
        validate(place, cursor.name(), cursor)
    elif cursor.accept("SET", "LOCALITY"):
        read_locality(cursor, place)
    elif cursor.accept("SET"):
        set_parameters(read_parameters(cursor), place)
    elif cursor.at("PARTITION"):
        place.own_table.primary_index.partitioned = skip_partition(cursor)
    else:
        _set_row_security(cursor, place)


def _set_row_security(cursor: Cursor, place: TablePlace) -> None:
    table = place.own_table
    if cursor.accept("ENABLE", *_ROW_SECURITY):
        table.row_level_security = True
    elif cursor.accept("DISABLE", *_ROW_SECURITY):
        table.row_level_security = False
    elif cursor.accept("NO", "FORCE", *_ROW_SECURITY):
        table.row_level_security_forced = False
    elif cursor.accept("FORCE", *_ROW_SECURITY):
        table.row_level_security_forced = True
    else:
        cursor.fail(f"ALTER TABLE … {cursor.peek().text} is not known")
