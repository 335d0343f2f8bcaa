# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The settings of a migration: the one place where their names, types, defaults, choices and texts are written.

From here come the modules' arguments (``module_arguments``) and, by ``make generated``, their documentation
(plugins/doc_fragments/settings.py), playbooks/vars/migration.yml, the roles' defaults, argument specs and READMEs, the
sample of create_config and docs/variables.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .._model.conversion_policies import QUESTIONS
from .._values.value_policies import KINDS


@dataclass(frozen=True)
class Setting:
    """One variable of the playbooks, and the variables of roles and options of modules that it becomes.

    ``type`` and ``elements`` are Ansible's; ``raw`` takes several forms. ``description`` is written in Ansible's
    markup, with ``O(name)`` for another setting. ``minimum`` and ``maximum`` belong to ``int``. A setting that is
    ``per_target`` is read from the variables of each target's host. ``deprecated_names`` still work, with a warning.

    The variables of ``roles`` are ``<role>_<option>``, with the setting's own name if ``option`` is empty. ``modules``
    take it as ``option``, or as named after a dot (``module.option``). ``since`` is the collection's version that
    brought it, ``option_since`` the one that brought the modules' option where that is older.
    """

    name: str
    type: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    elements: str = ""
    minimum: int = 0
    maximum: int = 0
    secret: bool = False
    per_target: bool = False
    since: str = "1.0.0"
    deprecated_names: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    option: str = ""
    modules: tuple[str, ...] = ()
    module_aliases: tuple[str, ...] = ()
    option_since: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The setting's name and its deprecated names."""
        return (self.name, *self.deprecated_names)

    @property
    def has_option_default(self) -> bool:
        """Whether the option of a module has a default: an empty path and an empty choice are a missing option."""
        return not (self.default == "" and (self.type == "path" or self.choices))

    def role_variable(self, role: str) -> str:
        """Return the name of the role's variable."""
        return f"{role}_{self.option or self.name}"

    def module_option(self, module: str) -> str:
        """Return the option's name in the module, empty if the module does not take the setting."""
        options = dict(entry.partition(".")[::2] for entry in self.modules)
        return (options[module] or self.option or self.name) if module in options else ""


def _as(option: str, modules: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{module}.{option}" for module in modules)


_LAST_PORT = 65535
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_BACKUP = ("backup_export", "cockroach_restore")
_BACKUP_MODULES = ("backup_info", *_BACKUP)
_EXPORT = ("backup_export", "cockroach_export")
_COCKROACH_MODULES = ("cockroach_export", "cockroach_restore")
_TARGET = ("postgres_preflight", "postgres_import", "postgres_verify")
_UNDONE = ("migration_rollback",)
_CONNECTED = (*_TARGET, *_UNDONE)
_CONNECTED_ROLES = (*_TARGET, "rollback")
"""What connects to the target."""
_REHEARSING = ("postgres_rehearsal",)
_LOADING = ("postgres_import", "postgres_verify")
_ENCRYPTED = (*_EXPORT, "dump_validate", "rehearsal", "postgres_import", "preflight")
_ENCRYPTED_MODULES = (*_EXPORT, "dump_validate", *_REHEARSING, "postgres_import", "host_check")

_SOURCE = (
    Setting(
        "migration_source",
        "str",
        "restore",
        "Where the data comes from. V(restore) restores the backup into a temporary CockroachDB and exports that. "
        "V(backup) reads the backup's own files and needs no CockroachDB. V(cluster) exports a running CockroachDB.",
        choices=("restore", "backup", "cluster"),
    ),
    Setting(
        "s3_backup_path",
        "raw",
        "",
        "The backup collection, as C(s3://bucket/prefix), C(file:///directory) or one of CockroachDB's storage URIs "
        "with its parameters (C(gs://), C(azure-blob://), C(https://)), or a list of the directory of a full backup "
        "and those of its incremental backups, in order. O(migration_source=restore) also takes C(nodelocal://), "
        "C(userfile://) and C(external://), which only CockroachDB can read. Secrets in parameters are never shown. "
        "The setting is required unless O(migration_source) is V(cluster).",
    ),
    # The modules' options are lists.
    Setting(
        "incremental_location",
        "str",
        "",
        "The location of the incremental backups, if BACKUP was given an C(incremental_location), in one of the forms "
        "of O(s3_backup_path).",
        since="1.1.0",
    ),
    Setting(
        "backup_subdirectory",
        "str",
        "LATEST",
        "The backup in the collection, V(LATEST) or a path such as V(2024/02/29-123456.78).",
        roles=_BACKUP,
        option="subdirectory",
        modules=_BACKUP_MODULES,
    ),
    Setting(
        "as_of",
        "str",
        "",
        "The time at which the data is read, as a timestamp or as CockroachDB's decimal. A backup can be read at the "
        "end of each of its layers, and at any time in between if it has revision history; a running CockroachDB can "
        "be read at any time within C(gc.ttlseconds). If empty, a backup is read at its end and a running CockroachDB "
        "at the current time.",
        roles=("backup_export", "cockroach_restore", "cockroach_export"),
        modules=(*_BACKUP_MODULES, "cockroach_export"),
    ),
    Setting(
        "encryption_passphrase",
        "str",
        "",
        "The passphrase of an encrypted backup.",
        secret=True,
        roles=_BACKUP,
        modules=_BACKUP_MODULES,
    ),
)

_STORAGE = (
    Setting(
        "aws_keys_file",
        "path",
        "",
        "A file on the controller with the lines C(export AWS_ACCESS_KEY=…) and C(export AWS_SECRET_KEY=…). The "
        "standard names of AWS are read too, with or without C(export) and quotes.",
    ),
    Setting(
        "aws_access_key_id",
        "str",
        "",
        "The AWS access key. If empty, boto3 looks for credentials as usual: in the environment, in the AWS profile "
        "and in the role of the instance.",
        roles=_BACKUP,
        modules=_BACKUP_MODULES,
    ),
    Setting(
        "aws_secret_access_key",
        "str",
        "",
        "The secret key that belongs to O(aws_access_key_id).",
        secret=True,
        roles=_BACKUP,
        modules=_BACKUP_MODULES,
    ),
    Setting(
        "aws_session_token",
        "str",
        "",
        "The session token of temporary keys. The keys must stay valid until the backup is read or restored.",
        secret=True,
        roles=_BACKUP,
        modules=_BACKUP_MODULES,
    ),
    Setting("aws_region", "str", "", "The region of the bucket.", roles=_BACKUP, modules=_BACKUP_MODULES),
    Setting(
        "aws_profile",
        "str",
        "",
        "The profile of the AWS configuration on the host that runs the modules.",
        roles=_BACKUP,
        modules=_BACKUP_MODULES,
    ),
    Setting(
        "s3_endpoint_url",
        "str",
        "",
        "The URL of an S3 server other than Amazon's.",
        roles=_BACKUP,
        modules=_BACKUP_MODULES,
    ),
    # The option of the modules is a list: roles can be assumed one after the other.
    Setting(
        "aws_assume_role",
        "str",
        "",
        "The ARN of a role to assume for S3, or several ARNs with commas between them, assumed in this order. "
        "C(;external_id=…) behind an ARN is its external id. O(migration_source=restore) needs CockroachDB v22.2 or "
        "later for it.",
        since="1.1.0",
    ),
    Setting(
        "s3_requester_pays",
        "bool",
        False,
        "Whether you agree to pay for the requests to an S3 bucket whose owner asks for that. CockroachDB itself "
        "cannot read such a bucket.",
        since="1.6.0",
        roles=("backup_export",),
        modules=("backup_info", "backup_export"),
    ),
    Setting(
        "storage_timeout",
        "int",
        300,
        "How many seconds a request to the storage of the backup may take, with all its repetitions. Set more for a "
        "slow line: a request asks for up to 4 MiB, and each process has up to 32 MiB under way.",
        minimum=1,
        maximum=86400,
        since="1.7.0",
        roles=("backup_export",),
        modules=("backup_info", "backup_export"),
    ),
)

_SELECTION = (
    Setting(
        "databases",
        "raw",
        {"include": [], "exclude": []},
        "Patterns of the databases and tables to migrate, such as V(shop) or V(shop.public.*). The value is a mapping "
        "with the lists C(include) and C(exclude), or only the list to include. By default everything is migrated.",
    ),
    Setting(
        "rename",
        "dict",
        {},
        "New names in PostgreSQL. The value is a mapping from full names in CockroachDB to new names, bare or full, "
        "such as V(shop: store), V(shop.public: store.sales) or V(shop.public.orders: bestellungen). Views, defaults, "
        "checks and functions follow. An object that cannot follow is refused, or omitted with a finding.",
        since="1.1.0",
        roles=_EXPORT,
        modules=("backup_info", *_EXPORT),
    ),
    # The modules have one option for these two: merged_database, empty where each database stays one.
    Setting(
        "database_layout",
        "str",
        "databases",
        "Whether each database of CockroachDB becomes a database of its own (V(databases)), or all of them become "
        "schemas of O(merged_database) (V(schemas)). With V(schemas), the schema C(public) of the database C(shop) "
        "becomes C(shop), and any other schema becomes C(shop_<schema>).",
        choices=("databases", "schemas"),
        since="1.1.0",
    ),
    Setting(
        "merged_database",
        "str",
        "",
        "The name of the one database in PostgreSQL. It is required with O(database_layout=schemas).",
        since="1.1.0",
    ),
    Setting(
        "content",
        "str",
        "all",
        "What is imported. V(all) imports the schema and the rows. V(schema) imports everything but the rows and the "
        "values of sequences. V(data) imports only these, into empty tables that exist already and have columns of the "
        "same names, such as after an import of the schema of the same dump. The export and the rehearsal are always "
        "complete.",
        choices=("all", "schema", "data"),
        since="1.1.0",
        roles=_TARGET,
        modules=_TARGET,
    ),
)

_POSTGRESQL = (
    Setting(
        "postgres_host",
        "str",
        "localhost",
        "The host of the PostgreSQL server, or the directory of its Unix socket.",
        per_target=True,
        roles=_CONNECTED_ROLES,
        option="host",
        modules=_as("login_host", _CONNECTED),
    ),
    Setting(
        "postgres_port",
        "int",
        5432,
        "The port of the PostgreSQL server.",
        minimum=1,
        maximum=_LAST_PORT,
        per_target=True,
        roles=_CONNECTED_ROLES,
        option="port",
        modules=_as("login_port", _CONNECTED),
    ),
    Setting(
        "postgres_database",
        "str",
        "postgres",
        "The database to connect to first. Each migrated database is created next to it, under its own name.",
        per_target=True,
        roles=_CONNECTED_ROLES,
        option="database",
        modules=_as("login_db", _CONNECTED),
    ),
    Setting(
        "postgres_username",
        "str",
        "postgres",
        "The role that logs in. An import needs CREATEDB, unless the databases exist already, are empty and belong to "
        "this role.",
        per_target=True,
        roles=_CONNECTED_ROLES,
        option="user",
        modules=_as("login_user", _CONNECTED),
    ),
    Setting(
        "postgres_password",
        "str",
        "",
        "The password of O(postgres_username). If empty, libpq looks in C(PGPASSWORD) and C(.pgpass) on the host that "
        "runs the modules.",
        secret=True,
        per_target=True,
        roles=_CONNECTED_ROLES,
        option="password",
        modules=_as("login_password", _CONNECTED),
    ),
    Setting(
        "postgres_sslmode",
        "str",
        "",
        "The C(sslmode) of libpq. If empty, libpq's environment decides (C(PGSSLMODE) or a service file). Without it, "
        "V(prefer) is used on loopback and Unix sockets, and V(require) elsewhere.",
        choices=_SSL_MODES,
        per_target=True,
        since="1.3.0",
        roles=_CONNECTED_ROLES,
        option="ssl_mode",
        modules=_CONNECTED,
        module_aliases=("sslmode",),
        option_since="1.0.0",
    ),
    Setting(
        "postgres_sslrootcert",
        "path",
        "",
        "A file with the certificate authorities that may have signed the server's certificate, or V(system) for those "
        "that the host trusts.",
        per_target=True,
        since="1.3.0",
        roles=_CONNECTED_ROLES,
        option="ca_cert",
        modules=_CONNECTED,
        module_aliases=("ssl_rootcert",),
        option_since="1.0.0",
    ),
    Setting(
        "postgres_sslcert",
        "path",
        "",
        "A file with the client's certificate.",
        per_target=True,
        since="1.3.0",
        roles=_CONNECTED_ROLES,
        option="client_cert",
        modules=_CONNECTED,
        module_aliases=("ssl_cert",),
    ),
    Setting(
        "postgres_sslkey",
        "path",
        "",
        "A file with the private key of O(postgres_sslcert). Only its owner may be able to read it.",
        per_target=True,
        since="1.3.0",
        roles=_CONNECTED_ROLES,
        option="client_key",
        modules=_CONNECTED,
        module_aliases=("ssl_key",),
    ),
    Setting(
        "postgres_connect_params",
        "dict",
        {},
        "Further connection parameters of libpq, such as "
        "V({sslcrl: /etc/pki/target.crl, target_session_attrs: read-write}). Names that libpq does not know are "
        "refused, and so are those that another setting has. The values of C(sslpassword) and other secrets are never "
        "shown.",
        secret=True,
        per_target=True,
        since="1.3.0",
        roles=_CONNECTED_ROLES,
        option="connect_params",
        modules=_CONNECTED,
    ),
    Setting(
        "grants",
        "str",
        "existing",
        "Which owners and privileges are set. V(existing) sets those of roles that the server has. V(create) also "
        "creates the missing roles, without login where the source has no usable password. V(skip) sets none.",
        choices=("existing", "create", "skip"),
        roles=_TARGET,
        modules=_TARGET,
    ),
    Setting(
        "target_available",
        "bool",
        True,
        "Whether the target exists already. Every run checks it first, also a rehearsal and C(--check). Set this to "
        "V(false) to rehearse before the target exists.",
        since="1.3.0",
    ),
    Setting(
        "postgres_import_enabled",
        "bool",
        True,
        "Whether the target is checked and loaded. The other phases do not depend on it.",
    ),
)

_LOAD = (
    Setting(
        "target_connections",
        "int",
        0,
        "The number of connections that load rows, build indexes and verify at the same time. With V(0) it is "
        "O(parallelism). Besides them an import has up to four connections, and a verification three, that only look "
        "and record.",
        minimum=0,
        maximum=64,
        since="1.7.0",
        roles=_LOADING,
        option="connections",
        modules=_LOADING,
    ),
    Setting(
        "load_rate",
        "int",
        0,
        "The most that all connections of an import together send, in MiB of rows a second. With V(0) there is no "
        "limit.",
        minimum=0,
        maximum=10000,
        since="1.7.0",
        roles=("postgres_import",),
        modules=("postgres_import",),
    ),
    Setting(
        "lock_wait",
        "int",
        0,
        "The number of seconds that a command on the target may wait for a lock that somebody else holds. Then it is "
        "cancelled, and the run stops and names the holder. With V(0) there is no limit; C(migration.log) has a line "
        "about the holder every 30 seconds. The preflight waits for 30 seconds at most, unless a limit is set.",
        minimum=0,
        maximum=1000000,
        since="1.7.0",
        roles=_TARGET,
        modules=_TARGET,
    ),
    Setting(
        "statement_time_limit",
        "int",
        0,
        "The number of seconds that a single command of an import or of a verification may take on the target, such as "
        "the COPY of a chunk or the build of an index. Then the run stops. With V(0) there is no limit. The time that "
        "O(load_rate) and O(standby_name) hold a COPY up counts.",
        minimum=0,
        maximum=1000000,
        since="1.7.0",
        roles=_LOADING,
        modules=_LOADING,
    ),
    Setting(
        "standby_name",
        "str",
        "",
        "The C(application_name) of a standby of the target, by which C(pg_stat_replication) knows it. The import "
        "pauses while that standby is more than O(standby_lag) behind or is not connected. It has to be connected when "
        "the run begins, and O(postgres_username) needs C(pg_read_all_stats). If empty, no standby is looked at.",
        per_target=True,
        since="1.7.0",
        roles=("postgres_preflight", "postgres_import"),
        modules=("postgres_preflight", "postgres_import"),
    ),
    Setting(
        "standby_lag",
        "int",
        1024,
        "How far O(standby_name) may be behind, in MiB of WAL that it has not replayed.",
        minimum=1,
        maximum=100000000,
        per_target=True,
        since="1.7.0",
        roles=("postgres_import",),
        modules=("postgres_import",),
    ),
)

_REHEARSAL = (
    Setting(
        "test_postgresql_import",
        "bool",
        True,
        "Whether the import is rehearsed on a throw-away PostgreSQL first. The other phases do not depend on it.",
    ),
    Setting(
        "postgres_version",
        "str",
        "",
        "The version of the throw-away PostgreSQL, of which only the major version counts. If empty, it is the "
        "target's version, or 17.0 if there is no target.",
    ),
    Setting(
        "test_postgres_port",
        "int",
        5433,
        "The port of the throw-away PostgreSQL on loopback. If it is in use, another port is taken.",
        minimum=1,
        maximum=_LAST_PORT,
        roles=("rehearsal",),
        modules=_REHEARSING,
        option="port",
    ),
    Setting(
        "test_database_name",
        "str",
        "migration_test",
        "The database that the rehearsal connects to first.",
        roles=("rehearsal",),
        modules=_REHEARSING,
        option="database",
    ),
    Setting(
        "test_username",
        "str",
        "postgres",
        "The superuser of the throw-away PostgreSQL. If a target was checked, the rehearsal logs in as a role with the "
        "rights of the target's role instead.",
        roles=("rehearsal",),
        modules=_REHEARSING,
        option="user",
    ),
    Setting(
        "test_password",
        "str",
        "",
        "The password of O(test_username). If empty, a random password is generated.",
        secret=True,
        roles=("rehearsal",),
        modules=_REHEARSING,
        option="password",
    ),
)


def _value_kinds() -> str:
    return ", ".join(f"V({kind})" for kind in KINDS)


def _conversion_choices() -> str:
    return ", ".join(
        f"V({name}) is " + " or ".join(f"V({choice})" for choice in question.choices)
        for name, question in QUESTIONS.items()
    )


_CONVERSION = (
    Setting(
        "value_policies",
        "dict",
        {},
        "What the export does with values that PostgreSQL cannot hold. The value is a mapping from kinds of values to "
        "V(stop), which is the default, V(replace), V(null) or V(reject), such as "
        f"V({{zero_character: replace, length: reject}}). The kinds are {_value_kinds()}. The collection's page "
        "C(docs/value-policies.md) explains each kind. Changed values are findings, and rejected rows are imported "
        "into the table C(cockroach_migrator.rejects). A dump records its policies. Other policies need another dump.",
        since="1.1.0",
        roles=_EXPORT,
        modules=_EXPORT,
    ),
    Setting(
        "conversion_policies",
        "dict",
        {},
        "How a construct is converted where PostgreSQL offers two ways. The value is a mapping such as "
        f"V({{unique_rowid: function, object_identifiers: text}}). {_conversion_choices()}. The first choice is the "
        "default. The collection's page C(docs/conversion.md) explains each choice. A dump records its choices, which "
        "its import and verification follow. Other choices need another dump.",
        since="1.2.0",
        roles=_EXPORT,
        modules=(*_EXPORT, "schema_convert"),
    ),
)

_RUN = (
    Setting(
        "skip_validation",
        "bool",
        False,
        "Whether a dump that was not validated when it was exported, such as one of an earlier release, is imported "
        "without a validation. The verification after an import is never skipped.",
    ),
    Setting(
        "do_cleanup",
        "bool",
        True,
        "Whether temporary files are removed, and the exported rows once the target is proved to hold them. The report "
        "is never removed.",
    ),
    Setting(
        "start_over",
        "bool",
        False,
        "Whether the results of earlier runs are discarded, so that the run begins with the export, such as after a "
        "target database was dropped. Set it for one run, with C(-e start_over=true). An earlier export that has its "
        "rows is kept in another directory, which the run names. No target is changed.",
        since="1.3.0",
    ),
    Setting(
        "rollback_confirmed",
        "bool",
        False,
        "Whether the playbook C(rollback) removes what it shows. Without it nothing is changed. Set it for one run, "
        "with C(-e rollback_confirmed=true).",
        since="1.7.0",
        roles=("rollback",),
        option="removes",
    ),
    Setting(
        "rollback_dump_id",
        "str",
        "",
        "The id of the dump whose import the playbook C(rollback) undoes. If empty, it is the dump of this migration, "
        "and if that is gone, the only one that the target holds.",
        since="1.7.0",
        roles=("rollback",),
        option="of_dump",
    ),
    Setting(
        "temp_dir",
        "path",
        "/var/tmp",
        "An absolute path on the migration host. All files are written below it, in C(cockroach_migrator-<user>).",
    ),
    Setting(
        "dump_dir",
        "path",
        "",
        "The directory of the dump, as an absolute path on the migration host. If empty, it is C(dump) among the files "
        "below O(temp_dir).",
    ),
    Setting(
        "dump_encryption_key",
        "str",
        "",
        "The key that encrypts the rows of the dump, as C(age-keygen) prints it (C(AGE-SECRET-KEY-1…)). Every phase "
        "that reads or writes rows needs it, also in later runs. If it and O(dump_encryption_key_command) are empty, "
        "the dump is not encrypted. The collection's page C(docs/security.md) says what is encrypted.",
        secret=True,
        since="1.7.0",
        roles=_ENCRYPTED,
        modules=_ENCRYPTED_MODULES,
    ),
    # A setting of its own, so that no secret is taken for a command.
    Setting(
        "dump_encryption_key_command",
        "list",
        [],
        "A command that prints the key instead, as a list of the program and its arguments, such as "
        "V([pass, show, migration/dump]). It is run on the migration host without a shell, by each phase.",
        elements="str",
        since="1.7.0",
        roles=_ENCRYPTED,
        modules=_ENCRYPTED_MODULES,
    ),
    Setting(
        "chunk_rows",
        "int",
        100000,
        "The approximate number of rows in a chunk; of large rows in a backup only about as many as have 256 MiB. Of a "
        "table of more than 64 MiB each chunk is loaded in a transaction of its own, so this is also the most that "
        "each connection of an interrupted import repeats.",
        minimum=1,
        maximum=10000000,
        deprecated_names=("chunk_size",),
        roles=_EXPORT,
        modules=_EXPORT,
    ),
    Setting(
        "parallelism",
        "int",
        0,
        "The number of processes that read, and of connections that load. With V(0) it is the number of CPU cores, but "
        "at most eight.",
        minimum=0,
        maximum=64,
        roles=(*_EXPORT, "dump_validate", "rehearsal", *_LOADING, "rollback"),
        modules=(*_EXPORT, "dump_validate", *_REHEARSING, *_LOADING, *_UNDONE),
    ),
    Setting(
        "verify_by",
        "str",
        "read_back",
        "Who computes the checksums of the rows that a target holds. With V(read_back) the target sends its rows, and "
        "the migration host computes them, which takes the target less work. With V(server) PostgreSQL computes them, "
        "and no row crosses the network, for where that is slow. Both prove the same. PostgreSQL also computes those "
        "of small tables and of those with rows of more than a MiB on average.",
        choices=("read_back", "server"),
        since="1.6.0",
        roles=_LOADING,
        modules=("postgres_verify", "postgres_import"),
    ),
)

_RESTORE = (
    # No secret as a whole: the module hides the secrets in the URIs and shows the rest.
    Setting(
        "kms_uris",
        "list",
        [],
        "The URIs of the keys in a key management service, for a backup that was encrypted with such keys. Secrets in "
        "their parameters are never shown.",
        elements="str",
        since="1.1.0",
        roles=("cockroach_restore",),
        modules=("cockroach_restore",),
    ),
    Setting(
        "aws_auth",
        "str",
        "specified",
        "How CockroachDB logs in to S3. V(specified) gives it the AWS keys, V(implicit) lets it use the identity of "
        "its machine.",
        choices=("specified", "implicit"),
        since="1.1.0",
        roles=("cockroach_restore",),
        modules=("cockroach_restore",),
    ),
    Setting(
        "restore_skip_missing",
        "list",
        [],
        "The kinds of objects that may be missing although chosen tables refer to them.",
        choices=("foreign_keys", "sequences", "sequence_owners", "views", "udfs"),
        elements="str",
        since="1.1.0",
    ),
    Setting(
        "restore_time_limit",
        "int",
        0,
        "The number of seconds after which the restore is cancelled. With V(0) there is no limit.",
        minimum=0,
        maximum=10000000,
        since="1.1.0",
        roles=("cockroach_restore",),
        option="time_limit",
        modules=("cockroach_restore",),
    ),
    Setting(
        "cockroach_version",
        "str",
        "v24.3.5",
        "The release of the temporary CockroachDB. It must be able to restore the backup, which is checked first. It "
        "has no effect with O(cockroach_binary).",
        roles=("cockroach_binary",),
        option="version",
        modules=("cockroach_binary",),
    ),
    Setting(
        "cockroach_mirror_url",
        "str",
        "https://binaries.cockroachdb.com",
        "The URL of the directory of CockroachDB's release archives. C(cockroach-<version>.<platform>.tgz) is fetched "
        "from there, and its C(.sha256sum) file unless O(cockroach_sha256) is given. A login in the URL, as in "
        "C(https://user:password@host/path), is never shown.",
        since="1.1.0",
        roles=("cockroach_binary",),
        option="mirror_url",
        modules=("cockroach_binary",),
    ),
    Setting(
        "cockroach_archive",
        "path",
        "",
        "A release archive on the migration host, which is used instead of a download. The C(.sha256sum) file next to "
        "it is used if it exists.",
        since="1.1.0",
        roles=("cockroach_binary",),
        option="archive",
        modules=("cockroach_binary",),
    ),
    Setting(
        "cockroach_binary",
        "path",
        "",
        "The program C(cockroach) on the migration host. It is used whatever its version is, and nothing is "
        "downloaded.",
        since="1.1.0",
        roles=("cockroach_binary",),
        option="path",
        modules=("cockroach_binary.binary",),
    ),
    Setting(
        "cockroach_sha256",
        "str",
        "",
        "The SHA-256 of the archive. If empty, the checksum file next to the archive is used. It has no effect with "
        "O(cockroach_binary).",
        since="1.1.0",
        roles=("cockroach_binary",),
        option="sha256",
        modules=("cockroach_binary",),
    ),
    Setting(
        "cockroach_max_sql_memory",
        "str",
        "25%",
        "The memory for queries of the temporary CockroachDB, such as V(25%) or V(2GiB).",
        since="1.1.0",
        roles=("cockroach_server",),
        option="max_sql_memory",
        modules=("cockroach_server",),
    ),
    Setting(
        "cockroach_cache",
        "str",
        "25%",
        "The memory for the cache of the temporary CockroachDB's storage engine, such as V(25%) or V(2GiB).",
        since="1.1.0",
        roles=("cockroach_server",),
        option="cache",
        modules=("cockroach_server",),
    ),
    Setting(
        "cockroach_http_port",
        "int",
        8080,
        "The port of the temporary CockroachDB's DB Console on loopback. If it is in use, another port is taken.",
        minimum=1,
        maximum=_LAST_PORT,
        roles=("cockroach_server",),
        option="http_port",
        modules=("cockroach_server",),
    ),
    Setting(
        "insecure_mode",
        "bool",
        True,
        "Whether the temporary CockroachDB runs without TLS and lets every user of its host in. It listens on loopback "
        "only, with or without TLS.",
        roles=("cockroach_server",),
        option="insecure",
        modules=("cockroach_server",),
    ),
)

_CLUSTER = (
    Setting(
        "cockroach_url",
        "str",
        "",
        "The running CockroachDB as a URL, such as "
        "C(postgresql://user:password@host:26257/defaultdb?sslmode=verify-full&sslrootcert=…). It replaces the host, "
        "the port, the login and the certificates. Without C(sslmode) in the URL, V(verify-full) is used.",
        secret=True,
        since="1.1.0",
        roles=("cockroach_export",),
        option="url",
        modules=_COCKROACH_MODULES,
    ),
    # The modules' own default is 127.0.0.1, where a temporary CockroachDB listens.
    Setting("cockroach_host", "str", "localhost", "The host of a node of the running CockroachDB.", since="1.1.0"),
    Setting(
        "cockroach_username",
        "str",
        "root",
        "The user that logs in. It must be a member of the role C(admin).",
        since="1.1.0",
        roles=("cockroach_export",),
        option="user",
        modules=_as("login_user", _COCKROACH_MODULES),
    ),
    Setting(
        "cockroach_password",
        "str",
        "",
        "The password of O(cockroach_username).",
        secret=True,
        since="1.1.0",
        roles=("cockroach_export",),
        option="password",
        modules=_as("login_password", _COCKROACH_MODULES),
    ),
    Setting(
        "cockroach_sslmode",
        "str",
        "verify-full",
        "The C(sslmode) of libpq. V(verify-ca) and V(verify-full) verify the server's certificate with the C(ca.crt) "
        "in O(certs_dir). V(disable) is for a server without TLS; the password and all rows are then sent in clear "
        "text.",
        choices=_SSL_MODES,
        since="1.3.0",
        roles=("cockroach_export",),
        option="sslmode",
        modules=_as("ssl_mode", _COCKROACH_MODULES),
        option_since="1.1.0",
    ),
    Setting(
        "cockroach_gc_check",
        "bool",
        True,
        "Whether the export stops before it reads rows, if it is estimated to last longer than CockroachDB keeps the "
        "rows of its time (C(gc.ttlseconds)). The message then names the command that makes CockroachDB keep them.",
        since="1.3.0",
        roles=("cockroach_export",),
        option="gc_check",
        modules=("cockroach_export",),
    ),
    Setting(
        "cockroach_answer_timeout",
        "int",
        3600,
        "How many seconds a statement waits for an answer of CockroachDB, or for more rows. The longest ones count the "
        "rows of a table.",
        minimum=1,
        maximum=1000000,
        since="1.7.0",
        roles=("cockroach_export",),
        option="answer_timeout",
        modules=("cockroach_export",),
    ),
)

_COCKROACHDB = (
    Setting(
        "cockroach_port",
        "int",
        26257,
        "The SQL port of the CockroachDB. A temporary CockroachDB takes another port if this one is in use.",
        minimum=1,
        maximum=_LAST_PORT,
        roles=("cockroach_server", "cockroach_export"),
        option="port",
        modules=("cockroach_server", *_as("login_port", _COCKROACH_MODULES)),
    ),
    Setting(
        "certs_dir",
        "path",
        "",
        "A directory on the migration host with C(ca.crt) and, for a login by certificate, C(client.<user>.crt) and "
        "C(client.<user>.key). A temporary CockroachDB with TLS needs C(node.crt) and C(node.key) there, too; if this "
        "is empty, it makes its own certificates.",
        roles=("cockroach_server", "cockroach_export"),
        modules=("cockroach_server", *_COCKROACH_MODULES),
    ),
)

GROUPS = {
    "Source": _SOURCE,
    "Access to S3": _STORAGE,
    "Selection and names": _SELECTION,
    "Target": _POSTGRESQL,
    "Load on the target": _LOAD,
    "Rehearsal": _REHEARSAL,
    "Conversion": _CONVERSION,
    "The run": _RUN,
    "Only for migration_source: restore": _RESTORE,
    "Only for migration_source: cluster": _CLUSTER,
    "For migration_source: restore and cluster": _COCKROACHDB,
}
"""The settings by the heading that they are shown under."""

SETTINGS = tuple(setting for group in GROUPS.values() for setting in group)
BY_NAME = {setting.name: setting for setting in SETTINGS}
MAY_HOLD_SECRETS = frozenset(
    (
        "s3_backup_path",
        "incremental_location",
        "kms_uris",
        "cockroach_mirror_url",
        *(setting.name for setting in SETTINGS if setting.secret),
    )
)
"""The secrets, and the settings that are shown but for the secrets in them."""

PLAYBOOK_VARIABLES = ("migration_hosts", "config_path")
"""Variables of the playbooks that are no settings of a migration: its hosts, and where create_config writes."""


_MARKUP = re.compile(r"([OVCM])\(([^)]*)\)")


def plain(description: str, quote: str = "") -> str:
    """Return a description without Ansible's markup, ``quote`` around what was marked."""
    return _MARKUP.sub(
        lambda found: quote + (found[2].replace("=", ": ", 1) if found[1] == "O" else found[2]) + quote, description
    )


def module_arguments(module: str) -> dict[str, dict[str, Any]]:
    """Return the part of a module's ``argument_spec`` that is settings."""
    arguments = {}
    for setting in SETTINGS:
        if option := setting.module_option(module):
            # An explicit False also says so of names such as aws_access_key_id, which Ansible would warn of.
            arguments[option] = {"type": setting.type, "no_log": setting.secret}
            optional = {
                "elements": setting.elements,
                "choices": list(setting.choices),
                "aliases": list(setting.module_aliases),
            }
            arguments[option].update({key: value for key, value in optional.items() if value})
            if setting.has_option_default:
                arguments[option]["default"] = setting.default
    return arguments
