# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Where Ansible's modules meet the plain Python below: shared arguments, secrets, and the one way to fail."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ._dump.dump_key import DumpKey
from ._errors import MigrationError
from ._model.results import facts
from ._postgres.connect.connect_params import secrets_in
from ._sources.restore.uri_secrets import secrets_of
from ._system import libraries
from ._system.file_errors import unusable
from ._system.file_modes import PRIVATE_UMASK, umask
from ._system.masking import forms_of, mask
from ._system.migration_log import MigrationLog
from ._system.secret_command import secret_of_command

MOST_PROCESSES = 8

# Every module imports this file first. What the following imports make is no garbage, and looking for some after each
# 700 new objects, as is usual, takes a quarter of their time.
gc.set_threshold(50_000)


def location_arguments() -> dict:
    """The arguments of the doc fragment C(source)."""
    return {
        "locations": {"type": "list", "elements": "str", "required": True},
        "aws_assume_role": {"type": "list", "elements": "str", "default": []},
        "verify_checksums": {"type": "bool", "default": True},
    }


def cockroach_arguments() -> dict:
    """The arguments of the doc fragment C(cockroach)."""
    return {
        "login_host": {"type": "str", "default": "127.0.0.1"},
        "ca_cert": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path"},
    }


def chosen_arguments() -> dict:
    """The arguments of the doc fragment C(chosen)."""
    return {
        "include": {"type": "list", "elements": "str", "default": []},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "merged_database": {"type": "str", "default": ""},
    }


def dump_arguments() -> dict:
    """The argument of the doc fragment C(dump)."""
    return {"dump_dir": {"type": "path", "required": True}}


def export_arguments() -> dict:
    """The arguments of the doc fragment C(export)."""
    return {
        **dump_arguments(),
        **chosen_arguments(),
        "role_passwords": {"type": "bool", "default": False, "no_log": False},
        "rows_needed": {"type": "bool", "default": True},
        "state_dir": {"type": "path"},
        "targets": {"type": "list", "elements": "str", "default": []},
    }


def log_arguments() -> dict:
    """The argument of the doc fragment C(log)."""
    return {"log_file": {"type": "path"}}


def processes(asked: int) -> int:
    """Return how many processes to run: what was asked, or for 0 one a core, at most eight."""
    return asked if asked > 0 else min(MOST_PROCESSES, len(os.sched_getaffinity(0)))


def phase_arguments() -> dict:
    """The arguments of the doc fragment C(phase)."""
    return {"result_file": {"type": "path"}, "run": {"type": "str", "default": ""}}


def log_path(module: AnsibleModule) -> str:
    """Return the log's file; empty without C(log_file) and in check mode."""
    return "" if module.check_mode else module.params.get("log_file") or ""


def migration_log(module: AnsibleModule, phase: str) -> MigrationLog:
    """Return the log of this module; it writes nothing without C(log_file) or in check mode."""
    return MigrationLog(log_path(module), phase)


@dataclass(frozen=True)
class Skipped:
    """A module that had nothing to do, as Ansible shows it."""

    skip_reason: str
    skipped: bool = True


@dataclass(frozen=True)
class Outcome:
    """How a module ends: with the facts of a result (a dataclass), and as a failure if there is a message for one."""

    result: Any
    """Its field ``warnings`` is shown; without a field ``changed`` nothing has changed."""
    also: Any = None
    """Another dataclass whose facts are returned too."""
    failure: str = ""

    def facts(self) -> dict[str, Any]:
        """Return what the module returns, ``failed`` and ``msg`` too."""
        failed = {"failed": True, "msg": self.failure} if self.failure else {}
        return {"changed": False, **facts(self.result), **(facts(self.also) or {}), **failed}


def run(
    module: AnsibleModule, needs: Iterable[str], function: Callable[[], Outcome], log: Optional[MigrationLog] = None
) -> None:
    """Call ``function`` and end the module with the facts of its outcome.

    The only place where a MigrationError becomes ``fail_json``; a failure is logged, too. What the module makes is
    private, unless it is made otherwise on purpose.
    """
    hide_secrets_in_urls(module)
    show_public_parameters(module)
    try:
        libraries.require(needs)
        with umask(PRIVATE_UMASK):
            found = function().facts()
    except MigrationError as error:
        found = {"failed": True, "msg": _masked(module, str(error))}
    except Exception as error:
        found = _unexpected(module, error)
    for warning in found.pop("warnings", ()):
        module.warn(warning)
    if found.pop("failed", False):
        found["msg"] += _log_failure(log, found["msg"])
        module.fail_json(**found)
    module.exit_json(**found)


def _unexpected(module: AnsibleModule, error: Exception) -> dict[str, Any]:
    """Return how the module fails after an error that is none of ours: a file or directory that cannot be used is
    named."""
    if isinstance(error, OSError) and error.filename:
        return {"failed": True, "msg": _masked(module, str(unusable(error)))}
    # Not for Python to print: the words of a library may repeat a secret.
    words = f"{type(error).__name__}: {error}"
    return {
        "failed": True,
        "msg": _masked(module, f"an error of the collection, please report it with its traceback: {words}"),
        "traceback": _masked(module, traceback.format_exc()).splitlines(),
    }


def _log_failure(log: Optional[MigrationLog], message: str) -> str:
    """Log a failure; return what to add to its message if that cannot be done."""
    try:
        if log:
            log.write(f"failed: {message}")
    except MigrationError as error:
        return "" if str(error) in message else f"; besides, {error}"
    return ""


def _masked(module: AnsibleModule, text: str) -> str:
    """Return a text without the module's secrets: Ansible hides them only as they were given, and only in results."""
    return mask(text, forms_of(str(value) for value in module.no_log_values))


def dump_key(module: AnsibleModule) -> Optional[DumpKey]:
    """Return the key of an encrypted dump, None without one. Raises ConfigurationError."""
    given, option = module.params, "dump_encryption_key_command"
    text = given["dump_encryption_key"]
    if given[option]:
        text = secret_of_command(option, given[option])
    if not text:
        return None
    libraries.require(libraries.ENCRYPT_DUMP)
    key = DumpKey(text)
    module.no_log_values.update(key.secrets())
    return key


def hide_secrets_in_urls(module: AnsibleModule) -> None:
    """CockroachDB's own URLs carry secrets as parameters; they are refused later, and never shown."""
    module.no_log_values.update(secrets_of(module.params.get("locations") or ()))


def show_public_parameters(module: AnsibleModule) -> None:
    """Only the secrets among libpq's further parameters are hidden: a timeout of 10 must not hide every 10 of the
    result."""
    given = module.params.get("connect_params") or {}
    secrets = secrets_in(given) | {module.params.get("login_password")}
    module.no_log_values.difference_update({str(value) for value in given.values()} - secrets)
