# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Whoever reads a dump needs neither the SQL converter nor sqlglot."""
from __future__ import annotations

import pathlib
import subprocess
import sys

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
UTILS = "ansible_collections.nomos.cockroach_migrator.plugins.module_utils"
PROGRAM = f"""
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module("{UTILS}._dump." + name)
print(*sorted(name for name in sys.modules if name.startswith(("sqlglot", "{UTILS}._convert", "{UTILS}._export"))))
"""


def test_a_dump_is_read_without_the_converter():
    modules = sorted(path.stem for path in (CHECKOUT / "plugins" / "module_utils" / "_dump").glob("*.py"))
    assert {"manifest", "validate", "journal"} <= set(modules)
    loaded = subprocess.run(
        [sys.executable, "-c", PROGRAM, *modules], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(CHECKOUT / ".collections")},
    )
    assert loaded.stdout.split() == []
