# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What README and guides show exists: variables, modules with their options, playbooks, make's targets."""
from __future__ import annotations

import importlib
import pathlib
import re

import pytest
import yaml

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import BY_NAME

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
COLLECTION = "nomos.cockroach_migrator."


def blocks(page: pathlib.Path, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


EXAMPLES = [pytest.param(text, id=f"{page.stem}-{number}") for page in PAGES for number, text in enumerate(blocks(page, "yaml"))]


def options_of(module: str) -> set[str]:
    """Return the options in a module's documentation, with those of its fragments."""
    imported = importlib.import_module(f"ansible_collections.{COLLECTION}plugins.modules.{module}")
    parts = [yaml.safe_load(imported.DOCUMENTATION)]
    for fragment in parts[0].get("extends_documentation_fragment", []):
        name, _dot, variable = fragment.removeprefix(COLLECTION).partition(".")
        documented = importlib.import_module(f"ansible_collections.{COLLECTION}plugins.doc_fragments.{name}").ModuleDocFragment
        parts.append(yaml.safe_load(getattr(documented, variable.upper() or "DOCUMENTATION")))
    return {name for part in parts for name in part.get("options", {})}


def strange_names(example: str) -> list[str]:
    """Return the variables, modules and options of an example that do not exist."""
    content = yaml.safe_load(example)
    if isinstance(content, dict):
        return sorted(set(content) - set(BY_NAME))
    found = []
    for task in content:
        for name, arguments in task.items():
            module = name.removeprefix(COLLECTION)
            if module != name:
                found += sorted(set(arguments) - options_of(module))
    return found


def test_there_are_examples():
    assert len(EXAMPLES) > 5


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_names_what_exists(example):
    assert strange_names(example) == []


def test_a_strange_name_in_an_example_is_noticed():
    assert strange_names("postgres_hosts: db\npostgres_port: 1") == ["postgres_hosts"]
    assert strange_names(f"- {COLLECTION}backup_info:\n    places: []\n    locations: []") == ["places"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_playbooks_and_modules_exist(page):
    names = set(re.findall(re.escape(COLLECTION) + r"([a-z_]+)", page.read_text(encoding="utf-8")))
    there = {path.stem for folder in ("playbooks", "plugins/modules") for path in (CHECKOUT / folder).iterdir()}
    assert names <= there


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_targets_of_make_exist(page):
    text = page.read_text(encoding="utf-8")
    commands = re.findall(r"^(?:\w+=\S+ )*make .*$", "\n".join(blocks(page, "sh")), re.MULTILINE) + re.findall(r"`((?:\w+=\S+ )*make [^`]+)`", text)
    words = [re.sub(r"'[^']*'|#.*", "", command).split("make", 1)[1].split() for command in commands]
    wanted = {word for parts in words for word in parts if re.fullmatch(r"[a-z][a-z-]*", word)}
    there = re.findall(r"^([a-z][a-z-]*):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert wanted <= set(there)
