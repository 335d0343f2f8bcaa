# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A temporary PostgreSQL server in one directory: for a rehearsal (fast, not durable) or a demo (durable).

The directory holds ``data``, ``socket``, ``server.log`` and, if no password was given, ``password`` (mode 0600). The
server listens on loopback only and requires a SCRAM password everywhere. PostgreSQL refuses to run as root, so root
runs it as an unprivileged user.
"""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import re
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

try:
    import psutil
except ImportError:  # named by libraries.missing()
    psutil = None

from ..._errors import ConfigurationError, TargetError
from ..._model.names import literal
from ..._system.file_modes import PASSABLE, make_directories, private
from ..connect.connection import ConnectionParameters, connect

NEEDS = ("psutil", "psycopg2")
SUPERUSER = "postgres"
_USERS = ("postgres", "nobody")
_LONGEST_SOCKET_PATH = 107
_START_SECONDS = 60
_OTHER_PORTS = 3
_LOG_LINES = 12
_CONFIGURATION = "cockroach_migrator.conf"
_NUMBER = re.compile(rb"\d{1,9}")
"""Matches the number of a process or port: process numbers on Linux go up to 2**22."""
_BIN_DIRS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/bin",
    "/usr/bin",
)

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "logging_collector": "off",
    "lc_messages": "C",
    "timezone": "UTC",
}
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}


@dataclass(frozen=True)
class ServerOptions:
    """``port`` 0, or one that is in use, means any free port. ``os_user`` is used by root only."""

    directory: str
    bin_dir: str
    port: int = 0
    os_user: str = ""
    password: str = field(default="", repr=False)
    durable: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    """Additional settings of postgresql.conf."""


@dataclass(frozen=True)
class _Account:
    """The operating-system user who runs the server; None means the current one."""

    uid: int
    gid: int
    arguments: dict[str, Any] = field(default_factory=dict)


def find_bin_dir(wanted: str = "", major: int = 0) -> str:
    """Return the directory that holds initdb, pg_ctl and postgres: ``wanted`` or the newest that is installed.

    Raises ConfigurationError when there is none (of version ``major``, when that is not 0).
    """
    patterns = (wanted,) if wanted else _BIN_DIRS
    found = [path for pattern in patterns for path in glob.glob(pattern) if _is_server(path)]
    versions = sorted(((major_version(path), path) for path in found), key=lambda item: -item[0])
    for version, path in versions:
        if major in (0, version):
            return path
    place = wanted or "the usual places"
    raise ConfigurationError(
        f"no PostgreSQL server programs{f' of version {major}' if major else ''} in {place}: install postgresql, or "
        "name their bin directory",
    )


def _is_server(path: str) -> bool:
    return all(os.access(os.path.join(path, name), os.X_OK) for name in ("initdb", "pg_ctl", "postgres"))


def major_version(bin_dir: str) -> int:
    """Return the major version of the programs in a directory."""
    text = subprocess.run(
        [os.path.join(bin_dir, "postgres"), "--version"], check=True, capture_output=True, text=True
    ).stdout
    match = re.search(r"\) (\d+)", text)
    return int(match.group(1)) if match else 0


@dataclass(frozen=True)
class StartedServer:
    """A server that runs."""

    changed: bool
    created: bool
    port: int
    parameters: ConnectionParameters
    """Of the superuser."""


def start_server(options: ServerOptions) -> StartedServer:
    """Create the server when it is new and start it when it does not run.

    Raises ConfigurationError or TargetError, with the last lines of the server's log when it does not start; then
    nothing of it runs.
    """
    directory = os.path.abspath(options.directory)
    account = _account(options)
    created = not os.path.exists(os.path.join(directory, "data", "PG_VERSION"))
    password = _password(directory, options, created)
    if created:
        _create(options, directory, account, password)
    running = running_port(directory)
    if options.password and not created and not running:
        _set_password(options, directory, account)
    port = running or _start(options, directory, account)
    parameters = ConnectionParameters(host="127.0.0.1", port=port, user=SUPERUSER, password=password, sslmode="disable")
    connect(parameters).close()
    return StartedServer(created or not running, created, port, parameters)


def stop_server(directory: str, bin_dir: str, remove: bool = False) -> bool:
    """Stop the server and, with ``remove``, delete its directory; tell whether there was anything to do.

    An empty ``bin_dir`` means the programs that the server was started with.
    """
    directory = os.path.abspath(directory)
    changed = False
    if running_port(directory):
        data = os.path.join(directory, "data")
        owner = os.stat(data)
        account = _Account(owner.st_uid, owner.st_gid, _as_user(owner.st_uid, owner.st_gid))
        control = os.path.join(bin_dir or _used_bin_dir(data), "pg_ctl")
        # What is removed need not be written first, which "fast" does; and a server that recovers because a session was
        # killed does not notice a fast shutdown.
        mode = "immediate" if remove else "fast"
        result = _run(account, [control, "stop", "-D", data, "-m", mode, "-w"])
        if result.returncode:
            raise TargetError(f"PostgreSQL in {directory} does not stop: {_tail(result.stderr)}")
        changed = True
    if remove and os.path.lexists(directory):
        if os.path.islink(directory) or not os.path.isdir(directory):
            raise ConfigurationError(
                f"{directory} is not a directory, which the server would have made: remove it, or choose another"
            )
        for path in _outer_socket_directories(directory):
            shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(directory)
        changed = True
    return changed


def remove_server(directory: str, bin_dir: str, *, check: bool) -> bool:
    """Stop the server and delete its directory; tell whether there was anything to do. With ``check`` nothing is
    done."""
    if check:
        return bool(running_port(directory)) or os.path.isdir(directory)
    return stop_server(directory, bin_dir, remove=True)


def running_port(directory: str) -> int:
    """Return the port of the server that runs in the directory (an absolute path), 0 when none does."""
    pid, port = _pid_file(directory)
    if not pid:
        return 0
    try:
        is_ours = _serves(psutil.Process(pid).cmdline(), directory)
    except psutil.NoSuchProcess:  # or it has ended, and its parent has not asked how
        return 0
    except psutil.AccessDenied:  # another user's
        is_ours = True
    return port if is_ours else 0


def _serves(command: Sequence[str], directory: str) -> bool:
    """Tell whether a command line is that of the server in the directory, as pg_ctl starts it."""
    return "-D" in command and os.path.join(directory, "data") in command


def _pid_file(directory: str) -> tuple[int, int]:
    """Return the process number and the port that postmaster.pid names, 0 for what it does not: a server that is killed
    early leaves it empty."""
    try:
        with open(os.path.join(directory, "data", "postmaster.pid"), "rb") as file:
            lines = file.read().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0
    numbers = [int(line) if _NUMBER.fullmatch(line.strip()) else 0 for line in lines]
    return numbers[0], numbers[3] if len(numbers) > 3 else 0


@contextlib.contextmanager
def temporary_server(options: ServerOptions) -> Iterator[ConnectionParameters]:
    """Context manager: a server that is removed at the end of the block."""
    try:
        yield start_server(options).parameters
    finally:
        stop_server(options.directory, options.bin_dir, remove=True)


def _used_bin_dir(data: str) -> str:
    """Return where the programs of the running server are, from the command line that it keeps."""
    with open(os.path.join(data, "postmaster.opts"), encoding="utf-8") as file:
        return os.path.dirname(file.read().split(' "', maxsplit=1)[0].strip())


def _account(options: ServerOptions) -> _Account:
    if os.geteuid() != 0:
        return _Account(os.geteuid(), os.getegid())
    for name in (options.os_user,) if options.os_user else _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise ConfigurationError("PostgreSQL refuses to run as root: name another user")
        return _Account(entry.pw_uid, entry.pw_gid, _as_user(entry.pw_uid, entry.pw_gid))
    raise ConfigurationError(
        f"there is no user {options.os_user or ' or '.join(_USERS)} on this host to run PostgreSQL as, and it refuses "
        "root"
    )


def _as_user(uid: int, gid: int) -> dict[str, Any]:
    return {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 and uid else {}


def _run(account: _Account, command: list[str], text: str = "") -> subprocess.CompletedProcess:
    """Run a program with ``text`` as its input; ``stderr`` of the result holds all that it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment["LC_ALL"] = "C"
    # Output goes to a file: the server inherits it and would keep a pipe open.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        result = subprocess.run(
            command,
            check=False,
            input=text.encode(),
            stdout=output,
            stderr=output,
            cwd="/",
            env=environment,
            **account.arguments,
        )
        output.seek(0)
        result.stderr = output.read()
    return result


def _password(directory: str, options: ServerOptions, created: bool) -> str:
    if options.password:
        return options.password
    path = os.path.join(directory, "password")
    if not created and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return file.read()
    if not created:
        raise ConfigurationError(
            f"the server in {directory} was created with a password that you set: set it again, or remove the directory"
        )
    return secrets.token_urlsafe(24)


def _create(options: ServerOptions, directory: str, account: _Account, password: str) -> None:
    make_directories(directory, PASSABLE)
    _require_reachable(directory, account)
    data, unfinished = os.path.join(directory, "data"), os.path.join(directory, "data.initdb")
    for path in (data, unfinished):
        # Without PG_VERSION nothing of it can be used.
        if os.path.isdir(path):
            shutil.rmtree(path)
    os.mkdir(unfinished, mode=0o700)
    os.chown(unfinished, account.uid, account.gid)
    if not options.password:
        _write_private(os.path.join(directory, "password"), password)
    password_file = data + ".pwfile"
    try:
        _write_private(password_file, password)
        os.chown(password_file, account.uid, account.gid)
        command = [
            os.path.join(options.bin_dir, "initdb"),
            "-D",
            unfinished,
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            "--pwfile",
            password_file,
            "-E",
            "UTF8",
        ]
        command += ["--no-instructions", *_locale(options.bin_dir), *(() if options.durable else ("--no-sync",))]
        result = _run(account, command)
    finally:
        if os.path.exists(password_file):
            os.unlink(password_file)
    if result.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise TargetError(f"initdb cannot make a PostgreSQL server in {directory}: {_tail(result.stderr)}")
    # initdb writes PG_VERSION early: the name says that it came to its end.
    os.rename(unfinished, data)


def _set_password(options: ServerOptions, directory: str, account: _Account) -> None:
    """Give the superuser of a stopped server the password that was asked for (it may have had another)."""
    command = [
        os.path.join(options.bin_dir, "postgres"),
        "--single",
        "-D",
        os.path.join(directory, "data"),
        "-c",
        "log_statement=none",
        "postgres",
    ]
    result = _run(account, command, f"ALTER ROLE {SUPERUSER} PASSWORD {literal(options.password)}\n")
    if result.returncode or "ERROR:" in result.stderr or "FATAL:" in result.stderr:
        reasons = [line for line in result.stderr.splitlines() if "FATAL:" in line]
        raise TargetError(f"PostgreSQL in {directory} does not take the password: {_tail(os.linesep.join(reasons))}")


def _locale(bin_dir: str) -> list[str]:
    if major_version(bin_dir) >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [
        "--lc-collate=C",
        "--lc-ctype=C.UTF-8",
        "--lc-messages=C",
        "--lc-monetary=C",
        "--lc-numeric=C",
        "--lc-time=C",
    ]


def _require_reachable(directory: str, account: _Account) -> None:
    """Raise ConfigurationError naming the first parent directory that the server's user may not enter."""
    if os.geteuid() != 0:
        return
    path = directory
    while path != "/":
        status = os.stat(path)
        shift = 6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0
        if not status.st_mode >> shift & stat.S_IXOTH:
            name = pwd.getpwuid(account.uid).pw_name
            raise ConfigurationError(
                f"{path} is closed to the user {name} that runs PostgreSQL: chmod o+x {path}, or choose a directory "
                "elsewhere"
            )
        path = os.path.dirname(path)


def _write_private(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", opener=private) as file:
        file.write(text)


def _start(options: ServerOptions, directory: str, account: _Account) -> int:
    """Start the server; return its port: another one than is wanted if that is taken, also in the last moment."""
    port = options.port if options.port and _is_free(options.port) else _free_port()
    for _other in range(_OTHER_PORTS):
        complaint = _start_on(port, options, directory, account)
        if not complaint or _is_free(port):
            break
        port = _free_port()
    if complaint:
        raise TargetError(f"PostgreSQL in {directory} does not start: {complaint}")
    return port


def _start_on(port: int, options: ServerOptions, directory: str, account: _Account) -> str:
    """Start the server on a port; return the last lines of its log if it does not start, and then nothing of it
    runs."""
    _configure(options, directory, account, port)
    log = os.path.join(directory, "server.log")
    with open(log, "w", encoding="utf-8"):
        pass
    os.chown(log, account.uid, account.gid)
    os.chmod(log, 0o600)
    data = os.path.join(directory, "data")
    _remove_empty_pid_file(directory)
    control = os.path.join(options.bin_dir, "pg_ctl")
    result = _run(account, [control, "start", "-D", data, "-l", log, "-w", "-t", str(_START_SECONDS)])
    if result.returncode:
        if running_port(directory):
            _run(account, [control, "stop", "-D", data, "-m", "immediate", "-w"])
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        return _tail(text) or _tail(result.stderr) or "it says nothing"
    return ""


def _remove_empty_pid_file(directory: str) -> None:
    """PostgreSQL refuses to start over a postmaster.pid without a number, which is what a server that was killed, or a
    full disk, may leave."""
    path = os.path.join(directory, "data", "postmaster.pid")
    if (
        os.path.exists(path)
        and not _pid_file(directory)[0]
        and not any(_serves(process.info["cmdline"] or (), directory) for process in psutil.process_iter(["cmdline"]))
    ):
        os.unlink(path)


def _configure(options: ServerOptions, directory: str, account: _Account, port: int) -> None:
    settings = {**_SETTINGS, **({} if options.durable else _NOT_DURABLE), **dict(options.settings)}
    settings.update(
        port=str(port),
        unix_socket_directories=_socket_directory(directory, account, port),
        unix_socket_permissions="0700",
    )
    data = os.path.join(directory, "data")
    text = "".join(f"{name} = '{_quoted(value)}'\n" for name, value in settings.items())
    path = os.path.join(data, _CONFIGURATION)
    _write_private(path, text)
    os.chown(path, account.uid, account.gid)
    main = os.path.join(data, "postgresql.conf")
    include = f"include '{_CONFIGURATION}'\n"
    with open(main, "r+", encoding="utf-8") as file:
        if include not in file.read():
            file.write("\n" + include)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _socket_directory(directory: str, account: _Account, port: int) -> str:
    """Return a private directory whose path is short enough for a socket."""
    for path in _outer_socket_directories(directory):
        shutil.rmtree(path, ignore_errors=True)
    path = os.path.join(directory, "socket")
    if len(os.path.join(path, f".s.PGSQL.{port}").encode()) > _LONGEST_SOCKET_PATH:
        path = tempfile.mkdtemp(prefix="cockroach_migrator_", dir="/tmp")
        _write_private(os.path.join(directory, "socket.path"), path)
    os.makedirs(path, mode=0o700, exist_ok=True)
    os.chown(path, account.uid, account.gid)
    return path


def _outer_socket_directories(directory: str) -> list[str]:
    """Return the socket directory outside ``directory``, if there is one."""
    try:
        with open(os.path.join(directory, "socket.path"), encoding="utf-8") as file:
            return [file.read()]
    except FileNotFoundError:
        return []


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _tail(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_LOG_LINES:])
