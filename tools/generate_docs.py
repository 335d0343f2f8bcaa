# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes what is generated: the tables of docs/, the sample of create_config, the roles' READMEs.

usage: generate_docs.py [--check]

With --check nothing is written, and the exit code is 1 when something is out of date.
"""

from __future__ import annotations

import json
import pathlib
import sys
import textwrap

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests")]

from corpus import schemas

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import SETTINGS, Setting
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import QUESTIONS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import KINDS

BEGIN, END = "<!-- {}: begin -->\n", "<!-- {}: end -->"
SAMPLE_VALUES = {
    "migration_source": "restore",
    "s3_backup_path": "s3://YOUR_BUCKET/YOUR_BACKUP_FOLDER",
    "aws_access_key_id": "YOUR_AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "YOUR_AWS_SECRET_ACCESS_KEY",
    "postgres_password": "YOUR_POSTGRES_PASSWORD",
}
"""What the sample sets; everything else is there as a comment with its default."""


def shown(setting: Setting) -> str:
    """Return the default as a table shows it."""
    if setting.required:
        return "(required)"
    plain = (
        setting.type in ("bool", "int", "selection", "names", "policies", "conversion", "libpq")
        or setting.default == ""
    )
    return f"`{json.dumps(setting.default)}`" if plain else f"`{setting.default}`"


def variables_table() -> str:
    """Return the table of the variables."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    lines += [f"| `{setting.name}` | {shown(setting)} | {setting.description} |" for setting in SETTINGS]
    return "\n".join(lines) + "\n"


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
    lost: dict[str, set[str]] = {}
    for schema in schemas():
        tables[schema.release] = tables.get(schema.release, 0) + len(
            read_schema_text(schema.text, "d").databases[0].tables
        )
        for construct in schema.constructs():
            (lost if construct.only_a_finding else kept).setdefault(schema.release, set()).add(construct.name)
    for release, number in sorted(
        tables.items(), key=lambda item: [int(part) for part in item[0].removeprefix("v").split(".")]
    ):
        only = lost.get(release, set())
        lines.append(
            f"| {release} | {number} | {len(kept.get(release, set()) | only)} | {', '.join(sorted(only)) or '–'} |"
        )
    constructs = set().union(*kept.values(), *lost.values())
    only = set().union(*lost.values()) - set().union(*kept.values())
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
    "variables.md": ("variables", variables_table),
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


def sample() -> str:
    """Return the commented sample of the variables."""
    head = "# The variables of a migration. Use: ansible-playbook nomos.cockroach_migrator.migrate -e @THIS_FILE"
    lines = ["---", head, "# Keep secrets in ansible-vault.", ""]
    for setting in SETTINGS:
        lines += [
            f"# {line}" for line in textwrap.wrap(setting.description.replace("`", ""), 118, break_on_hyphens=False)
        ]
        value = SAMPLE_VALUES.get(setting.name, setting.default)
        lines += [f"{'' if setting.name in SAMPLE_VALUES else '# '}{setting.name}: {json.dumps(value)}", ""]
    return "\n".join(lines)


def role_readme(role: pathlib.Path) -> str:
    """Return a role's README, from its argument specs."""
    spec = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]
    lines = [f"# nomos.cockroach_migrator.{role.name}", "", spec["short_description"], "", *spec["description"], ""]
    lines += ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, option in spec["options"].items():
        default = "(required)" if option.get("required") else f"`{json.dumps(option['default'])}`"
        lines.append(f"| `{name}` | {option['type']} | {default} | {option['description']} |")
    return "\n".join(lines) + "\n"


def generated() -> dict[pathlib.Path, str]:
    """Return all generated files with their text."""
    files = {path: page(path) for path in (CHECKOUT / "docs" / name for name in TABLES)}
    files[CHECKOUT / "playbooks" / "files" / "migration_vars.yml"] = sample()
    for role in sorted((CHECKOUT / "roles").iterdir()):
        files[role / "README.md"] = role_readme(role)
    return files


def main() -> None:
    """Write or check."""
    stale = [
        path for path, text in generated().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        sys.exit(
            f"out of date, run `make docs`: {', '.join(str(path.relative_to(CHECKOUT)) for path in stale)}"
            if stale
            else 0
        )
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
