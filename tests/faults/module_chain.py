# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs modules one after the other, each below a shell as Ansible does, until one fails; without Ansible's controller a migration takes seconds less.

The argument is a JSON file: a list of names of modules with their arguments.
"""
from __future__ import annotations

import json
import pathlib
import shlex
import subprocess
import sys

MODULES = "ansible_collections.nomos.cockroach_migrator.plugins.modules"


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    for number, (name, arguments) in enumerate(json.loads(path.read_text(encoding="utf-8"))):
        given = path.with_name(f"arguments{number}.json")
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), encoding="utf-8")
        # What follows keeps the shell from becoming the module, as with Ansible.
        result = subprocess.run(f"{shlex.quote(sys.executable)} -m {MODULES}.{name} {shlex.quote(str(given))} && sleep 0", shell=True, check=False)
        if result.returncode:
            sys.exit(1)


if __name__ == "__main__":
    main()
