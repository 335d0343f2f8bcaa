# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Names of every kind come through: quotes, dots, capitals, reserved words, other alphabets."""
from __future__ import annotations

import csv
import io

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

WORDS = ("select", "table", "user", "order", "index", "family", "constraint", "primary", "check", "from", "where", "null", "not", "default", "visible",
         "on", "as", "create", "type", "values", "comment", "interval", "char", "string", "int8", "case", "end", "inverted", "vector", "partition", "cast")
NAMES = st.one_of(
    st.sampled_from(WORDS), st.sampled_from([word.upper() for word in WORDS]),
    st.text(st.sampled_from("aB1_.\"' ;,()[]{}|@$:+-*/\\%#\t\nüÜ日é€😀\u00a0"), min_size=1, max_size=12),
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), min_size=1, max_size=8),
)
STRINGS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=15)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """As CockroachDB prints strings."""
    if all(character.isprintable() and character not in "'\\" and character.isascii() for character in text):
        return f"'{text}'"
    escaped = "".join(
        "\\" + character if character in "'\\" else character if character.isascii() and character.isprintable()
        else f"\\u{ord(character):04X}" if ord(character) < 0x10000 else f"\\U{ord(character):08X}" for character in text
    )
    return f"e'{escaped}'"


def as_file(statements):
    return ";\n".join(statements) + ";\n"


def as_csv(statements):
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerows([["create_statement"], *[[statement] for statement in statements]])
    return output.getvalue()


def as_tsv(statements):
    output = io.StringIO()
    csv.writer(output, delimiter="\t", lineterminator="\n").writerows([["table_name", "create_statement"], *[["x", statement] for statement in statements]])
    return output.getvalue()


def as_raw(statements):
    values = "".join(f"# row {number}\n## {len(statement.encode())}\n{statement}\n" for number, statement in enumerate(statements, 1))
    return f"# 1 column\n{values}# {len(statements)} rows\n"


def as_inserts(statements):
    return "CREATE TABLE results (\n  create_statement STRING\n);\n\n" + "".join(f"INSERT INTO results VALUES ({literal(item)});\n" for item in statements) + "-- rows\n"


FORMS = (as_file, as_csv, as_tsv, as_raw, as_inserts)


@settings(max_examples=150, deadline=None)
@given(st.lists(NAMES, min_size=14, max_size=14, unique_by=lambda name: name.casefold()), STRINGS, st.lists(STRINGS, min_size=1, max_size=4, unique=True), st.sampled_from(FORMS))
def test_names_and_strings_come_through(names, text, labels, form):
    # With it begin the control sequences of a terminal, which are not part of what was copied from one: forms/terminal_text.py.
    assume(not any("\x1b[" in name for name in names))
    if form is as_file or form is as_raw:
        pass
    elif any("\r" in item for item in (*names, text, *labels)):
        return  # CSV in Python's dialect writes what CockroachDB would not.
    schema, table, other, a, b, c, key, index, foreign, check, kind, sequence, view, family = names
    place = quoted(schema) + "."
    statements = [
        f"CREATE TYPE {place}{quoted(kind)} AS ENUM ({', '.join(map(literal, labels))})",
        f"CREATE SEQUENCE {place}{quoted(sequence)} MINVALUE 1 MAXVALUE 9 INCREMENT 1 START 1",
        f"""CREATE TABLE {place}{quoted(table)} (
	{quoted(a)} INT8 NOT NULL DEFAULT nextval({literal(place + quoted(sequence))}::REGCLASS),
	{quoted(b)} {place}{quoted(kind)} NULL DEFAULT {literal(labels[0])}:::{place}{quoted(kind)},
	{quoted(c)} STRING NULL DEFAULT {literal(text)}:::STRING,
	CONSTRAINT {quoted(key)} PRIMARY KEY ({quoted(a)} ASC),
	INDEX {quoted(index)} ({quoted(b)} DESC, lower({quoted(c)}) ASC) STORING ({quoted(c)}) WHERE {quoted(c)} != {literal(text)}:::STRING,
	FAMILY {quoted(family)} ({quoted(a)}, {quoted(b)}, {quoted(c)}),
	CONSTRAINT {quoted(check)} CHECK ((upper({quoted(c)}) != {literal(text)}:::STRING) OR (CAST({quoted(c)} AS INT8) IN (1)))
)""",
        f"CREATE TABLE {place}{quoted(other)} ({quoted(a)} INT8 NOT NULL, CONSTRAINT {quoted(key)} PRIMARY KEY ({quoted(a)} ASC))",
        f"CREATE VIEW {place}{quoted(view)} (\n\t{quoted(a)}\n) AS SELECT {quoted(a)} FROM d.{place}{quoted(table)}",
        f"ALTER TABLE {place}{quoted(other)} ADD CONSTRAINT {quoted(foreign)} FOREIGN KEY ({quoted(a)}) REFERENCES {place}{quoted(table)}({quoted(a)}) NOT VALID",
        f"COMMENT ON COLUMN {place}{quoted(table)}.{quoted(c)} IS {literal(text)}",
        f"COMMENT ON INDEX {place}{quoted(table)}@{quoted(index)} IS {literal(text)}",
    ]
    catalog = read_schema_text(form(statements), "d")
    database = catalog.databases[0]
    first, second = database.tables
    assert {item.name for item in database.schemas} == {"public", schema}
    assert (first.name, [item.name for item in first.columns if not item.inaccessible], second.name) == (table, [a, b, c], other)
    assert (first.primary_index.name, first.indexes[0].name, first.checks[0].name, first.families[0].name) == (key, index, check, family)
    assert (first.checks[0].column_ids, first.indexes[0].stored_column_ids) == ([3], [3])
    assert (second.foreign_keys[0].name, second.foreign_keys[0].referenced_table_id) == (foreign, first.id)
    assert (database.views[0].name, database.views[0].depends_on, database.types[0].name) == (view, [first.id], kind)
    assert (database.sequences[0].name, first.columns[0].uses_sequence_ids) == (sequence, [database.sequences[0].id])
    assert [member.name for member in database.types[0].members] == labels
    assert (first.columns[2].comment, first.indexes[0].comment) == (text, text)
    assert first.columns[2].default == f"{literal(text)}:::STRING"
    assert first.columns[1].default == f"{literal(labels[0])}:::@{100000 + database.types[0].id}"
    conversion = convert_database(database, catalog.roles, ServerFeatures(), ConvertOptions())
    made = [item.name for item in conversion.statements if item.kind in ("table", "view", "sequence")]
    assert len(made) == 4
