# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The house around the code: one list of linters, one name for each test file, requirements that ansible-builder finds."""
from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent.parent


def targets_of(target: str) -> list[str]:
    """Return what a target of the Makefile depends on."""
    (line,) = re.findall(rf"^{target}:(.*)$", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return line.split()


def test_pre_commit_runs_what_make_lint_runs():
    (repository,) = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [hook["entry"].split() for hook in repository["hooks"]] == [["make", target] for target in targets_of("lint")]


def test_every_linter_is_a_target_of_make_lint():
    text = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"^(lint-\w+):", text, re.MULTILINE)) == set(targets_of("lint"))


def test_no_two_test_files_have_one_name():
    names = [path.name for path in (CHECKOUT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_targets_of_make_have_relative_and_absolute_names():
    for name in (".venv/.test-installed", f"{CHECKOUT}/.venv/.test-installed"):
        for venv in (".venv", f"{CHECKOUT}/.venv"):
            subprocess.run(["make", "-C", CHECKOUT, "--dry-run", f"VENV={venv}", name], check=True, capture_output=True)
    elsewhere = "/nowhere/.venv/.test-installed"
    subprocess.run(["make", "-C", CHECKOUT, "--dry-run", "VENV=/nowhere/.venv", elsewhere], check=True, capture_output=True)


def test_ansible_builder_finds_the_requirements():
    """The form is that of docs.ansible.com/projects/builder, "Collection-level dependencies"."""
    declared = yaml.safe_load((CHECKOUT / "meta" / "execution-environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert declared["python"] == "requirements.txt"
    for name in declared.values():
        lines = (CHECKOUT / name).read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("module", ["host_check", "check_settings", "dump_validate", "postgres_server"])
def test_a_module_loads_no_library_that_it_does_not_use(module):
    """A playbook runs some of them several times, each in a new process: loading boto3 and sqlglot took most of their time."""
    program = (
        "import sys; sys.path.insert(0, '.collections')\n"
        f"import ansible_collections.nomos.cockroach_migrator.plugins.modules.{module}\n"
        "print(*{'boto3', 'cryptography', 'sqlglot', 'zstandard'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    assert set(result.stdout.split()) <= ({"zstandard"} if module == "dump_validate" else set())


@pytest.mark.parametrize(("mark", "path"), [("shared", "tests/unit/rows/test_values_of_real_backups.py"), ("needs_postgres", "tests/unit/dump/test_dump.py")])
def test_tests_are_selected_by_the_marks_of_their_fixtures(mark, path):
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", mark, path]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert re.search(r"[1-9]\d*/\d+ tests collected", result.stdout), result.stdout
