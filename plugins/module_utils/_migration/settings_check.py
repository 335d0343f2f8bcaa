# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Whether the user's variables are settings, and whether their values can be used."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._errors import ConfigurationError
from .._model.conversion_policies import conversion_policy_problems
from .._postgres.connect.connect_params import connect_params_problems
from .._sources.location import parse_location, require_whole, scheme_of
from .._values.value_policies import policy_problems
from .settings import BY_NAME, SETTINGS, Setting, plain

IGNORED = "preflight_ignored_variables"
_FOREIGN_PREFIXES = ("ansible_", "vault_", "molecule_")
_INTERNAL_PREFIX = "__"
_PLACEHOLDER = re.compile(r"^your[_-]|^s3://(your[_-]bucket(/|$)|mybucket/mybackupfolder$)", re.IGNORECASE)
_BOOLEANS = frozenset({"true", "false", "yes", "no", "on", "off", "1", "0"})
_PASSED_THROUGH = frozenset(("nodelocal", "userfile", "external"))
"""The schemes of CockroachDB's own storage URIs, which only CockroachDB reads."""
_CLOSE = 0.6
_VERY_CLOSE = 0.88


def unknown_keys(extra: Iterable[str], others: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return a problem for each name that looks like a mistake.

    ``extra`` are the names of the user's extra variables: each has to be known. ``others`` are the names of all other
    variables (inventory, group and host variables), where only those that look like a known one are refused.
    """
    names = [*BY_NAME, *known]
    accepted = {*names, *(name for setting in SETTINGS for name in setting.deprecated_names)}
    problems = []
    for name in sorted(set(extra) - accepted):
        if not name.startswith(_FOREIGN_PREFIXES):
            problems.append(f"the variable {name} is not known{_hint(name, names)}")
    for name in sorted(set(others) - accepted - set(extra)):
        if not name.startswith(_INTERNAL_PREFIX) and difflib.get_close_matches(name, BY_NAME, 1, _VERY_CLOSE):
            problems.append(
                f"the variable {name} is not known{_hint(name, names)} (if it is meant for something else, list it in "
                f"{IGNORED})"
            )
    return problems


def _hint(name: str, names: list[str]) -> str:
    nearest = difflib.get_close_matches(name.lower(), names, 1, _CLOSE)
    return f", did you mean {nearest[0]}?" if nearest else ""


def deprecations(names: Iterable[str]) -> list[str]:
    """Return a sentence for each deprecated name of a setting."""
    given = set(names)
    return [
        f"The name {old} for the variable {setting.name} is deprecated."
        for setting in SETTINGS
        for old in setting.deprecated_names
        if old in given
    ]


def check_values(values: Mapping[str, Any]) -> list[str]:
    """Return a problem for each value that cannot be used; never with a secret in it."""
    problems = []
    for setting in SETTINGS:
        given = [name for name in setting.names if values.get(name) not in (None, "")]
        if len(given) > 1:
            problems.append(f"{' and '.join(given)} are names of the same setting: set only {setting.name}")
        elif given:
            problems += _check_value(replace(setting, name=given[0]), values[given[0]])
    return problems or _check_together(values)


def _check_value(setting: Setting, value: Any) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    if any(isinstance(part, str) and _PLACEHOLDER.match(part) for part in parts):
        return [f"{setting.name} still holds the sample's placeholder"]
    return (_CHECKS.get(setting.name) or _CHECKS_OF_TYPES[setting.type])(setting, value)


def _check_string(setting: Setting, value: Any) -> list[str]:
    if isinstance(value, (dict, list)):
        return [f"{setting.name} has to be a string"]
    if setting.choices and value not in setting.choices:
        return [f"{setting.name} is {value!r}, it has to be one of: {', '.join(setting.choices)}"]
    return []


def _check_integer(setting: Setting, value: Any) -> list[str]:
    if (
        isinstance(value, bool)
        or not re.fullmatch(r"\s*-?\d+\s*", str(value))
        or not setting.minimum <= int(value) <= setting.maximum
    ):
        return [f"{setting.name} is {value!r}, it has to be a whole number from {setting.minimum} to {setting.maximum}"]
    return []


def _check_boolean(setting: Setting, value: Any) -> list[str]:
    return [] if str(value).lower() in _BOOLEANS else [f"{setting.name} is {value!r}, it has to be true or false"]


def _check_locations(setting: Setting, value: Any) -> list[str]:
    locations = value if isinstance(value, list) else [value]
    if not all(isinstance(location, str) for location in locations):
        return [f"{setting.name}: each location has to be a string"]
    problems = []
    for location in locations:
        try:
            if scheme_of(location) in _PASSED_THROUGH and "://" in location:
                require_whole(location)
            elif location.startswith("/"):
                problems.append(f"{setting.name} is {location}: write file://{location}")
            else:
                parse_location(location)
        except ConfigurationError as error:
            problems.append(f"{setting.name}: {error}")
    return problems


def _check_list(setting: Setting, value: Any) -> list[str]:
    if not isinstance(value, list):
        return [f"{setting.name} has to be a list"]
    unknown = sorted(str(item) for item in value if setting.choices and item not in setting.choices)
    return [f"{setting.name} has {', '.join(unknown)}: it takes {', '.join(setting.choices)}"] if unknown else []


def _check_uris(setting: Setting, value: Any) -> list[str]:
    return (
        []
        if isinstance(value, list) and all(isinstance(uri, str) and "://" in uri for uri in value)
        else [f"{setting.name} has to be a list of URIs"]
    )


def _check_selection(setting: Setting, value: Any) -> list[str]:
    try:
        selection(value)
    except ConfigurationError as error:
        return [str(error)]
    return []


def _check_names(setting: Setting, value: Any) -> list[str]:
    if isinstance(value, dict) and all(isinstance(part, str) and part for pair in value.items() for part in pair):
        return []
    return [f"{setting.name} has to be a mapping from full names in CockroachDB to new names"]


def _check_policies(setting: Setting, value: Any) -> list[str]:
    return [f"{setting.name}: {problem}" for problem in policy_problems(value)]


def _check_libpq(setting: Setting, value: Any) -> list[str]:
    return [f"{setting.name}: {problem}" for problem in connect_params_problems(value)]


def _check_conversion(setting: Setting, value: Any) -> list[str]:
    return [f"{setting.name}: {problem}" for problem in conversion_policy_problems(value)]


_CHECKS_OF_TYPES = {
    "str": _check_string,
    "path": _check_string,
    "int": _check_integer,
    "bool": _check_boolean,
    "list": _check_list,
}
_CHECKS = {
    "s3_backup_path": _check_locations,
    "incremental_location": _check_locations,
    "databases": _check_selection,
    "rename": _check_names,
    "postgres_connect_params": _check_libpq,
    "value_policies": _check_policies,
    "conversion_policies": _check_conversion,
    "kms_uris": _check_uris,
}
"""Checks of settings whose type does not say enough."""


def _check_together(values: Mapping[str, Any]) -> list[str]:
    """Return the problems of settings that depend on each other."""
    return [*_check_source(values), *_check_pairs(values), *_check_paths(values)]


def _check_source(values: Mapping[str, Any]) -> list[str]:
    problems = []
    source = values.get("migration_source") or BY_NAME["migration_source"].default
    locations = values.get("s3_backup_path") or []
    locations = locations if isinstance(locations, list) else [locations]
    if source != "cluster" and not locations:
        problems.append(f"s3_backup_path is not set: {plain(BY_NAME['s3_backup_path'].description)}")
    others = sorted({scheme_of(location) for location in locations} & _PASSED_THROUGH)
    if source == "backup" and others:
        problems.append(
            f"s3_backup_path begins with {others[0]}://, which only CockroachDB reads: set migration_source: restore, "
            "or copy the backup"
        )
    sslmode = values.get("cockroach_sslmode") or BY_NAME["cockroach_sslmode"].default
    if (
        source == "cluster"
        and not values.get("cockroach_url")
        and sslmode.startswith("verify-")
        and not values.get("certs_dir")
    ):
        problems.append(
            f"certs_dir is empty: with cockroach_sslmode: {sslmode} a running CockroachDB's certificate is verified by "
            "the ca.crt in it (or give cockroach_url). cockroach_sslmode: require does not verify it, disable is for a "
            "CockroachDB without TLS: password and rows then go over the network in clear text"
        )
    return problems


def _check_pairs(values: Mapping[str, Any]) -> list[str]:
    problems = []
    merges = (values.get("database_layout") or BY_NAME["database_layout"].default) == "schemas"
    if merges != bool(values.get("merged_database")):
        problems.append(
            "database_layout: schemas and merged_database, the name of the one database, belong together: only one of "
            "them is set"
        )
    if bool(values.get("aws_access_key_id")) != bool(values.get("aws_secret_access_key")):
        problems.append("aws_access_key_id and aws_secret_access_key belong together: only one of them is set")
    if values.get("dump_encryption_key") and values.get("dump_encryption_key_command"):
        problems.append("dump_encryption_key and dump_encryption_key_command are both set: use one of them")
    if values.get("aws_keys_file") and values.get("aws_access_key_id"):
        problems.append("aws_keys_file and aws_access_key_id are both set: use one of them")
    return problems


def _check_paths(values: Mapping[str, Any]) -> list[str]:
    problems = []
    for name in ("temp_dir", "dump_dir"):
        if values.get(name) and not str(values[name]).startswith("/"):
            problems.append(f"{name} has to be an absolute path")
    if values.get("postgres_version") and not re.match(r"\d+", str(values["postgres_version"])):
        problems.append("postgres_version has to begin with a major version, such as 17.0")
    return problems


def selection(value: Any) -> tuple[list[str], list[str]]:
    """Return the include and exclude patterns of ``databases``. Raises ConfigurationError."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        value = {"include": value}
    if not isinstance(value, dict) or set(value) - {"include", "exclude"}:
        raise ConfigurationError(
            "databases has to be a list of patterns, or a mapping with the lists include and exclude"
        )
    lists = [value.get(key) or [] for key in ("include", "exclude")]
    lists = [[item] if isinstance(item, str) else item for item in lists]
    if not all(isinstance(item, list) and all(isinstance(pattern, str) for pattern in item) for item in lists):
        raise ConfigurationError("databases: include and exclude have to be lists of patterns")
    return lists[0], lists[1]
