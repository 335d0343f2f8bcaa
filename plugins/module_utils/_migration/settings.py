# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The user's variables: their names, types, defaults and meaning, and whether what was given can be used.

The README's table, the sample of create_config and the defaults of the playbooks all come from ``SETTINGS``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import ConfigurationError
from .._model.conversion_policies import conversion_policy_problems
from .._postgres.connect.connect_params import connect_params_problems
from .._sources.location import has_parameters, parse_location, require_whole, scheme_of
from .._values.value_policies import policy_problems


@dataclass(frozen=True)
class Setting:
    """One variable. ``type``: str, int, bool, locations, selection, names, skips, uris, policies, conversion, libpq."""

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
    Setting(
        "migration_source",
        "str",
        "restore",
        "Where the data comes from. `restore` restores the backup into a temporary CockroachDB and exports that. "
        "`backup` reads the backup's own "
        "files and needs no CockroachDB. `cluster` exports a running CockroachDB.",
        choices=("restore", "backup", "cluster"),
    ),
    Setting(
        "s3_backup_path",
        "locations",
        "",
        "`s3://bucket/prefix` or `file:///directory` of the backup collection; or a list: a full backup's directory "
        "and its incrementals, in "
        "order. `restore` also takes CockroachDB's other storage URIs (`gs://`, `azure-blob://`, `nodelocal://`, "
        "`http://`), which are passed "
        "through. Required unless `migration_source` is `cluster`.",
    ),
    Setting(
        "backup_subdirectory",
        "str",
        "LATEST",
        "Which backup of the collection: `LATEST` or a path such as `2024/02/29-123456.78`.",
    ),
    Setting(
        "as_of",
        "str",
        "",
        "The moment to read the data at (a timestamp or CockroachDB's decimal). Of a backup it needs revision "
        "history, or the end of one of its "
        "layers; of a cluster any moment within `gc.ttlseconds`.",
    ),
    Setting(
        "aws_keys_file",
        "str",
        "",
        "A file on the controller with lines `export AWS_ACCESS_KEY=…` and `export AWS_SECRET_KEY=…` (also the "
        "standard AWS names, quoted or "
        "not).",
    ),
    Setting(
        "aws_access_key_id",
        "str",
        "",
        "The AWS access key. Without any, boto3 looks where it always does: environment, profile, instance role.",
    ),
    Setting("aws_secret_access_key", "str", "", "Its secret.", secret=True),
    Setting("aws_session_token", "str", "", "The session token of temporary keys.", secret=True),
    Setting("aws_region", "str", "", "The bucket's region."),
    Setting("aws_profile", "str", "", "A profile of the AWS configuration on the host that runs the modules."),
    Setting("s3_endpoint_url", "str", "", "The URL of an S3 server that is not Amazon's."),
    Setting("encryption_passphrase", "str", "", "The passphrase of an encrypted backup.", secret=True),
    Setting(
        "databases",
        "selection",
        {"include": [], "exclude": []},
        "Patterns of what to migrate, such as `shop`, `shop.public.*`: a mapping with the lists `include` and "
        "`exclude`, or just the list to "
        "include. Everything by default.",
    ),
    Setting(
        "rename",
        "names",
        {},
        "New names in PostgreSQL: a mapping from CockroachDB's full names, such as `shop: store`, `shop.public: "
        "store.sales`, "
        "`shop.public.orders: bestellungen`. Views and other SQL texts follow.",
    ),
    Setting(
        "database_layout",
        "str",
        "databases",
        "Whether every database becomes one of its own (`databases`), or all become schemas of one, `merged_database` "
        "(`schemas`): `public` of `shop` "
        "becomes `shop`, any other schema `shop_<schema>`.",
        choices=("databases", "schemas"),
    ),
    Setting("merged_database", "str", "", "With `database_layout: schemas`: the name of that one database."),
    Setting(
        "content",
        "str",
        "all",
        "What is imported: schema and rows (`all`), everything but rows and the values of sequences (`schema`), or "
        "only those, into empty tables that are "
        "there (`data`). The export and the rehearsal always have everything.",
        choices=("all", "schema", "data"),
    ),
    Setting("postgres_host", "str", "localhost", "The target."),
    Setting("postgres_port", "int", 5432, "Its port.", low=1, high=_LAST_PORT),
    Setting(
        "postgres_database",
        "str",
        "postgres",
        "The database to connect to; each migrated database is created beside it under its own name.",
    ),
    Setting(
        "postgres_username",
        "str",
        "postgres",
        "The role to log in as. It has CREATEDB, or the databases are there, empty and its own.",
    ),
    Setting(
        "postgres_password",
        "str",
        "",
        "Its password. Without one libpq looks in `PGPASSWORD` and `.pgpass` of the host.",
        secret=True,
    ),
    Setting(
        "postgres_sslmode",
        "str",
        "",
        "As `sslmode` of libpq. When empty libpq's environment counts (`PGSSLMODE`, a service file), else it is "
        "`prefer` on loopback and Unix sockets and "
        "`require` elsewhere.",
        choices=("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    ),
    Setting(
        "postgres_sslrootcert",
        "str",
        "",
        "A file on the host with the authorities that may have signed the target's certificate, or `system` for those "
        "that the host trusts.",
    ),
    Setting("postgres_sslcert", "str", "", "A file on the host with the client's certificate."),
    Setting("postgres_sslkey", "str", "", "A file on the host with its key, which nobody else may read."),
    Setting(
        "postgres_connect_params",
        "libpq",
        {},
        "Further parameters of libpq, such as `{sslcrl: /etc/pki/target.crl, target_session_attrs: read-write}`. The "
        "values of `sslpassword` and the like "
        "are never shown.",
        secret=True,
    ),
    Setting(
        "postgres_version",
        "str",
        "",
        "The version of the rehearsal's throw-away PostgreSQL (its major version counts). When empty it is the "
        "target's, or 17.0 where there is none.",
    ),
    Setting(
        "grants",
        "str",
        "existing",
        "Owners and grants: to roles that the target has (`existing`), to all, missing roles are made without login "
        "where the source has no "
        "usable password (`create`), or none (`skip`).",
        choices=("existing", "create", "skip"),
    ),
    Setting(
        "target_available",
        "bool",
        True,
        "Whether the target is there already. Every run looks at it first, also a rehearsal and `--check`; `false` "
        "rehearses before there is one.",
    ),
    Setting(
        "postgres_import_enabled",
        "bool",
        True,
        "Whether the target is loaded, and looked at first. Switches nothing else.",
    ),
    Setting(
        "test_postgresql_import",
        "bool",
        True,
        "Whether the import is rehearsed on a throw-away PostgreSQL first. Switches nothing else.",
    ),
    Setting(
        "test_postgres_port", "int", 5433, "The port of the throw-away PostgreSQL, on loopback.", low=1, high=_LAST_PORT
    ),
    Setting("test_database_name", "str", "migration_test", "The database that the rehearsal connects to."),
    Setting(
        "test_username",
        "str",
        "postgres",
        "The superuser of the throw-away PostgreSQL, where no target was looked at; else a role like the target's "
        "imports.",
    ),
    Setting("test_password", "str", "", "Its password; made up when empty.", secret=True),
    Setting(
        "skip_validation",
        "bool",
        False,
        "Whether to skip the validation of the dump before it is imported. The verification after an import is never "
        "skipped.",
    ),
    Setting(
        "do_cleanup",
        "bool",
        True,
        "Whether to remove temporary files, and the rows of the export once the target holds and has proved them. "
        "Never removes the report.",
    ),
    Setting(
        "start_over",
        "bool",
        False,
        "For one run, best as `-e start_over=true`: forget what earlier runs have done and begin with the export, "
        "such as after a target database was "
        "dropped. An export that has its rows is put aside, not removed, and the run says where. No target is touched.",
    ),
    Setting(
        "temp_dir",
        "str",
        "",
        "An absolute directory on the host; everything is made below it in `cockroach_migrator-<user>`. `/var/tmp` "
        "when empty.",
    ),
    Setting("dump_dir", "str", "", "The directory of the dump; `dump` below `temp_dir` when empty."),
    Setting(
        "chunk_size",
        "int",
        100000,
        "Rows in a chunk: what one COPY loads in one transaction, and the most that a broken run repeats. (The older "
        "tool's 10,000 was the page "
        "of a SELECT; COPY streams, and smaller chunks only cost transactions.)",
        low=1,
        high=10000000,
    ),
    Setting(
        "parallelism",
        "int",
        0,
        "Processes that read, and connections that load; 0 means one a core, at most eight.",
        low=0,
        high=64,
    ),
    Setting(
        "value_policies",
        "policies",
        {},
        "What to do with values that PostgreSQL cannot hold: a mapping of kinds to `stop` (the default), `replace`, "
        "`null` or `reject`, such as "
        "`{zero_character: replace, length: reject}`. The kinds stand in the README under "
        "*Values that PostgreSQL cannot hold*. Other policies make another dump.",
    ),
    Setting(
        "conversion_policies",
        "conversion",
        {},
        "What becomes of things that have two counterparts in PostgreSQL: a mapping such as `{unique_rowid: function, "
        "object_identifiers: text}`. The keys "
        "and choices stand in the README under *Choices of the conversion*. Other choices make another dump.",
    ),
    Setting("kms_uris", "uris", [], "For `restore`: the URIs of the KMS keys of an encrypted backup.", secret=True),
    Setting(
        "incremental_location",
        "str",
        "",
        "For `restore`: where the incremental backups of the collection are, when they lie elsewhere.",
    ),
    Setting(
        "aws_auth",
        "str",
        "specified",
        "For `restore`: whether CockroachDB logs in to S3 with the keys (`specified`) or with those of its "
        "environment or instance (`implicit`).",
        choices=("specified", "implicit"),
    ),
    Setting("aws_assume_role", "str", "", "For `restore`: the ARN of a role to assume (v22.2 and later)."),
    Setting(
        "restore_skip_missing",
        "skips",
        [],
        "For `restore`: what chosen tables may refer to without having it restored: a list of `foreign_keys`, "
        "`sequences`, `sequence_owners`, `views`, "
        "`udfs`.",
    ),
    Setting(
        "restore_time_limit",
        "int",
        0,
        "For `restore`: the seconds after which RESTORE is cancelled; 0 means never.",
        low=0,
        high=10000000,
    ),
    Setting(
        "cockroach_version",
        "str",
        "v24.3.5",
        "For `restore`: the release of the temporary CockroachDB. It has to be able to restore the backup, which is "
        "checked first.",
    ),
    Setting(
        "cockroach_mirror_url",
        "str",
        "https://binaries.cockroachdb.com",
        "For `restore`: where its archive is downloaded from.",
    ),
    Setting("cockroach_archive", "str", "", "For `restore`: its archive as a file on the host, instead of a download."),
    Setting("cockroach_binary", "str", "", "For `restore`: a `cockroach` program on the host, instead of an archive."),
    Setting(
        "cockroach_sha256",
        "str",
        "",
        "For `restore`: the archive's SHA-256. Without it the file beside the archive is used.",
    ),
    Setting(
        "cockroach_max_sql_memory", "str", "25%", "For `restore`: the memory of the temporary CockroachDB's queries."
    ),
    Setting("cockroach_cache", "str", "25%", "For `restore`: the memory of its cache."),
    Setting(
        "cockroach_url",
        "str",
        "",
        "For `cluster`: the running CockroachDB as "
        "`postgresql://user:password@host:26257/defaultdb?sslmode=verify-full&sslrootcert=…`, instead of "
        "the next variables.",
        secret=True,
    ),
    Setting("cockroach_host", "str", "localhost", "For `cluster`: the host of a node."),
    Setting("cockroach_username", "str", "root", "For `cluster`: a member of the role admin."),
    Setting("cockroach_password", "str", "", "For `cluster`: its password.", secret=True),
    Setting(
        "cockroach_port",
        "int",
        26257,
        "The SQL port of the temporary or running CockroachDB. The temporary one takes another when it is taken.",
        low=1,
        high=_LAST_PORT,
    ),
    Setting(
        "cockroach_sslmode",
        "str",
        "verify-full",
        "For `cluster`: libpq's `sslmode`. With `verify-ca` and `verify-full` the certificate authority's `ca.crt` is "
        "in `certs_dir`. `disable` sends the "
        "password and all rows in clear text; a server without TLS needs it. (`insecure_mode` is about the temporary "
        "CockroachDB only.)",
        choices=("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    ),
    Setting(
        "cockroach_gc_check",
        "bool",
        True,
        "For `cluster`: whether to stop before an export that is estimated to last longer than CockroachDB keeps the "
        "rows of its moment "
        "(`gc.ttlseconds`), with the command that keeps them.",
    ),
    Setting(
        "cockroach_http_port",
        "int",
        8080,
        "For `restore`: the port of the temporary CockroachDB's console, on loopback.",
        low=1,
        high=_LAST_PORT,
    ),
    Setting(
        "insecure_mode",
        "bool",
        True,
        "For `restore`: whether the temporary CockroachDB runs without TLS. It listens on loopback only, in either "
        "mode.",
    ),
    Setting(
        "certs_dir",
        "str",
        "",
        "For `cluster`: the directory, on the host, of `ca.crt`, and for a login by certificate of "
        "`client.<user>.crt` and `client.<user>.key`. For "
        "`restore` with `insecure_mode: false` also of `node.crt` and `node.key`, all of which the temporary "
        "CockroachDB makes itself when it is empty.",
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}

PLAYBOOK_VARIABLES = ("migration_hosts", "config_path")
"""What the playbooks take besides: the hosts to run on, and where create_config writes."""

IGNORED = "preflight_ignored_variables"
_FOREIGN_PREFIXES = ("ansible_", "vault_", "molecule_")
_INTERNAL_PREFIX = "__"
_PLACEHOLDER = re.compile(r"^your[_-]|^s3://(your[_-]bucket(/|$)|mybucket/mybackupfolder$)", re.IGNORECASE)
_BOOLEANS = frozenset({"true", "false", "yes", "no", "on", "off", "1", "0"})
_PASSED_THROUGH = frozenset(
    ("gs", "azure", "azure-blob", "azure-storage", "nodelocal", "http", "https", "userfile", "external")
)
"""The schemes of CockroachDB's own storage URIs, which only CockroachDB reads."""
_SKIPS = ("foreign_keys", "sequences", "sequence_owners", "views", "udfs")
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
        if not name.startswith(_INTERNAL_PREFIX) and difflib.get_close_matches(name, BY_NAME, 1, _VERY_CLOSE):
            problems.append(
                f"the variable {name} is not known{_hint(name, names)} (if it is meant for something else, list it in "
                f"{IGNORED})"
            )
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
        elif any(
            isinstance(part, str) and _PLACEHOLDER.match(part)
            for part in (value if isinstance(value, list) else [value])
        ):
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
    if (
        isinstance(value, bool)
        or not re.fullmatch(r"\s*-?\d+\s*", str(value))
        or not setting.low <= int(value) <= setting.high
    ):
        return [f"{setting.name} is {value!r}, it has to be a whole number from {setting.low} to {setting.high}"]
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
            elif has_parameters(location):
                names = ", ".join(part.split("=")[0] for part in location.split("?", 1)[1].split("&"))
                problems.append(
                    f"{setting.name} has URL parameters ({names}): use aws_access_key_id, aws_secret_access_key, "
                    "aws_region, s3_endpoint_url instead; "
                    "a prefix with a question mark in it cannot be named"
                )
            elif location.startswith("/"):
                problems.append(f"{setting.name} is {location}: write file://{location}")
            else:
                parse_location(location)
        except ConfigurationError as error:
            problems.append(f"{setting.name}: {error}")
    return problems


def _check_skips(setting: Setting, value: Any) -> list[str]:
    if not isinstance(value, list):
        return [f"{setting.name} has to be a list"]
    unknown = sorted(str(option) for option in value if option not in _SKIPS)
    return [f"{setting.name} has {', '.join(unknown)}: it takes {', '.join(_SKIPS)}"] if unknown else []


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


_CHECKS = {
    "str": _check_string,
    "int": _check_integer,
    "bool": _check_boolean,
    "locations": _check_locations,
    "selection": _check_selection,
    "names": _check_names,
    "skips": _check_skips,
    "uris": _check_uris,
    "policies": _check_policies,
    "conversion": _check_conversion,
    "libpq": _check_libpq,
}


def _check_together(values: Mapping[str, Any]) -> list[str]:
    problems = []
    source = values.get("migration_source") or BY_NAME["migration_source"].default
    locations = values.get("s3_backup_path") or []
    locations = locations if isinstance(locations, list) else [locations]
    if source != "cluster" and not locations:
        problems.append(f"s3_backup_path is not set: {BY_NAME['s3_backup_path'].description}")
    others = sorted({location.split(":", 1)[0] for location in locations} - {"s3", "file"})
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
            f"certs_dir is empty: with cockroach_sslmode: {sslmode} a running CockroachDB's certificate is verified "
            "by the ca.crt in it (or give "
            "cockroach_url). cockroach_sslmode: require does not verify it, disable is for a CockroachDB without TLS: "
            "password and rows then go over the "
            "network in clear text"
        )
    merges = (values.get("database_layout") or BY_NAME["database_layout"].default) == "schemas"
    if merges != bool(values.get("merged_database")):
        problems.append(
            "database_layout: schemas and merged_database, the name of the one database, belong together: only one of "
            "them is set"
        )
    if bool(values.get("aws_access_key_id")) != bool(values.get("aws_secret_access_key")):
        problems.append("aws_access_key_id and aws_secret_access_key belong together: only one of them is set")
    if values.get("aws_keys_file") and values.get("aws_access_key_id"):
        problems.append("aws_keys_file and aws_access_key_id are both set: use one of them")
    for name in ("temp_dir", "dump_dir"):
        if values.get(name) and not str(values[name]).startswith("/"):
            problems.append(f"{name} has to be an absolute path")
    if values.get("postgres_version") and not re.match(r"\d+", str(values["postgres_version"])):
        problems.append("postgres_version has to begin with a major version, such as 17.0")
    return problems


def _truth(values: Mapping[str, Any], name: str) -> bool:
    value = values.get(name)
    return (
        bool(BY_NAME[name].default)
        if value is None or value == ""
        else str(value).lower() in ("true", "yes", "on", "1")
    )


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
