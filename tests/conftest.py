# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What every test can ask for."""
from __future__ import annotations

import pathlib
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests")]


SERVERS = {
    "_reused_server", "any_postgres", "empty_postgres", "major", "migrated", "postgres", "postgres17", "server_of", "servers", "target", "tls",
}
"""The fixtures that give a PostgreSQL server."""


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config, items):
    """Mark what asks for the large fixtures or a server, before ``-m`` selects by marks; deal the tests once they are shuffled.

    A test that asks for them in its own body carries the mark itself.
    """
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if "shared_fixtures" in names:
            item.add_marker("shared")
        if names & SERVERS:
            item.add_marker("needs_postgres")
    result = yield
    items[:] = dealt(items, getattr(config, "workerinput", {}).get("workercount", 1))
    return result


def dealt(items: list, workers: int) -> list:
    """Return the tests so that each worker, which gets one part of the list, begins with its share of the slow ones: the quick ones,
    which the others can take over, end at one time."""
    if workers == 1:
        return items
    slow = [item for item in items if item.get_closest_marker("slow")]
    quick = [item for item in items if not item.get_closest_marker("slow")]
    size = -(-len(items) // workers)
    order = []
    for number in range(workers):
        share = slow[number::workers]
        order += share + quick[: size - len(share)]
        quick = quick[size - len(share) :]
    return order + quick


def pytest_runtest_setup(item):
    """Tell the servers which test is about to run: a server is refused to one without the mark."""
    import postgres_servers

    postgres_servers.test_is_marked = item.get_closest_marker("needs_postgres") is not None


@pytest.fixture(scope="session")
def fixtures_dir() -> pathlib.Path:
    """The project's own copies of real backups, and what CockroachDB returned for them."""
    return CHECKOUT / "tests" / "fixtures"


@pytest.fixture(scope="session")
def shared_fixtures() -> pathlib.Path:
    """The larger fixtures that developers and CI have beside the checkout."""
    directory = CHECKOUT.parent / "shared" / "fixtures"
    if not directory.is_dir():
        pytest.skip("the large fixtures (tpcc, upstream) are not beside this checkout")
    return directory
