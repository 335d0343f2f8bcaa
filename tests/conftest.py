# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What every test can ask for."""
from __future__ import annotations

import pathlib
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests")]


def pytest_collection_modifyitems(items):
    """Mark what asks for the large fixtures. A test that does so in its own body carries the mark itself."""
    for item in items:
        if "shared_fixtures" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")


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
