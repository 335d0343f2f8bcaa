# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A server of our own: start, stop, what goes wrong."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest
from postgres_servers import VERSIONS, bin_dir, open_directory

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
    ConnectionParameters,
    connect,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server import postgres_server
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    find_bin_dir,
    running_port,
    start_server,
    stop_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.file_modes import umask

SECRET = "s3cr'et \\pässword"


@pytest.fixture(name="directory")
def _directory():
    base = open_directory()
    # A socket in here would have a path that is too long.
    yield str(base / ("long_" * 20) / "server")
    shutil.rmtree(base)


@pytest.mark.parametrize("major", VERSIONS)
@pytest.mark.needs_postgres
def test_life_of_a_server(directory, major):
    options = ServerOptions(directory, bin_dir(major), password=SECRET)
    first = start_server(options)
    try:
        assert first.changed and first.created
        connection = connect(first.parameters)
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('listen_addresses'), current_setting('fsync'), current_setting('unix_socket_directories'), upper('ñ')")
            addresses, fsync, sockets, letter = cursor.fetchone()
            cursor.execute("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'")
            assert cursor.fetchone() == (0,)
        connection.close()
        assert (addresses, fsync, letter) == ("127.0.0.1", "off", "Ñ")
        assert stat.S_IMODE(os.stat(sockets).st_mode) == 0o700 and len(sockets) < 90
        again = start_server(options)
        assert not again.changed and again.port == first.port
        with pytest.raises(TargetError, match="wrong or missing password") as error:
            connect(ConnectionParameters(port=first.port, password=SECRET + "x"))
        assert SECRET not in str(error.value)
        assert stop_server(directory, bin_dir(major)) and not stop_server(directory, bin_dir(major))
        other = start_server(ServerOptions(directory, bin_dir(major), password="another", durable=True))
        assert other.changed and not other.created
        for _path, _directories, files in os.walk(directory):
            assert not [name for name in files if "pwfile" in name]
    finally:
        stop_server(directory, "", remove=True)
    assert not os.path.exists(directory) and not os.path.exists(sockets) and not running_port(directory)


@pytest.mark.needs_postgres
def test_a_port_that_is_taken_in_the_last_moment(directory, monkeypatch):
    """By another server that starts; another port is taken then."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        seen = [True]
        monkeypatch.setattr(postgres_server, "_is_free", lambda port: seen.pop() if seen else False)
        started = start_server(ServerOptions(directory, bin_dir(VERSIONS[-1]), port=taken.getsockname()[1], password=SECRET))
        assert started.port != taken.getsockname()[1] and running_port(directory) == started.port
    assert stop_server(directory, "", remove=True)


@pytest.mark.needs_postgres
def test_a_server_that_recovers_from_a_killed_session_is_removed(directory):
    """It does not notice a fast shutdown then, at least not in each release."""
    options = ServerOptions(directory, bin_dir(VERSIONS[-1]), password=SECRET, durable=True)
    with contextlib.closing(connect(start_server(options).parameters)) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        begun = time.monotonic()
        assert stop_server(directory, "", remove=True)
    assert time.monotonic() - begun < 30 and not os.path.exists(directory)


@pytest.mark.needs_postgres
def test_taken_port_and_kept_password(directory):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        try:
            started = start_server(ServerOptions(directory, bin_dir(17), port=port))
            assert started.port != port
            assert stat.S_IMODE(os.stat(os.path.join(directory, "password")).st_mode) == 0o600
            stop_server(directory, "")
            assert start_server(ServerOptions(directory, bin_dir(17))).parameters.password == started.parameters.password
        finally:
            stop_server(directory, "", remove=True)


@pytest.mark.needs_postgres
def test_an_initdb_that_was_killed_is_begun_again(directory, tmp_path):
    """PG_VERSION is there long before it ends."""
    programs, slow = bin_dir(17), pathlib.Path(directory).parent / "slow"
    shutil.copytree(programs, slow / "bin", symlinks=True)
    for neighbour in ("lib", "share"):
        (slow / neighbour).symlink_to(pathlib.Path(programs).parent / neighbour)
    # The programs that initdb runs are beside it: this one waits for ever when PG_VERSION is there.
    (slow / "bin" / "postgres").unlink()
    (slow / "bin" / "postgres").write_text(
        f'#!/bin/sh\ncase "$*" in *--version*|*-V*|*--check*) exec "{programs}/postgres" "$@";; *) exec sleep 600;; esac\n',
    )
    (slow / "bin" / "postgres").chmod(0o755)
    program = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        f"from {start_server.__module__} import ServerOptions, start_server\n"
        "start_server(ServerOptions(sys.argv[1], sys.argv[2]))\n"
    )
    started = subprocess.Popen([sys.executable, "-c", program, directory, str(slow / "bin"), *sys.path], start_new_session=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(pathlib.Path(directory).glob("data*/PG_VERSION")):
        assert started.poll() is None
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert list(pathlib.Path(directory).glob("data*/PG_VERSION"))
    try:
        again = start_server(ServerOptions(directory, programs))
        assert again.created and again.port
        assert sorted(path.name for path in pathlib.Path(directory).glob("data*")) == ["data"]
    finally:
        stop_server(directory, "", remove=True)


@pytest.mark.parametrize("content", [b"", b"\n", b"not a number\n", b"\0\0\0", b"\xff\xfe\n", b"9" * 30, "²\n".encode()])
@pytest.mark.needs_postgres
def test_a_pid_file_without_a_number_is_no_obstacle(directory, content):
    options = ServerOptions(directory, bin_dir(17))
    try:
        start_server(options)
        stop_server(directory, "")
        pid_file = pathlib.Path(directory) / "data" / "postmaster.pid"
        pid_file.write_bytes(content)
        assert running_port(directory) == 0 and not stop_server(directory, "")
        assert start_server(options).changed and running_port(directory)
    finally:
        stop_server(directory, "", remove=True)


def test_a_pid_file_with_the_number_of_another_process(tmp_path):
    """Numbers are used again: only the command line tells whose it is."""
    data = tmp_path / "data"
    data.mkdir()
    pid_file = data / "postmaster.pid"

    def port(number):
        pid_file.write_text(f"{number}\n{data}\n1700000000\n5433\n")
        return running_port(str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "-D", str(data)]) as alike, \
            subprocess.Popen(["sleep", "60"]) as other:
        try:
            deadline = time.monotonic() + 30
            while port(alike.pid) != 5433 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert (port(alike.pid), port(other.pid), port(1), port(999999999)) == (5433, 0, 0, 0)
            other.kill()
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
            assert port(other.pid) == 0  # it has ended, and nobody has asked how
        finally:
            alike.kill()


@pytest.mark.needs_postgres
def test_a_strict_umask_keeps_nobody_out_of_the_server(directory):
    """Above all not the user that runs it for root."""
    below = os.path.join(directory, "new", "server")
    with umask(0o077):
        start_server(ServerOptions(below, bin_dir(17)))
    assert running_port(below) and stat.S_IMODE(os.stat(below).st_mode) == 0o711
    stop_server(below, "", remove=True)


@pytest.mark.needs_postgres
def test_a_server_that_does_not_start_says_why(directory):
    with pytest.raises(TargetError, match="does not start.*no_such_setting"):
        start_server(ServerOptions(directory, bin_dir(17), settings=(("no_such_setting", "1"),)))
    assert not running_port(directory)
    stop_server(directory, "", remove=True)


@pytest.mark.needs_postgres
def test_closed_parent_directory(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root hands the server to another user")
    tmp_path.chmod(0o700)
    with pytest.raises(ConfigurationError, match="is closed to the user"):
        start_server(ServerOptions(str(tmp_path / "server"), bin_dir(17)))


def test_no_programs(tmp_path):
    with pytest.raises(ConfigurationError, match="no PostgreSQL server programs"):
        find_bin_dir(str(tmp_path))


def test_unreachable():
    with pytest.raises(TargetError, match="127.0.0.1:1 cannot be reached"):
        connect(ConnectionParameters(port=1, password=SECRET))
    with pytest.raises(TargetError, match="no.such.host.*cannot be reached"):
        connect(ConnectionParameters(host="no.such.host.invalid"))


def test_missing_database(postgres17):
    with pytest.raises(TargetError, match="has no database nowhere"):
        connect(postgres17, "nowhere")
    with pytest.raises(TargetError, match="has no database nowhere: name one that is there.*postgres_database"):
        connect(dataclasses.replace(postgres17, database="nowhere"))


def test_no_connection_left(postgres17):
    with contextlib.closing(connect(postgres17)) as admin, admin, admin.cursor() as cursor:
        cursor.execute("CREATE ROLE alone LOGIN CONNECTION LIMIT 1 PASSWORD %s", (SECRET,))
    alone = dataclasses.replace(postgres17, user="alone", password=SECRET)
    with contextlib.closing(connect(alone)), pytest.raises(TargetError, match='lower target_connections or parallelism.*CONNECTION LIMIT.*too many connections for role "alone"'):
        connect(alone)
