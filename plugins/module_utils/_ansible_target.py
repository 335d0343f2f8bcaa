# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What the arguments of the modules say of a target: its connection, and where a phase is recorded."""

from __future__ import annotations

from dataclasses import fields

from ansible.module_utils.basic import AnsibleModule

from ._ansible_module import processes
from ._migration.recorded_phase import RecordedPhase
from ._postgres.connect.connection_parameters import ConnectionParameters
from ._postgres.target.load_limits import LoadLimits


def connection_parameters(module: AnsibleModule) -> ConnectionParameters:
    """Build the connection's parameters from the connection arguments."""
    given = module.params
    return ConnectionParameters(
        host=given["login_host"],
        port=given["login_port"],
        user=given["login_user"],
        password=given["login_password"],
        database=given["login_db"],
        sslmode=given["ssl_mode"] or "",
        sslrootcert=given["ca_cert"] or "",
        sslcert=given["client_cert"] or "",
        sslkey=given["client_key"] or "",
        connect_params=given["connect_params"],
    )


def load_limits(module: AnsibleModule) -> LoadLimits:
    """Return how much of the target a module may take, as far as it takes the settings for that."""
    given = module.params
    return LoadLimits(**{limit.name: given[limit.name] for limit in fields(LoadLimits) if limit.name in given})


def loading_connections(module: AnsibleModule) -> int:
    """Return how many connections load or verify at the same time."""
    return processes(module.params["connections"] or module.params["parallelism"])


def target_of(module: AnsibleModule) -> str:
    """Return how the target is called in states and reports, empty for modules without one."""
    given = module.params
    return f"{given['login_host']}:{given['login_port']}" if "login_host" in given else ""


def recorded_phase(module: AnsibleModule) -> RecordedPhase:
    """Return the module's phase, which is recorded in C(result_file) unless in check mode."""
    given = module.params
    return RecordedPhase(
        given["dump_dir"], target_of(module), given["result_file"] or "", given["run"], check=module.check_mode
    )
