# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Restores a backup into a CockroachDB of its own: inspects and checks it, starts a detached job, watches it, and finds
it again in a second run."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Optional

from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._arrange.selection import BUILT_IN_DATABASES, Selection, select
from ..._errors import CockroachError, ConfigurationError
from ..._formats import timestamps
from ..._model.object_numbers import object_numbers
from ..._system.masking import secret_forms
from ..._system.progress import ReportRestoreProgress
from ..backup.layers import LATEST
from ..backup.reader import Backup, BackupRequest, open_backup
from ..backup.source_catalog import source_catalog
from ..cluster.releases import release_findings, release_of
from ..cluster.sql_connection import CockroachParameters, connect, server_version
from ..descriptors.catalog_of_descriptors import build_catalog
from ..storage.options import StorageOptions
from .backup_contents import CLUSTER, TABLES, Contents, Plan, choose, read_contents
from .cockroach_server import apply_settings
from .restorable import require_restorable
from .restore_job import (
    ALIVE,
    GONE,
    PAUSED,
    SUCCEEDED,
    Interruption,
    Session,
    interruption,
    job_state,
    resume,
    running_restores,
    watch,
)
from .restore_state import RestoreIdentity, read_state, write_state
from .restore_statement import (
    SKIPS,
    BackupAddress,
    Unlocking,
    require_grammar,
    restore_statements,
    show_backup,
    show_schemas,
)
from .storage_uri import (
    StorageAccess,
    external_io_dir,
    is_own,
    public_uri,
    storage_uri,
    takes_path_style,
    with_keys,
)
from .uri_secrets import secrets_of

_DATABASE = "system"
"""The only database that stays while RESTORE replaces a whole cluster."""
_LOCALITY = "COCKROACH_LOCALITY"
_VIRTUAL_CLUSTER = (
    "CockroachDB restores the whole of a virtual cluster into that one only: use migration_source: backup if roles are "
    "to be migrated."
)


@dataclass(frozen=True)
class RestoreRequest:
    """Which backup to restore, and what of it.

    ``locations`` are the collection's own (``s3://``, ``file://``) or any URIs of CockroachDB. An empty
    ``subdirectory`` means that they are directories that BACKUP TO made. ``io_dir`` is the node's directory for
    external files; the nearest one above all local locations when empty. ``time_limit`` in seconds, 0 for none.
    ``state_file`` keeps the jobs' ids for a second run.
    """

    locations: tuple[str, ...]
    state_file: str
    subdirectory: str = LATEST
    incremental_location: tuple[str, ...] = ()
    as_of: str = ""
    storage: StorageOptions = field(default_factory=StorageOptions)
    auth: str = ""
    assume_role: tuple[str, ...] = ()
    passphrase: str = field(default="", repr=False)
    kms_uris: tuple[str, ...] = field(default=(), repr=False)
    io_dir: str = ""
    selection: Selection = field(default_factory=Selection)
    options: tuple[str, ...] = ()
    time_limit: float = 0
    poll_interval: float = 2.0

    @property
    def is_readable(self) -> bool:
        """Whether the manifests can be read here too, without CockroachDB."""
        return (
            not self.kms_uris
            and not self.assume_role
            and all(is_own(location) for location in self.locations + self.incremental_location)
        )

    def secrets(self) -> set[str]:
        """Return every secret in every form."""
        found = secrets_of(self.locations + self.incremental_location + self.kms_uris)
        for value in (self.passphrase, self.storage.secret_access_key, self.storage.session_token):
            found |= secret_forms(value)
        return found


@dataclass(frozen=True)
class RestoreResult:
    """What was restored, or in check mode would be."""

    changed: bool
    job_id: str
    """Of the last job; empty where there was none."""
    coverage: str
    """``cluster``, ``database`` or ``table``."""
    databases: list[str]
    rows: int
    """As CockroachDB counts them over all layers, without system tables."""
    bytes: int
    """Likewise."""
    findings: list[Finding]
    object_numbers: list[list[Any]]
    """What RESTORE has given new numbers to, with the old ones, which object identifiers in rows still have."""
    seconds: float = 0


def restore_backup(
    parameters: CockroachParameters, request: RestoreRequest, progress: ReportRestoreProgress, check: bool = False
) -> RestoreResult:
    """Restore a backup unless this CockroachDB has it from an earlier run; wait for a RESTORE that still runs.

    With ``check`` nothing is changed. Raises MigrationError; a job that was started is then cancelled,
    unless CockroachDB itself is gone.
    """
    started = time.monotonic()
    _check_request(request)
    connection = connect(parameters, _DATABASE)
    try:
        version = server_version(connection)
        session = Session(connection, parameters.place, request.secrets())
        backup = open_backup(_backup_request(request)) if request.is_readable else None
        if backup:
            require_restorable((layer.manifest.build_tag for layer in backup.layers), version)
            # What the export would refuse to read is refused before it is restored.
            select(build_catalog(backup.descriptors, before_imports=True), request.selection)
        restore = _Restore(session, request, version, backup, progress)
        result = restore.look() if check else restore.run()
    finally:
        connection.close()
    return dataclasses.replace(result, seconds=round(time.monotonic() - started, 1))


def _check_request(request: RestoreRequest) -> None:
    unknown = sorted(set(request.options) - set(SKIPS))
    if unknown:
        raise ConfigurationError(f"options: {', '.join(unknown)} is not known; there are {', '.join(SKIPS)}")
    if request.passphrase and request.kms_uris:
        raise ConfigurationError("give encryption_passphrase or kms_uris, not both")
    if not request.locations:
        raise ConfigurationError("the backup's location is not set")


def _backup_request(request: RestoreRequest) -> BackupRequest:
    return BackupRequest(
        locations=request.locations + request.incremental_location,
        subdirectory=request.subdirectory,
        as_of=request.as_of,
        storage=request.storage,
        passphrase=request.passphrase,
    )


def backup_address(request: RestoreRequest, backup: Optional[Backup], version: str) -> tuple[BackupAddress, set[str]]:
    """Return where CockroachDB finds the backup, and the secrets in that address. Raises ConfigurationError."""
    access = StorageAccess(request.storage, request.auth, request.assume_role)
    given = request.locations + request.incremental_location
    if any(is_own(location) and location.startswith("s3") for location in given):
        access = with_keys(access)
    io_dir = request.io_dir or external_io_dir(given)
    path_style = takes_path_style(version)

    def uris(locations: Iterable[str]) -> tuple[str, ...]:
        return tuple(storage_uri(location, access, io_dir, path_style) for location in dict.fromkeys(locations))

    if backup is None:
        address = _stated_address(request, uris)
    else:
        address = _found_address(request, backup, uris)
    return address, secrets_of(address.uris + address.incremental)


def _stated_address(request: RestoreRequest, uris: Callable[[Iterable[str]], tuple[str, ...]]) -> BackupAddress:
    locality_aware = any(_LOCALITY in location for location in request.locations)
    is_chain = len(request.locations) > 1 and request.subdirectory == LATEST and not locality_aware
    subdirectory = "" if is_chain else request.subdirectory
    return BackupAddress(uris(request.locations), subdirectory, uris(request.incremental_location))


def _found_address(
    request: RestoreRequest, backup: Backup, uris: Callable[[Iterable[str]], tuple[str, ...]]
) -> BackupAddress:
    layers = backup.layers
    home = layers[0].storage.location
    if not layers[0].folder:
        return BackupAddress(uris(_plain(layer.storage.location) for layer in layers if not layer.folder))
    others = [storage.location for layer in layers for storage in layer.partitions.values() if storage.location != home]
    incremental = [layer.storage.location for layer in layers[1:] if layer.storage.location != home]
    return BackupAddress(
        uris(_plain(location) for location in [home, *others]),
        f"/{layers[0].folder}",
        uris(request.incremental_location or map(_plain, incremental)),
    )


def _plain(location: str) -> str:
    """Return a storage's name as a location: directories as paths, for their names are not encoded."""
    return location[len("file://") :] if location.startswith("file://") else location


class _Restore:
    """One backup and one CockroachDB."""

    def __init__(
        self,
        session: Session,
        request: RestoreRequest,
        version: str,
        backup: Optional[Backup],
        progress: ReportRestoreProgress,
    ) -> None:
        self.session = session
        self.request = request
        self.version = version
        self.release = release_of(version)
        self.backup = backup
        self.progress = progress
        self.address, secrets = backup_address(request, backup, version)
        session.secrets |= secrets
        require_grammar(self.address, self.release)
        self.unlocking = Unlocking(request.passphrase, request.kms_uris)
        self.contents = self._contents()
        self.identity = self._identity()
        self.state = read_state(request.state_file, self.identity)
        self.plan = self._plan()

    def look(self) -> RestoreResult:
        """Tell what would be done."""
        return self._result(changed=not self._is_done())

    def run(self) -> RestoreResult:
        """Start the jobs that have not been started, and wait for all of them."""
        if self._is_done():
            return self._result(changed=False)
        with interruption() as caught:
            for name, statement in self._statements():
                self._run_job(name, statement, caught)
        cancelled = self._stop_background_jobs() if self.plan.coverage == CLUSTER else []
        self._keep(done=True)
        return self._result(changed=True, cancelled=cancelled)

    def _contents(self) -> Contents:
        columns, rows = self.session.run(show_backup(self.address, self.unlocking, self.release))
        return read_contents(columns, rows, self.request.as_of)

    def _identity(self) -> RestoreIdentity:
        request = self.request
        return RestoreIdentity(
            node=str(self.session.rows("SELECT crdb_internal.cluster_id()")[0][0]),
            cluster_id=self.backup.info.cluster_id if self.backup else "",
            locations=[public_uri(uri) for uri in self.address.uris + self.address.incremental],
            subdirectory=self.address.subdirectory,
            end_time=self.contents.end_time,
            as_of=request.as_of,
            include=list(request.selection.include),
            exclude=list(request.selection.exclude),
            options=sorted(request.options),
        )

    def _plan(self) -> Plan:
        if self.state.plan:
            return self.state.plan
        is_empty = not self._databases() - set(BUILT_IN_DATABASES) and not self._filled(BUILT_IN_DATABASES)
        # CockroachDB restores a virtual cluster's databases anywhere, the whole of it only into the same one.
        takes_cluster = is_empty and not (self.backup and self.backup.info.virtual_cluster)
        plan = choose(self.contents, self.request.selection, takes_cluster, self._complete_databases())
        if plan.tables:
            plan = dataclasses.replace(plan, tables=plan.tables + tuple(self._missing_sequences(plan)))
        return plan

    def _complete_databases(self) -> Optional[frozenset[str]]:
        if self.backup is None:
            return None
        numbers = set(self.backup.info.complete_databases)
        return frozenset(
            database.name for database in build_catalog(self.backup.descriptors).databases if database.id in numbers
        )

    def _missing_sequences(self, plan: Plan) -> list[tuple[str, str, str]]:
        """Return the sequences besides the chosen tables, whose defaults may need them."""
        columns, rows = self.session.run(show_schemas(self.address, self.unlocking, self.release))
        found = []
        for row in rows:
            record = dict(zip(columns, row))
            name = (record["database_name"], record.get("parent_schema_name") or "public", record["object_name"])
            if (
                (record["create_statement"] or "").startswith("CREATE SEQUENCE")
                and name[0] in plan.created
                and name not in plan.tables
            ):
                found.append(name)
        return list(dict.fromkeys(found))

    def _statements(self) -> list[tuple[str, Any]]:
        as_of = timestamps.decimal(timestamps.parse(self.request.as_of)) if self.request.as_of else ""
        return restore_statements(self.plan, self.address, self.unlocking, self.request.options, as_of, self.release)

    def _databases(self) -> set[str]:
        return {row[0] for row in self.session.rows("SELECT database_name FROM [SHOW DATABASES]")} - {"system"}

    def _filled(self, names: Iterable[str]) -> list[str]:
        """Return those of these databases that are there and have tables."""
        query = "SELECT table_name FROM [SHOW TABLES FROM {}] LIMIT 1"
        return [
            name
            for name in sorted(set(names) & self._databases())
            if self.session.rows(sql.SQL(query).format(sql.Identifier(name)))
        ]

    def _is_done(self) -> bool:
        return self.state.done and set(self.plan.names) <= self._databases()

    def _run_job(self, name: str, statement: Any, caught: Interruption) -> None:
        job = int(self.state.jobs.get(name, 0))
        status = job_state(self.session, job).status if job else GONE
        if status == SUCCEEDED and not self.state.done:
            return
        if status == PAUSED:
            resume(self.session, job)
        if status not in ALIVE:
            self._prepare(name)
            job = int(self.session.rows(statement)[0][0])
            self.state.jobs[name] = str(job)
            self._keep(done=False)
        watch(self.session, job, self.request.time_limit, self.request.poll_interval, self.progress, caught)

    def _prepare(self, name: str) -> None:
        """Make room for a job. Raises CockroachError when something is in its way."""
        self.session.adopt_soon()
        others = running_restores(self.session)
        if others:
            raise CockroachError(
                f"another RESTORE runs in this CockroachDB (job {', '.join(map(str, others))}): wait for it or cancel "
                "it, then run this again"
            )
        if name == "cluster":
            # The backup's schedules must not run here: they would write to the places of the original cluster.
            self.session.run("SET CLUSTER SETTING jobs.scheduler.enabled = false")
            return
        present = self._databases()
        if name == "tables":
            for database in self.plan.created:
                if database not in present:
                    self.session.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
            return
        taken = self._filled(self.plan.databases)
        if taken:
            raise CockroachError(
                f"CockroachDB at {self.session.place} holds {', '.join(taken)} already, not restored by this: start a "
                "new, empty CockroachDB, or remove them by hand"
            )
        # RESTORE makes the databases itself. A new CockroachDB has two empty ones; a failed attempt may have left
        # others.
        for database in sorted(set(self.plan.databases) & present):
            self.session.run(sql.SQL("DROP DATABASE {} RESTRICT").format(sql.Identifier(database)))

    def _stop_background_jobs(self) -> list[str]:
        """Stop the restored schedules and jobs of a whole cluster, which would act on other systems; return the
        cancelled jobs."""
        apply_settings(self.session.connection)
        self.session.run("SET CLUSTER SETTING jobs.scheduler.enabled = false")
        query = (
            "SELECT job_id, job_type FROM [SHOW JOBS] WHERE job_type IN ('BACKUP', 'CHANGEFEED', 'EXPORT') "
            "AND status IN ('pending', 'running', 'paused', 'pause-requested') ORDER BY job_id"
        )
        cancelled = []
        for job, kind in self.session.rows(query):
            self.session.run(sql.SQL("CANCEL JOB {}").format(sql.Literal(job)))
            cancelled.append(f"{kind} {job}")
        return cancelled

    def _keep(self, done: bool) -> None:
        self.state = dataclasses.replace(self.state, plan=self.plan, done=done)
        write_state(self.request.state_file, self.state)

    def _result(self, changed: bool, cancelled: Iterable[str] = ()) -> RestoreResult:
        names = self.plan.names
        jobs = self.state.jobs
        return RestoreResult(
            changed=changed,
            job_id=list(jobs.values())[-1] if jobs else "",
            coverage=self.plan.coverage,
            databases=list(names),
            rows=sum(self.contents.rows.get(name, 0) for name in names),
            bytes=sum(self.contents.size.get(name, 0) for name in names),
            findings=self._findings(cancelled),
            object_numbers=object_numbers(source_catalog(self.backup)).records() if self.backup else [],
        )

    def _findings(self, cancelled: Iterable[str]) -> list[Finding]:
        found = release_findings(self.version)
        where = FullName("backup", name=public_uri(self.address.uris[0]))
        if self.backup is None:
            found.append(Finding.of(FindingCode.BACKUP_VERSION_UNCHECKED, where))
        if self.contents.whole_cluster and self.plan.coverage != CLUSTER:
            found.append(
                Finding.of(
                    FindingCode.CLUSTER_NOT_RESTORED,
                    where,
                    advice=_VIRTUAL_CLUSTER if self.backup and self.backup.info.virtual_cluster else "",
                )
            )
        if self.plan.coverage == TABLES and self.request.options:
            found.append(
                Finding.of(
                    FindingCode.RESTORED_WITHOUT_PARTNERS,
                    where,
                    f"The backup was restored with {', '.join(sorted(self.request.options))}: references to what was "
                    "not chosen are dropped.",
                )
            )
        for job in cancelled:
            found.append(
                Finding.of(
                    FindingCode.RESTORED_JOB_CANCELLED,
                    where,
                    f"The job {job}, which was restored with the cluster, was cancelled in the temporary CockroachDB.",
                )
            )
        return found
