# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Constants in defaults as CockroachDB v22.1 reads them, and what becomes of those that PostgreSQL does not read."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
)


def _converted(column):
    return convert_text(f"CREATE TABLE t (id INT PRIMARY KEY, {column})", "d", ServerFeatures(), ConvertOptions(grants="skip"))


@pytest.mark.parametrize(("column", "default"), [
    ("a STRING DEFAULT $$it's$$", "'it''s'"), (r"a STRING DEFAULT $x$a\b$x$", r"'a\b'"), ("a STRING DEFAULT b'abc'", "'abc'"), ("a STRING DEFAULT x'c3a4'", "'ä'"),
    ("a BYTES DEFAULT b'abc'", r"CAST('\x616263' AS bytea)"), (r"""a JSONB DEFAULT '{"a": "\\u0000"}'""", r"""'{"a": "\\u0000"}'"""),
    (r"a STRING DEFAULT '\u0000'", r"'\u0000'"), ("a INT DEFAULT '-1234'", "'-1234'"), ("a DATE DEFAULT '2024-01-02'", "'2024-01-02'"),
])
def test_a_constant_that_both_read(column, default):
    made = _converted(column)
    assert f" DEFAULT ({default})" in made.files["pre-data.sql"] and made.findings == []


@pytest.mark.parametrize(("column", "reason"), [
    (r"""a JSONB DEFAULT '{"a": "\u0000"}'""", "U+0000"), (r"""a JSONB DEFAULT '"\\\u0000"':::JSONB""", "U+0000"), ("a DATE DEFAULT '-0044-03-15'", "with BC"),
    ("a TIMESTAMP DEFAULT '-0044-03-15 00:00:00':::TIMESTAMP", "with BC"), ("a TIMESTAMPTZ DEFAULT '-0044-03-15 00:00:00+00:00':::TIMESTAMPTZ", "with BC"),
    ("a STRING DEFAULT x'ff'", "not UTF-8"), (r"a STRING DEFAULT b'\x00'", "U+0000"),
])
def test_a_constant_that_postgresql_does_not_read(column, reason):
    made = _converted(column)
    assert "DEFAULT" not in made.files["pre-data.sql"]
    assert [finding.code.value for finding in made.findings] == ["default_left_out"] and reason in made.findings[0].message
