# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What the modules share that remove what a migration has left."""

from __future__ import annotations

from dataclasses import fields

from ansible.module_utils.basic import AnsibleModule

from ._migration.clean_up import CleanUp, Leftovers, clean_up
from ._postgres.server import postgres_server
from ._sources.restore import cockroach_server

NEEDS = (*postgres_server.NEEDS, *cockroach_server.NEEDS)
"""The libraries that the clean-up needs."""


def leftovers_arguments() -> dict:
    """The arguments of the doc fragment C(leftovers)."""
    return {name: {"type": "path"} for name in ("rehearsal_directory", "bin_dir", "cockroach_directory", "cache_dir")}


def clean(module: AnsibleModule) -> CleanUp:
    """Remove the leftovers that the module's arguments name. Raises MigrationError."""
    leftovers = Leftovers(**{item.name: module.params[item.name] or "" for item in fields(Leftovers)})
    return clean_up(leftovers, check=module.check_mode)
