# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The place of NULLs: views keep CockroachDB's rows, indexes serve the queries of either order, and the verification sees another one."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.context import Context
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions.expressions import convert
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import (
    conversion_policies,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

SCHEMA = """
CREATE TABLE public.jobs (
	id INT8 NOT NULL,
	owner INT8 NULL,
	prio INT8 NULL,
	name STRING NOT NULL,
	CONSTRAINT jobs_pkey PRIMARY KEY (id ASC),
	INDEX jobs_prio (prio ASC),
	INDEX jobs_owner (owner DESC, id ASC),
	INDEX jobs_name (name ASC),
	UNIQUE INDEX jobs_unique (prio DESC, owner ASC),
	INDEX jobs_lower (lower(name) DESC),
	INDEX jobs_some (owner ASC) WHERE prio > 1:::INT8
);
CREATE TABLE public.owners (id INT8 NOT NULL, name STRING NOT NULL, CONSTRAINT owners_pkey PRIMARY KEY (id ASC));
CREATE VIEW public.first (id, prio) AS SELECT id, prio FROM n.public.jobs ORDER BY prio, id LIMIT 3;
CREATE VIEW public.last (id, prio) AS SELECT id, prio FROM n.public.jobs ORDER BY prio DESC, id DESC LIMIT 3;
CREATE VIEW public.ranked (id, rank) AS SELECT id, rank() OVER (ORDER BY prio) FROM n.public.jobs;
CREATE VIEW public.listed (ids) AS SELECT array_agg(id ORDER BY prio DESC, id) FROM n.public.jobs;
CREATE VIEW public.joined (id, name) AS SELECT jobs.id, owners.name FROM n.public.jobs LEFT JOIN n.public.owners ON owners.id = jobs.owner
	ORDER BY owners.name, jobs.id LIMIT 4;
CREATE VIEW public.latest (owner, id) AS SELECT DISTINCT ON (owner) owner, id FROM n.public.jobs ORDER BY owner, prio, id;
CREATE FUNCTION public.next_job() RETURNS INT8 LANGUAGE SQL AS $$ SELECT id FROM n.public.jobs ORDER BY prio, id LIMIT 1; $$;
"""
ROWS = "INSERT INTO jobs VALUES (1, 1, NULL, 'a'), (2, 2, 1, 'b'), (3, NULL, 5, 'c'), (4, 1, 2, 'd'), (5, NULL, NULL, 'e'), (6, 2, 9, 'f'); INSERT INTO owners VALUES (1, 'x')"
COCKROACH_ROWS = {
    "first": [(1, None), (5, None), (2, 1)],
    "last": [(6, 9), (3, 5), (4, 2)],
    "ranked ORDER BY id": [(1, 1), (2, 3), (3, 5), (4, 4), (5, 1), (6, 6)],
    "listed": [([6, 3, 4, 2, 1, 5],)],
    "joined": [(2, None), (3, None), (5, None), (6, None)],
    "latest": [(None, 5), (1, 1), (2, 2)],
    "next_job()": [(1,)],
}
"""What CockroachDB v22.1 returns for these views over the same rows; the function's is that of its query."""
PLANS = {
    "prio LIMIT 1": ("jobs_prio", "jobs_prio", None),
    "prio NULLS FIRST LIMIT 1": ("jobs_prio", None, "jobs_prio"),
    "prio DESC NULLS LAST LIMIT 1": ("jobs_prio", None, "jobs_prio"),
    "owner DESC, id LIMIT 1": ("jobs_owner", "jobs_owner", None),
    "owner DESC NULLS LAST, id LIMIT 1": ("jobs_owner", None, "jobs_owner"),
    "prio DESC, owner LIMIT 1": ("jobs_unique", "jobs_unique", None),
    "prio DESC NULLS LAST, owner NULLS FIRST LIMIT 1": ("jobs_unique", None, "jobs_unique"),
    "lower(name) DESC LIMIT 1": ("jobs_lower", "jobs_lower", None),
    "lower(name) DESC NULLS LAST LIMIT 1": ("jobs_lower", None, "jobs_lower"),
    "name LIMIT 1": ("jobs_name", "jobs_name", "jobs_name"),
    "id LIMIT 1": ("jobs_pkey", "jobs_pkey", "jobs_pkey"),
}
"""An order, the index for it, and the index that a plan without a sort has with the policies postgres and cockroach."""
WITH_NULLS = ("jobs_prio", "jobs_owner", "jobs_unique", "jobs_lower", "jobs_some")


@pytest.fixture(scope="module", name="database")
def _database():
    return read_schema_text(SCHEMA, "n").databases[0]


def options(choice):
    return ConvertOptions("skip", policies=conversion_policies({"null_order": choice}))


@pytest.mark.parametrize("choice", ["postgres", "cockroach"])
def test_rows_of_views_plans_of_queries_and_the_verification(trial, database, choice):
    tried = trial(database, options(choice))
    tried.cursor.execute(ROWS)
    assert {view: tried.rows(f"SELECT * FROM {view}") for view in COCKROACH_ROWS} == COCKROACH_ROWS
    tried.cursor.execute("INSERT INTO jobs SELECT n, n % 700, n, n FROM generate_series(10, 3000) AS n; ANALYZE jobs")
    used = {}
    for order, (index, *_expected) in PLANS.items():
        plan = "\n".join(line for line, in tried.rows(f"EXPLAIN SELECT * FROM jobs ORDER BY {order}"))
        used[order] = index if f"using {index} " in plan and "Sort" not in plan else None
    assert used == {order: by_choice[choice == "cockroach"] for order, (_index, *by_choice) in PLANS.items()}
    assert tried.differences() == []
    [finding] = [item for item in tried.conversion.findings if item.code == "null_order"]
    assert (finding.severity, finding.object, finding.kind) == ("warning", "n", "database")
    assert finding.message.endswith(f": public.jobs ({', '.join(WITH_NULLS)}).")
    assert ("CockroachDB's order, which" in finding.message) == (choice == "cockroach")


def test_the_verification_sees_an_index_of_the_other_order(trial, database):
    for choice, other in (("postgres", "NULLS FIRST"), ("cockroach", "NULLS LAST")):
        tried = trial(database, options(choice))
        tried.cursor.execute(f"DROP INDEX jobs_prio; CREATE INDEX jobs_prio ON jobs (prio {other})")
        assert any("jobs_prio" in line and other in line for line in tried.differences()), choice


@pytest.mark.parametrize(("choice", "named"), [("postgres", "public.t (t_key, t_index)"), ("cockroach", "public.t (t_index)")])
def test_a_constraint_is_not_said_to_have_the_order_that_it_cannot_have(choice, named):
    made = read_schema_text("CREATE TABLE t (a INT8 PRIMARY KEY, b INT8, UNIQUE INDEX t_key (b), INDEX t_index (b))", "n").databases[0]
    [message] = [item.message for item in convert_database(made, [], ServerFeatures(), options(choice)).findings if item.code == "null_order"]
    assert message.endswith(f": {named}.") and ("which a UNIQUE constraint cannot have" in message) == (choice == "cockroach")


WRITTEN = {
    "SELECT prio FROM jobs ORDER BY prio": '"prio" NULLS FIRST',
    "SELECT prio FROM jobs ORDER BY prio DESC": '"prio" DESC NULLS LAST',
    "SELECT id FROM jobs ORDER BY id": '"id"',
    "SELECT id FROM jobs ORDER BY id DESC": '"id" DESC',
    "SELECT id FROM jobs ORDER BY id NULLS LAST": '"id"',
    "SELECT prio FROM jobs ORDER BY prio NULLS LAST": '"prio"',
    "SELECT j.id FROM n.public.jobs AS j ORDER BY j.id": '"j"."id"',
    "SELECT prio AS id FROM jobs ORDER BY id": '"id" NULLS FIRST',
    "SELECT id AS prio FROM jobs ORDER BY prio": '"prio"',
    "SELECT lower(name) AS id FROM jobs ORDER BY id": '"id" NULLS FIRST',
    "SELECT id AS prio, row_number() OVER (ORDER BY prio) AS n FROM jobs": '"prio" NULLS FIRST) AS "n" FROM "jobs"',
    "SELECT prio, id FROM jobs ORDER BY 2": '2',
    "SELECT prio, id FROM jobs ORDER BY 1": '1 NULLS FIRST',
    "SELECT prio, jobs.id AS x FROM jobs ORDER BY 2 DESC": '2 DESC',
    "SELECT prio AS id FROM jobs ORDER BY jobs.id": '"jobs"."id"',
    "SELECT 1 FROM jobs AS j JOIN owners AS o ON true ORDER BY j.name": '"j"."name"',
    "SELECT 1 FROM jobs AS j JOIN owners AS o ON true ORDER BY name": '"name" NULLS FIRST',
    "SELECT 1 FROM jobs AS j LEFT JOIN owners AS o ON true ORDER BY j.name": '"j"."name"',
    "SELECT 1 FROM jobs AS j LEFT JOIN owners AS o ON true ORDER BY o.name": '"o"."name" NULLS FIRST',
    "SELECT 1 FROM jobs AS j RIGHT JOIN owners AS o ON true ORDER BY j.name": '"j"."name" NULLS FIRST',
    "SELECT 1 FROM jobs AS j FULL JOIN owners AS o ON true ORDER BY o.name": '"o"."name" NULLS FIRST',
    "SELECT 1 FROM jobs AS j RIGHT JOIN owners AS o ON true LEFT JOIN jobs AS k ON true ORDER BY o.name": '"o"."name"',
    "SELECT id FROM (SELECT prio AS id FROM jobs) AS jobs ORDER BY id": '"id" NULLS FIRST',
    "WITH jobs AS (SELECT NULL AS id) SELECT id FROM jobs ORDER BY id": '"id" NULLS FIRST',
    "SELECT id FROM jobs UNION SELECT prio FROM jobs ORDER BY id": '"id" NULLS FIRST',
    "SELECT name FROM first ORDER BY id": '"id" NULLS FIRST',
    "SELECT id FROM unknown ORDER BY id": '"id" NULLS FIRST',
    "SELECT id FROM jobs ORDER BY lower(name)": 'lower("name") NULLS FIRST',
}
"""Queries, and what their ORDER BY becomes: the place of NULLs is only missing where no NULL can be."""


@pytest.mark.parametrize("text", WRITTEN)
def test_the_place_is_written_where_a_null_can_be(database, text):
    made = convert(text, Context(database, ServerFeatures(), options("postgres")), FullName("view", "n", "public", "v"))
    assert made.sql.rsplit("ORDER BY ", 1)[1] == WRITTEN[text]
