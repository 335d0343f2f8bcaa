# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Objects of a database as PostgreSQL's catalog describes them, each in one JSON value: two values differ if somebody
has changed the object or a part of it between them.

An object has the parts that are dropped with it: a table has its columns, indexes, constraints, triggers and so on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

RELATION, TYPE, ROUTINE, COLLATION, SCHEMA, EXTENSION, DATABASE, DEFAULT_PRIVILEGES = (
    "relation",
    "type",
    "routine",
    "collation",
    "schema",
    "extension",
    "database",
    "default privileges",
)
"""Classes of objects. A relation is a table, a view or a sequence. The default privileges of a database are one object
without an oid."""


class Address(NamedTuple):
    """An object: its class and its oid, which stays when it is renamed and is another one when it is made again."""

    kind: str
    oid: int


_HIDDEN = "!~ '^pg_' AND nspname NOT IN ('information_schema', 'cockroach_migrator')"


def _exploded(acl: str) -> str:
    """Grantee (empty for PUBLIC), privilege, and whether with the grant option; whoever has granted it."""
    return (
        "SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(CASE grantee WHEN 0 THEN '' ELSE "
        "pg_get_userbyid(grantee)::text END, privilege_type, is_grantable)), '[]') "
        f"FROM aclexplode({acl})"
    )


def _privileges(column: str, letter: str, owner: str) -> str:
    """The letters are those of acldefault(), whose privileges an object has that was given none."""
    return f"'privileges', ({_exploded(f'coalesce({column}, acldefault({letter}, {owner}))')})"


def _comment(oid: str, catalog: str) -> str:
    return f"'comment', pg_catalog.obj_description({oid}, '{catalog}')"


_LETTER_OF_RELATION = """(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END)::"char\""""

# Tables and columns are named in full: the session that reads has no other path to find them by.
_RELATIONS = f"""
SELECT c.oid, concat(quote_ident(n.nspname), '.', quote_ident(c.relname)) AS name,
jsonb_strip_nulls(jsonb_build_object(
    'name', concat(quote_ident(n.nspname), '.', quote_ident(c.relname)), 'kind', c.relkind,
    'owner', pg_get_userbyid(c.relowner), {_privileges("c.relacl", _LETTER_OF_RELATION, "c.relowner")},
    'options', c.reloptions::text, 'persistence', c.relpersistence, 'replica identity', c.relreplident,
    'row-level security', c.relrowsecurity::int + 2 * c.relforcerowsecurity::int,
    'columns', (
        SELECT jsonb_object_agg(a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'NOT NULL' END, nullif(a.attidentity, ''), nullif(a.attgenerated, ''),
            pg_get_expr(d.adbin, d.adrelid), a.attcollation::text, a.attoptions::text, a.attacl::text))
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'S'),
    'constraints', (
        SELECT jsonb_object_agg(k.conname, concat_ws(' -- ', pg_get_constraintdef(k.oid),
            obj_description(k.oid, 'pg_constraint')))
        FROM pg_constraint k WHERE k.conrelid = c.oid),
    'indexes', (
        SELECT jsonb_object_agg(i.relname, concat_ws(' -- ', pg_get_indexdef(i.oid), i.reloptions::text,
            obj_description(i.oid, 'pg_class')))
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid),
    'triggers', (
        SELECT jsonb_object_agg(t.tgname, concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled,
            obj_description(t.oid, 'pg_trigger')))
        FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
    'policies', (
        SELECT jsonb_object_agg(p.polname, concat_ws(' ', p.polcmd, p.polpermissive::text,
            ARRAY(SELECT CASE role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role)::text END
                  FROM unnest(p.polroles) AS role ORDER BY 1)::text,
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)))
        FROM pg_policy p WHERE p.polrelid = c.oid),
    'rules', (
        SELECT jsonb_object_agg(r.rulename, concat_ws(' ', pg_get_ruledef(r.oid), r.ev_enabled))
        FROM pg_rewrite r WHERE r.ev_class = c.oid),
    'statistics', (
        SELECT jsonb_object_agg(s.stxname, pg_get_statisticsobjdef(s.oid))
        FROM pg_statistic_ext s WHERE s.stxrelid = c.oid),
    'publications', (
        SELECT jsonb_object_agg(b.pubname, true)
        FROM pg_publication_rel r JOIN pg_publication b ON b.oid = r.prpubid WHERE r.prrelid = c.oid),
    'comments', (
        SELECT jsonb_object_agg(o.objsubid, o.description)
        FROM pg_description o WHERE o.objoid = c.oid AND o.classoid = 'pg_class'::regclass),
    'sequence', (
        SELECT concat_ws(' ', format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
            q.seqcycle) FROM pg_sequence q WHERE q.seqrelid = c.oid),
    'value', CASE WHEN c.relkind = 'S' THEN pg_sequence_last_value(c.oid) END
)) AS state
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
"""
_TYPES = f"""
SELECT t.oid, concat(quote_ident(n.nspname), '.', quote_ident(t.typname)) AS name,
jsonb_strip_nulls(jsonb_build_object(
    'name', concat(quote_ident(n.nspname), '.', quote_ident(t.typname)), 'kind', t.typtype,
    'owner', pg_get_userbyid(t.typowner),
    {_privileges("t.typacl", "'T'", "t.typowner")}, {_comment("t.oid", "pg_type")},
    'labels', (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
    'attributes', (
        SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod))
        FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
    'base type', CASE t.typtype WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
        CASE WHEN t.typnotnull THEN 'NOT NULL' END, t.typcollation::text, pg_get_expr(t.typdefaultbin, 0)) END,
    'constraints', (
        SELECT jsonb_object_agg(k.conname, concat_ws(' -- ', pg_get_constraintdef(k.oid),
            obj_description(k.oid, 'pg_constraint')))
        FROM pg_constraint k WHERE k.contypid = t.oid)
)) AS state
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE (t.typtype IN ('e', 'd') OR t.typtype = 'c' AND c.relkind = 'c')
"""
_ROUTINES = f"""
SELECT p.oid, p.oid::regprocedure::text AS name,
jsonb_strip_nulls(jsonb_build_object(
    'name', p.oid::regprocedure::text, 'kind', p.prokind,
    'owner', pg_get_userbyid(p.proowner),
    {_privileges("p.proacl", "'f'", "p.proowner")}, {_comment("p.oid", "pg_proc")},
    'definition', pg_get_functiondef(p.oid)
)) AS state
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind IN ('f', 'p')
"""
_COLLATIONS = f"""
SELECT l.oid, concat(quote_ident(n.nspname), '.', quote_ident(l.collname)) AS name,
jsonb_strip_nulls(jsonb_build_object(
    'name', concat(quote_ident(n.nspname), '.', quote_ident(l.collname)), 'owner', pg_get_userbyid(l.collowner),
    'provider', l.collprovider, 'deterministic', l.collisdeterministic, {_comment("l.oid", "pg_collation")}
)) AS state
FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE n.nspname {_HIDDEN}
"""
_SCHEMAS = f"""
SELECT n.oid, quote_ident(n.nspname) AS name,
jsonb_strip_nulls(jsonb_build_object(
    'name', quote_ident(n.nspname), 'owner', pg_get_userbyid(n.nspowner),
    {_privileges("n.nspacl", "'n'", "n.nspowner")},
    {_comment("n.oid", "pg_namespace")}
)) AS state
FROM pg_namespace n WHERE nspname {_HIDDEN}
"""
_EXTENSIONS = """
SELECT e.oid, quote_ident(e.extname) AS name,
jsonb_build_object('name', quote_ident(e.extname), 'owner', pg_get_userbyid(e.extowner), 'version', e.extversion)
AS state
FROM pg_extension e WHERE true
"""
_DATABASES = f"""
SELECT d.oid, quote_ident(d.datname) AS name,
jsonb_strip_nulls(jsonb_build_object(
    'name', quote_ident(d.datname), 'owner', pg_get_userbyid(d.datdba), {_privileges("d.datacl", "'d'", "d.datdba")},
    'comment', shobj_description(d.oid, 'pg_database'),
    'settings', (
        SELECT jsonb_object_agg(split_part(item, '=', 1), substr(item, strpos(item, '=') + 1))
        FROM pg_db_role_setting s, unnest(s.setconfig) AS item WHERE s.setdatabase = d.oid AND s.setrole = 0),
    'settings of roles', (
        SELECT jsonb_object_agg(pg_get_userbyid(s.setrole), s.setconfig::text)
        FROM pg_db_role_setting s WHERE s.setdatabase = d.oid AND s.setrole <> 0)
)) AS state
FROM pg_database d WHERE d.datname = current_database()
"""
_LETTER_OF_DEFAULT = "CASE a.defaclobjtype WHEN 'S' THEN 's' ELSE a.defaclobjtype END"
_DEFAULTS = f"""
SELECT 0::oid AS oid, 'default privileges' AS name, (
    SELECT coalesce(jsonb_object_agg(
        concat_ws(' ', quote_ident(pg_get_userbyid(a.defaclrole)), a.defaclobjtype, quote_ident(n.nspname)),
        jsonb_build_object('role', pg_get_userbyid(a.defaclrole), 'type', a.defaclobjtype,
            'schema', coalesce(n.nspname, ''), 'privileges', ({_exploded("a.defaclacl")}),
            'by default', CASE WHEN n.oid IS NULL THEN
                ({_exploded(f"acldefault({_LETTER_OF_DEFAULT}, a.defaclrole)")})
                ELSE '[]' END)), '{{}}')
    FROM pg_default_acl a LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace) AS state
"""

_QUERIES: Mapping[str, tuple[str, str]] = {
    RELATION: (_RELATIONS, "c.oid"),
    TYPE: (_TYPES, "t.oid"),
    ROUTINE: (_ROUTINES, "p.oid"),
    COLLATION: (_COLLATIONS, "l.oid"),
    SCHEMA: (_SCHEMAS, "n.oid"),
    EXTENSION: (_EXTENSIONS, "e.oid"),
    DATABASE: (_DATABASES, "d.oid"),
    DEFAULT_PRIVILEGES: (_DEFAULTS, ""),
}
"""For each class the query, and the oid in it."""


def state_query(kind: str, oids: str = "") -> str:
    """Return the query of ``oid``, ``name`` (quoted) and ``state`` of the objects of a class, of those only whose oids
    the SQL in ``oids`` returns.

    The condition stands inside: what prints a definition locks its table, and may wait for others.
    """
    query, column = _QUERIES[kind]
    return f"{query} AND {column} IN ({oids})" if oids and column else query


ON_BARE_CATALOG = (
    "SELECT set_config('cockroach_migrator.search_path', current_setting('search_path'), true), "
    "set_config('search_path', 'pg_catalog', true);"
)
"""Let the catalog print every name in full, whatever path the session, its role and the database have; until
``ON_OLD_PATH``."""
ON_OLD_PATH = "SELECT set_config('search_path', current_setting('cockroach_migrator.search_path'), true)"


def sequence_values(cursor: Any, oids: Collection[int]) -> dict[int, tuple[str, dict[str, Any]]]:
    """Return the quoted names and the values of sequences by their oids."""
    if not oids:
        return {}
    cursor.execute(
        "SELECT c.oid::bigint, concat(quote_ident(n.nspname), '.', quote_ident(c.relname)), n.nspname, c.relname "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'S' AND c.oid = ANY(%s::oid[])",
        (list(oids),),
    )
    queries = [
        sql.SQL("SELECT {}::bigint, {}, last_value, is_called FROM {}").format(
            sql.Literal(oid), sql.Literal(quoted), sql.Identifier(*name)
        )
        for oid, quoted, *name in cursor.fetchall()
    ]
    if not queries:
        return {}
    cursor.execute(sql.SQL(" UNION ALL ").join(queries))
    return {
        oid: (name, {"last_value": value, "is_called": is_called}) for oid, name, value, is_called in cursor.fetchall()
    }
