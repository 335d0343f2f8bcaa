#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Provides the program cockroach."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cockroach_binary
short_description: Provide the program cockroach of one version
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.1.0
description:
  - Finds the program C(cockroach) at O(binary), in the cache or in a local archive, or downloads a release archive for this host.
  - A downloaded archive is compared with its SHA-256 and unpacked. Its program is run once, and kept in a cache that later runs use.
  - Works on Linux and macOS, on x86-64 and arm64. On Windows it works inside WSL2. Proxies come from the environment (E(https_proxy), E(no_proxy)).
  - CockroachDB has a licence of its own, which is in its archive.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.cockroach_binary
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  cache_dir:
    description: The directory of the cache. It needs room for the archive and its content, about 1 GiB for each version.
    type: path
    required: true
  download:
    description: Whether a release may be downloaded.
    type: bool
    default: true
requirements:
  - requests and tenacity (for a download)
"""

EXAMPLES = r"""
- name: Provide CockroachDB
  nomos.cockroach_migrator.cockroach_binary:
    version: v24.3.5
    cache_dir: /var/cache/cockroach_migrator
  register: cockroach

- name: Provide CockroachDB on a host without access to the internet
  nomos.cockroach_migrator.cockroach_binary:
    version: v24.3.5
    archive: /srv/archives/cockroach-v24.3.5.linux-amd64.tgz
    sha256: "{{ cockroach_sha256 }}"
    cache_dir: /var/cache/cockroach_migrator
"""

RETURN = r"""
binary:
  description: The path of the program. Empty in check mode if it would be unpacked or downloaded.
  returned: success
  type: str
version:
  description: The release of the program.
  returned: success
  type: str
library_dir:
  description: The directory of the spatial libraries (GEOS) of the release. Empty if there are none.
  returned: success
  type: str
source:
  description: Where the program comes from, one of V(given), V(cache), V(archive), V(download).
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_binary import (
    BinaryRequest,
    provide_binary,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.urls import url_secrets


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("cockroach_binary"),
            cache_dir=dict(type="path", required=True),
            download=dict(type="bool", default=True),
        ),
        mutually_exclusive=[("binary", "archive")],
        supports_check_mode=True,
    )
    given = module.params
    module.no_log_values.update(url_secrets(given["mirror_url"]))
    _ansible_module.run(
        module,
        (),
        lambda: Outcome(
            provide_binary(
                BinaryRequest(
                    cache_dir=given["cache_dir"],
                    version=given["version"],
                    mirror_url=given["mirror_url"],
                    archive=given["archive"] or "",
                    binary=given["binary"] or "",
                    sha256=given["sha256"],
                    download=given["download"],
                ),
                check=module.check_mode,
            )
        ),
    )


if __name__ == "__main__":
    main()
