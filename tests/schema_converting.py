# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs the module schema_convert as Ansible does."""
from __future__ import annotations

import json
import os
import subprocess
import sys

from ansible_collections.nomos.cockroach_migrator.plugins.modules import schema_convert


def run_module(**arguments) -> tuple[int, dict]:
    """Return the module's exit code and its answer."""
    result = subprocess.run(
        [sys.executable, schema_convert.__file__], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), capture_output=True, text=True, check=False,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )
    return result.returncode, json.loads(result.stdout)
