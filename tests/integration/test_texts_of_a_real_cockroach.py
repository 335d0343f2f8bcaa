# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a real CockroachDB's shell prints and its debug archive holds is converted to the same SQL, in every form and in one file."""
from __future__ import annotations

import pathlib
import subprocess
import zipfile

import cockroach_nodes
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.forms.shell_output import (
    read_pieces,
)

SCHEMA = pathlib.Path(__file__).parents[1] / "fixtures" / "handed_over" / "shop_raw.txt"
FORMS = ("table", "tsv", "csv", "raw", "records", "sql")
OBJECTS = ("TABLE customers", "SEQUENCE order_numbers", "TABLE orders", "TABLE notes", "VIEW grown_ups")
ARCHIVED = ("create_schema_statements", "create_type_statements", "create_statements")

pytestmark = pytest.mark.skipif(not cockroach_nodes.BINARY, reason="COCKROACH_BINARY names no CockroachDB program")


def run(port: int, *arguments: str, text: str = "") -> str:
    command = [cockroach_nodes.BINARY, *arguments, "--insecure", f"--host=127.0.0.1:{port}"]
    return subprocess.run(command, input=text, check=True, capture_output=True, text=True, timeout=120).stdout


def sql(port: int, form: str, *statements: str) -> str:
    return run(port, "sql", "--database=shop", f"--format={form}", *(f"--execute={statement}" for statement in statements))


def converted(text: str) -> dict[str, str]:
    result = convert_text(text, "shop", ServerFeatures(17, True, frozenset()), ConvertOptions("skip", frozenset()))
    assert not result.refused
    return {name: text for name, text in result.files.items() if name.endswith("-data.sql")}


@pytest.fixture(name="port", scope="module")
def _port(tmp_path_factory):
    """A node with the database shop."""
    directory = tmp_path_factory.mktemp("texts")
    with cockroach_nodes.node("real", directory, directory, "none") as parameters:
        statements = ";\n".join(piece.text.rstrip(";") for piece in read_pieces(SCHEMA.read_text(encoding="utf-8")))
        run(parameters.port, "sql", text=f"CREATE DATABASE shop; USE shop;\n{statements};\n")
        yield parameters.port


def test_the_texts_of_one_schema(port, tmp_path):
    expected = converted(SCHEMA.read_text(encoding="utf-8"))
    for form in FORMS:
        assert converted(sql(port, form, "SHOW CREATE ALL TYPES", "SHOW CREATE ALL TABLES")) == expected, form
    for number, form in enumerate(FORMS):
        forms = (FORMS + FORMS)[number + 1:]
        mixed = "".join(sql(port, *pair) for pair in zip(forms, (f"SHOW CREATE {name}" for name in OBJECTS)))
        assert converted(sql(port, form, "SHOW CREATE ALL TYPES") + mixed) == expected, form
    run(port, "debug", "zip", str(tmp_path / "debug.zip"), "--cpu-profile-duration=0", "--exclude-files=*")
    with zipfile.ZipFile(tmp_path / "debug.zip") as archive:
        text = "".join(archive.read(f"debug/crdb_internal.{name}.txt").decode() for name in ARCHIVED)
    assert converted(text) == expected
