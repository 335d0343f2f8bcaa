# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What is said twice is the same: role specs and defaults, the playbooks' defaults and the settings, generated files."""
from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import BY_NAME

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir())
# Empty by default, with a place below temp_dir instead, or read where they are used.
WITHOUT_DEFAULT = {"migration_source", "s3_backup_path", "temp_dir", "dump_dir", "aws_keys_file"}


def read(path: pathlib.Path):
    """Return a YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_specs(role):
    options = read(CHECKOUT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    declared = {name: option["default"] for name, option in options.items() if not option.get("required")}
    assert (read(CHECKOUT / "roles" / role / "defaults" / "main.yml") or {}) == declared
    assert all(name.startswith(f"{role}_") for name in options)
    assert not any(option.get("required") and "default" in option for option in options.values())


def test_playbook_defaults_are_those_of_the_settings():
    text = (CHECKOUT / "playbooks" / "vars" / "migration.yml").read_text(encoding="utf-8")
    used = set()
    for name, default in re.findall(r"\b([a-z_0-9]+) \| default\(('[^']*'|\[\]|\{\}|\d+|true|false)(?:, true)?\)", text):
        if name not in BY_NAME:
            continue
        used.add(name)
        value = json.loads(default.replace("'", '"'))
        if name not in WITHOUT_DEFAULT and name != "databases":
            assert value == BY_NAME[name].default, name
    assert used >= set(BY_NAME) - {"migration_source", "s3_backup_path", "aws_region"}


def test_generated_files_are_up_to_date():
    result = subprocess.run([sys.executable, str(CHECKOUT / "tools" / "generate_docs.py"), "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_sample_can_be_read_and_is_refused_for_its_placeholders():
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration import settings
    values = read(CHECKOUT / "playbooks" / "files" / "migration_vars.yml")
    assert settings.unknown_keys(values, [], []) == []
    assert all("placeholder" in line for line in settings.check_values(values))


def test_the_demos_sample_is_the_fixture(fixtures_dir):
    def content(root):
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert content(CHECKOUT / "playbooks" / "files" / "sample") == content(fixtures_dir / "backups" / "shop")
