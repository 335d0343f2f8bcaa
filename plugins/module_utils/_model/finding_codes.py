# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Every kind of finding: its severity, what it means, and what to do about it.

Codes are part of reports, results and dumps: they are added here, never renamed or removed. They stand in groups by
what they ask for, in alphabetical order; ``docs/findings.md`` is generated from this file. (It is one long table on
purpose.)
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, Union

Severity = Literal["error", "warning", "info"]

SEVERITIES: dict[Severity, str] = {
    "error": "an object or a row is missing",
    "warning": "something differs",
    "info": "nothing is lost",
}
"""What each severity says, the gravest first."""


class Action(str, Enum):
    """What a finding asks for; the text is its heading in reports."""

    REPAIR = "Correct rows"
    CREATE = "Create by hand what was omitted"
    GRANT = "Set roles, owners, privileges and settings"
    REPEAT = "Run again after a change"
    COMPARE = "Compare with CockroachDB what could not be proved"
    CHECK = "Check whether a difference matters"
    NOTHING = "Nothing has to be done"


_REPAIR, _CREATE, _GRANT, _REPEAT = Action.REPAIR, Action.CREATE, Action.GRANT, Action.REPEAT
_COMPARE, _CHECK, _NOTHING = Action.COMPARE, Action.CHECK, Action.NOTHING


class FindingCode(str, Enum):
    """A code with its severities (the usual one first), what it asks for, what it means, and what to do.

    A finding that says nothing more particular has ``meaning`` as its message and ``what_to_do`` as its advice.
    """

    severities: tuple[Severity, ...]
    action: Action
    meaning: str
    what_to_do: str

    def __new__(
        cls,
        code: str,
        severities: Union[Severity, tuple[Severity, ...]],
        action: Action,
        meaning: str,
        what_to_do: str = "",
    ) -> FindingCode:
        member = str.__new__(cls, code)
        member._value_ = code
        member.severities = severities if isinstance(severities, tuple) else (severities,)
        member.action, member.meaning, member.what_to_do = action, meaning, what_to_do
        return member

    def __str__(self) -> str:
        return str(self.value)

    # Correct rows

    DATA_EXCLUDED = (
        "data_excluded",
        "warning",
        _REPAIR,
        "The table is empty: it has exclude_data_from_backup, so that the backup holds no rows of it.",
        "Copy its rows from the cluster.",
    )
    FOREIGN_KEY_NOT_VALIDATED = (
        "foreign_key_not_validated",
        "warning",
        _REPAIR,
        "The foreign key is created NOT VALID, because rows that it needs were rejected or changed.",
        "Correct the rows, then run ALTER TABLE … VALIDATE CONSTRAINT.",
    )
    NOT_VALID = (
        "not_valid",
        "info",
        _REPAIR,
        "The constraint is NOT VALID, as in CockroachDB: rows older than the constraint may violate it.",
        "Correct these rows, then run ALTER TABLE … VALIDATE CONSTRAINT.",
    )
    ROWS_LEFT_OUT = (
        "rows_left_out",
        "error",
        _REPAIR,
        "The text contains rows, which are omitted: only the schema is read.",
        "Migrate a backup or a running cluster.",
    )
    ROWS_REJECTED = (
        "rows_rejected",
        "error",
        _REPAIR,
        "Rows were rejected because of values that PostgreSQL cannot hold; they are not in the table.",
        "The rows are in the table cockroach_migrator.rejects of the migrated database: correct and insert them by "
        "hand.",
    )
    UNIQUE_NOT_VALIDATED = (
        "unique_not_validated",
        "error",
        _REPAIR,
        "CockroachDB has not validated the constraint, so that rows may violate it; it becomes an index that is not "
        "unique.",
        "Remove the duplicate rows, then create a unique index.",
    )
    VALUES_REPLACED = (
        "values_replaced",
        "warning",
        _REPAIR,
        "Values that PostgreSQL cannot hold were replaced.",
        "Check these rows; value_policies offers the other choices.",
    )
    VALUES_SET_NULL = (
        "values_set_null",
        "warning",
        _REPAIR,
        "Values that PostgreSQL cannot hold were set to NULL.",
        "Check these rows; value_policies offers the other choices.",
    )

    # Create by hand what was omitted

    CHANGE_REFUSED = (
        "change_refused",
        "warning",
        _CREATE,
        "A statement that changes the object is refused, because it is not understood: the object is as it was before.",
        "Make the change by hand, or write the statement so that it is understood.",
    )
    CHECK_LEFT_OUT = (
        "check_left_out",
        "error",
        _CREATE,
        "The check constraint is omitted, because its expression cannot be converted.",
        "Add it by hand with ALTER TABLE.",
    )
    DEFAULT_LEFT_OUT = (
        "default_left_out",
        "error",
        _CREATE,
        "The default is omitted, because its expression cannot be converted.",
        "Set a default by hand with ALTER TABLE.",
    )
    FOREIGN_KEY_LEFT_OUT = (
        "foreign_key_left_out",
        "error",
        _CREATE,
        "The foreign key is omitted, because PostgreSQL cannot have it on these columns.",
        "Create what it lacks, then add the foreign key by hand.",
    )
    FUNCTION_LEFT_OUT = (
        "function_left_out",
        "error",
        _CREATE,
        "The function or procedure is omitted, because its body cannot be converted.",
        "Write it by hand.",
    )
    INDEX_LEFT_OUT = (
        "index_left_out",
        ("warning", "error"),
        _CREATE,
        "The index is omitted, because it cannot be converted (error: it is a unique one).",
        "Create one by hand where queries need it.",
    )
    KEY_TOO_LONG = (
        "key_too_long",
        ("error", "warning"),
        _CREATE,
        "The index or key is omitted, because rows have values that are longer than PostgreSQL's indexes take: about a "
        "third of a page, 2,704 bytes after compression (warning: found in the dump, and the rehearsal says whether it "
        "is so).",
        "Create an index on a hash of the long columns, such as md5(column), or on a part of them.",
    )
    NEEDS_LEFT_OUT_COLUMN = (
        "needs_left_out_column",
        "error",
        _CREATE,
        "The index or constraint is omitted, because it uses a virtual computed column that is omitted.",
        "Add the column by hand, then the index or constraint.",
    )
    ON_UPDATE_LEFT_OUT = (
        "on_update_left_out",
        "error",
        _CREATE,
        "ON UPDATE of the column is omitted, because its expression cannot be converted.",
        "Write a trigger by hand.",
    )
    POLICY_LEFT_OUT = (
        "policy_left_out",
        "error",
        _CREATE,
        "The row-level security policy is omitted, because it cannot be converted.",
        "Write it by hand with CREATE POLICY.",
    )
    REFUSED_BY_POSTGRESQL = (
        "refused_by_postgresql",
        "error",
        _CREATE,
        "The object is omitted, because PostgreSQL rejected its command.",
        "Write it by hand, or remove the cause and run again, which tries the command once more.",
    )
    RENAME_NOT_FOLLOWED = (
        "rename_not_followed",
        "error",
        _CREATE,
        "The object is omitted, because its SQL text cannot be brought to the new names.",
        "Write it by hand with the new names, or leave the names as they are.",
    )
    ROUTINES_NOT_KNOWN = (
        "routines_not_known",
        "error",
        _CREATE,
        "Functions, procedures and triggers are omitted: this release has no SHOW CREATE ALL ROUTINES (v25.3 and "
        "later).",
        "Create them by hand.",
    )
    ROW_LEVEL_SECURITY = (
        "row_level_security",
        "error",
        _CREATE,
        "Row-level security of the table is omitted. (Found in dumps of early releases only.)",
        "Write the policies by hand with CREATE POLICY.",
    )
    ROW_TTL = (
        "row_ttl",
        "warning",
        _CREATE,
        "Row-level TTL has no counterpart: PostgreSQL does not delete the rows that expire.",
        "Schedule the command of the advice, for example with pg_cron.",
    )
    SCHEMA_CHANGE_UNDER_WAY = (
        "schema_change_under_way",
        "warning",
        _CREATE,
        "The column, index or constraint is omitted: a schema change was adding it at that moment. CockroachDB itself "
        "continues the change after a restore.",
        "Add it by hand.",
    )
    SYSTEM_TABLE_UNKNOWN = (
        "system_table_unknown",
        "error",
        _CREATE,
        "What the cluster's system table contains is omitted: its rows have a form that is not known.",
        "Read the table in CockroachDB before it is switched off.",
    )
    TRIGGER_FUNCTION_MISSING = (
        "trigger_function_missing",
        "error",
        _CREATE,
        "The trigger is omitted, because its function is not in the text.",
        "Give the output of SHOW CREATE ALL ROUTINES, too.",
    )
    TRIGGER_LEFT_OUT = (
        "trigger_left_out",
        "error",
        _CREATE,
        "The trigger is omitted, because it cannot be converted.",
        "Write it by hand with CREATE TRIGGER.",
    )
    UNIQUE_LEFT_OUT = (
        "unique_left_out",
        "error",
        _CREATE,
        "The UNIQUE WITHOUT INDEX constraint is omitted, because it cannot be converted.",
        "Write a trigger or create a unique index by hand.",
    )
    UNKNOWN_DESCRIPTOR = (
        "unknown_descriptor",
        ("error", "info"),
        _CREATE,
        "The object cannot be migrated, because its descriptor holds what this collection does not know (info: it was "
        "not chosen).",
        "Look with SHOW CREATE in CockroachDB for what is not in PostgreSQL, or use a release of this collection that "
        "knows it.",
    )
    VIEW_LEFT_OUT = (
        "view_left_out",
        "error",
        _CREATE,
        "The view is omitted, because its query cannot be converted.",
        "Write it by hand.",
    )
    VIRTUAL_COLUMN_LEFT_OUT = (
        "virtual_column_left_out",
        "error",
        _CREATE,
        "The virtual computed column is omitted, because PostgreSQL cannot compute it.",
        "Add it by hand; it holds no data of its own.",
    )

    # Set roles, owners, privileges and settings

    ADMIN_MEMBERSHIP = (
        "admin_membership",
        "warning",
        _GRANT,
        "The membership in a built-in role of CockroachDB is omitted.",
        "Grant what the role needs in PostgreSQL.",
    )
    CHANGEFEED = (
        "changefeed",
        "warning",
        _GRANT,
        "Changefeeds are omitted.",
        "Set up logical replication for those who read them; SHOW CHANGEFEED JOBS names their targets.",
    )
    CLUSTER_NOT_RESTORED = (
        "cluster_not_restored",
        "warning",
        _GRANT,
        "Only databases of the backup of a whole cluster were restored, without users, roles, settings and comments.",
        "Restore everything into an empty CockroachDB if roles are to be migrated.",
    )
    CLUSTER_SETTINGS = (
        "cluster_settings",
        "info",
        _GRANT,
        "Cluster settings are omitted.",
        "Check whether PostgreSQL needs an equivalent setting.",
    )
    DATABASE_GRANT_LEFT_OUT = (
        "database_grant_left_out",
        "warning",
        _GRANT,
        "Privileges on the database are omitted, because they would apply to the schemas of other databases, too.",
        "Grant what the role needs on the schemas.",
    )
    DATABASE_PART_LEFT_OUT = (
        "database_part_left_out",
        "warning",
        _GRANT,
        "A setting of the database is omitted, because it would apply to the schemas of other databases, too.",
        "Set it for the schemas by hand.",
    )
    DATABASE_SETTINGS = (
        "database_settings",
        "info",
        _GRANT,
        "Session defaults of the database are omitted.",
        "Set those that PostgreSQL knows with ALTER DATABASE … SET or ALTER ROLE … SET.",
    )
    DEFAULT_PRIVILEGES = (
        "default_privileges",
        "warning",
        _GRANT,
        "Default privileges are omitted.",
        "Run ALTER DEFAULT PRIVILEGES in PostgreSQL for the roles that create objects.",
    )
    FUNCTION_FOR_EVERYBODY = (
        "function_for_everybody",
        "warning",
        _GRANT,
        "PostgreSQL lets PUBLIC execute a new function; in CockroachDB this privilege was revoked.",
        "Run REVOKE EXECUTE ON FUNCTION … FROM PUBLIC.",
    )
    GRANT_NOT_KNOWN = (
        "grant_not_known",
        "warning",
        _GRANT,
        "A privilege is omitted: several functions have this name, and SHOW GRANTS does not say which one it is of.",
        "Grant it by hand.",
    )
    GRANTS_NOT_RESTORED = (
        "grants_not_restored",
        "warning",
        _GRANT,
        "Owners and grants are not those of the source: CockroachDB restores them with a whole cluster only.",
        "Use migration_source: backup, which reads them from the backup's files, or grant by hand.",
    )
    GRANTS_SKIPPED = (
        "grants_skipped",
        "warning",
        _GRANT,
        "Owners and privileges are omitted (grants is skip): the importing role owns everything.",
        "Set grants to existing or create and run again.",
    )
    LEAKPROOF = (
        "leakproof",
        "info",
        _GRANT,
        "LEAKPROOF is omitted, which only a superuser may set.",
        "ALTER FUNCTION … LEAKPROOF sets it.",
    )
    LEFTOVERS_NOT_READ = (
        "leftovers_not_read",
        "warning",
        _GRANT,
        "A system table that names what is not migrated could not be read.",
        "Read the table in CockroachDB before it is switched off.",
    )
    PASSWORD_LEFT_OUT = (
        "password_left_out",
        "warning",
        _GRANT,
        "The role's password is omitted.",
        "Set one with ALTER ROLE … PASSWORD.",
    )
    PRIVILEGE_WITHOUT_COUNTERPART = (
        "privilege_without_counterpart",
        "warning",
        _GRANT,
        "A privilege is omitted, because PostgreSQL has no such privilege on an object of this kind.",
        "Grant what the role needs in PostgreSQL.",
    )
    RIGHT_NOT_SET = (
        "right_not_set",
        "warning",
        _GRANT,
        "An owner, privilege, comment or setting is omitted, because the importing role is not allowed to set it.",
        "Have a role run it that is allowed to, or give the importing role the right and run again.",
    )
    ROLE_MISSING = (
        "role_missing",
        "warning",
        _GRANT,
        "The target has no such role: its privileges and what it owns are omitted.",
        "Create the role, or set grants to create, and run again.",
    )
    ROLE_OPTION = (
        "role_option",
        "warning",
        _GRANT,
        "Role options without a counterpart are omitted.",
        "Check which of them the role needs in PostgreSQL.",
    )
    ROLE_SETTINGS = (
        "role_settings",
        "info",
        _GRANT,
        "Session settings of the role are omitted.",
        "Set those that PostgreSQL knows with ALTER ROLE … SET.",
    )
    ROLE_WITHOUT_LOGIN = (
        "role_without_login",
        "warning",
        _GRANT,
        "The role is created without LOGIN, because it has no password that PostgreSQL can check.",
        "Give it a new one with ALTER ROLE … LOGIN PASSWORD ….",
    )
    ROW_LEVEL_SECURITY_FORCED = (
        "row_level_security_forced",
        "warning",
        _GRANT,
        "FORCE ROW LEVEL SECURITY is omitted: the table's owner sees all rows.",
        "Run ALTER TABLE … FORCE ROW LEVEL SECURITY after the verification.",
    )
    SCHEDULE = (
        "schedule",
        "info",
        _GRANT,
        "The schedule is omitted.",
        "Set up what it did with PostgreSQL's own tools, such as pg_basebackup for backups.",
    )
    SCHEMA_FROM_TEXT = (
        "schema_from_text",
        "warning",
        _GRANT,
        "The system tables of this CockroachDB are closed, so that the schema was read from SHOW CREATE, and owners "
        "and grants from SHOW. These do not show: passwords of roles, default privileges, owners of functions, "
        "settings of databases and roles, comments on databases, zone configurations, schedules, changefeeds, cluster "
        "settings, system privileges.",
        "Look at these by hand, or migrate a backup of this cluster, which has them.",
    )
    SEQUENCE_NOT_THERE = (
        "sequence_not_there",
        "warning",
        _GRANT,
        "The target has no sequence of this name: its value is not set.",
        "If another sequence stands for it, set that one with setval().",
    )
    SEQUENCE_VALUE_UNKNOWN = (
        "sequence_value_unknown",
        "warning",
        _GRANT,
        "The source does not hold the sequence's value: it begins at its START value.",
        "Set the value with setval() if the sequence was in use.",
    )
    SYSTEM_PRIVILEGES = (
        "system_privileges",
        "warning",
        _GRANT,
        "System privileges of the role are omitted.",
        "Check which of PostgreSQL's predefined roles, such as pg_monitor, this role needs.",
    )

    # Run again after a change

    ASCII_LETTER_CASE = (
        "ascii_letter_case",
        "warning",
        _REPEAT,
        "upper() and lower() change only ASCII letters, because the server's host has no UTF-8 locale.",
        "Install a UTF-8 locale such as C.UTF-8 on the server's host, drop the database and run again.",
    )
    CERTIFICATE_NOT_VERIFIED = (
        "certificate_not_verified",
        "info",
        _REPEAT,
        "The connection to the target is encrypted, but the server's certificate is not verified.",
        "Set postgres_sslmode: verify-full, and postgres_sslrootcert to the file of the authority that signed the "
        "server's certificate, or to system for the authorities that the host trusts.",
    )
    COLLATION_LEFT_OFF = (
        "collation_left_off",
        "warning",
        _REPEAT,
        "The column's collation is omitted, because the server was built without ICU: the database's collation sorts "
        "it.",
        "Use a server with ICU to keep it.",
    )
    CONNECTION_NOT_ENCRYPTED = (
        "connection_not_encrypted",
        "warning",
        _REPEAT,
        "The rows travel to the target without encryption.",
        "Set postgres_sslmode: verify-full, and postgres_sslrootcert to the file of the authority that signed the "
        "server's certificate, or to system for the authorities that the host trusts.",
    )
    FEATURE_CAME_LATE = (
        "feature_came_late",
        "info",
        _REPEAT,
        "The server has an extension or ICU now, but what was created without it stays as it is.",
        "To have everything created with it, drop the database and run again.",
    )
    FOREIGN_KEY_WITHOUT_TARGET = (
        "foreign_key_without_target",
        "error",
        _REPEAT,
        "The foreign key is omitted, because the table that it refers to is not migrated.",
        "Choose that table, too.",
    )
    GC_NOT_KNOWN = (
        "gc_not_known",
        "warning",
        _REPEAT,
        "How long CockroachDB keeps the rows of the export's moment could not be read.",
        "If the export lasts longer than gc.ttlseconds, it fails at its end: raise gc.ttlseconds and run again.",
    )
    IMPORT_UNDER_WAY = (
        "import_under_way",
        "warning",
        _REPEAT,
        "The table is as it was before the IMPORT INTO that was running when the backup was taken: its rows are "
        "omitted, as RESTORE omits them.",
        "Import the same data again, or take the backup again after the import is done.",
    )
    LTREE_LABELS = (
        "ltree_labels",
        "warning",
        _REPEAT,
        "Labels with hyphens or of more than 255 characters are an error: PostgreSQL has them from version 16 on.",
        "Use a newer server if the column holds such labels.",
    )
    MATERIALIZED_VIEW_NOT_REFRESHED = (
        "materialized_view_not_refreshed",
        "warning",
        _REPEAT,
        "The materialized view is not refreshed: content: data does not refresh any.",
        "Run REFRESH MATERIALIZED VIEW where the target has it.",
    )
    NOT_PUBLIC = (
        "not_public",
        "error",
        _REPEAT,
        "The object is omitted, because it was not public when the backup was taken.",
        "Take the backup again after the import, restore or schema change is done.",
    )
    OBJECT_NUMBERS_NOT_KNOWN = (
        "object_numbers_not_known",
        "warning",
        _REPEAT,
        "Object identifiers of tables, types, schemas and functions keep their numbers instead of becoming names, "
        "because the source does not say which object has which number.",
        "Export the running cluster, or the backup's own files, to have names.",
    )
    REGIONS_NOT_KNOWN = (
        "regions_not_known",
        "warning",
        _REPEAT,
        "The text does not name the database's regions: columns, casts and parameters of the type of regions become "
        "text.",
        "Add what SHOW CREATE DATABASE or SHOW REGIONS FROM DATABASE prints to the text, and convert it again.",
    )
    RESTORED_WITHOUT_PARTNERS = (
        "restored_without_partners",
        "warning",
        _REPEAT,
        "The backup was restored with options that drop references to what was not chosen.",
        "Choose the referenced objects, too, to have them.",
    )
    TYPE_AS_TEXT = (
        "type_as_text",
        ("warning", "info"),
        _REPEAT,
        "The column becomes text, because the server has no type that holds its values exactly.",
        "Install the extension on the target server and run again (schema_convert: name it in extensions), or convert "
        "the column later.",
    )
    VIEW_WITHOUT_SOURCE = (
        "view_without_source",
        "error",
        _REPEAT,
        "The view is omitted, because it reads a table that was not chosen.",
        "Choose the table, too, or exclude the view.",
    )

    # Compare with CockroachDB what could not be proved

    BACKUP_FORMAT_UNPROVED = (
        "backup_format_unproved",
        "info",
        _COMPARE,
        "The backup was written by a release whose format was read by its specification and not yet tested on a real "
        "backup.",
        "Compare samples of the migrated rows with the source.",
    )
    BACKUP_INCREMENTS_UNKNOWN = (
        "backup_increments_unknown",
        "warning",
        _COMPARE,
        "Files cannot be listed over HTTP: whether there are incremental backups is not known, and only the full one "
        "was read.",
        "If there are incremental backups, name the directory of the full backup and those of its incremental backups "
        "in s3_backup_path, in order.",
    )
    BACKUP_RANGE_TOMBSTONES = (
        "backup_range_tombstones",
        "info",
        _COMPARE,
        "The backup has range tombstones, which are applied as the specification says.",
        "Compare the row counts of tables from which large ranges were deleted.",
    )
    BACKUP_SIZES_MISSING = (
        "backup_sizes_missing",
        "warning",
        _COMPARE,
        "The backup's manifest does not say how much its files hold. (Found in dumps of early releases only.)",
        "Compare the tables' row counts with the source.",
    )
    COMPLETENESS_UNPROVED = (
        "completeness_unproved",
        "warning",
        _COMPARE,
        "The backup's manifest does not say how much some of its files hold: only their checksums prove that all of it "
        "was read.",
        "Compare the tables' row counts with the source.",
    )
    DOMAIN_DEDUCED = (
        "domain_deduced",
        "info",
        _COMPARE,
        "The domain was read according to the published descriptor format, which was not yet tested on a real backup.",
        "Compare NOT NULL and NOT VALID with SHOW CREATE ALL TYPES.",
    )
    RANGE_TOMBSTONES_UNCOUNTED = (
        "range_tombstones_uncounted",
        "warning",
        _COMPARE,
        "The backup's manifest counts range tombstones together with rows, and in other pieces than they are stored "
        "in: only the files' checksums prove that all of their rows were read.",
        "Compare the tables' row counts with the source.",
    )
    RELEASE_NOT_KNOWN = (
        "release_not_known",
        "warning",
        _COMPARE,
        "The release is later than the last one that this collection knows; it was treated as the next one after it.",
        "Check whether there is a newer version of this collection.",
    )
    TEXT_SEARCH_RECOMPUTED = (
        "text_search_recomputed",
        "warning",
        _COMPARE,
        "PostgreSQL computes the column's words anew: it splits texts with hyphens, dots or slashes into other words. "
        "The values are not compared with CockroachDB's.",
        "Try your searches; conversion_policies can keep CockroachDB's words as data.",
    )

    # Check whether a difference matters

    COMMENT_CHANGED = (
        "comment_changed",
        "info",
        _CHECK,
        "A comment holds the character U+0000, which PostgreSQL's text cannot hold; U+FFFD stands in its place.",
        "Nothing has to be done.",
    )
    COMPUTED_COLUMN_AS_DATA = (
        "computed_column_as_data",
        "warning",
        _CHECK,
        "The computed column becomes a plain column that keeps its values.",
        "Write a trigger if new rows need the value computed.",
    )
    DIVISION = (
        "division",
        "warning",
        _CHECK,
        "The expression has a division: of two integers it gives a decimal in CockroachDB, but an integer without the "
        "fraction in PostgreSQL.",
        "Check the operands; cast one to numeric where they are integers.",
    )
    DOMAIN_OPERATORS = (
        "domain_operators",
        "warning",
        _CHECK,
        "PostgreSQL's operators accept neither a domain over an enum nor an array of a domain in place of its base "
        "type, as CockroachDB's do.",
        "Have queries cast the column to its base type, also those in PL/pgSQL; the views, checks, indexes and SQL "
        "functions that are migrated do.",
    )
    ENUM_AS_DOMAIN = (
        "enum_as_domain",
        "warning",
        _CHECK,
        "The enum becomes a domain over text with a check of its labels, because one of them is longer than 63 bytes, "
        "which PostgreSQL's enums do not take.",
        "Note that its values are compared and sorted as text, not in the order of the labels. To have an enum, rename "
        "the label in CockroachDB with ALTER TYPE … RENAME VALUE.",
    )
    EXPRESSION_DIFFERS = (
        "expression_differs",
        "warning",
        _CHECK,
        "PostgreSQL's result of the expression is not always the same.",
        "Check whether it matters where the result is used.",
    )
    FLOAT4_ROUNDED = (
        "float4_rounded",
        "warning",
        _CHECK,
        "Some releases of CockroachDB keep the digits of FLOAT8 in FLOAT4 columns; PostgreSQL's real rounds them.",
        "Where these digits matter, make the column FLOAT8 in CockroachDB first.",
    )
    FOREIGN_KEY_ACTION = (
        "foreign_key_action",
        "warning",
        _CHECK,
        "The action becomes NO ACTION: PostgreSQL does not write into a computed column.",
        "Write a trigger if the action is needed.",
    )
    FOREIGN_KEY_MATCH = (
        "foreign_key_match",
        "warning",
        _CHECK,
        "MATCH PARTIAL becomes MATCH SIMPLE: PostgreSQL has not implemented MATCH PARTIAL.",
        "Check whether rows with some NULLs in the key matter.",
    )
    HIDDEN_COLUMN = (
        "hidden_column",
        "info",
        _CHECK,
        "The column is NOT VISIBLE in CockroachDB; in PostgreSQL SELECT * shows it.",
        "Name the columns in queries.",
    )
    IDENTITY_LEFT_OUT = (
        "identity_left_out",
        "warning",
        _CHECK,
        "GENERATED … AS IDENTITY becomes a default that draws from the sequence.",
        "Note that an INSERT may give the column any value.",
    )
    INDEX_TOO_WIDE = (
        "index_too_wide",
        "warning",
        _CHECK,
        "The index has fewer columns: those of PostgreSQL have at most 32, INCLUDE counted.",
        "Queries need no change; those that read the omitted columns look them up in the table.",
    )
    INTEGER_WIDTH = (
        "integer_width",
        "info",
        _CHECK,
        "What the type INTEGER means in the text depends on who wrote it: CockroachDB means INT8, pg_catalog INT4.",
        "Compare with the database; write INT4 or INT8 instead of INTEGER if the other one is right.",
    )
    INTERVAL_KEY = (
        "interval_key",
        "warning",
        _CHECK,
        "A unique index on the binary form of the intervals stands in for the key: 30 days equal 720 hours in "
        "PostgreSQL, but not in CockroachDB.",
        "Make it a plain key if no two intervals are equal in PostgreSQL; a foreign key to it needs that.",
    )
    INVERTED_PREFIX = (
        "inverted_prefix",
        "warning",
        _CHECK,
        "The index holds only its last column: the server does not have the extension that indexes the others.",
        "Install the extension and run again, or create an index on the other columns.",
    )
    KEY_REPLACED = (
        "key_replaced",
        ("warning", "error"),
        _CHECK,
        "The index or key is made in another form, because rows have values that are longer than PostgreSQL's indexes "
        "take: without its INCLUDE columns, as a hash index, or (error) as a unique index on hashes of the long "
        "columns in place of a key.",
        "Note that ON CONFLICT and foreign keys do not know an index on hashes, and that a hash index finds equal "
        "values only.",
    )
    LENGTH_LEFT_OFF = (
        "length_left_off",
        "warning",
        _CHECK,
        "The type has no length or precision, because PostgreSQL does not take one as large: varchar and char end at "
        "10,485,760 characters, bits at 83,886,080, numeric at 1,000 digits.",
        "Add a check if new values have to be limited.",
    )
    LOOP_VARIABLE = (
        "loop_variable",
        "info",
        _CHECK,
        "The variable of a FOR loop has 32 bits in PostgreSQL: greater numbers are an error.",
        "Write a WHILE loop where they occur.",
    )
    NAME_CUT = (
        "name_cut",
        "warning",
        _CHECK,
        "The name is changed, because PostgreSQL cannot have it: it is longer than 63 bytes or that of a system "
        "column.",
        "Use the new name.",
    )
    NULL_ORDER = (
        "null_order",
        "warning",
        _CHECK,
        "ORDER BY puts NULLs last in PostgreSQL and first in CockroachDB; with DESC it is the other way round. "
        "Migrated views and functions keep CockroachDB's order; an application's own queries return rows in another "
        "one.",
        "Write ORDER BY … NULLS FIRST (DESC NULLS LAST) where an application relies on CockroachDB's order. Such "
        "queries can use the indexes that conversion_policies (null_order: cockroach) makes.",
    )
    OBJECT_IDENTIFIER = (
        "object_identifier",
        "warning",
        _CHECK,
        "The values are object identifiers, which name CockroachDB's own objects; they become plain numbers or names.",
        "Look up the numbers' meaning in CockroachDB before it is switched off, or have names written with "
        "conversion_policies (object_identifiers: text).",
    )
    ON_UPDATE = (
        "on_update",
        "info",
        _CHECK,
        "ON UPDATE becomes a trigger, which sets the column when an UPDATE leaves its value as it was.",
        "Note that an UPDATE that sets the very same value counts as leaving it.",
    )
    SEQUENCE_BOUNDS = (
        "sequence_bounds",
        ("info", "warning"),
        _CHECK,
        "The sequence of an identity column has other bounds, which are those of the column's type (warning: it, or "
        "another sequence, starts elsewhere, or is at its end).",
        "Check whether the column needs other values than its type has; if so, make it bigint.",
    )
    STATEMENT_LEFT_OUT = (
        "statement_left_out",
        ("warning", "info"),
        _CHECK,
        "The statement is omitted (info: it has no counterpart in PostgreSQL).",
        "Check whether PostgreSQL needs an equivalent statement.",
    )
    TEXT_MAY_BE_INCOMPLETE = (
        "text_may_be_incomplete",
        "warning",
        _CHECK,
        "The schema's text may be incomplete.",
        "Compare the number of objects with that of the database, or give the output of SHOW CREATE ALL TABLES as "
        "cockroach sql --format=raw prints it.",
    )
    TEXT_ORDER = (
        "text_order",
        "warning",
        _CHECK,
        "What the object means depends on the order of text, and the database's collation does not sort by bytes, as "
        "CockroachDB does: rows can be refused, missing or in another place.",
        "Let the import create the database, or export with conversion_policies (text_order: bytes).",
    )
    TEXT_ORDER_OF_QUERIES = (
        "text_order_of_queries",
        "warning",
        _CHECK,
        "An application's own ORDER BY, comparisons, min() and max() of text follow the database's collation; in "
        "CockroachDB they follow the bytes. The keys and indexes over text have the database's order: they serve "
        "neither LIKE 'prefix%' nor queries that say COLLATE \"C\".",
        "To have CockroachDB's order in queries, too, let the import create the database, or create it with TEMPLATE "
        "template0 LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' (PostgreSQL 14: without LOCALE_PROVIDER).",
    )
    UNIQUE_ROWID = (
        "unique_rowid",
        "info",
        _CHECK,
        "unique_rowid() becomes a sequence or a function.",
        "Note that new values of a sequence are small steps apart, not spread by time and node.",
    )
    UNIQUE_WITHOUT_INDEX = (
        "unique_without_index",
        ("info", "warning"),
        _CHECK,
        "UNIQUE WITHOUT INDEX becomes a unique index, or a trigger if conversion_policies says so (warning: neither "
        "CockroachDB nor the migration has checked the existing rows). So does a key of more than 32 columns, which no "
        "index of PostgreSQL holds: it becomes a trigger (warning).",
        "conversion_policies can choose a trigger instead.",
    )
    VECTOR_INDEX = (
        "vector_index",
        "info",
        _CHECK,
        "The vector index becomes an hnsw index.",
        "Its parameters are pgvector's defaults; hnsw.ef_search says how thoroughly a query searches.",
    )
    VECTOR_PREFIX = (
        "vector_prefix",
        "warning",
        _CHECK,
        "The index holds only its last column: PostgreSQL's vector indexes do not accept others.",
        "Create an index on the other columns if queries need it.",
    )
    VIRTUAL_COLUMN = (
        "virtual_column",
        "info",
        _CHECK,
        "The virtual computed column becomes a stored one.",
        "Note that it needs space in the table; queries stay the same.",
    )

    WIDE_ROW = (
        "wide_row",
        ("warning", "error"),
        _CHECK,
        "The table has so many columns that PostgreSQL cannot store a row with values in all of them: a row has to fit "
        "into 8,160 bytes, and each long value needs a reference in there (error: the dump has such a row).",
        "Rehearse: the import ends at the first row that does not fit. Then exclude the table, or divide it in "
        "CockroachDB.",
    )

    # Nothing has to be done

    BACKUP_COMPACTED = (
        "backup_compacted",
        "info",
        _NOTHING,
        "The layer is a compacted one, which stands for several incremental ones.",
    )
    BACKUP_VERSION_UNCHECKED = (
        "backup_version_unchecked",
        "info",
        _NOTHING,
        "The backup's manifest cannot be read here, so that CockroachDB alone decided whether it can restore this "
        "backup.",
    )
    COCKROACH_FUNCTION = (
        "cockroach_function",
        "info",
        _NOTHING,
        "This function is created, since an expression calls a function of CockroachDB that PostgreSQL lacks.",
    )
    COLUMN_FAMILIES = (
        "column_families",
        "info",
        _NOTHING,
        "The column families are omitted: PostgreSQL stores a row as a whole.",
    )
    DATABASE_AS_SCHEMAS = (
        "database_as_schemas",
        "info",
        _NOTHING,
        "The database becomes schemas of another one.",
    )
    DESCENDING_PRIMARY_KEY = (
        "descending_primary_key",
        "info",
        _NOTHING,
        "The primary key is created ascending: a key of PostgreSQL has no direction and is read both ways.",
    )
    EXPRESSION_FUNCTION = (
        "expression_function",
        "info",
        _NOTHING,
        "The expression is wrapped in a function that is marked immutable with the time zone UTC, because PostgreSQL "
        "takes a part of the expression to depend on settings.",
    )
    EXTERNAL_CONNECTION = (
        "external_connection",
        "info",
        _NOTHING,
        "The external connection has no counterpart and is omitted.",
    )
    HASH_SHARDED = (
        "hash_sharded",
        "info",
        _NOTHING,
        "The hash-sharded index becomes a plain one: its shards distribute load over nodes.",
    )
    INDEX_NOT_VISIBLE = (
        "index_not_visible",
        "info",
        _NOTHING,
        "The index is NOT VISIBLE in CockroachDB, or to a part of the queries only; PostgreSQL's planner always uses "
        "it.",
    )
    INDEX_RENAMED = (
        "index_renamed",
        "info",
        _NOTHING,
        "The index has another name in PostgreSQL, where the indexes of a schema share one namespace (of names of at "
        "most 63 bytes) with its tables.",
    )
    INTERLEAVED = (
        "interleaved",
        "info",
        _NOTHING,
        "INTERLEAVE IN PARENT has no counterpart and is omitted: it stores rows next to those of another table.",
    )
    LOCALITY = (
        "locality",
        "info",
        _NOTHING,
        "The table's locality has no counterpart and is omitted.",
    )
    MATERIALIZED_VIEW = (
        "materialized_view",
        "info",
        _NOTHING,
        "The materialized view is computed from the migrated rows, not copied as it was at its last REFRESH.",
    )
    MATERIALIZED_VIEW_RECOGNIZED = (
        "materialized_view_recognized",
        "info",
        _NOTHING,
        "This release prints materialized views as views; the hidden column rowid shows that this is one.",
    )
    PARTITIONING = (
        "partitioning",
        "info",
        _NOTHING,
        "The table is created without partitions: CockroachDB's partitioning places ranges on nodes.",
    )
    REGIONS = (
        "regions",
        "info",
        _NOTHING,
        "The database's regions have no counterpart and are omitted.",
    )
    RENAMED = (
        "renamed",
        "info",
        _NOTHING,
        "The object has another name in CockroachDB.",
    )
    RESTORED_JOB_CANCELLED = (
        "restored_job_cancelled",
        "info",
        _NOTHING,
        "A job that was restored with the cluster was cancelled in the temporary CockroachDB.",
    )
    ROW_TYPE = (
        "row_type",
        "info",
        _NOTHING,
        "Functions with rows of the table use a composite type of its visible columns: PostgreSQL's rows of the table "
        "have the hidden ones, too.",
    )
    SEQUENCE_OWNER = (
        "sequence_owner",
        "info",
        _NOTHING,
        "OWNED BY is omitted: PostgreSQL requires the sequence and the table to be in one schema.",
    )
    SEQUENCE_TYPE = (
        "sequence_type",
        "info",
        _NOTHING,
        "The sequence becomes a bigint one: its bounds go beyond its own type.",
    )
    SESSION_SETTING = (
        "session_setting",
        "info",
        _NOTHING,
        "A setting of the session is omitted.",
    )
    SHARD_COLUMN = (
        "shard_column",
        "info",
        _NOTHING,
        "The hidden column of a hash-sharded index is omitted: no index uses it any more.",
    )
    SPLIT = (
        "split",
        "info",
        _NOTHING,
        "Splits of ranges have no counterpart and are omitted.",
    )
    STATISTICS = (
        "statistics",
        "info",
        _NOTHING,
        "CockroachDB's table statistics are omitted: the import gathers PostgreSQL's own (ANALYZE).",
    )
    STORAGE_PARAMETERS = (
        "storage_parameters",
        "info",
        _NOTHING,
        "Storage parameters have no counterpart and are omitted.",
    )
    TEMPORARY_TABLE = (
        "temporary_table",
        "info",
        _NOTHING,
        "The temporary object is omitted: it belongs to a session.",
    )
    TEXT_ORDER_KEPT = (
        "text_order_kept",
        "info",
        _NOTHING,
        'Some objects compare text with COLLATE "C", so that they mean what they mean in CockroachDB whatever the '
        "database's collation is. A partial index, or one over an expression, among them serves only queries that say "
        'COLLATE "C" as it does.',
    )
    UNIQUE_WITHOUT_INDEX_REFERENCED = (
        "unique_without_index_referenced",
        "info",
        _NOTHING,
        "The constraint becomes a unique index although conversion_policies chose a trigger: a foreign key refers to "
        "it.",
    )
    VIEW_OPTIONS = (
        "view_options",
        "info",
        _NOTHING,
        "The view's options are omitted.",
    )
    VIRTUAL_SEQUENCE = (
        "virtual_sequence",
        "info",
        _NOTHING,
        "The virtual sequence becomes an ordinary one, which continues after the highest value.",
    )
    WRITTEN_BY_HAND = (
        "written_by_hand",
        "info",
        _NOTHING,
        "The object was omitted by the import and is there now: it was written by hand, and is not compared.",
    )
    ZONE_CONFIGURATION = (
        "zone_configuration",
        "info",
        _NOTHING,
        "The zone configuration has no counterpart and is omitted.",
    )
