# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Domains: what descriptors say of them, what is refused, and what becomes of them in expressions, functions, keys and triggers on a real server."""
from __future__ import annotations

import dataclasses
import re

import domain_backup
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.renaming import rename
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection, select
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import ConvertOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Catalog,
    Check,
    Database,
    SqlType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import (
    conversion_policies,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.json_form import from_json, to_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.object_names import object_names
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.object_numbers import object_numbers
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.table_source import table_sources
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.primary_key_ranges import (
    PrimaryKey,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.row_texts import RowTexts
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

TYPES = """
CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'glad');
CREATE DOMAIN public.good AS public.mood CONSTRAINT good_check CHECK (value != 'sad':::public.mood);
CREATE DOMAIN public.counted AS INT8 DEFAULT 7:::INT8 CONSTRAINT given NOT NULL CONSTRAINT counted_check CHECK (value > 0:::INT8);
"""


def built(descriptors_of, domains=domain_backup.DOMAINS) -> Catalog:
    data = domain_backup.with_domains(list(descriptors_of("shop").values()), domains)
    return build_catalog({domain_backup.descriptor_id(item): item for item in data})


def read(text: str) -> Database:
    return read_schema_text(TYPES + text, "db").databases[0]


def test_descriptors(descriptors_of):
    catalog = built(descriptors_of)
    database = catalog.databases[0]
    types = {item.name: item for item in database.types if item.kind == "domain"}
    assert set(types) == {domain.name for domain in domain_backup.DOMAINS} and len(database.types) == len(types) + 2
    email = types["email"]
    assert (email.base, email.not_null, email.not_null_name, email.default) == (SqlType("string", 25, 255), True, "email_given", "")
    assert email.checks == [Check("has_at", "strpos(value, '@':::STRING) > 1:::INT8", id=1)], "what is being dropped is gone"
    assert [(check.name, check.validated) for check in types["money"].checks] == [("positive", True), ("early", False)]
    assert types["flag"].default == "true" and not types["flag"].not_null and types["state"].base.user_type_id
    columns = {column.name: column.type for table in database.tables if table.name in ("customers", "orders") for column in table.columns}
    assert columns["email"] == dataclasses.replace(email.base, domain_id=email.id)
    assert columns["tags"].oid == domain_backup.OIDS + types["tag"].array_type_id and columns["tags"].element == SqlType("string", 25, domain_id=types["tag"].id)
    assert columns["status"] == dataclasses.replace(types["state"].base, domain_id=types["state"].id)
    assert from_json(Database, to_json(database)) == database
    assert {finding.object for finding in catalog.findings if finding.code == "domain_deduced"} == {
        f"shop.{domain.schema}.{domain.name}" for domain in domain_backup.DOMAINS if domain.checks or domain.not_null_name}


@pytest.mark.parametrize("domain, message", [
    (domain_backup.Domain("public", "odd", ("products.price",), more=((9, 1),)), "domain shop.public.odd: the descriptor has the unknown field 9"),
    (domain_backup.Domain("public", "odd", ("products.price",), (("c", "value > 0", 9),)), "check shop.public.odd.c: the descriptor's fields 3 and 4 are not"),
    (domain_backup.Domain("public", "odd", ("products.price",), more=((4, domain_backup.message((1, b"c"), (2, b"true"), (3, 0), (4, 1))),)), "fields 3 and 4"),
    (domain_backup.Domain("public", "odd", ("products.price",), more=((4, domain_backup.message((1, b"c"), (5, 1))),)), "check shop.public.odd.c: .* unknown field 5"),
    (domain_backup.Domain("public", "odd", ("products.price",), more=((1, domain_backup.message((1, 15), (11, domain_backup.message((1, 1), (10, 20))))),)), "an array"),
])
def test_what_is_not_known_is_refused_by_name(descriptors_of, domain, message):
    catalog = built(descriptors_of, (domain,))
    with pytest.raises(UnsupportedError, match=message):
        select(catalog, Selection(("shop",)))


def test_a_name_of_a_not_null_says_that_there_is_one(descriptors_of):
    """Were its own field not the one that it was, the constraint would not be lost."""
    domain = domain_backup.Domain("public", "odd", ("products.price",), more=((6, b"odd_not_null"), (8, 2)))
    found = next(item for item in built(descriptors_of, (domain,)).databases[0].types if item.kind == "domain")
    assert found.not_null and found.not_null_name == "odd_not_null"


def test_names_in_checks_and_defaults_follow(descriptors_of):
    catalog = built(descriptors_of)
    types = {item.name: item for item in catalog.databases[0].types}
    types["number"].default = "nextval('public.invoice_no'::REGCLASS)"
    types["number"].checks = [Check("c", "value != nextval('public.invoice_no'::REGCLASS)")]
    renamed = rename(catalog, {"shop.public.invoice_no": "Nummern", "shop.public.number": "Zahl"})
    found = {item.name: item for item in renamed.databases[0].types}["Zahl"]
    assert "Nummern" in found.default and "Nummern" in found.checks[0].expression and "invoice_no" not in found.default


ROWS = {
    "orders": ["1", "00000000-0000-4000-8000-000000000008", "paid", "1000", "2024-03-01 00:12:59.999999", "3.33", "USD", None],
    "customers": [
        "00000000-0000-4000-8000-000000000002", "user2@example.org", "n", "Nick2", "t", '{"a": 1}', '{a,NULL,"b c"}', "10.1.1.7/24",
        "2024-01-01 01:14:22.246912+00", None, "1950-01-27", "s2", "example.org",
    ],
    "products": ["SKU-1", "102", "t", "1.37", "0.3333333333333333", "M", "00000001", "\\x00", '{"b": 2}', "1 mon 1 day 00:00:01.5", "08:01:00"],
}


def test_what_cockroachdb_sends_is_read_as_the_base_type(descriptors_of):
    plain, domains = (
        {source.table.name: source for source in table_sources(catalog.databases[0])}
        for catalog in (build_catalog(descriptors_of("shop")), built(descriptors_of))
    )
    for table, row in ROWS.items():
        texts = [RowTexts(source) for source in (plain[table], domains[table])]
        assert texts[0].names() == texts[1].names() and texts[0].columns == texts[1].columns and texts[0].computed == texts[1].computed
        assert texts[0].block([row]) == texts[1].block([row])
        assert PrimaryKey(plain[table]).bound(row[:1]) == PrimaryKey(domains[table]).bound(row[:1])


FUNCTION = """
CREATE FUNCTION public.rate(m public.good, n public.counted, ns public.counted[]) RETURNS public.counted IMMUTABLE LANGUAGE SQL AS $$
	SELECT CASE WHEN m = 'glad' THEN n ELSE n + 1 END;
$$;
"""


def test_object_identifiers_name_them():
    catalog = Catalog([read(FUNCTION)])
    database = catalog.databases[0]
    names = object_names(catalog, catalog, object_numbers(catalog))[database.id]
    assert "public.rate(public.good,public.counted,public.counted[])" in names[2202].values()
    assert {"public.counted", "public.counted[]", "public.good"} <= set(names[2206].values())


def test_functions_take_and_return_them(trial):
    result = trial(read(FUNCTION))
    assert result.rows("SELECT rate('glad', 5, '{}'), rate('ok', 5, NULL)") == [(5, 6)] and result.differences() == []


TABLE = """
CREATE TABLE public.t (
	id public.counted NOT NULL,
	m public.good NULL,
	n public.counted NULL,
	ns public.counted[] NULL,
	kind STRING NULL AS (CASE m WHEN 'glad':::public.good THEN 'best':::STRING ELSE 'good':::STRING END) STORED,
	better BOOL NULL AS (m IN ('glad':::public.good)) STORED,
	many BOOL NULL AS ((ns @> ARRAY[3:::INT8]) OR (ns = ARRAY[1:::INT8])) STORED,
	touched public.good NULL ON UPDATE 'ok':::public.good,
	CONSTRAINT t_pkey PRIMARY KEY (id ASC),
	INDEX t_m_idx (m ASC) WHERE m BETWEEN 'ok':::public.mood AND 'glad':::public.mood,
	INVERTED INDEX t_ns_idx (ns),
	CONSTRAINT check_m CHECK ((m != 'ok':::public.good) OR (n > 1:::INT8)),
	CONSTRAINT unique_m UNIQUE WITHOUT INDEX (m, ns)
);
CREATE VIEW public.v (m, n) AS SELECT a.m, count(*) FROM db.public.t AS a JOIN db.public.t AS b ON (a.m = b.m) AND (a.n < b.n) GROUP BY a.m;
CREATE FUNCTION public.improve() RETURNS INT8 LANGUAGE SQL AS $$
	UPDATE db.public.t SET m = 'glad' WHERE m = 'ok' RETURNING 1;
$$;
"""


@pytest.mark.parametrize("policy", ["index", "trigger"])
def test_operators_find_the_base_type(trial, policy):
    result = trial(read(TABLE), ConvertOptions("skip", policies=conversion_policies({"unique_without_index": policy})))
    assert result.rows("INSERT INTO t (id, m, n, ns) VALUES (1, 'glad', 1, '{1}'), (2, 'ok', 2, '{2,3}'), (3, 'glad', 3, '{4}') RETURNING kind, better, many") == [
        ("best", True, True), ("good", False, True), ("best", True, False)]
    assert result.rows("INSERT INTO t (id) VALUES (4) RETURNING n") == [(7,)], "the default of the domain"
    for command, constraint in [
        ("INSERT INTO t (id, m, n) VALUES (5, 'ok', 1)", "check_m"), ("INSERT INTO t (id, m) VALUES (5, 'sad')", "good_check"),
        ("INSERT INTO t (id, n) VALUES (5, 0)", "counted_check"), ("INSERT INTO t (id, ns) VALUES (5, '{0}')", "counted_check"),
        ("INSERT INTO t (id, n) VALUES (5, NULL)", "does not allow null values"), ("INSERT INTO t (id, m, ns) VALUES (5, 'glad', '{1}')", "unique_m"),
    ]:
        result.refuses(command, constraint)
    assert result.rows("SELECT improve(); SELECT m, n FROM v") == [("glad", 3)]
    assert result.rows("SELECT DISTINCT touched FROM t WHERE id = 2") == [("ok",)]
    assert result.differences() == []
    assert {(finding.code, finding.object) for finding in result.conversion.findings} >= {("domain_operators", "db.public.t.m"), ("domain_operators", "db.public.t.ns")}


@pytest.mark.parametrize("kind", ["ALWAYS", "BY DEFAULT"])
def test_an_identity_of_a_domain_draws_from_its_sequence(trial, kind):
    result = trial(read(
        f"CREATE TABLE public.t (id public.counted NOT NULL GENERATED {kind} AS IDENTITY (START 5), v INT8 NULL, CONSTRAINT t_pkey PRIMARY KEY (id ASC));"))
    assert result.rows("INSERT INTO t (v) VALUES (1) RETURNING id") == [(5,)] and result.differences() == []
    assert result.findings()["identity_left_out"] == "warning"


@pytest.mark.parametrize("command, difference", [
    ("ALTER DOMAIN counted DROP CONSTRAINT counted_check", "domain public.counted: checks are"),
    ("ALTER DOMAIN good DROP CONSTRAINT good_check; ALTER DOMAIN good ADD CONSTRAINT good_check CHECK (VALUE <> 'ok')", "domain public.good: checks are"),
    ("ALTER DOMAIN good DROP CONSTRAINT good_check; ALTER DOMAIN good ADD CONSTRAINT good_check CHECK (VALUE <> 'sad') NOT VALID", "domain public.good: checks are"),
    ("ALTER DOMAIN counted ADD CONSTRAINT more CHECK (VALUE < 9)", "domain public.counted: checks are"),
    ("ALTER DOMAIN counted DROP NOT NULL", "domain public.counted: is not NOT NULL"),
    ("ALTER DOMAIN counted DROP DEFAULT", "domain public.counted: default is none"),
    ("ALTER DOMAIN counted SET DEFAULT 8", "domain public.counted: default is"),
    ("DROP DOMAIN good; CREATE DOMAIN good AS text", "domain public.good: (kind|base type) is text"),
    ("DROP DOMAIN good", "domain public.good: missing"),
])
def test_the_verification_sees_what_is_changed(trial, command, difference):
    result = trial(read("CREATE DOMAIN public.late AS INT8; ALTER DOMAIN public.late ADD CONSTRAINT c CHECK (value < 9) NOT VALID;"))
    assert result.differences() == []
    result.cursor.execute(command)
    found = result.differences()
    assert any(re.match(difference, line) for line in found), found
