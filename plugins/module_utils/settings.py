# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The user's variables: their names, types, defaults and meaning, and whether what was given can be used.

The README's table, the sample of create_config and the defaults of the playbooks all come from ``SETTINGS``.
"""
from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ConfigurationError


@dataclass(frozen=True)
class Setting:
    """One variable. ``type``: str, int, bool, locations, selection."""

    name: str
    type: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    secret: bool = False
    required: bool = False
    low: int = 0
    high: int = 0


_LAST_PORT = 65535

SETTINGS = (
    Setting("migration_source", "str", "restore",
            "Where the data comes from. `backup` reads the backup's own files and needs no CockroachDB. `restore` (a temporary CockroachDB) and "
            "`cluster` (a running one) come with a later release and end with a clear word until then.", choices=("restore", "backup", "cluster")),
    Setting("s3_backup_path", "locations", None,
            "`s3://bucket/prefix` or `file:///directory` of the backup collection; or a list: a full backup's directory and its incrementals, in "
            "order.", required=True),
    Setting("backup_subdirectory", "str", "LATEST", "Which backup of the collection: `LATEST` or a path such as `2024/02/29-123456.78`."),
    Setting("as_of", "str", "",
            "The moment to read the data at (a timestamp or CockroachDB's decimal); needs a backup with revision history, or the end of one of its "
            "layers."),
    Setting("aws_keys_file", "str", "",
            "A file on the controller with lines `export AWS_ACCESS_KEY=…` and `export AWS_SECRET_KEY=…` (also the standard AWS names, quoted or "
            "not)."),
    Setting("aws_access_key_id", "str", "", "The AWS access key. Without any, boto3 looks where it always does: environment, profile, instance role."),
    Setting("aws_secret_access_key", "str", "", "Its secret.", secret=True),
    Setting("aws_session_token", "str", "", "The session token of temporary keys.", secret=True),
    Setting("aws_region", "str", "", "The bucket's region."),
    Setting("aws_profile", "str", "", "A profile of the AWS configuration on the host that runs the modules."),
    Setting("s3_endpoint_url", "str", "", "The URL of an S3 server that is not Amazon's."),
    Setting("encryption_passphrase", "str", "", "The passphrase of an encrypted backup.", secret=True),
    Setting("databases", "selection", {"include": [], "exclude": []},
            "Patterns of what to migrate, such as `shop`, `shop.public.*`: a mapping with the lists `include` and `exclude`, or just the list to "
            "include. Everything by default."),
    Setting("postgres_host", "str", "localhost", "The target."),
    Setting("postgres_port", "int", 5432, "Its port.", low=1, high=_LAST_PORT),
    Setting("postgres_database", "str", "postgres", "The database to connect to; each migrated database is created beside it under its own name."),
    Setting("postgres_username", "str", "postgres", "The role to log in as; it must be allowed to create databases."),
    Setting("postgres_password", "str", "", "Its password.", secret=True),
    Setting("postgres_version", "str", "17.0", "The version of the throw-away PostgreSQL of the rehearsal (its major version counts). Use the target's."),
    Setting("grants", "str", "existing",
            "Owners and grants: to roles that the target has (`existing`), to all, missing roles are made without login where the source has no "
            "usable password (`create`), or none (`skip`).", choices=("existing", "create", "skip")),
    Setting("postgres_import_enabled", "bool", True, "Whether the target is loaded. Switches nothing else."),
    Setting("test_postgresql_import", "bool", True, "Whether the import is rehearsed on a throw-away PostgreSQL first. Switches nothing else."),
    Setting("test_postgres_port", "int", 5433, "The port of the throw-away PostgreSQL, on loopback.", low=1, high=_LAST_PORT),
    Setting("test_database_name", "str", "migration_test", "The database that the rehearsal connects to."),
    Setting("test_username", "str", "postgres", "The superuser of the throw-away PostgreSQL."),
    Setting("test_password", "str", "", "Its password; made up when empty.", secret=True),
    Setting("skip_validation", "bool", False,
            "Whether to skip the validation of the dump before it is imported. The verification after an import is never skipped."),
    Setting("do_cleanup", "bool", True,
            "Whether to remove temporary files, and the rows of the export once the target holds and has proved them. Never removes the report."),
    Setting("temp_dir", "str", "",
            "An absolute directory on the host; everything is made below it in `cockroach_migrator-<user>`. `/var/tmp` when empty."),
    Setting("dump_dir", "str", "", "The directory of the dump; `dump` below `temp_dir` when empty."),
    Setting("chunk_size", "int", 100000,
            "Rows in a chunk: what one COPY loads in one transaction, and the most that a broken run repeats. (The older tool's 10,000 was the page "
            "of a SELECT; COPY streams, and smaller chunks only cost transactions.)", low=1, high=10000000),
    Setting("parallelism", "int", 0, "Processes that read, and connections that load; 0 means one a core, at most eight.", low=0, high=64),
    Setting("cockroach_version", "str", "v24.3.5", "For `migration_source: restore`; not used by `backup`."),
    Setting("cockroach_port", "int", 26257, "For `migration_source: restore` and `cluster`; not used by `backup`.", low=1, high=_LAST_PORT),
    Setting("cockroach_http_port", "int", 8080, "For `migration_source: restore`; not used by `backup`.", low=1, high=_LAST_PORT),
    Setting("certs_dir", "str", "cockroachdb/certs", "For `migration_source: restore` and `cluster`; not used by `backup`."),
    Setting("insecure_mode", "bool", True, "For `migration_source: restore` and `cluster`; not used by `backup`."),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}

PLAYBOOK_VARIABLES = ("migration_hosts", "config_path")
"""What the playbooks take besides: the hosts to run on, and where create_config writes."""

IGNORED = "preflight_ignored_variables"
_FOREIGN_PREFIXES = ("ansible_", "vault_", "molecule_")
_PLACEHOLDER = re.compile(r"^your[_-]|^s3://(your[_-]bucket(/|$)|mybucket/mybackupfolder$)", re.IGNORECASE)
_BOOLEANS = frozenset({"true", "false", "yes", "no", "on", "off", "1", "0"})
_CLOSE = 0.6
_VERY_CLOSE = 0.88


def unknown_keys(extra: Iterable[str], others: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return a problem for each name that looks like a mistake.

    ``extra`` are the names of the user's extra variables: each has to be known. ``others`` are the names of all other
    variables (inventory, group and host variables), where only those that look like a known one are refused.
    """
    names = [*BY_NAME, *known]
    problems = []
    for name in sorted(set(extra) - set(names)):
        if not name.startswith(_FOREIGN_PREFIXES):
            problems.append(f"the variable {name} is not known{_hint(name, names)}")
    for name in sorted(set(others) - set(names) - set(extra)):
        if difflib.get_close_matches(name, BY_NAME, 1, _VERY_CLOSE):
            problems.append(f"the variable {name} is not known{_hint(name, names)} (if it is meant for something else, list it in {IGNORED})")
    return problems


def _hint(name: str, names: list[str]) -> str:
    nearest = difflib.get_close_matches(name.lower(), names, 1, _CLOSE)
    return f", did you mean {nearest[0]}?" if nearest else ""


def check_values(values: Mapping[str, Any]) -> list[str]:
    """Return a problem for each value that cannot be used; never with a secret in it."""
    problems = []
    for setting in SETTINGS:
        value = values.get(setting.name)
        if value is None or value == "":
            if setting.required:
                problems.append(f"{setting.name} is not set: {setting.description}")
        elif any(isinstance(part, str) and _PLACEHOLDER.match(part) for part in (value if isinstance(value, list) else [value])):
            problems.append(f"{setting.name} still holds the sample's placeholder")
        else:
            problems += _CHECKS[setting.type](setting, value)
    return problems or _check_together(values)


def _check_string(setting: Setting, value: Any) -> list[str]:
    if isinstance(value, (dict, list)):
        return [f"{setting.name} has to be a string"]
    if setting.choices and value not in setting.choices:
        return [f"{setting.name} is {value!r}, it has to be one of: {', '.join(setting.choices)}"]
    return []


def _check_integer(setting: Setting, value: Any) -> list[str]:
    if isinstance(value, bool) or not re.fullmatch(r"\s*-?\d+\s*", str(value)) or not setting.low <= int(value) <= setting.high:
        return [f"{setting.name} is {value!r}, it has to be a whole number from {setting.low} to {setting.high}"]
    return []


def _check_boolean(setting: Setting, value: Any) -> list[str]:
    return [] if str(value).lower() in _BOOLEANS else [f"{setting.name} is {value!r}, it has to be true or false"]


def _check_locations(setting: Setting, value: Any) -> list[str]:
    locations = value if isinstance(value, list) else [value]
    problems = []
    for location in locations:
        if not isinstance(location, str):
            problems.append(f"{setting.name}: each location has to be a string")
        elif "?" in location:
            names = ", ".join(part.split("=")[0] for part in location.split("?", 1)[1].split("&"))
            problems.append(f"{setting.name} has URL parameters ({names}): use aws_access_key_id, aws_secret_access_key, aws_region, s3_endpoint_url instead")
        elif not re.match(r"s3://[^/@]+(/|$)|file:///.", location):
            problems.append(f"{setting.name} is neither s3://bucket/prefix nor file:///directory: {location.split('@')[-1]}")
    return problems


def _check_selection(setting: Setting, value: Any) -> list[str]:
    try:
        selection(value)
    except ConfigurationError as error:
        return [str(error)]
    return []


_CHECKS = {
    "str": _check_string, "int": _check_integer, "bool": _check_boolean, "locations": _check_locations, "selection": _check_selection,
}


def _check_together(values: Mapping[str, Any]) -> list[str]:
    problems = []
    source = values.get("migration_source") or BY_NAME["migration_source"].default
    if source != "backup":
        default = "" if values.get("migration_source") else " (the default)"
        problems.append(
            f"migration_source: {source}{default} comes with a later release; set migration_source: backup, which reads the backup's files without CockroachDB"
        )
    if bool(values.get("aws_access_key_id")) != bool(values.get("aws_secret_access_key")):
        problems.append("aws_access_key_id and aws_secret_access_key belong together: only one of them is set")
    if values.get("aws_keys_file") and values.get("aws_access_key_id"):
        problems.append("aws_keys_file and aws_access_key_id are both set: use one of them")
    for name in ("temp_dir", "dump_dir"):
        if values.get(name) and not str(values[name]).startswith("/"):
            problems.append(f"{name} has to be an absolute path")
    if not re.match(r"\d+", str(values.get("postgres_version") or BY_NAME["postgres_version"].default)):
        problems.append("postgres_version has to begin with a major version, such as 17.0")
    return problems


def selection(value: Any) -> tuple[list[str], list[str]]:
    """Return the include and exclude patterns of ``databases``. Raises ConfigurationError."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        value = {"include": value}
    if not isinstance(value, dict) or set(value) - {"include", "exclude"}:
        raise ConfigurationError("databases has to be a list of patterns, or a mapping with the lists include and exclude")
    lists = [value.get(key) or [] for key in ("include", "exclude")]
    lists = [[item] if isinstance(item, str) else item for item in lists]
    if not all(isinstance(item, list) and all(isinstance(pattern, str) for pattern in item) for item in lists):
        raise ConfigurationError("databases: include and exclude have to be lists of patterns")
    return lists[0], lists[1]
