# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Generated files are current, and what settings.py says of roles is what their tasks and the playbooks do."""
from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import SETTINGS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings_check import (
    check_values,
    unknown_keys,
)

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
GENERATOR = pathlib.Path("tools", "generate.py")
PARTS_OF_COPY = ("docs", "meta", "playbooks", "plugins", "roles", "tools", "tests/corpus.py", "tests/fixtures/corpus", "README.md", "galaxy.yml")
"""What the generator reads and writes."""


def read(path: pathlib.Path):
    """Return a YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def generate(checkout: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the generator of a checkout."""
    return subprocess.run([sys.executable, str(checkout / GENERATOR), *arguments], capture_output=True, text=True, check=False)


def test_generated_files_are_current():
    result = generate(CHECKOUT, "--check")
    assert result.returncode == 0, result.stderr


@pytest.fixture(name="copy")
def _copy(tmp_path) -> pathlib.Path:
    for part in PARTS_OF_COPY:
        source, target = CHECKOUT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "sample"))
        else:
            shutil.copy(source, target)
    (tmp_path / ".collections" / "ansible_collections" / "nomos").mkdir(parents=True)
    (tmp_path / ".collections" / "ansible_collections" / "nomos" / "cockroach_migrator").symlink_to(tmp_path, target_is_directory=True)
    return tmp_path


def edit(path: pathlib.Path, old: str, new: str) -> None:
    """Replace a text that is in the file once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_changed_default_is_generated_everywhere(copy):
    edit(copy / "plugins" / "module_utils" / "_migration" / "settings.py", "100000,\n", "200000,\n")
    stale = generate(copy, "--check")
    assert stale.returncode == 1
    for path in ("docs/variables.md", "plugins/doc_fragments/settings.py", "playbooks/vars/migration.yml", "playbooks/files/migration_vars.yml"):
        assert path in stale.stderr
    assert generate(copy).returncode == 0
    assert generate(copy, "--check").returncode == 0
    assert "default(200000, true)" in (copy / "playbooks" / "vars" / "migration.yml").read_text(encoding="utf-8")
    for role in ("backup_export", "cockroach_export"):
        assert read(copy / "roles" / role / "defaults" / "main.yml")[f"{role}_chunk_rows"] == 200000
        specs = read(copy / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
        assert specs[f"{role}_chunk_rows"]["default"] == 200000
        assert f"| `{role}_chunk_rows` | int | `200000` |" in (copy / "roles" / role / "README.md").read_text(encoding="utf-8")


def test_a_file_of_a_role_that_was_edited_is_found(copy):
    edit(copy / "roles" / "report" / "defaults" / "main.yml", 'report_target: ""', 'report_target: "db"')
    stale = generate(copy, "--check")
    assert stale.returncode == 1 and "roles/report/defaults/main.yml" in stale.stderr


@pytest.mark.parametrize("role", sorted(path.name for path in (CHECKOUT / "roles").iterdir()))
def test_tasks_of_a_role_use_its_variables(role, monkeypatch):
    """And a setting reaches the option that takes it."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "tools"))
    import role_files
    tasks = " ".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "roles" / role / "tasks").glob("*.yml"))
    variables = read(CHECKOUT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert not [name for name in variables if not re.search(rf"\b{name}\b", tasks)]
    for setting in SETTINGS:
        if role in setting.roles:
            options = {option for name, module, option in role_files.passed(role) if (name, module) == (setting.role_variable(role), role)}
            assert options <= {setting.module_option(role)}, setting.name


def test_playbooks_give_roles_the_variables_that_they_have():
    known = {name for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml") for name in read(path)["argument_specs"]["main"]["options"]}
    for name in ("migration.yml", "derived.yml", "comparison.yml"):
        given = {variable for variable in read(CHECKOUT / "playbooks" / "vars" / name) if not variable.startswith("__")}
        assert given <= known, given - known


def test_sample_can_be_read_and_is_refused_for_its_placeholders():
    values = read(CHECKOUT / "playbooks" / "files" / "migration_vars.yml")
    assert unknown_keys(values, [], []) == []
    assert all("placeholder" in line for line in check_values(values))


def test_the_demos_sample_is_the_fixture(fixtures_dir):
    def content(root):
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert content(CHECKOUT / "playbooks" / "files" / "sample") == content(fixtures_dir / "backups" / "shop")
