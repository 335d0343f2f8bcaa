# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Checks the user's variables on the controller, before anything is touched."""

from __future__ import annotations

import os
import pathlib
from typing import Any, Optional

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration import settings, settings_check
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.aws_keys import parse_aws_keys

COLLECTION = pathlib.Path(__file__).resolve().parent.parent.parent


def _role_variables() -> list[str]:
    """Return the variables that this collection's roles declare."""
    names = []
    for path in sorted(COLLECTION.glob("roles/*/meta/argument_specs.yml")):
        names += yaml_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    return names


class ActionModule(ActionBase):
    """Reads all variables of the host, changes nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"ignored"})

    def run(self, tmp: Any = None, task_vars: Optional[dict] = None) -> dict:
        """Fail with every problem in one line, or return nothing but success."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        known = [*settings.PLAYBOOK_VARIABLES, *_role_variables(), *self._task.args.get("ignored", [])]
        problems = settings_check.unknown_keys(load_extra_vars(self._loader), variables, known)
        values, unevaluated = self._evaluate(variables)
        for sentence in settings_check.deprecations(values):
            self._display.deprecated(sentence, version="2.0.0", collection_name="nomos.cockroach_migrator")
        problems += unevaluated or settings_check.check_values(values)
        problems += self._check_keys_file(values.get("aws_keys_file"))
        if problems:
            raise AnsibleActionFail("; ".join(problems))
        result.update(changed=False)
        return result

    def _evaluate(self, variables: dict) -> tuple[dict, list[str]]:
        """Return the values of the settings, and a problem for each with a secret that cannot be evaluated: Ansible
        would show the line of the file where it stands."""
        values, problems = {}, []
        for setting in settings.SETTINGS:
            for name in setting.names:
                if name in variables:
                    try:
                        values[name] = self._templar.template(variables[name])
                    except AnsibleError:
                        if setting.name not in settings.MAY_HOLD_SECRETS:
                            raise
                        problems.append(
                            f"{name} cannot be evaluated: it names a variable that is not there, or its text has "
                            "{{, {% or {#, which begins a template for Ansible; write !unsafe before such a value, as "
                            "docs/security.md shows"
                        )
        return values, problems

    def _check_keys_file(self, path: Optional[str]) -> list[str]:
        if not path or path.upper().startswith("YOUR_"):
            return []
        path = self._loader.path_dwim(os.path.expanduser(path))
        try:
            with open(path, encoding="utf-8") as file:
                parse_aws_keys(file.read())
        except OSError as error:
            return [f"aws_keys_file: cannot read {path}: {error.strerror}"]
        except UnicodeDecodeError:
            return [f"aws_keys_file: {path} is not a text file"]
        except MigrationError as error:
            return [str(error)]
        return []
