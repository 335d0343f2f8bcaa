# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What an import makes and changes in a database, recorded next to the ledger in the transaction that does it.

Each object is recorded by its oid with the state in which the import leaves it, so that a rollback knows what it may
remove, and what somebody has changed since. Of what was there before, the state before is kept as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

try:
    from psycopg2 import sql
    from psycopg2.extras import Json
except ImportError:  # named by libraries.missing()
    sql = None

from ..._convert.definitions import Comment, Owner, Privileges
from ..._convert.statements import Statement
from ..._dump.manifest import TableEntry
from ..._model.json_form import to_json
from ..._model.names import clip
from .object_states import (
    COLLATION,
    DATABASE,
    DEFAULT_PRIVILEGES,
    EXTENSION,
    ON_BARE_CATALOG,
    ON_OLD_PATH,
    RELATION,
    ROUTINE,
    SCHEMA,
    TYPE,
    Address,
    sequence_values,
    state_query,
)

SEQUENCE_VALUE = "sequence value"
"""The class of the value that an import gives a sequence of the user's."""
NEW_DATABASE_LIMIT = 636_363
"""The connection limit of a database that an import has made and in which nothing is recorded yet. It limits nobody,
and comes with CREATE DATABASE itself, which no transaction can hold."""

CREATE = """
CREATE TABLE IF NOT EXISTS cockroach_migrator.objects (
    class text NOT NULL, oid oid NOT NULL, name text NOT NULL, made boolean NOT NULL, before jsonb, state jsonb,
    PRIMARY KEY (class, oid)
);
COMMENT ON TABLE cockroach_migrator.objects IS
'What the import has made in this database, or changed if it was there before, as the import left it. '
'The playbook rollback removes what was made and is unchanged.';
CREATE TABLE IF NOT EXISTS cockroach_migrator.tables (
    directory text PRIMARY KEY, schema_name text NOT NULL, table_name text NOT NULL, rows bigint NOT NULL,
    chunks integer NOT NULL, text_bytes bigint NOT NULL, columns jsonb NOT NULL, computed jsonb NOT NULL
);
COMMENT ON TABLE cockroach_migrator.tables IS
'The tables that are imported: the rows of the dump, and the columns from which the row checksums are computed.';
CREATE OR REPLACE VIEW cockroach_migrator.progress AS
SELECT t.schema_name, t.table_name, coalesce(sum(l.rows), 0) AS rows_loaded, t.rows, count(l.object) AS chunks_loaded,
       t.chunks
FROM cockroach_migrator.tables t LEFT JOIN cockroach_migrator.ledger l
ON l.step = 'chunk' AND regexp_replace(l.object, '/[^/]*$', '') = t.directory
GROUP BY t.directory;
COMMENT ON VIEW cockroach_migrator.progress IS 'How far the import of each table is.'
"""
_MAKES: Mapping[str, str] = {
    "schema": SCHEMA,
    "extension": EXTENSION,
    "collation": COLLATION,
    "type": TYPE,
    "domain": TYPE,
    "sequence": RELATION,
    "table": RELATION,
    "view": RELATION,
    "materialized_view": RELATION,
    "function": ROUTINE,
    "procedure": ROUTINE,
}
"""The class of what a kind of statement makes; all other kinds change what is there."""
_OF_WORD: Mapping[str, str] = {"DATABASE": DATABASE, "SCHEMA": SCHEMA, "FUNCTION": ROUTINE, "PROCEDURE": ROUTINE}
"""The classes of the words of COMMENT ON, GRANT … ON and ALTER … OWNER TO; that of all others is a relation or type."""
_MAY_BE_THERE = frozenset((EXTENSION, COLLATION, ROUTINE))
"""Classes of what is made if it is not there, and of routines, of which several may have one name. The schemas that are
there are recorded when the import begins."""
_SET_VALUE = "sequence_value"

# Sequences that belong to a table follow its owner; that of an identity column is made with it.
_FIND = """
WITH wanted AS (
    SELECT * FROM unnest(%(kinds)s::text[], %(schemas)s::text[], %(names)s::text[]) AS wanted (kind, schema, name)
), relations AS (
    SELECT c.oid FROM wanted JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
    WHERE wanted.kind = 'relation' AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
)
SELECT 'relation', oid::bigint FROM relations
UNION SELECT 'relation', d.objid FROM relations JOIN pg_depend d ON d.refobjid = relations.oid
JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
WHERE d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
UNION SELECT 'type', t.oid FROM wanted JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = wanted.name WHERE wanted.kind = 'type'
UNION SELECT 'routine', p.oid FROM wanted JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = wanted.name WHERE wanted.kind = 'routine'
UNION SELECT 'collation', l.oid FROM wanted JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_collation l ON l.collnamespace = n.oid AND l.collname = wanted.name WHERE wanted.kind = 'collation'
UNION SELECT 'schema', n.oid FROM wanted JOIN pg_namespace n ON n.nspname = wanted.name WHERE wanted.kind = 'schema'
UNION SELECT 'extension', e.oid FROM wanted JOIN pg_extension e ON e.extname = wanted.name
WHERE wanted.kind = 'extension'
UNION SELECT 'database', d.oid FROM wanted JOIN pg_database d ON d.datname = current_database()
WHERE wanted.kind = 'database'
UNION SELECT 'default privileges', 0 FROM wanted WHERE wanted.kind = 'default privileges'
"""
_FOUND = "SELECT found.oid FROM ({find}) AS found (kind, oid) WHERE found.kind = %(kind)s"
_MADE = f"{_FOUND} AND found.oid <> ALL (%(before)s::bigint[])"
_CHANGED = f"{_FOUND} AND found.oid IN (SELECT oid FROM cockroach_migrator.objects WHERE class = %(kind)s)"
_RECORD_MADE = """
INSERT INTO cockroach_migrator.objects (class, oid, name, made, state)
SELECT %(kind)s, s.oid, s.name, true, s.state FROM ({states}) AS s
ON CONFLICT (class, oid) DO UPDATE SET name = excluded.name, state = excluded.state
"""
_RECORD_CHANGED = """
UPDATE cockroach_migrator.objects AS o SET name = s.name, state = s.state FROM ({states}) AS s
WHERE o.class = %(kind)s AND s.oid = o.oid
"""
_RECORD_TABLES = """
INSERT INTO cockroach_migrator.tables
SELECT * FROM jsonb_populate_recordset(NULL::cockroach_migrator.tables, %(tables)s)
"""
_RECORD_BEFORE = """
INSERT INTO cockroach_migrator.objects (class, oid, name, made, before, state)
SELECT %(kind)s, s.oid, s.name, {made}, s.state, s.state FROM ({states}) AS s ON CONFLICT DO NOTHING
"""
_MADE_BY_IMPORT = "(SELECT datconnlimit = %(limit)s FROM pg_database WHERE datname = current_database())"
_DATABASE_MADE = "SELECT datname FROM pg_database WHERE datname = current_database() AND datconnlimit = %(limit)s"
_RECORD_SEQUENCES = """
UPDATE cockroach_migrator.objects AS o SET state = s.state FROM ({states}) AS s
WHERE o.class = 'relation' AND s.oid = o.oid
"""
_SEQUENCES_MADE = """
SELECT q.seqrelid FROM pg_sequence q JOIN cockroach_migrator.objects made ON made.oid = q.seqrelid
WHERE made.class = 'relation'
"""

Name = tuple[str, str, str]
"""Class, schema and name; the schema of what lies in none is empty."""


def record_begin(cursor: Any, tables: Iterable[TableEntry]) -> None:
    """Note, in the transaction that makes the ledger, which tables are imported, whether the import has made the
    database, and the state of what it may change."""
    commands = [
        (_RECORD_TABLES, {"tables": Json([_recorded(table) for table in tables])}),
        (_RECORD_BEFORE.format(made=_MADE_BY_IMPORT, states=state_query(DATABASE)), {"kind": DATABASE}),
        (_RECORD_BEFORE.format(made="false", states=state_query(SCHEMA)), {"kind": SCHEMA}),
        (_RECORD_BEFORE.format(made="false", states=state_query(DEFAULT_PRIVILEGES)), {"kind": DEFAULT_PRIVILEGES}),
        (ON_OLD_PATH, {}),
        (_DATABASE_MADE, {}),
    ]
    limit = {"limit": NEW_DATABASE_LIMIT}
    texts = [cursor.mogrify(command, {**limit, **parameters}).decode() for command, parameters in commands]
    cursor.execute(";".join([ON_BARE_CATALOG, *texts]))
    for (name,) in cursor.fetchall():
        cursor.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(sql.Identifier(name)))


def _recorded(table: TableEntry) -> dict[str, Any]:
    """Return the row of a table, by the columns of ``cockroach_migrator.tables``."""
    return {
        "directory": table.directory,
        "schema_name": clip(table.schema),
        "table_name": clip(table.name),
        "rows": table.rows,
        "chunks": len(table.chunks),
        "text_bytes": table.text_bytes,
        "columns": to_json(table.columns),
        "computed": to_json(table.computed),
    }


def find_before(cursor: Any, statements: Collection[Statement]) -> set[Address]:
    """Return what is there already of what the statements may find instead of making it, and note the values of the
    user's sequences that they set. Called before they run, in their transaction."""
    found = _find(cursor, {name for name in _made_by(statements) if name[0] in _MAY_BE_THERE})
    oids = [item.oid for item in _find(cursor, _set_by(statements))]
    if oids:
        _note_values(cursor, oids)
    return found


def recording(cursor: Any, statements: Collection[Statement], before: Collection[Address]) -> str:
    """Return the commands that note the state of all that the statements have made or changed, for after they have run
    in the same transaction; empty if there is nothing to note. ``before`` is what ``find_before`` has returned."""
    commands = []
    for command, oids, names in (
        (_RECORD_MADE, _MADE, _made_by(statements)),
        (_RECORD_CHANGED, _CHANGED, _changed_by(statements)),
    ):
        for kind in sorted({kind for kind, _schema, _name in names}):
            parameters = {"kind": kind, "before": [item.oid for item in before if item.kind == kind]}
            text = command.format(states=state_query(kind, oids.format(find=_FIND)))
            commands.append(cursor.mogrify(text, {**parameters, **_parameters(names)}).decode())
    return ";".join([ON_BARE_CATALOG, *commands, ON_OLD_PATH]) if commands else ""


def record_values(cursor: Any, statements: Collection[Statement]) -> None:
    """Note the values that the statements have given the user's sequences, in the transaction that has run them."""
    oids = [item.oid for item in _find(cursor, _set_by(statements))]
    if oids:
        _note_values_set(cursor, oids)


def record_sequences(cursor: Any) -> None:
    """Note the values of the sequences that the import has made, once all rows are loaded."""
    command = _RECORD_SEQUENCES.format(states=state_query(RELATION, _SEQUENCES_MADE))
    cursor.execute(";".join([ON_BARE_CATALOG, command, ON_OLD_PATH]))


def _made_by(statements: Iterable[Statement]) -> set[Name]:
    return {(_MAKES[item.kind], item.schema, item.name) for item in statements if item.kind in _MAKES}


def _set_by(statements: Iterable[Statement]) -> set[Name]:
    return {(RELATION, item.schema, item.name) for item in statements if item.kind == _SET_VALUE}


def _changed_by(statements: Iterable[Statement]) -> set[Name]:
    """Return the names of what the statements may change; not everything with such a name need be there."""
    found: set[Name] = set()
    for item in statements:
        word = item.expects.kind if isinstance(item.expects, (Comment, Owner, Privileges)) else ""
        if item.kind in _MAKES:
            continue
        if item.kind == "default_privilege":
            found.add((DEFAULT_PRIVILEGES, "", ""))
        elif item.kind == "database_setting" or word == "DATABASE":
            found.add((DATABASE, "", ""))
        elif word in _OF_WORD:
            found.add((_OF_WORD[word], item.schema, item.name))
        else:
            found |= {(kind, item.schema, name) for kind in (RELATION, TYPE) for name in (item.name, item.table)}
    return found


def _find(cursor: Any, names: Collection[Name]) -> set[Address]:
    """Return the objects with these names; a relation with the sequences that belong to it."""
    if not names:
        return set()
    cursor.execute(_FIND, _parameters(names))
    return {Address(*row) for row in cursor.fetchall()}


def _parameters(names: Iterable[Name]) -> dict[str, list[str]]:
    ordered = sorted(names)
    return {
        "kinds": [kind for kind, _schema, _name in ordered],
        "schemas": [schema for _kind, schema, _name in ordered],
        "names": [name for _kind, _schema, name in ordered],
    }


def _note_values(cursor: Any, oids: Sequence[int]) -> None:
    """Note the values of those among these sequences that the import has not made."""
    cursor.execute("SELECT oid::bigint FROM cockroach_migrator.objects WHERE class = %s AND made", (RELATION,))
    made = {oid for (oid,) in cursor.fetchall()}
    values = sequence_values(cursor, [oid for oid in oids if oid not in made])
    for oid, (name, value) in values.items():
        cursor.execute(
            "INSERT INTO cockroach_migrator.objects (class, oid, name, made, before, state) "
            "VALUES (%s, %s, %s, false, %s, %s) ON CONFLICT DO NOTHING",
            (SEQUENCE_VALUE, oid, name, Json(value), Json(value)),
        )


def _note_values_set(cursor: Any, oids: Sequence[int]) -> None:
    """Note the values that those among these sequences have now that the import has not made."""
    cursor.execute(
        "SELECT oid::bigint FROM cockroach_migrator.objects WHERE class = %s AND oid = ANY(%s::oid[])",
        (SEQUENCE_VALUE, oids),
    )
    for oid, (_name, value) in sequence_values(cursor, [oid for (oid,) in cursor.fetchall()]).items():
        cursor.execute(
            "UPDATE cockroach_migrator.objects SET state = %s WHERE class = %s AND oid = %s",
            (Json(value), SEQUENCE_VALUE, oid),
        )
