# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""libpq's environment variables on the host that migrates: they are meant for a target, and not for our own servers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

_PREFIX = "PG"
_ELSEWHERE = {"PGHOSTADDR": "hostaddr", "PGLOADBALANCEHOSTS": "load_balance_hosts"}
"""Variables that lead connections to another server than the one that is named, and their parameters."""


@contextlib.contextmanager
def without_libpq_environment() -> Iterator[None]:
    """Context manager: libpq's variables are not there, such as a service, a time zone or an address. The caller starts
    no thread in the block that connects to somewhere else."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_PREFIX)}
    try:
        yield
    finally:
        os.environ.update(hidden)


def misleading_variables(connect_params: Mapping[str, Any]) -> list[str]:
    """Return a line for each variable that leads to another server, unless a given parameter overrides it."""
    return [
        f"the environment variable {variable} on the host that migrates leads connections to another server than "
        f"postgres_host (login_host): unset it there"
        + (", or give hostaddr in postgres_connect_params" if parameter == "hostaddr" else "")
        for variable, parameter in _ELSEWHERE.items()
        if parameter not in connect_params and os.environ.get(variable, "disable") != "disable"
    ]
