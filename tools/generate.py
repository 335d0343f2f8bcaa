# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes what is generated: the tables of docs/, docs/findings.md (findings_page.py), and what is made of the settings
(settings_files.py, role_files.py).

usage: generate.py [--check]

With --check nothing is written, and the exit code is 1 when something is out of date.
"""

from __future__ import annotations

import pathlib
import sys

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests")]

import settings_files
from corpus import schemas
from findings_page import findings_page
from role_files import role_files

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import QUESTIONS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import KINDS

BEGIN, END = "<!-- {}: begin -->\n", "<!-- {}: end -->"


def kinds_table() -> str:
    """Return the table of values that PostgreSQL cannot hold."""
    lines = ["| kind | what | `replace` puts there |", "|---|---|---|"]
    lines += [f"| `{name}` | {kind.meaning} | {kind.replaced_by or '(not offered)'} |" for name, kind in KINDS.items()]
    return "\n".join(lines) + "\n"


def corpus_table() -> str:
    """Return the table of what the corpus shows, release by release."""
    lines = ["| text of | tables | constructs | of these only a finding |", "|---|---|---|---|"]
    tables: dict[str, int] = {}
    kept: dict[str, set[str]] = {}
    only_findings: dict[str, set[str]] = {}
    for schema in schemas():
        tables[schema.release] = tables.get(schema.release, 0) + len(
            read_schema_text(schema.text, "d").databases[0].tables
        )
        for construct in schema.constructs():
            (only_findings if construct.only_a_finding else kept).setdefault(schema.release, set()).add(construct.name)
    for release, number in sorted(
        tables.items(), key=lambda item: [int(part) for part in item[0].removeprefix("v").split(".")]
    ):
        only = only_findings.get(release, set())
        lines.append(
            f"| {release} | {number} | {len(kept.get(release, set()) | only)} | {', '.join(sorted(only)) or '–'} |"
        )
    constructs = set().union(*kept.values(), *only_findings.values())
    only = set().union(*only_findings.values()) - set().union(*kept.values())
    lines.append(f"| **all** | **{sum(tables.values())}** | **{len(constructs)}** | **{len(only)}** |")
    return "\n".join(lines) + "\n"


def choices_table() -> str:
    """Return the table of the conversion's choices."""
    lines = ["| key | what | choice | what becomes of it |", "|---|---|---|---|"]
    for name, question in QUESTIONS.items():
        for choice, result in question.choices.items():
            first = choice == question.default
            lines.append(
                f"| {f'`{name}`' if first else ''} | {question.subject if first else ''} | "
                f"`{choice}`{' (default)' if first else ''} | {result} |"
            )
    return "\n".join(lines) + "\n"


TABLES = {
    "variables.md": ("variables", settings_files.variables_tables),
    "value-policies.md": ("values", kinds_table),
    "conversion.md": ("choices", choices_table),
    "evidence.md": ("corpus", corpus_table),
}
"""By page of docs/, the name of its generated table and what makes it."""


def page(path: pathlib.Path) -> str:
    """Return a page of docs/ with the table in its place."""
    name, table = TABLES[path.name]
    begin, end = BEGIN.format(name), END.format(name)
    head, rest = path.read_text(encoding="utf-8").split(begin)
    return head + begin + table() + end + rest.split(end, 1)[1]


def from_settings() -> dict[pathlib.Path, str]:
    """Return the files that come from the project's Python alone, with their texts."""
    files = {path: page(path) for path in (CHECKOUT / "docs" / name for name in TABLES)}
    files[CHECKOUT / "docs" / "findings.md"] = findings_page()
    files[CHECKOUT / "plugins" / "doc_fragments" / "settings.py"] = settings_files.doc_fragment()
    files[CHECKOUT / "playbooks" / "vars" / "migration.yml"] = settings_files.playbook_variables()
    files[CHECKOUT / "playbooks" / "files" / "migration_vars.yml"] = settings_files.sample()
    return files


def main() -> None:
    """Write or check, first what the documentation of the modules is made of, then what is made of it."""
    for generate in (from_settings, role_files):
        stale = {
            path: text
            for path, text in generate().items()
            if not path.exists() or path.read_text(encoding="utf-8") != text
        }
        if stale and "--check" in sys.argv[1:]:
            sys.exit(
                f"out of date, run `make generated`: {', '.join(str(path.relative_to(CHECKOUT)) for path in stale)}"
            )
        for path, text in stale.items():
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
