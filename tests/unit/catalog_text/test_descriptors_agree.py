# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Two ways that share nothing lead to one catalog: the text that CockroachDB printed, and its descriptors."""
from __future__ import annotations

import base64
import json
from collections import Counter

import pytest
from named_catalog import EXTENSIONS, named

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

NOT_IN_TEXT = {"owner", "grant", "role"}
"""Steps of the conversion that come from what SHOW CREATE does not print."""
NOT_IN_DESCRIPTORS = {"comment"}
"""… and from what a system table holds."""


def _from_backup(directory, database):
    return next(item for item in build_catalog(open_backup(BackupRequest((str(directory),))).descriptors).databases if item.name == database)


def _from_text(directory, database):
    return read_schema_text((directory / "show_create.sql").read_text(encoding="utf-8"), database).databases[0]


@pytest.mark.parametrize(("backup", "database"), [("shop", "shop"), ("types", "types"), ("cluster", "shop"), ("cluster", "types")])
def test_the_catalogs_are_the_same(fixtures_dir, backup, database):
    by_text, by_descriptors = _from_text(fixtures_dir / "truth" / database, database), _from_backup(fixtures_dir / "backups" / backup, database)
    assert named(by_text, comments=False) == named(by_descriptors, comments=False)


def test_a_schema_of_every_type_is_the_same(fixtures_dir):
    directory = fixtures_dir / "schema_text"
    descriptors = {int(number): base64.b64decode(data) for number, data in json.loads((directory / "descriptors.json").read_text()).items()}
    by_text = read_schema_text((directory / "each" / "raw.txt").read_text(encoding="utf-8"))
    assert named(by_text.databases[0], comments=False) == named(build_catalog(descriptors).databases[0], comments=False)


@pytest.mark.parametrize(("backup", "truth", "database"), [
    ("upstream/remap-v21.1.1", "remap-v21.1.1", ""), ("tpcc", "tpcc", "tpcc"),
])
def test_the_catalogs_of_the_large_fixtures_are_the_same(shared_fixtures, backup, truth, database):
    catalog = build_catalog(open_backup(BackupRequest((str(shared_fixtures / "backups" / backup),))).descriptors)
    by_descriptors = next(item for item in catalog.databases if item.name == database or not database)
    by_text = _from_text(shared_fixtures / "truth" / truth, by_descriptors.name)
    # IMPORT left the foreign keys of tpcc unvalidated; SHOW CREATE ALL TABLES prints VALIDATE CONSTRAINT for every one.
    for table in by_descriptors.tables:
        for key in table.foreign_keys:
            key.validated = True
    assert named(by_text) == named(by_descriptors)


@pytest.mark.parametrize("database", ["shop", "types"])
def test_the_same_commands_and_findings_come_out(fixtures_dir, database):
    by_text, by_descriptors = _from_text(fixtures_dir / "truth" / database, database), _from_backup(fixtures_dir / "backups" / database, database)
    texts, findings = zip(*(_converted(item) for item in (by_text, by_descriptors)))
    # The text of a view has no needless parentheses; test_the_catalogs_are_the_same compares it without them.
    assert {sql for sql in (texts[0] - texts[1]) + (texts[1] - texts[0]) if "VIEW" not in sql} == set()
    assert findings[0] == findings[1]


def _converted(database):
    conversion = convert_database(database, [], ServerFeatures(extensions=EXTENSIONS), ConvertOptions(grants="skip"))
    commands = Counter(item.sql for item in conversion.statements if item.step not in NOT_IN_TEXT | NOT_IN_DESCRIPTORS)
    return commands, Counter((finding.code, finding.severity, finding.object) for finding in conversion.findings)


def test_comments_are_read(fixtures_dir):
    database = _from_text(fixtures_dir / "truth" / "shop", "shop")
    customers = next(table for table in database.tables if table.name == "customers")
    assert customers.comment == "People who buy; it's a \"comment\""
    assert {column.name: column.comment for column in customers.columns if column.comment} == {"nick": "collated"}
    assert {index.name: index.comment for index in customers.indexes if index.comment} == {"customers_email_key": "one account per address"}
