# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The collection as ansible-galaxy packs and installs it, with nothing but ansible-core."""
from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDERS = ("changelogs", "docs", "meta", "playbooks", "plugins", "roles")
FILES = (
    "CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "MAINTAINERS", "README.md", "SECURITY.md", "migrate.yml", "requirements.txt",
)
STRAY = (
    ".cache/x", ".demo/vars.yml", ".venv/bin/python", ".collections/x/y", ".ansible/z", "tests/output/junit.xml", "vars.yml", "vars_production.yml",
    "inventory.yml", "migration_vars.yml", "migration_config.json", "nomos-cockroach_migrator-1.0.0.tar.gz", "plugins/modules/__pycache__/x.pyc", "changelogs/.plugin-cache.yaml", "roles/.swp",
)


def tracked() -> list[str]:
    """Return the files of the project that git knows, and that are there."""
    names = subprocess.run(["git", "-C", str(CHECKOUT), "ls-files", "-z"], check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and (CHECKOUT / name).is_file()]


def wanted() -> set[str]:
    """Return what belongs into the archive: no hidden files."""
    return {name for name in tracked() if name in FILES or name.split("/")[0] in FOLDERS and "/." not in name}


@pytest.fixture(name="copy", scope="module")
def _copy(tmp_path_factory):
    """A repository with the project's files as they are now, and beside them what a user's checkout collects."""
    directory = tmp_path_factory.mktemp("archive") / "checkout"
    for name in tracked():
        if not name.startswith("tests/fixtures/"):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, directory / name)
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for arguments in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "as it is")):
        subprocess.run(["git", "-C", str(directory), *arguments], check=True)
    for name in STRAY:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("stray", encoding="utf-8")
    return directory


@pytest.fixture(name="galaxy")
def _galaxy(tmp_path):
    """Run ``ansible-galaxy collection`` where distlib, which ansible-core does not bring, cannot be imported."""
    hidden = tmp_path / "hidden" / "distlib.py"
    hidden.parent.mkdir()
    hidden.write_text("raise ImportError('not part of ansible-core')\n", encoding="utf-8")

    def run(*arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment |= {"PYTHONPATH": str(hidden.parent), "ANSIBLE_HOME": str(tmp_path / "home")}
        command = [str(pathlib.Path(sys.executable).parent / "ansible-galaxy"), "collection", *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
    return run


def test_the_archive_holds_exactly_the_collection(copy, galaxy, tmp_path):
    galaxy("build", str(copy), "--output-path", str(tmp_path))
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        files = {member.name for member in archive if not member.isdir()}
    assert files - {"MANIFEST.json", "FILES.json"} == wanted()


@pytest.mark.parametrize("prefix", ["", "git+file://"])
def test_a_checkout_can_be_installed(copy, galaxy, tmp_path, prefix):
    galaxy("install", f"{prefix}{copy}", "--collections-path", str(tmp_path / "installed"))
    installed = tmp_path / "installed" / "ansible_collections" / "nomos" / "cockroach_migrator"
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert files - {"MANIFEST.json", "FILES.json"} == wanted()
