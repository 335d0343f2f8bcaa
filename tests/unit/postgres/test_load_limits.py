# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""How much of a target an import takes: bytes in a second of all connections together, and no more WAL than a standby keeps up with."""
from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import synthetic_dump
from postgres_servers import bin_dir, open_directory, query

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load import import_graph
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.preflight import (
    PreflightOptions,
    check_target,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target import target_watch
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.load_limits import LoadLimits
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.throttle import Throttle
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import verify_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify_options import (
    VerifyOptions,
)

PASSWORD = "limits-pass-57bd"
STANDBY = "replica_one"
MIB = 1 << 20


def seconds_of(throttle: Throttle, threads: int, blocks: int, size: int) -> float:
    """Let each thread pass so many blocks; return how long that took."""
    started = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _number: [throttle.admit(size) for _block in range(blocks)], range(threads)))
    return time.monotonic() - started


def test_the_rate_is_that_of_all_threads_together():
    assert seconds_of(Throttle(), 4, 1000, MIB) < 0.5
    # The bytes of one second pass at once, the rest at the rate.
    assert 0.9 < seconds_of(Throttle(8 * MIB), 4, 16, MIB // 4) < 2.5


def test_nothing_passes_a_closed_gate_until_it_is_opened_or_the_work_has_ended():
    throttle = Throttle(MIB)
    for free in (throttle.open, throttle.end):
        throttle.close()
        passing = threading.Thread(target=throttle.admit, args=(1,))
        passing.start()
        passing.join(0.2)
        assert passing.is_alive()
        free()
        passing.join(5)
        assert not passing.is_alive()
    throttle.close()
    throttle.admit(100 * MIB)


def test_an_import_keeps_to_the_rate_and_the_number_of_connections(postgres17, tmp_path, monkeypatch):
    """About 3 MiB of rows, loaded as those of large tables are. Up to two more connections into the database only look and record."""
    monkeypatch.setattr(import_graph, "SMALL_TABLE_BYTES", -1)
    dump = synthetic_dump.write(str(tmp_path / "dump"), "limited", orders=50000)
    limited = ImportOptions(parallelism=2, limits=LoadLimits(load_rate=1))
    seen, is_over = [], threading.Event()

    def look() -> None:
        while not is_over.wait(0.05):
            seen.append(query(postgres17, "", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'limited'")[0][0])

    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            import_dump(dump, postgres17, limited)
        finally:
            is_over.set()
        looking.result()
    assert time.monotonic() - started > 1.5
    assert 2 <= max(seen) <= 2 + 2
    assert verify_dump(dump, postgres17, VerifyOptions()).succeeded


@pytest.fixture(scope="module", name="primary")
def _primary():
    """A server with a role that may create databases, and what a standby needs."""
    programs, directory = bin_dir(17), open_directory()
    settings = (("wal_level", "replica"), ("max_wal_senders", "4"), ("max_prepared_transactions", "2"))
    try:
        with temporary_server(ServerOptions(str(directory / "server"), programs, settings=settings)) as parameters:
            query(parameters, "", f"CREATE ROLE mover LOGIN CREATEDB PASSWORD '{PASSWORD}'")
            yield parameters, programs, directory
    finally:
        shutil.rmtree(directory)


@pytest.mark.needs_postgres
def test_a_lock_of_a_prepared_transaction(primary, monkeypatch):
    """It has no process."""
    parameters, _programs, _directory = primary
    monkeypatch.setattr(target_watch, "SECONDS_BETWEEN_LOOKS", 0.05)
    for command in ("CREATE TABLE kept ()", "BEGIN; LOCK TABLE kept; PREPARE TRANSACTION 'forgotten'"):
        query(parameters, "", command)
    try:
        with pytest.raises(target_watch.LockWaitError, match=r"on public\.kept, held by a prepared transaction \(pg_prepared_xacts\)"), target_watch.TargetWatch(
                parameters, [], LoadLimits(lock_wait=1), lambda line: None):
            query(parameters, "", "SELECT FROM kept")
    finally:
        query(parameters, "", "ROLLBACK PREPARED 'forgotten'")


@contextlib.contextmanager
def streaming_standby(parameters, programs: str, directory: pathlib.Path):
    """A real standby on loopback, made by pg_basebackup, that streams from the server."""
    data, port = directory / "standby", parameters.port + 1 if parameters.port < 65535 else parameters.port - 1
    owner = pathlib.Path(query(parameters, "", "SHOW data_directory")[0][0]).stat()
    identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    environment = {**os.environ, "PGPASSWORD": parameters.password, "LC_ALL": "C"}

    def run(*command: str) -> None:
        with (directory / "standby.out").open("w") as output:
            done = subprocess.run(command, check=False, env=environment, cwd="/", stdout=output, stderr=output, **identity)
        assert done.returncode == 0, (directory / "standby.out").read_text() + (data / "log").read_text() if (data / "log").exists() else ""

    data.mkdir(mode=0o700)
    os.chown(data, owner.st_uid, owner.st_gid)
    source = f"host={parameters.host} port={parameters.port} user={parameters.user} application_name={STANDBY}"
    run(f"{programs}/pg_basebackup", "-D", str(data), "-d", source, "-R", "-X", "stream", "-c", "fast")
    run(f"{programs}/pg_ctl", "start", "-w", "-D", str(data), "-l", str(data / "log"), "-o", f"-p {port}")
    try:
        yield replace(parameters, port=port)
    finally:
        run(f"{programs}/pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(data))


def chunks_loaded(parameters) -> int:
    """Wait until an import has made its tables, and a while longer; return how many chunks it has loaded by then."""
    deadline = time.monotonic() + 60
    while not query(parameters, "", "SELECT 1 FROM pg_database WHERE datname = 'followed'") or not query(
            parameters, "followed", "SELECT 1 WHERE to_regclass('cockroach_migrator.ledger') IS NOT NULL"):
        assert time.monotonic() < deadline, "the import has not begun"
        time.sleep(0.1)
    time.sleep(1)
    return query(parameters, "followed", "SELECT count(*) FROM cockroach_migrator.ledger WHERE step = 'chunk'")[0][0]


@pytest.mark.needs_postgres
def test_an_import_waits_for_a_standby(primary, tmp_path, monkeypatch):
    """It is refused without the right to see it and without the standby; it pauses while the standby is behind."""
    parameters, programs, directory = primary
    monkeypatch.setattr(target_watch, "SECONDS_BETWEEN_LOOKS", 0.05)
    monkeypatch.setattr(target_watch, "SECONDS_UNTIL_TOLD", 0.3)
    monkeypatch.setattr(target_watch, "SECONDS_BETWEEN_LINES", 0.3)
    dump = synthetic_dump.write(str(tmp_path / "dump"), "followed", orders=60000)
    login = replace(parameters, user="mover", password=PASSWORD)
    limits = LoadLimits(standby_name=STANDBY, standby_lag=2)
    options = ImportOptions(limits=limits)

    def refusals() -> set[str]:
        with pytest.raises(TargetError) as error:
            import_dump(dump, login, options)
        return {str(error.value), *check_target(login, PreflightOptions(dump, limits=limits)).problems}

    (line,) = refusals()
    assert 'GRANT pg_read_all_stats TO "mover"' in line
    query(parameters, "", "GRANT pg_read_all_stats TO mover")
    (line,) = refusals()
    assert f"no standby with the application_name {STANDBY} is connected to the target, which sees these: none" in line
    lines: list[str] = []
    loaded: list[int] = []
    with streaming_standby(parameters, programs, directory) as standby:
        query(standby, "", "SELECT pg_wal_replay_pause()")
        query(parameters, "", "CREATE TABLE noise AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)")

        def tell(told: str) -> None:
            lines.append(told)
            if len(lines) == 3:
                loaded.append(chunks_loaded(parameters))
                query(standby, "", "SELECT pg_wal_replay_resume()")

        assert not check_target(login, PreflightOptions(dump, limits=limits)).problems
        import_dump(dump, login, options, tell=tell)
        assert loaded == [0] and f"paused: the standby {STANDBY} is " in lines[0] and "MiB of WAL behind (standby_lag: 2)" in lines[0]
        assert verify_dump(dump, login, VerifyOptions()).succeeded
    query(parameters, "", "DROP DATABASE followed")

    def confirm_by(names: str) -> None:
        query(parameters, "", f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        query(parameters, "", "SELECT pg_reload_conf()")

    # A commit that nobody confirms is told, too.
    del lines[:]
    query(parameters, "", "ALTER ROLE mover SET synchronous_commit = on")
    confirm_by("nobody")
    import_dump(dump, login, ImportOptions(), tell=lambda line: (lines.append(line), confirm_by("")))
    assert "s for a synchronous standby to confirm a commit (synchronous_standby_names)" in lines[0]
