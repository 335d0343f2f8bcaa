# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Facts about objects in PostgreSQL's catalog that two objects of different names can share: one query for each kind of
object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

Part = tuple[str, str, str]
"""Schema; table, or a routine's argument types, or ""; name."""
Facts = dict[Part, dict[str, Any]]

_HERE = "= ANY(%(namespaces)s)"

_RELATIONS = f"""
SELECT c.relnamespace, '', c.relname, c.relkind::text AS kind, c.relpersistence <> 'u' AS logged,
       c.relrowsecurity AS secured, c.relforcerowsecurity AS forced
FROM pg_class c WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND c.relnamespace {_HERE}
"""
_COLUMNS = f"""
SELECT c.relnamespace, c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END AS collation,
       a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_constraint k
           WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated
       ) AS "NOT NULL",
       CASE a.attgenerated WHEN '' THEN pg_get_expr(d.adbin, d.adrelid) END AS "default",
       CASE a.attgenerated WHEN '' THEN NULL ELSE pg_get_expr(d.adbin, d.adrelid) END AS "generated expression",
       CASE a.attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END AS storage,
       CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END AS identity,
       CASE WHEN s.seqrelid IS NOT NULL THEN format(
           'INCREMENT BY %%s MINVALUE %%s MAXVALUE %%s START WITH %%s CACHE %%s%%s',
           s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END
       ) END AS options,
       (SELECT qn.nspname || '.' || q.relname FROM pg_class q JOIN pg_namespace qn ON qn.oid = q.relnamespace
        WHERE q.oid = s.seqrelid) AS sequence
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_depend i ON a.attidentity <> '' AND i.classid = 'pg_class'::regclass
                      AND i.refclassid = 'pg_class'::regclass AND i.refobjid = c.oid
                      AND i.refobjsubid = a.attnum AND i.deptype = 'i'
LEFT JOIN pg_sequence s ON s.seqrelid = i.objid
WHERE c.relkind IN ('r', 'p') AND c.relnamespace {_HERE}
"""
_ENFORCED = "coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)"
"""Whether a constraint is enforced; since PostgreSQL 18 it may not be."""
_CHECKS = f"""
SELECT c.relnamespace, c.relname, k.conname, pg_get_expr(k.conbin, k.conrelid) AS expression,
       k.convalidated AS validated, {_ENFORCED} AS enforced
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'c' AND c.relnamespace {_HERE}
"""


def _columns_of(numbers: str, table: str) -> str:
    return (
        f"ARRAY(SELECT a.attname::text FROM unnest({numbers}) WITH ORDINALITY AS part (number, place) "
        f"JOIN pg_attribute a ON a.attrelid = {table} AND a.attnum = part.number ORDER BY part.place)"
    )


def _action(letter: str) -> str:
    return (
        f"CASE {letter} WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' "
        "WHEN 'd' THEN 'SET DEFAULT' ELSE 'NO ACTION' END"
    )


_KEYS = f"""
SELECT c.relnamespace, c.relname, k.conname,
       CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE 'EXCLUDE' END AS kind,
       {_columns_of("k.conkey", "k.conrelid")} AS columns,
       {_columns_of("(x.indkey::smallint[])[x.indnkeyatts:]", "k.conrelid")} AS "included columns",
       coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false) AS "NULLS NOT DISTINCT",
       x.indisvalid AND x.indisready AND x.indislive AS valid,
       k.condeferrable AS deferrable, k.condeferred AS "initially deferred"
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_index x ON x.indexrelid = k.conindid
WHERE k.contype IN ('p', 'u', 'x') AND c.relnamespace {_HERE}
"""
_SET_COLUMNS = (
    "(SELECT array_agg(one::smallint) "
    "FROM jsonb_array_elements_text(nullif(to_jsonb(k) -> 'confdelsetcols', 'null')) AS one)"
)
"""The columns that ON DELETE SET NULL or SET DEFAULT names, which it may since PostgreSQL 15."""
_FOREIGN_KEYS = f"""
SELECT c.relnamespace, c.relname, k.conname, {_columns_of("k.conkey", "k.conrelid")} AS columns,
       rn.nspname || '.' || r.relname AS "referenced table",
       {_columns_of("k.confkey", "k.confrelid")} AS "referenced columns",
       CASE k.confmatchtype WHEN 'f' THEN 'FULL' WHEN 'p' THEN 'PARTIAL' ELSE 'SIMPLE' END AS match,
       {_action("k.confdeltype")} AS "ON DELETE", {_action("k.confupdtype")} AS "ON UPDATE",
       {_columns_of(_SET_COLUMNS, "k.conrelid")} AS "columns that ON DELETE sets",
       k.convalidated AS validated, k.condeferrable AS deferrable, k.condeferred AS "initially deferred",
       {_ENFORCED} AND NOT EXISTS (
           SELECT FROM pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O'
       ) AS enforced
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND c.relnamespace {_HERE}
"""
_INDEXES = f"""
SELECT i.relnamespace, t.relname, i.relname, m.amname AS method, x.indisunique AS "unique",
       ARRAY(SELECT concat_ws(' ', pg_get_indexdef(i.oid, place, false),
                 CASE WHEN x.indcollation[place - 1] NOT IN (0, 100) THEN
                     'COLLATE ' || x.indcollation[place - 1]::regcollation END,
                 (SELECT o.opcname FROM pg_opclass o WHERE o.oid = x.indclass[place - 1]),
                 CASE WHEN m.amname = 'btree' THEN
                     (ARRAY['ASC NULLS LAST', 'DESC NULLS LAST', 'ASC NULLS FIRST', 'DESC NULLS FIRST'])
                     [x.indoption[place - 1] + 1] END)
             FROM generate_series(1, x.indnkeyatts) AS place) AS columns,
       ARRAY(SELECT pg_get_indexdef(i.oid, place, false)
             FROM generate_series(x.indnkeyatts + 1, x.indnatts) AS place) AS "included columns",
       pg_get_expr(x.indpred, x.indrelid) AS predicate, x.indisvalid AND x.indisready AND x.indislive AS valid,
       coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false) AS "NULLS NOT DISTINCT"
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid JOIN pg_am m ON m.oid = i.relam
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
AND t.relkind IN ('r', 'p', 'm') AND i.relnamespace {_HERE}
"""
_VIEWS = f"""
SELECT c.relnamespace, '', c.relname, pg_get_viewdef(c.oid) AS query,
       coalesce(array_to_string(c.reloptions, ', '), '') AS options, c.relispopulated AS populated
FROM pg_class c WHERE c.relkind IN ('v', 'm') AND c.relnamespace {_HERE}
"""
_ROUTINES = f"""
SELECT p.pronamespace, oidvectortypes(p.proargtypes), p.proname,
       CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END AS kind,
       pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result, l.lanname AS language,
       coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS body,
       CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END AS volatility,
       p.proisstrict AS strict, p.prosecdef AS "SECURITY DEFINER", p.proleakproof AS leakproof,
       p.proparallel::text AS parallel, coalesce(array_to_string(p.proconfig, ', '), '') AS settings
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.prokind IN ('f', 'p') AND p.proname = ANY(%(routines)s) AND p.pronamespace {_HERE}
"""
# PostgreSQL prints a condition with NEW and OLD only as a part of the whole command.
_TRIGGERS = f"""
SELECT c.relnamespace, c.relname, t.tgname,
       concat_ws(' ', CASE t.tgtype & 66 WHEN 2 THEN 'BEFORE' WHEN 64 THEN 'INSTEAD OF' ELSE 'AFTER' END,
                 concat_ws(' OR ',
           CASE WHEN t.tgtype & 4 > 0 THEN 'INSERT' END, CASE WHEN t.tgtype & 8 > 0 THEN 'DELETE' END,
           CASE WHEN t.tgtype & 16 > 0 THEN 'UPDATE' END, CASE WHEN t.tgtype & 32 > 0 THEN 'TRUNCATE' END)) AS events,
       {_columns_of("t.tgattr::smallint[]", "t.tgrelid")} AS columns,
       CASE WHEN t.tgtype & 1 > 0 THEN 'ROW' ELSE 'STATEMENT' END AS level,
       t.tgfoid::regprocedure::text AS function, encode(t.tgargs, 'escape') AS arguments,
       CASE WHEN t.tgqual IS NOT NULL THEN
           substr(pg_get_triggerdef(t.oid), strpos(pg_get_triggerdef(t.oid), ' WHEN (')) END AS condition,
       concat_ws(' ', 'NEW ' || t.tgnewtable, 'OLD ' || t.tgoldtable) AS "transition tables",
       t.tgconstraint <> 0 AS "of a constraint", t.tgdeferrable AS deferrable, t.tginitdeferred AS "initially deferred",
       CASE t.tgenabled WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled for replication only'
           ELSE 'enabled always' END AS state
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relnamespace {_HERE}
"""
_POLICIES = f"""
SELECT c.relnamespace, c.relname, p.polname, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END AS type,
       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
           ELSE 'ALL' END AS command,
       ARRAY(SELECT CASE role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role)::text END
             FROM unnest(p.polroles) AS role ORDER BY 1) AS roles,
       pg_get_expr(p.polqual, p.polrelid) AS "USING", pg_get_expr(p.polwithcheck, p.polrelid) AS "WITH CHECK"
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace {_HERE}
"""
_RULES = f"""
SELECT c.relnamespace, c.relname, r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relkind IN ('r', 'p', 'v') AND r.rulename <> '_RETURN' AND c.relnamespace {_HERE}
"""
_SEQUENCES = f"""
SELECT c.relnamespace, '', c.relname, format_type(s.seqtypid, NULL) AS type,
       s.seqstart AS start, s.seqincrement AS increment, s.seqmin AS minimum, s.seqmax AS maximum,
       s.seqcache AS cache, s.seqcycle AS cycling,
       (SELECT tn.nspname || '.' || t.relname || '.' || a.attname
        FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')) AS owner
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relnamespace {_HERE}
"""
_TYPES = f"""
SELECT t.typnamespace, '', t.typname,
       CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'composite type' END AS kind,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
       ARRAY(SELECT concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod)) FROM pg_attribute a
             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS attributes,
       CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS "base type",
       t.typnotnull AS "NOT NULL", pg_get_expr(t.typdefaultbin, 0) AS "default",
       ARRAY(SELECT concat_ws(' ', k.conname, pg_get_expr(k.conbin, 0),
                              CASE WHEN NOT k.convalidated THEN 'NOT VALID' END)
             FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname) AS checks
FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE (t.typtype IN ('e', 'd') OR t.typtype = 'c' AND c.relkind = 'c') AND t.typnamespace {_HERE}
"""
_COLLATIONS = f"""
SELECT l.collnamespace, '', l.collname, l.collprovider::text AS provider, l.collisdeterministic AS deterministic,
       coalesce(to_jsonb(l) ->> 'colllocale', to_jsonb(l) ->> 'colliculocale', l.collcollate) AS locale
FROM pg_collation l WHERE l.collnamespace {_HERE}
"""

SOURCES: Mapping[str, str] = {
    "relations": _RELATIONS,
    "columns": _COLUMNS,
    "checks": _CHECKS,
    "keys": _KEYS,
    "foreign keys": _FOREIGN_KEYS,
    "indexes": _INDEXES,
    "views": _VIEWS,
    "routines": _ROUTINES,
    "triggers": _TRIGGERS,
    "policies": _POLICIES,
    "rules": _RULES,
    "sequences": _SEQUENCES,
    "types": _TYPES,
    "collations": _COLLATIONS,
}
"""The queries. Each returns the oid of the schema, the two other parts of an object's name, and facts that are named by
their columns."""


def read_facts(
    cursor: Any, source: str, schemas: Mapping[int, str], routines: Iterable[str] = (), known: Optional[Facts] = None
) -> Facts:
    """Return the facts of one source about all objects in schemas (oid to name); of routines those of these names
    only. Facts that equal those ``known`` of the same object are the same ones, so that they take memory once."""
    cursor.execute(SOURCES[source], {"namespaces": list(schemas), "routines": list(routines)})
    names = [column.name for column in cursor.description[3:]]
    known = known or {}
    found: Facts = {}
    for schema, holder, name, *values in cursor:
        part, facts = (schemas[schema], holder, name), dict(zip(names, values))
        found[part] = known[part] if known.get(part) == facts else facts
    return found
