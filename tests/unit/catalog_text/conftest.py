# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Catalogs from text."""
from __future__ import annotations

import pathlib
import sys

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture
def read():
    """Read a text whose only database is ``d``."""
    def read_database(text, database="d"):
        catalog = read_schema_text(text, database)
        assert [item.name for item in catalog.databases] == [database]
        return catalog.databases[0]
    return read_database


@pytest.fixture
def read_table(read):
    """Read a text and return its only, or its last table."""
    return lambda text: read(text).tables[-1]
