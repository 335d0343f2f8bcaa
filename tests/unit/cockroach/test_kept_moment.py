# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""For how long CockroachDB keeps a table's rows, by the zone configurations that SHOW ZONE CONFIGURATIONS prints."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import CockroachError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.kept_moment import (
    estimated_seconds,
    read_zones,
    require_kept,
    zones_of,
)

ORDERS, AUDIT, ODD, OTHER = ("shop", "public", "orders"), ("shop", "public", "audit"), ("Shop 2", "sales", "Odd.One"), ("crm", "public", "people")


def config(target: str, seconds: int | None) -> tuple[str, str]:
    """Return a row as CockroachDB prints it."""
    settings = ["range_min_bytes = 134217728", *([f"gc.ttlseconds = {seconds}"] if seconds is not None else []), "constraints = '[+region=gc.ttlseconds = 1]'"]
    return target, f"ALTER {target} CONFIGURE ZONE USING\n\t" + ",\n\t".join(settings)


SHOWN = [
    config("RANGE default", 14400), config("DATABASE system", 90000), config("RANGE meta", 3600), config("DATABASE shop", 7200), config("TABLE shop.public.audit", 600),
    config("TABLE shop.public.orders", None), config("PARTITION europe OF INDEX shop.public.orders@orders_pkey", 900), config('DATABASE "Shop 2"', None),
    config('TABLE "Shop 2".sales."Odd.One"', 300), config("INDEX crm.public.people@people_name_idx", 100000),
]


class _Cursor:
    """Answers SHOW ZONE CONFIGURATIONS; no server is needed for its text."""

    description = [type("Column", (), {"name": name}) for name in ("target", "raw_config_sql")]

    def __enter__(self):
        return self

    def __exit__(self, *_arguments):
        return None

    def execute(self, query):
        assert query == "SHOW ZONE CONFIGURATIONS"

    def fetchall(self):
        return SHOWN


@pytest.fixture(name="zones")
def _zones():
    return read_zones(type("Connection", (), {"cursor": lambda self: _Cursor()})())


def test_a_table_is_kept_by_its_own_its_partitions_its_databases_or_the_clusters_configuration(zones):
    found = {table: (zone.target, zone.seconds) for table, zone in zones_of([ORDERS, AUDIT, ODD, OTHER], zones).items()}
    assert found == {
        ORDERS: ("PARTITION europe OF INDEX shop.public.orders@orders_pkey", 900), AUDIT: ("TABLE shop.public.audit", 600),
        ODD: ('TABLE "Shop 2".sales."Odd.One"', 300), OTHER: ("RANGE default", 14400),
    }


def test_what_to_run(zones):
    kept = zones_of([ORDERS, AUDIT, ODD, OTHER], zones)
    require_kept(kept, age=0, seconds=250)
    with pytest.raises(CockroachError) as failure:
        require_kept(kept, age=100, seconds=20000)
    message = str(failure.value)
    for target in ("PARTITION europe OF INDEX shop.public.orders@orders_pkey", "TABLE shop.public.audit", 'TABLE "Shop 2".sales."Odd.One"', 'DATABASE "crm"'):
        assert f"ALTER {target} CONFIGURE ZONE USING gc.ttlseconds = 43200" in message
    assert "about 5.6 hours" in message and "200 seconds more only" in message and "gc_check: false" in message


def test_the_age_of_the_moment_counts(zones):
    kept = zones_of([OTHER], zones)
    require_kept(kept, age=14000, seconds=300)
    with pytest.raises(CockroachError):
        require_kept(kept, age=14000, seconds=500)


def test_the_estimate_is_of_all_connections():
    assert estimated_seconds(1_200_000, 4) == 30
