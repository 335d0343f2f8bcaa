# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The life of a temporary CockroachDB, on a stand-in and, where COCKROACH_BINARY names one, on a real CockroachDB."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import pytest
import tenacity

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import CockroachError, ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import (
    CockroachParameters,
    connect,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore import (
    cockroach_server,
    processes,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_server import (
    NodeOptions,
    StoppedNode,
    ensure_node,
    root_parameters,
    store_path,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.failure_reason import (
    failure_reason,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.node_certificates import (
    make_certificates,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.processes import find_node

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
STAND_IN = str(CHECKOUT / "tests" / "stand_in_cockroach" / "cockroach")
SECRET = "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture(name="binary", params=["stand-in", "real"])
def _binary(request):
    """The program: each test runs on both."""
    if request.param == "stand-in":
        return STAND_IN
    if not os.environ.get("COCKROACH_BINARY"):
        pytest.skip("no real CockroachDB: COCKROACH_BINARY is not set")
    return os.environ["COCKROACH_BINARY"]


@pytest.fixture(name="directory")
def _directory(tmp_path):
    """A directory whose node, if a test leaves one, is ended."""
    path = tmp_path / "node"
    yield str(path)
    node = find_node(store_path(str(path)))
    if node:
        os.kill(node.pid, signal.SIGKILL)


@pytest.fixture(name="options")
def _options(binary, directory):
    return NodeOptions(directory, binary, port=0, http_port=0, cache="64MiB", max_sql_memory="128MiB")


def changed(options, **replaced):
    """Return other options."""
    return NodeOptions(**{**{name: getattr(options, name) for name in options.__dataclass_fields__}, **replaced})


def query(facts, sql):
    """Return the rows of a query by root."""
    with contextlib.closing(connect(root_parameters(facts))) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def is_running(pid):
    """Tell whether a process runs; one that has ended and waits for its parent has no command line."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def soon(call):
    """Return the first true result of a call within ten seconds."""
    retrying = tenacity.Retrying(retry=tenacity.retry_if_result(lambda result: not result), stop=tenacity.stop_after_delay(10), wait=tenacity.wait_fixed(0.01))
    return retrying(call)


def listening_addresses(pid):
    """Return the local addresses (hexadecimal, as the kernel shows them) on which a process listens."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # a connection of a moment
            inodes.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    lines = [line.split() for file in ("tcp", "tcp6") for line in pathlib.Path(f"/proc/{pid}/net/{file}").read_text().splitlines()[1:]]
    return {fields[1].split(":")[0] for fields in lines if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes}


def test_life_of_a_node(options, directory):
    planned = ensure_node("started", options, True)
    assert planned.changed and not os.path.exists(directory)
    first = ensure_node("started", options, False)
    assert first.changed and first.version.startswith("v") and first.insecure and first.certs_dir == ""
    assert listening_addresses(first.pid) == {"0100007F"}
    assert os.getsid(first.pid) == first.pid  # it outlives the session that started it
    settings = {row[0]: row[1] for row in query(first, "SHOW ALL CLUSTER SETTINGS")}
    assert settings["diagnostics.reporting.enabled"] == settings["sql.stats.automatic_collection.enabled"] == "false"

    again = ensure_node("started", options, False)
    assert again == dataclasses.replace(first, changed=False) == ensure_node("started", options, True)
    assert ensure_node("stopped", options, True) == StoppedNode(True) and find_node(store_path(directory)).pid == first.pid
    assert ensure_node("stopped", options, False) == StoppedNode(True)
    assert ensure_node("stopped", options, False) == StoppedNode(False)
    assert not is_running(first.pid) and os.path.isdir(first.log_dir)
    assert "server drained and shutdown completed" in (pathlib.Path(first.log_dir) / "output.log").read_text()

    second = ensure_node("started", options, False)
    assert second.changed and ensure_node("absent", options, True) == StoppedNode(True) and os.path.isdir(directory)
    assert ensure_node("absent", NodeOptions(directory), False) == StoppedNode(True)
    assert not os.path.exists(directory) and not is_running(second.pid)
    assert ensure_node("absent", NodeOptions(directory), False) == StoppedNode(False)


def test_data_stay_when_the_node_is_killed(options, binary):
    first = ensure_node("started", options, False)
    if binary != STAND_IN:
        query(first, "CREATE DATABASE kept")
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    second = ensure_node("started", options, False)
    assert second.changed and second.pid != first.pid
    if binary != STAND_IN:
        assert ("kept",) in query(second, "SELECT datname FROM pg_catalog.pg_database")
    ensure_node("absent", options, False)


def test_other_options_start_it_anew_on_its_ports(options):
    first = ensure_node("started", options, False)
    other = changed(options, cache="65MiB", port=first.port + 1)
    assert ensure_node("started", other, True).changed
    second = ensure_node("started", other, False)
    assert second.changed and second.pid != first.pid and (second.port, second.http_port) == (first.port, first.http_port)
    ensure_node("absent", options, False)


def test_taken_ports_are_replaced(options):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        facts = ensure_node("started", changed(options, port=port, http_port=port), False)
        assert len({port, facts.port, facts.http_port}) == 3
        assert query(facts, "SELECT version()")
        ensure_node("absent", options, False)


def test_port_taken_at_the_last_moment(options, directory, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(cockroach_server, "_free_ports", lambda *_wanted: (port, 0))
        with pytest.raises(CockroachError, match=rf"does not start.*127\.0\.0\.1:{port}: bind: address already in use; .*run it again; its log is in") as error:
            ensure_node("started", options, False)
    assert "\n" not in str(error.value) and "Is the server running" not in str(error.value)
    assert os.listdir(directory) == ["logs"]  # and the log is kept


@pytest.mark.parametrize("given", [False, True], ids=["own certificates", "given certificates"])
def test_secure_node(options, directory, tmp_path, given):
    certs_dir = str(tmp_path / "given") if given else ""
    if given:
        make_certificates(options.binary, certs_dir, os.environ)
    facts = ensure_node("started", changed(options, insecure=False, certs_dir=certs_dir), False)
    assert facts.host == "localhost" and facts.certs_dir == (certs_dir or os.path.join(directory, "certs"))
    parameters = root_parameters(facts)
    assert parameters.sslmode == "verify-full"
    assert query(facts, "SELECT version()")
    with pytest.raises(CockroachError, match="secure mode"):
        connect(CockroachParameters(host="127.0.0.1", port=facts.port, sslmode="disable"))
    with pytest.raises(CockroachError):
        connect(CockroachParameters(host="localhost", port=facts.port, sslmode="verify-full", sslrootcert=parameters.sslrootcert))
    assert not ensure_node("started", changed(options, insecure=False, certs_dir=certs_dir), False).changed
    ensure_node("stopped", options, False)
    before = pathlib.Path(parameters.sslcert).read_bytes()
    assert query(ensure_node("started", changed(options, insecure=False, certs_dir=certs_dir), False), "SELECT version()")
    assert (pathlib.Path(parameters.sslcert).read_bytes() == before) == given  # its own are made anew for each start
    ensure_node("absent", options, False)
    assert not os.path.exists(directory) and os.path.exists(certs_dir) == given


def test_certificates_that_cannot_be_used_stop_the_start(options, directory, tmp_path):
    make_certificates(options.binary, str(tmp_path / "certs"), os.environ)
    (tmp_path / "certs" / "node.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        ensure_node("started", changed(options, insecure=False, certs_dir=str(tmp_path / "certs")), False)
    assert not os.path.exists(directory)


def test_number_of_another_process(options, directory):
    facts = ensure_node("started", options, False)
    ensure_node("stopped", options, False)
    with subprocess.Popen(["sleep", "60"]) as innocent:
        (pathlib.Path(directory) / "cockroach.pid").write_text(f"{innocent.pid}\n")
        assert ensure_node("stopped", options, False) == StoppedNode(False)
        assert ensure_node("started", options, False).pid not in (innocent.pid, facts.pid)
        ensure_node("absent", options, False)
        assert innocent.poll() is None
        innocent.terminate()


def test_only_the_node_on_this_very_store_is_found(directory):
    """By whole arguments: neither a store whose path begins alike, nor a command that only names it."""
    store = store_path(directory)
    os.makedirs(store)

    def running(*arguments):
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments])
    others = [running("start-single-node", f"--store=path={store}2"), running("debug", f"--store=path={store}"), running("start-single-node", "--store", store)]
    try:
        assert find_node(store) is None
        others.append(running("start-single-node", "--listen-addr=127.0.0.1:26258", f"--store=path={store},size=1GiB"))
        node = soon(lambda: find_node(store))
        assert (node.pid, node.port) == (others[-1].pid, 26258)
        with pytest.raises(CockroachError, match=f"process {node.pid} on .* was not started by this collection"):
            assert node.http_port
        others.append(running("start-single-node", f"--store=path={store}"))
        with pytest.raises(CockroachError, match=f"several processes run on .*{node.pid}, {others[-1].pid}; stop them by hand"):
            soon(lambda: find_node(store) is None)
    finally:
        for process in others:
            process.kill()
            process.wait()
    assert find_node(store) is None


def test_found_again_without_its_files(options, directory):
    """As after a start that was broken off before the process number was written."""
    facts = ensure_node("started", options, False)
    (pathlib.Path(directory) / "cockroach.pid").unlink()
    assert ensure_node("absent", options, False) == StoppedNode(True)
    assert not is_running(facts.pid)


def test_directory_of_somebody_else(options, directory):
    os.makedirs(directory)
    kept = pathlib.Path(directory) / "thesis.tex"
    kept.write_text("years of work")
    for state in ("started", "absent"):
        with pytest.raises(ConfigurationError, match=r"holds other things than a temporary CockroachDB \(thesis.tex\)"):
            ensure_node(state, options, False)
    assert kept.read_text() == "years of work"


def test_nothing_of_the_starter_stays_open(options):
    """Ansible waits for the end of a module's output: the node must not hold it."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    facts = ensure_node("started", options, False)
    held = {int(path.name): os.readlink(path) for path in pathlib.Path(f"/proc/{facts.pid}/fd").iterdir()}
    # A real CockroachDB gives its errors a log file of its own.
    assert held[0] == "/dev/null" and all(os.path.dirname(held[number]) == facts.log_dir for number in (1, 2))
    assert os.readlink(f"/proc/self/fd/{writing}") not in held.values()
    os.close(reading)
    os.close(writing)


def test_environment(options, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("COCKROACH_SOCKET_DIR", "/nowhere")

    def environment(facts):
        return pathlib.Path(f"/proc/{facts.pid}/environ").read_text().split("\0")
    facts = ensure_node("started", options, False)
    assert "COCKROACH_SKIP_ENABLING_DIAGNOSTIC_REPORTING=true" in environment(facts)
    assert not [entry for entry in environment(facts) if entry.startswith("AWS_") or entry.startswith("COCKROACH_SOCKET")]
    ensure_node("stopped", options, False)
    facts = ensure_node("started", changed(options, environment={"AWS_SECRET_ACCESS_KEY": SECRET}), False)
    assert f"AWS_SECRET_ACCESS_KEY={SECRET}" in environment(facts)
    assert SECRET not in repr(facts) + repr(changed(options, environment={"AWS_SECRET_ACCESS_KEY": SECRET}))
    assert SECRET.encode() not in pathlib.Path(f"/proc/{facts.pid}/cmdline").read_bytes()
    ensure_node("absent", options, False)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == SECRET


def test_flag_that_is_refused(options, directory):
    with pytest.raises(CockroachError, match="does not start.*--store"):
        ensure_node("started", changed(options, store_size="1GiB,no-such-field=1"), False)
    assert os.listdir(directory) == ["logs"]


def test_programs_that_cannot_be_run(options, directory, tmp_path):
    with pytest.raises(ConfigurationError, match="there is no CockroachDB program /nowhere/cockroach"):
        ensure_node("started", changed(options, binary="/nowhere/cockroach"), False)
    assert ensure_node("started", changed(options, binary="/nowhere/cockroach"), True).changed  # a real run may download it first
    program = tmp_path / "cockroach"
    program.write_bytes(b"\x7fELF, but of another machine")
    with pytest.raises(ConfigurationError, match="is not executable for this user: chmod"):
        ensure_node("started", changed(options, binary=str(program)), False)
    program.chmod(0o755)
    with pytest.raises(ConfigurationError, match="cannot be run on this host: Exec format error"):
        ensure_node("started", changed(options, binary=str(program)), False)
    with pytest.raises(ConfigurationError, match="the certificates of the temporary CockroachDB cannot be made: .* does not run: it is built for Linux machine type"):
        ensure_node("started", changed(options, binary=str(program), insecure=False), False)
    assert os.listdir(directory) == ["logs"]


def faulty(directory, fault, **others):
    """Return options of a stand-in with a fault."""
    return NodeOptions(directory, STAND_IN, port=0, http_port=0, environment={"STAND_IN_FAULT": fault, **others})


def test_full_disk_on_the_stand_in(directory):
    with pytest.raises(CockroachError, match="out of disk space; free room there"):
        ensure_node("started", faulty(directory, "disk_full"), False)
    assert os.listdir(directory) == ["logs"]


def test_full_disk_without_room_for_a_word(directory, tmp_path):
    program = tmp_path / "cockroach"
    program.write_text("#!/bin/sh\nexit 10\n")
    program.chmod(0o755)
    with pytest.raises(CockroachError, match="does not start in .*: out of disk space; free room there"):
        ensure_node("started", NodeOptions(directory, str(program), port=0, http_port=0), False)


@pytest.mark.parametrize("state, path, why", [
    ("started", "/proc/node", "/proc/node: No such file or directory: choose another directory"),
    ("started", "/proc/version/node", "/proc/version/node is not a directory: choose another"),
    ("absent", "/proc/version", "/proc/version is not a directory: choose another"),
])
def test_directory_that_cannot_be_made(state, path, why):
    with pytest.raises(ConfigurationError, match=why):
        ensure_node(state, NodeOptions(path, STAND_IN), False)


def test_newer_store_on_the_stand_in(directory):
    ensure_node("started", faulty(directory, "", STAND_IN_VERSION="v23.1.0"), False)
    ensure_node("stopped", NodeOptions(directory), False)
    with pytest.raises(CockroachError, match="use version v23.1.0 or later; use a newer release of CockroachDB, or remove the directory"):
        ensure_node("started", faulty(directory, "", STAND_IN_VERSION="v22.1.0"), False)
    assert os.path.isdir(store_path(directory))  # a store that was there before stays


def test_node_that_never_answers_on_the_stand_in(directory, monkeypatch):
    monkeypatch.setattr(cockroach_server, "_START_SECONDS", 1)
    with pytest.raises(CockroachError, match="did not answer within 1 seconds: it does not listen yet; its log is in"):
        ensure_node("started", faulty(directory, "never_listens"), False)
    assert find_node(store_path(directory)) is None and os.listdir(directory) == ["logs"]


def test_node_that_does_not_stop_on_the_stand_in(directory, monkeypatch):
    monkeypatch.setattr(processes, "STOP_SECONDS", 1)
    monkeypatch.setattr(cockroach_server, "STOP_SECONDS", 1)
    ensure_node("started", faulty(directory, "ignores_sigterm"), False)
    facts = ensure_node("absent", NodeOptions(directory), False)
    assert facts.changed and "did not stop within 1 seconds and was killed" in facts.warnings[0]
    assert not os.path.exists(directory)


@pytest.mark.parametrize("output, reason", [
    ("Flag --log-dir has been deprecated\n*\n* ERROR: ERROR: x\n*\nERROR: cannot dial server.\nIs the server running?\n\ncockroach server exited with error: "
     "consider changing the port via --http-addr: listen tcp 127.0.0.1:80: bind: permission denied\nFailed running \"start-single-node\"\n",
     "consider changing the port via --http-addr: listen tcp 127.0.0.1:80: bind: permission denied"),
    ("/x/cockroach: error while loading shared libraries: libresolv.so.2: cannot open shared object file: No such file or directory\n",
     "/x/cockroach: error while loading shared libraries: libresolv.so.2: cannot open shared object file: No such file or directory; "
     "install that library, or use a release made for this system"),
    ("*\n* WARNING: ALL SECURITY CONTROLS HAVE BEEN DISABLED!\n*\nF261124 22:26:22.261551 12 server/node.go:463 ⋮ [n1] 14  clock synchronization error: this "
     "node is more than 500ms away\ngoroutine 1\n", "clock synchronization error: this node is more than 500ms away; correct this host's clock"),
    ("", ""),
])
def test_reasons(output, reason):
    assert failure_reason(output) == reason


def test_role(binary, directory, tmp_path):
    """Through Ansible: the node outlives the module, the fact says where it is, absent leaves nothing; nothing secret is shown."""
    playbook = tmp_path / "play.yml"
    playbook.write_text(f"""
- hosts: localhost
  gather_facts: false
  vars:
    cockroach_server_directory: {directory}
    cockroach_server_binary: {binary}
    cockroach_server_port: 0
    cockroach_server_http_port: 0
    cockroach_server_insecure: false
    cockroach_server_log_file: {tmp_path}/migration.log
    cockroach_server_environment: {{AWS_SECRET_ACCESS_KEY: {SECRET}, AWS_EC2_METADATA_DISABLED: "true"}}
  roles:
    - role: nomos.cockroach_migrator.cockroach_server
  tasks:
    - ansible.builtin.debug: {{var: cockroach_server_running}}
    - ansible.builtin.include_role: {{name: nomos.cockroach_migrator.cockroach_server}}
      vars: {{cockroach_server_state: absent}}
      when: stop | default(false) | bool
""")
    first = play(playbook)
    node = find_node(store_path(directory))
    assert f'"port": {node.port}' in first and '"host": "localhost"' in first and '"insecure": false' in first
    second = play(playbook, "-e", "stop=true")
    assert f'"port": {node.port}' in second and not is_running(node.pid) and not os.path.exists(directory)
    log = (tmp_path / "migration.log").read_text()
    assert log.count("started: ") == 1 and log.count("absent: ") == 1
    assert SECRET not in first + second + log


def play(playbook, *arguments):
    """Run a playbook with -vvv and return what it prints."""
    program = shutil.which("ansible-playbook")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_NOCOLOR": "1"}
    result = subprocess.run(
        [program, "-i", "localhost,", "-c", "local", "-vvv", "-e", f"ansible_python_interpreter={sys.executable}", *arguments, str(playbook)], env=environment, capture_output=True, text=True, check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_commands_of_the_stand_in():
    version = subprocess.run([STAND_IN, "version", "--build-tag"], capture_output=True, text=True, check=True).stdout
    assert version == "v22.1.0\n"
    addresses = [f"--{name}-addr=127.0.0.1:0" for name in ("listen", "advertise", "http")]
    refused = subprocess.run([STAND_IN, "start-single-node", "--store=path=/nowhere", *addresses, "--no-such-flag"], capture_output=True, text=True, check=False)
    assert refused.returncode != 0 and "ERROR: unknown flag: --no-such-flag" in refused.stderr
