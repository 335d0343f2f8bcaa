# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Transactions that a text rolls back leave nothing behind."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)


@pytest.mark.parametrize(("text", "tables", "undone"), [
    ("BEGIN; CREATE TABLE a (x INT); ROLLBACK; CREATE TABLE a (y INT)", ["a.y"], 3),
    ("BEGIN; CREATE TABLE a (x INT); COMMIT; BEGIN; DROP TABLE a; ABORT", ["a.x"], 3),
    ("START TRANSACTION; CREATE TABLE a (x FROB); ROLLBACK TRANSACTION; CREATE TABLE b (y INT)", ["b.y"], 3),
    ("BEGIN; CREATE TABLE a (x INT); END; ROLLBACK", ["a.x"], 0),
    ("CREATE TABLE a (x INT); ROLLBACK", ["a.x"], 0),
    ("BEGIN; CREATE TABLE a (x INT); SAVEPOINT s; ALTER TABLE a RENAME x TO y; ROLLBACK TO SAVEPOINT s; COMMIT", ["a.x"], 3),
    ("BEGIN; CREATE TABLE a (x INT); SAVEPOINT s; SAVEPOINT t; DROP TABLE a; ROLLBACK TO s; CREATE TABLE b (y INT); COMMIT", ["a.x", "b.y"], 4),
    ("BEGIN; CREATE TABLE a (x INT); SAVEPOINT s; RELEASE SAVEPOINT s; ROLLBACK; CREATE TABLE b (y INT)", ["b.y"], 5),
    ("BEGIN; CREATE TABLE a (x INT)", ["a.x"], 0),
])
def test_what_is_rolled_back_is_omitted(text, tables, undone):
    catalog = read_schema_text(text, "d")
    (database,) = catalog.databases
    assert [f"{table.name}.{table.columns[0].name}" for table in database.tables] == tables
    messages = [finding.message for finding in catalog.findings if "rolled back" in finding.message]
    assert [int(message.split()[0]) for message in messages] == ([undone] if undone else [])
