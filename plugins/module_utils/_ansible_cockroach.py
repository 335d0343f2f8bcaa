# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What the arguments of the modules say of the connection to CockroachDB."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._sources.cluster.sql_connection import CockroachParameters, files_of_certs_dir, parameters_of_url


def cockroach_parameters(module: AnsibleModule) -> CockroachParameters:
    """Build the parameters of CockroachDB's connection from its URL, else from the connection arguments."""
    given = module.params
    parameters = _given_parameters(module)
    # Not every module has the option.
    return replace(parameters, answer_timeout=given.get("answer_timeout", parameters.answer_timeout))


def _given_parameters(module: AnsibleModule) -> CockroachParameters:
    given = module.params
    if given["url"]:
        parameters = parameters_of_url(given["url"])
        module.no_log_values.update(filter(None, [parameters.password]))
        return parameters
    files: dict[str, Any] = (
        files_of_certs_dir(given["certs_dir"], given["login_user"])
        if given["certs_dir"] and given["ssl_mode"] != "disable"
        else {}
    )
    named = {"sslrootcert": given["ca_cert"], "sslcert": given["client_cert"], "sslkey": given["client_key"]}
    files.update({name: path for name, path in named.items() if path})
    return CockroachParameters(
        host=given["login_host"],
        port=given["login_port"],
        user=given["login_user"],
        password=given["login_password"],
        sslmode=given["ssl_mode"],
        **files,
    )
