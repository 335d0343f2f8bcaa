# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The generated files of the roles: defaults, argument specs and READMEs.

A role's variables are what its tasks pass to modules, documented there; what is a setting, documented in settings.py;
and what tools/roles.yml defines. The later one counts.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import yaml
from settings_files import CHECKOUT, LICENCE, comment, generated_from, to_yaml, with_names

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import SETTINGS, plain

COLLECTION = "nomos.cockroach_migrator"
OWN = yaml.safe_load((CHECKOUT / "tools" / "roles.yml").read_text(encoding="utf-8"))
_SOURCES = "settings.py, the modules' documentation and tools/roles.yml"
_EMPTY: dict[str, Any] = {"list": [], "dict": {}}


def role_files() -> dict[pathlib.Path, str]:
    """Return the generated files of all roles with their texts."""
    documentation = module_options()
    files = {}
    for role in sorted((CHECKOUT / "roles").iterdir()):
        variables = role_variables(role.name, documentation)
        files[role / "defaults" / "main.yml"] = defaults(variables)
        files[role / "meta" / "argument_specs.yml"] = argument_specs(role.name, variables)
        files[role / "README.md"] = readme(role.name, variables)
    return files


def module_options() -> dict[str, dict[str, dict]]:
    """Return the documented options of this collection's modules, as ansible-doc reads them."""
    names = [f"{COLLECTION}.{path.stem}" for path in sorted((CHECKOUT / "plugins" / "modules").glob("*.py"))]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections")}
    command = [sys.executable, "-m", "ansible", "doc", "--json", *names]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"ansible-doc cannot read the documentation of the modules: {result.stderr}")
    return {name.split(".")[-1]: found["doc"]["options"] for name, found in json.loads(result.stdout).items()}


def role_variables(role: str, documentation: dict[str, dict[str, dict]]) -> dict[str, dict]:
    """Return a role's variables with what argument_specs.yml says of each."""
    variables: dict[str, dict] = {}
    given = sorted(passed(role), key=lambda item: item[1] != role)  # the module of the role's name before others
    for variable, module, option in given:
        names = {other: name for name, taker, other in given if taker == module}
        variables.setdefault(variable, _of_option(documentation[module][option], names))
    order = list(dict.fromkeys(variable for variable, _module, _option in passed(role)))
    names = {setting.name: setting.role_variable(role) for setting in SETTINGS if role in setting.roles}
    for setting in SETTINGS:
        if role in setting.roles:
            found = {
                "type": setting.type,
                "elements": setting.elements,
                "choices": list(setting.choices),
                "default": setting.default,
                "description": with_names(setting.description, names),
            }
            variables[names[setting.name]] = found
    for option, fields in OWN[role].get("variables", {}).items():
        variables[f"{role}_{option}"] = {**variables.get(f"{role}_{option}", {}), **fields}
    return {name: _spec(variables[name]) for name in dict.fromkeys([*order, *variables])}


def passed(role: str) -> list[tuple[str, str, str]]:
    """Return each variable that the role's tasks pass to an option as it is: the variable, the module, the option."""
    found = []
    for path in sorted((CHECKOUT / "roles" / role / "tasks").glob("*.yml")):
        for task in _tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            for action, options in task.items():
                if action.startswith(f"{COLLECTION}.") and isinstance(options, dict):
                    for option, value in options.items():
                        alone = re.fullmatch(rf"{{{{ ({role}_\w+)(?: \| default\(omit, true\))? }}}}", str(value))
                        if alone:
                            found.append((alone[1], action.split(".")[-1], option))
    return found


def _tasks(tasks: list[dict]) -> Iterator[dict]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from _tasks(task.get(part, []))


def _of_option(option: dict, names: dict[str, str]) -> dict:
    description = option["description"]
    text = " ".join(description) if isinstance(description, list) else description
    kept = {
        key: option[key] for key in ("elements", "choices", "required", "default", "version_added") if key in option
    }
    return {"type": option["type"], **kept, "description": with_names(text, names)}


def _spec(fields: dict) -> dict:
    """Return a variable as argument_specs.yml has it: required, or with a default that is one of the choices."""
    spec = {key: fields[key] for key in ("type", "elements", "choices") if fields.get(key)}
    if fields.get("required"):
        spec["required"] = True
    else:
        spec["default"] = fields.get("default", _EMPTY.get(spec["type"], ""))
        if spec["default"] not in spec.get("choices", [spec["default"]]):
            del spec["choices"]
    return {**spec, **{key: fields[key] for key in ("version_added", "description") if fields.get(key)}}


def defaults(variables: dict[str, dict]) -> str:
    """Return a role's defaults/main.yml."""
    lines = [f"# {generated_from(_SOURCES)}", "---", *LICENCE.splitlines()]
    for name, spec in variables.items():
        if not spec.get("required"):
            lines += ["", *comment(spec["description"]), f"{name}: {json.dumps(spec['default'])}"]
    return "\n".join(lines) + "\n"


def argument_specs(role: str, variables: dict[str, dict]) -> str:
    """Return a role's meta/argument_specs.yml."""
    main = {
        "short_description": short_description(role),
        "description": [OWN[role]["description"]],
        "options": variables,
    }
    return f"# {generated_from(_SOURCES)}\n---\n{LICENCE}" + to_yaml({"argument_specs": {"main": main}})


def short_description(role: str) -> str:
    """Return what meta/main.yml says of a role."""
    meta = yaml.safe_load((CHECKOUT / "roles" / role / "meta" / "main.yml").read_text(encoding="utf-8"))
    return meta["galaxy_info"]["description"]


def readme(role: str, variables: dict[str, dict]) -> str:
    """Return a role's README.md."""
    lines = [f"<!-- {generated_from(_SOURCES)} -->", "", f"# {COLLECTION}.{role}", "", short_description(role), ""]
    lines += [plain(OWN[role]["description"], "`"), "", "| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, spec in variables.items():
        default = "(required)" if spec.get("required") else f"`{json.dumps(spec['default'])}`"
        lines.append(f"| `{name}` | {spec['type']} | {default} | {plain(spec['description'], '`')} |")
    return "\n".join(lines) + "\n"
