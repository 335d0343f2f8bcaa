# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A temporary single-node CockroachDB in one directory, on loopback only.

The directory holds ``data`` (the store), ``logs``, ``cockroach.pid``, ``listening.url`` and, for a secure node without
given certificates, ``certs``. The node runs as the user who starts it, in a session of its own, and outlives its
starter.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

try:
    import psycopg2
    import tenacity
except ImportError:  # named by libraries.missing()
    psycopg2 = None
    tenacity = None

from ..._errors import CockroachError, ConfigurationError
from ..._system.file_modes import PRIVATE_UMASK, make_directories, private
from ..cluster.sql_connection import CockroachParameters, cockroach_message, connect, server_version
from ..cluster.temporary_settings import NODE_SETTINGS
from .failure_reason import failure_reason
from .given_certificates import check_certificates
from .node_certificates import make_certificates
from .processes import STOP_SECONDS, NodeProcess, find_node, stop_node

NEEDS = ("psutil", "psycopg2", "tenacity")
_OWN_FILES = frozenset(("certs", "cockroach.pid", "data", "listening.url", "logs"))
_OUTPUT = "output.log"
"""What the process prints; CockroachDB's own log files are next to it."""
_START_SECONDS = 180
_POLL_SECONDS = 0.2
_LAST_PORT = 65535
_EXIT_DISK_FULL = 10

_KEPT_ENVIRONMENT = (
    "HOME",
    "LANG",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
_ENVIRONMENT = {
    "COCKROACH_AUTO_BALLAST": "false",  # a throw-away node needs no reserved room
    "COCKROACH_CRASH_REPORTS": "",
    "COCKROACH_SKIP_ENABLING_DIAGNOSTIC_REPORTING": "true",
    "COCKROACH_UPDATE_CHECK_URL": "",
    "COCKROACH_USAGE_REPORT_URL": "",
}


@dataclass(frozen=True)
class NodeOptions:
    """How to run the node.

    A port that is 0 or taken means any free port. Memory and sizes are CockroachDB's own (``25%``,
    ``2GiB``; empty
    ``store_size``: no limit). ``certs_dir`` matters to a secure node, which makes its own certificates without. Without
    ``external_io_dir`` nodelocal:// is off. ``environment`` comes on top of the few variables that are passed on; that
    may be those of a cloud's credentials.
    """

    directory: str
    binary: str = ""
    port: int = 26257
    http_port: int = 8080
    insecure: bool = True
    certs_dir: str = ""
    max_sql_memory: str = "25%"
    cache: str = "25%"
    store_size: str = ""
    external_io_dir: str = ""
    spatial_libs: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class _NodeEndedError(Exception):
    """The process ended before it answered."""


@dataclass(frozen=True)
class StartedNode:
    """A node that runs, or in check mode would run."""

    changed: bool
    host: str
    """What to connect to; a name of the certificate where there is one."""
    port: int
    http_port: int
    insecure: bool
    certs_dir: str
    """Empty for an insecure node."""
    log_dir: str
    pid: int = 0
    """0 where check mode cannot know it."""
    version: str = ""
    """The release that runs; empty where check mode cannot know it."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StoppedNode:
    """A node that does not run, or in check mode would be stopped."""

    changed: bool
    warnings: list[str] = field(default_factory=list)


def ensure_node(state: str, options: NodeOptions, check: bool) -> Union[StartedNode, StoppedNode]:
    """Bring the node to the state ``started``, ``stopped`` or ``absent`` (its directory removed); with ``check`` only
    tell. There are warnings when a node had to be killed.

    A node that runs with other options is started anew. Raises ConfigurationError, or CockroachError with CockroachDB's
    own reason; then nothing of a new node is left but its log.
    """
    options = dataclasses.replace(options, directory=os.path.realpath(options.directory))
    try:
        _require_own_directory(options.directory)
        node = find_node(store_path(options.directory))
        return (
            _ensure_started(options, node, check)
            if state == "started"
            else _ensure_stopped(options.directory, node, state == "absent", check)
        )
    except OSError as error:
        place = error.filename or options.directory
        raise ConfigurationError(
            f"{place}: {error.strerror}: choose another directory, or give this user access and room"
        ) from None


def store_path(directory: str) -> str:
    """Return where the node in ``directory`` keeps its data."""
    return os.path.join(directory, "data")


def root_parameters(node: StartedNode) -> CockroachParameters:
    """Return how root connects to a node."""
    if node.insecure:
        return CockroachParameters(host=node.host, port=node.port, database="system")
    root_certificate, certificate, key = (
        os.path.join(node.certs_dir, name) for name in ("ca.crt", "client.root.crt", "client.root.key")
    )
    return CockroachParameters(
        host=node.host,
        port=node.port,
        database="system",
        sslmode="verify-full",
        sslrootcert=root_certificate,
        sslcert=certificate,
        sslkey=key,
    )


def apply_settings(connection: Any) -> None:
    """Set the cluster settings of a throw-away node, as far as this release has them. A restore of a whole cluster
    replaces them. Raises CockroachError."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW ALL CLUSTER SETTINGS")
            present = {row[0]: row[1] for row in cursor.fetchall()}
            for name, value in NODE_SETTINGS.items():
                if present.get(name, value) != value:
                    cursor.execute(f"SET CLUSTER SETTING {name} = {value}")
    except psycopg2.Error as error:
        raise CockroachError(
            f"CockroachDB does not take the settings of a temporary node: {cockroach_message(error)}"
        ) from None


def node_command(options: NodeOptions, host: str, port: int, http_port: int) -> list[str]:
    """Return the command line; every flag is known from v20.1 on, but --spatial-libs from v20.2 on."""
    directory = options.directory
    size = f",size={options.store_size}" if options.store_size else ""
    return [
        options.binary,
        "start-single-node",
        "--insecure" if options.insecure else f"--certs-dir={_certs_dir(options)}",
        f"--store=path={store_path(directory)}{size}",
        f"--listen-addr=127.0.0.1:{port}",
        f"--advertise-addr={host}:{port}",
        f"--http-addr=127.0.0.1:{http_port}",
        f"--cache={options.cache}",
        f"--max-sql-memory={options.max_sql_memory}",
        f"--external-io-dir={options.external_io_dir or 'disabled'}",
        *([f"--spatial-libs={options.spatial_libs}"] if options.spatial_libs else []),
        f"--pid-file={_pid_file(directory)}",
        f"--listening-url-file={os.path.join(directory, 'listening.url')}",
        f"--log-dir={_log_dir(directory)}",
    ]


def _ensure_started(options: NodeOptions, node: Optional[NodeProcess], check: bool) -> StartedNode:
    options = _checked(options, check)
    host = _host(options)
    port, http_port = (node.port, node.http_port) if node else _free_ports(options.port, options.http_port)
    command = node_command(options, host, port, http_port)
    started = StartedNode(
        changed=True,
        host=host,
        port=port,
        http_port=http_port,
        insecure=options.insecure,
        certs_dir=_certs_dir(options),
        log_dir=_log_dir(options.directory),
    )
    if node and list(node.command[-len(command) :]) == command:  # an interpreter may stand before it
        with _ready(
            options.directory,
            root_parameters(started),
            node.pid,
            lambda: "" if find_node(node.store) else "it has just ended",
        ) as connection:
            version = server_version(connection)
        return dataclasses.replace(started, changed=False, pid=node.pid, version=version)
    if check:
        return started
    warnings = _stop(node)
    pid, version = _start(options, command, root_parameters(started))
    return dataclasses.replace(started, pid=pid, version=version, warnings=warnings)


def _ensure_stopped(directory: str, node: Optional[NodeProcess], remove: bool, check: bool) -> StoppedNode:
    remove = remove and os.path.isdir(directory)
    warnings: list[str] = []
    if not check:
        warnings = _stop(node)
        if remove:
            shutil.rmtree(directory)
    return StoppedNode(node is not None or remove, warnings)


def _stop(node: Optional[NodeProcess]) -> list[str]:
    """Stop the node, if there is one; return the warnings about it."""
    if node and stop_node(node):
        return [f"the CockroachDB on {node.store} did not stop within {STOP_SECONDS} seconds and was killed"]
    return []


def _start(options: NodeOptions, command: list[str], parameters: CockroachParameters) -> tuple[int, str]:
    """Start the process; return its process id and release when it answers. When it does not get so far, nothing is
    left but the log."""
    store = store_path(options.directory)
    with contextlib.ExitStack() as undo:
        new = [] if os.path.isdir(store) and os.listdir(store) else [store]
        for path in (options.directory, _log_dir(options.directory), store):
            make_directories(path)
            if path in new:
                undo.callback(shutil.rmtree, path)
        if not options.insecure and not options.certs_dir:
            undo.callback(shutil.rmtree, _certs_dir(options), ignore_errors=True)
            make_certificates(options.binary, _certs_dir(options), _environment(options))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_pid_file(options.directory))
        process = _spawn(options, command)
        undo.callback(_end, process)
        with _ready(options.directory, parameters, process.pid, lambda: _ending(process)) as connection:
            apply_settings(connection)
            version = server_version(connection)
        undo.pop_all()
    return process.pid, version


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def _environment(options: NodeOptions) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return {**kept, **options.environment, **_ENVIRONMENT}


def _spawn(options: NodeOptions, command: list[str]) -> subprocess.Popen:
    with open(_output_path(options.directory), "wb", opener=private) as output:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=options.directory,
                env=_environment(options),
                start_new_session=True,
                umask=PRIVATE_UMASK,
            )
        except OSError as error:
            raise ConfigurationError(
                f"{options.binary} cannot be run on this host: {error.strerror}; give a CockroachDB made for it"
            ) from None


@contextlib.contextmanager
def _ready(directory: str, parameters: CockroachParameters, pid: int, ending: Callable[[], str]) -> Iterator[Any]:
    """Wait until the node answers, and give root's connection for the length of a block; ``ending`` says how it ended,
    if it has.

    Raises CockroachError.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(CockroachError),
        stop=tenacity.stop_after_delay(_START_SECONDS),
        wait=tenacity.wait_fixed(_POLL_SECONDS),
        reraise=True,
    )
    try:
        connection = attempts(_connect, directory, parameters, pid, ending)
    except _NodeEndedError as error:
        with open(_output_path(directory), encoding="utf-8", errors="replace") as file:
            reason = failure_reason(file.read()) or str(error)
        raise CockroachError(
            f"CockroachDB does not start in {directory}: {reason}; its log is in {_log_dir(directory)}"
        ) from None
    except CockroachError as error:
        raise CockroachError(
            f"CockroachDB in {directory} did not answer within {_START_SECONDS} seconds: {error}; its log is in "
            f"{_log_dir(directory)}"
        ) from None
    with contextlib.closing(connection):
        yield connection


def _connect(directory: str, parameters: CockroachParameters, pid: int, ending: Callable[[], str]) -> Any:
    """Connect to the node, and to no other that may have taken its port."""
    if ending():
        raise _NodeEndedError(ending())
    try:
        with open(_pid_file(directory), encoding="ascii") as file:
            listens = file.read().strip() == str(pid)
    except FileNotFoundError:
        listens = False
    if not listens:
        raise CockroachError("it does not listen yet")
    return connect(parameters)


def _ending(process: subprocess.Popen) -> str:
    """Return how our own process ended; empty while it runs."""
    code = process.poll()
    if code is None:
        return ""
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}" + (
            ", perhaps because memory ran out" if -code == signal.SIGKILL else ""
        )
    if code == _EXIT_DISK_FULL:  # its words may not have found room either
        return "out of disk space; free room there, or choose another directory"
    return f"it ended without a word (exit code {code})"


def _checked(options: NodeOptions, check: bool) -> NodeOptions:
    """Return the options with absolute paths. Raises ConfigurationError for what cannot be; with ``check`` the program
    may be missing still."""
    if not options.binary:
        raise ConfigurationError("the CockroachDB program is not named: set binary")
    binary = os.path.abspath(options.binary)
    if not os.path.isfile(binary) and not check:
        raise ConfigurationError(f"there is no CockroachDB program {binary}")
    if os.path.isfile(binary) and not os.access(binary, os.X_OK):
        raise ConfigurationError(f"{binary} is not executable for this user: chmod +x {binary}")
    if "," in options.directory:
        raise ConfigurationError(f"CockroachDB takes no directory with a comma in its name: {options.directory}")
    for port in (options.port, options.http_port):
        if not 0 <= port <= _LAST_PORT:
            raise ConfigurationError(
                f"{port} is not a port: it has to be from 1 to {_LAST_PORT}, or 0 for any free one"
            )
    paths = {
        name: os.path.abspath(value)
        for name in ("certs_dir", "external_io_dir", "spatial_libs")
        for value in [getattr(options, name)]
        if value
    }
    for name in ("external_io_dir", "spatial_libs"):
        if name in paths and not os.path.isdir(paths[name]):
            raise ConfigurationError(f"{name} is not a directory: {paths[name]}")
    return dataclasses.replace(options, binary=binary, **paths)


def _host(options: NodeOptions) -> str:
    """Return the name of this host that the node's clients use; for given certificates one that they are valid for."""
    if options.insecure:
        return "127.0.0.1"
    return check_certificates(options.certs_dir) if options.certs_dir else "localhost"


def _certs_dir(options: NodeOptions) -> str:
    return "" if options.insecure else options.certs_dir or os.path.join(options.directory, "certs")


def _log_dir(directory: str) -> str:
    return os.path.join(directory, "logs")


def _output_path(directory: str) -> str:
    return os.path.join(_log_dir(directory), _OUTPUT)


def _pid_file(directory: str) -> str:
    return os.path.join(directory, "cockroach.pid")


def _require_own_directory(directory: str) -> None:
    """Refuse a directory with files that no node of this collection has made."""
    try:
        others = sorted(set(os.listdir(directory)) - _OWN_FILES)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise ConfigurationError(f"{directory} is not a directory: choose another") from None
    if others:
        raise ConfigurationError(
            f"{directory} holds other things than a temporary CockroachDB ({', '.join(others[:5])}): choose a "
            "directory of its own"
        )


def _free_ports(*wanted: int) -> list[int]:
    """Return the ports that are wanted, each replaced by any free one when it is taken."""
    with contextlib.ExitStack() as stack:
        # All are held until the last one is chosen, so that they differ.
        return [_listen(stack, port) or _listen(stack, 0) for port in wanted]


def _listen(stack: contextlib.ExitStack, port: int) -> int:
    """Take the port on loopback (0: any) until the stack ends; return it, or 0 when it is taken or may not be had."""
    probe = stack.enter_context(socket.socket())
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
        probe.listen()
    except OSError:
        return 0
    return probe.getsockname()[1]
