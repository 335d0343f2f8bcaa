# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What is made has the mode that it is made with, whatever the umask."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.cache_directory import (
    put_in_place,
    work_directory,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.file_modes import (
    PASSABLE,
    PRIVATE,
    make_directories,
    private,
    umask,
)


def mode(path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
@pytest.mark.parametrize("wanted", [PRIVATE, PASSABLE])
def test_every_new_directory_has_the_mode(mask, wanted, tmp_path):
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    before = mode(there)
    with umask(mask):
        make_directories(str(there / "one" / "two"), wanted)
        make_directories(str(there / "one" / "two"), wanted)
    assert [mode(there / "one"), mode(there / "one" / "two"), mode(there)] == [wanted, wanted, before]


def test_a_file_in_the_place_of_a_directory(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        make_directories(str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        make_directories(str(tmp_path / "file" / "below"))


@pytest.mark.parametrize("mask", [0, 0o022])
def test_a_private_file(mask, tmp_path):
    with umask(mask), open(tmp_path / "file", "w", encoding="utf-8", opener=private) as file:
        file.write("secret")
    assert mode(tmp_path / "file") == 0o600


def test_the_umask_is_as_before(tmp_path):
    with pytest.raises(ValueError), umask(0o077):
        raise ValueError
    (tmp_path / "file").touch()
    with umask(0o022):
        (tmp_path / "other").touch()
    assert mode(tmp_path / "other") == 0o644


@pytest.mark.parametrize("mask", [0, 0o077])
def test_programs_are_for_everybody_and_nobody_else_may_change_them(mask, tmp_path):
    """The throw-away PostgreSQL of root runs as another user."""
    cache = tmp_path / "cache"
    with umask(mask), work_directory(str(cache)) as directory:
        (tmp_path / directory / "tree" / "bin").mkdir(parents=True)
        (tmp_path / directory / "tree" / "bin" / "program").touch()
        put_in_place(f"{directory}/tree", str(cache / "programs"), lambda: False)
    assert [mode(cache), mode(cache / "programs"), mode(cache / "programs" / "bin"), mode(cache / "programs" / "bin" / "program")] == [0o755, 0o755, 0o755, 0o644]
