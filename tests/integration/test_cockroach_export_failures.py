# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Exports over SQL that cannot be done: one clear error without secrets, nothing taken for complete, and a second run that goes on."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
import tenacity
from cockroach_nodes import BINARY, node
from exporting import export_cluster

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import is_complete
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import CockroachError, ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster import (
    cluster_source,
    range_reader,
    sql_connection,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.row_stream import TableReader
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import (
    CockroachParameters,
    connect,
    parameters_of_url,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import time_limit


@pytest.fixture(name="io_dir")
def _io_dir(fixtures_dir):
    return fixtures_dir / "backups"


def request(tmp_path, **values) -> dict:
    """Return the arguments of the export whose queries were recorded."""
    return dict(dump_dir=tmp_path / "dump", chunk_rows=3000, parallelism=2, kind="restore", source_id="shop", grants_restored=False, **values)


def test_node_that_dies_while_it_is_read(tmp_path, io_dir, monkeypatch):
    """The stand-in ends in the middle; a second run reads only what is missing, at the moment of the first."""
    monkeypatch.setattr(range_reader, "_ATTEMPTS", 2)
    fault = """ends_at:WHERE (("id" > '3100'))"""
    with node("stand-in", tmp_path, io_dir, "shop", fault) as parameters, pytest.raises(CockroachError) as failure:
        export_cluster(parameters, **request(tmp_path))
    message = str(failure.value)
    assert message.count("\n") == 0 and ("run again" in message or "cannot be reached" in message)
    assert not is_complete(str(tmp_path / "dump"))
    finished = (tmp_path / "dump" / "export.journal").read_text(encoding="utf-8").count('"chunk"')
    with node("stand-in", tmp_path, io_dir, "shop") as parameters:
        result = export_cluster(parameters, **request(tmp_path))
    assert result.changed and result.rows == 44216 and finished < result.chunks
    assert not (tmp_path / "dump" / "export.journal").exists()


def test_rows_that_the_server_counts_but_does_not_give(tmp_path, io_dir, monkeypatch):
    count = TableReader.count
    monkeypatch.setattr(TableReader, "count", lambda self, connection: count(self, connection) + ([column.name for column in self.key.columns] == ["a", "b"]))
    with node("stand-in", tmp_path, io_dir, "types") as parameters, pytest.raises(CockroachError, match="rows were read, CockroachDB counts"):
        export_cluster(parameters, tmp_path / "dump", chunk_rows=3000, kind="restore", source_id="types", grants_restored=False)
    assert not is_complete(str(tmp_path / "dump"))


def test_another_cluster_that_answers_in_the_middle(tmp_path, io_dir, monkeypatch):
    moment = cluster_source.Moment
    monkeypatch.setattr(cluster_source, "Moment", lambda cluster_id, as_of: moment("11111111-2222-3333-4444-555555555555", as_of))
    with node("stand-in", tmp_path, io_dir, "shop") as parameters, pytest.raises(CockroachError, match="another CockroachDB answers"):
        export_cluster(parameters, **request(tmp_path))
    assert not is_complete(str(tmp_path / "dump"))


def test_pattern_that_names_nothing(tmp_path, io_dir):
    with node("stand-in", tmp_path, io_dir, "shop") as parameters, pytest.raises(ConfigurationError, match="shpo"):
        export_cluster(parameters, **request(tmp_path, selection=Selection(("shpo",))))
    assert not (tmp_path / "dump").exists()


def test_check_writes_nothing(tmp_path, io_dir, monkeypatch):
    """And libpq's environment, which may be meant for another server, leads nowhere else."""
    with node("stand-in", tmp_path, io_dir, "shop") as parameters:
        for name, value in {"PGHOSTADDR": "127.0.0.9", "PGOPTIONS": "-c nonsense=1", "PGTARGETSESSIONATTRS": "standby", "PGCLIENTENCODING": "LATIN1"}.items():
            monkeypatch.setenv(name, value)
        result = export_cluster(parameters, check=True, **request(tmp_path))
    assert result.changed and result.tables == 10 and not (tmp_path / "dump").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small file system")
def test_no_room_for_the_dump(tmp_path, io_dir):
    """Known before anything is written: about a third of what the rows are as text."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        with node("stand-in", tmp_path, io_dir, "shop") as parameters, pytest.raises(ConfigurationError, match="no room for the dump.*set temp_dir or dump_dir"):
            export_cluster(parameters, **request(small))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_nobody_answers(tmp_path):
    with pytest.raises(CockroachError, match=r"127.0.0.1:1 cannot be reached: .*check host, port"):
        export_cluster(CockroachParameters(port=1, password="wire-pass-18"), **request(tmp_path))


@contextlib.contextmanager
def never_answering(beginning: bytes) -> Iterator[int]:
    """Give the port of a server that sends this to whoever says anything, and never anything more."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _address = listener.accept()
                    stack.callback(connection.close)
                    if connection.recv(1024) and beginning:
                        connection.sendall(beginning)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


AUTHENTICATED = b"R\0\0\0\x08\0\0\0\0" + b"".join(b"S" + (len(text) + 4).to_bytes(4, "big") + text for text in (b"client_encoding\0UTF8\0", b"standard_conforming_strings\0on\0")) + b"Z\0\0\0\x05I"


@pytest.mark.parametrize(("beginning", "said"), [(b"", "cannot be reached: .*timeout expired"), (AUTHENTICATED, "takes connections and does not answer: look into its log")])
def test_a_server_that_never_answers(tmp_path, monkeypatch, beginning, said):
    monkeypatch.setattr(sql_connection, "_LONGEST_BEGINNING", 0.5)
    with never_answering(beginning) as port, pytest.raises(CockroachError, match=said):
        export_cluster(CockroachParameters(port=port, connect_timeout=2), **request(tmp_path))


def test_a_node_that_hangs_while_it_is_read(tmp_path, io_dir):
    """Its kernel still answers for it, so that no connection is lost; a second run goes on once it runs again."""
    with node("stand-in", tmp_path, io_dir, "shop") as parameters:
        pid = int((tmp_path / "node" / "cockroach.pid").read_text(encoding="utf-8"))
        impatient = dataclasses.replace(parameters, answer_timeout=1.0)
        with contextlib.closing(connect(impatient)) as connection, connection.cursor() as cursor:
            os.kill(pid, signal.SIGSTOP)
            try:
                with pytest.raises(CockroachError, match=f"{parameters.place} has not answered a statement for 1 s: look into its log"):
                    cursor.execute("SELECT version()")
                with pytest.raises(CockroachError, match="cannot be reached: .*timeout expired"):
                    export_cluster(dataclasses.replace(impatient, connect_timeout=2), **request(tmp_path))
            finally:
                os.kill(pid, signal.SIGCONT)
        assert export_cluster(parameters, **request(tmp_path)).rows == 44216


def test_a_copy_goes_on_as_long_as_rows_come():
    received = [0]

    def slow() -> str:
        for _number in range(6):
            time.sleep(0.1)
            received[0] += 1
        return "done"

    assert time_limit.within(0.3, slow, lambda: received[0]) == "done"
    with pytest.raises(time_limit.TimeLimitError):
        time_limit.within(0.3, slow)


def test_a_connection_that_is_dropped_without_a_word_is_noticed(tmp_path, io_dir):
    with node("stand-in", tmp_path, io_dir, "shop") as parameters, contextlib.closing(connect(parameters)) as connection, socket.socket(fileno=os.dup(connection.fileno())) as end:
        assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert [end.getsockopt(socket.IPPROTO_TCP, option) for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)] == [60, 10, 6, 120_000]


def test_a_server_that_is_not_cockroachdb(empty_postgres):
    with pytest.raises(CockroachError, match="is not CockroachDB but PostgreSQL"):
        connect(CockroachParameters(port=empty_postgres.port, user=empty_postgres.user, password=empty_postgres.password, database="postgres"))


def test_urls():
    parameters = parameters_of_url("postgresql://mover:wire%2Bpass@db.internal:26258/bank?sslmode=verify-ca&sslrootcert=/c/ca.crt&application_name=x")
    assert (parameters.host, parameters.port, parameters.user, parameters.password, parameters.database) == ("db.internal", 26258, "mover", "wire+pass", "bank")
    assert (parameters.sslmode, parameters.sslrootcert) == ("verify-ca", "/c/ca.crt")
    assert parameters_of_url("postgresql://db.internal/bank").sslmode == "verify-full"
    for url in ("postgresql://u:secret-4b@h/x?target_session_attrs=any", "postgresql://u:secret-4b@h/x?nonsense=1"):
        with pytest.raises(ConfigurationError) as failure:
            parameters_of_url(url)
        assert "secret-4b" not in str(failure.value)
    assert "wire+pass" not in repr(parameters)


@pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program")
def test_moments_that_cannot_be_read(tmp_path, io_dir):
    with node("real", tmp_path, io_dir, "none") as parameters:
        for moment in ("never", "2001-01-01 00:00:00"):
            with pytest.raises(CockroachError, match="as_of|no longer keeps"):
                export_cluster(parameters, tmp_path / "dump", as_of=moment)


@pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program")
def test_a_moment_that_is_really_collected(tmp_path, io_dir):
    """The zone configurations, the clock and the words of a real CockroachDB."""
    with node("real", tmp_path, io_dir, "none") as parameters:
        with contextlib.closing(connect(parameters)) as connection, connection.cursor() as cursor:
            for statement in (
                "SET CLUSTER SETTING kv.gc_ttl.strict_enforcement.enabled = true", "CREATE DATABASE short", "CREATE TABLE short.t (id INT PRIMARY KEY)",
                "INSERT INTO short.t SELECT generate_series(1, 100)", "ALTER TABLE short.t CONFIGURE ZONE USING gc.ttlseconds = 2",
            ):
                cursor.execute(statement)
            cursor.execute("SELECT cluster_logical_timestamp()")
            moment = str(cursor.fetchone()[0])
        wanted = {"dump_dir": tmp_path / "dump", "selection": Selection(("short",)), "as_of": moment}
        time.sleep(3)
        with pytest.raises(CockroachError, match="ALTER TABLE short.public.t CONFIGURE ZONE USING gc.ttlseconds = 3600"):
            export_cluster(parameters, **wanted)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            # Zone configurations reach the ranges after a while.
            try:
                export_cluster(parameters, **wanted, gc_check=False)
            except CockroachError as error:
                assert "no longer keeps the rows" in str(error) and "\n" not in str(error)
                advice = 'ALTER TABLE "short"."public"."t" CONFIGURE ZONE USING gc.ttlseconds = 90000'
                assert advice in str(error)
                break
            shutil.rmtree(tmp_path / "dump")
            time.sleep(1)
        else:
            pytest.fail("the moment was never collected")
        with contextlib.closing(connect(parameters)) as connection, connection.cursor() as cursor:
            cursor.execute(advice)
        retrying = tenacity.Retrying(retry=tenacity.retry_if_exception_type(CockroachError), stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(1), reraise=True)
        assert retrying(export_cluster, parameters, **wanted).rows == 100
