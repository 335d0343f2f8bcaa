# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The program ``cockroach`` of one version: given, cached, from a local archive, or downloaded and proved by its
SHA-256.

The cache holds one directory a version and platform, named as the archive is: the program, ``lib`` with the spatial
libraries where the release has them, and ``origin.json``: the SHA-256 of the archive it came from, the program's bytes.
"""

from __future__ import annotations

import glob
import json
import os
import platform as host
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..._errors import ConfigurationError
from ..._system.archives import unpack_tar
from ..._system.cache_directory import put_in_place, work_directory
from ..._system.download import checksum_beside, fetch_file
from ..._system.executables import program_output
from ..._system.file_checksums import check_file, checked_sha256, checksum_file_beside
from ..._system.urls import at_path

PROGRAM = "cockroach"
_PLATFORMS = {
    ("Linux", "x86_64"): "linux-amd64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "x86_64"): "darwin-10.9-amd64",
    ("Darwin", "arm64"): "darwin-11.0-arm64",
}
"""What uname says to the word in the archives' names."""
_VERSION = re.compile(r"v?(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)[.\d]*)?)")
_BUILD_TAG = re.compile(r"^Build Tag:\s*(\S+)", re.MULTILINE)
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "COCKROACH_SKIP_ENABLING_DIAGNOSTIC_REPORTING": "true"}
_ORIGIN = "origin.json"


@dataclass(frozen=True)
class BinaryRequest:
    """Where a program ``cockroach`` may come from; see provide_binary()."""

    cache_dir: str
    version: str = ""
    mirror_url: str = ""
    archive: str = ""
    binary: str = ""
    sha256: str = ""
    download: bool = True
    platform: str = ""


@dataclass(frozen=True)
class CockroachBinary:
    """The program ``cockroach``."""

    changed: bool
    binary: str
    """Its path; empty where it would be unpacked or downloaded."""
    version: str
    library_dir: str
    """The directory of the spatial libraries of the release; empty if there are none."""
    source: str
    """``given``, ``cache``, ``archive`` or ``download``."""


def provide_binary(request: BinaryRequest, *, check: bool) -> CockroachBinary:
    """Find the program or provide it.

    In this order: ``binary`` (source given; whatever its version is), the cache, ``archive`` (a local file; source
    archive), ``mirror_url`` (source download). An empty ``platform`` is this host's. ``sha256`` is the archive's;
    without it the file ``.sha256sum`` next to the archive is read, which a download has to have and a local archive
    may have. With ``check`` nothing is written, and ``binary`` is empty when it would be. Raises ConfigurationError.
    """
    if request.binary:
        return _found(request.binary, binary_version(request.binary), "given", changed=False)
    version = normal_version(request.version)
    name = f"cockroach-{version}.{request.platform or host_platform(host.system(), host.machine())}"
    target = os.path.join(os.path.abspath(request.cache_dir), name)
    program = os.path.join(target, PROGRAM)
    archive = request.archive
    if archive:
        expected = check_file(archive, request.sha256 or checksum_file_beside(archive))
    else:
        expected = checked_sha256(request.sha256) if request.sha256 else ""
    if _is_good(target, version, expected):
        return _found(program, version, "cache", changed=False)
    if not archive and not request.download:
        raise ConfigurationError(
            f"no CockroachDB {version} that runs in {request.cache_dir}, and the download is not allowed: give a "
            "binary or archive, or allow it"
        )
    source = "archive" if archive else "download"
    if check:
        return CockroachBinary(changed=True, binary="", version=version, library_dir="", source=source)
    with work_directory(os.path.dirname(target)) as directory:
        if not archive:
            url = archive_url(request.mirror_url, f"{name}.tgz")
            expected = expected or checksum_beside(url)
            archive = os.path.join(directory, f"{name}.tgz")
            fetch_file(url, archive, expected)
        tree = _unpacked(archive, directory, version)
        with open(os.path.join(tree, _ORIGIN), "w", encoding="utf-8") as file:
            json.dump({"archive_sha256": expected, "program_bytes": os.path.getsize(os.path.join(tree, PROGRAM))}, file)
        put_in_place(tree, target, lambda: _is_good(target, version, expected))
    return _found(program, version, source, changed=True)


def normal_version(text: str) -> str:
    """Return a version as CockroachDB's archives are named: ``24.3.5`` is ``v24.3.5``. Raises ConfigurationError."""
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise ConfigurationError(f"{text!r} is no version of CockroachDB, such as v24.3.5")
    return f"v{match.group(1)}"


def host_platform(system: str, machine: str) -> str:
    """Return the word for a platform in the names of CockroachDB's archives, from what uname says. Raises
    ConfigurationError."""
    if system == "Windows" or system.startswith(("CYGWIN", "MSYS", "MINGW")):
        raise ConfigurationError("on Windows, run this inside WSL2: there CockroachDB's Linux release is used")
    machine = {"amd64": "x86_64", "AMD64": "x86_64"}.get(machine, machine)
    if system == "Linux" and machine == "arm64":
        machine = "aarch64"
    if (system, machine) not in _PLATFORMS:
        raise ConfigurationError(
            f"CockroachDB publishes no release for {system} {machine}: use Linux or macOS on x86-64 or arm64, or give "
            "your own binary"
        )
    return _PLATFORMS[system, machine]


def binary_version(binary: str) -> str:
    """Return the release that a program ``cockroach`` calls itself, such as ``v24.3.5``. Raises ConfigurationError when
    it does not run."""
    text = program_output([os.path.abspath(binary), "version"], _ENVIRONMENT)
    match = _BUILD_TAG.search(text)
    if match is None:
        raise ConfigurationError(f"{binary} is not CockroachDB: it prints no build tag")
    return match.group(1)


def archive_url(mirror_url: str, name: str) -> str:
    """Return the URL of an archive on a mirror; parameters of the mirror's URL stay at the end."""
    return at_path(mirror_url, f"{urlsplit(mirror_url).path.rstrip('/')}/{name}")


def _unpacked(archive: str, directory: str, version: str) -> str:
    """Unpack the archive below ``directory`` and return the directory of its program, which runs and is of this
    version."""
    unpacked = os.path.join(directory, "unpacked")
    unpack_tar(archive, unpacked)
    name = os.path.basename(archive)
    programs = [
        path
        for pattern in (PROGRAM, f"*/{PROGRAM}")
        for path in glob.glob(os.path.join(glob.escape(unpacked), pattern))
        if os.path.isfile(path)
    ]
    if len(programs) != 1:
        raise ConfigurationError(
            f"the archive {name} holds no program {PROGRAM}: it has to be one of CockroachDB's release archives"
        )
    os.chmod(programs[0], 0o755)
    try:
        found = binary_version(programs[0])
    except ConfigurationError as error:
        raise ConfigurationError(
            f"the archive {name} cannot be used here: {str(error).replace(programs[0], PROGRAM)}"
        ) from None
    if found != version:
        raise ConfigurationError(
            f"the archive {name} holds CockroachDB {found} instead of {version}: give the version that it holds, or "
            "the right archive"
        )
    return os.path.dirname(programs[0])


def _is_good(target: str, version: str, sha256: str) -> bool:
    """Tell whether the cached program is whole, runs, is of this version and, when ``sha256`` is not empty, came from
    that archive."""
    program = os.path.join(target, PROGRAM)
    try:
        with open(os.path.join(target, _ORIGIN), encoding="utf-8") as file:
            origin = json.load(file)
        whole = os.path.getsize(program) == origin["program_bytes"] and origin["archive_sha256"] == (
            sha256 or origin["archive_sha256"]
        )
        return whole and binary_version(program) == version
    except (OSError, ValueError, KeyError, TypeError, ConfigurationError):
        return False  # an interrupted copy is replaced


def _found(binary: str, version: str, source: str, changed: bool) -> CockroachBinary:
    path = os.path.abspath(binary)
    libraries = os.path.join(os.path.dirname(path), "lib")
    spatial = [
        name
        for suffix in ("so", "dylib")
        for name in glob.glob(os.path.join(glob.escape(libraries), f"libgeos*.{suffix}"))
    ]
    return CockroachBinary(changed, path, version, libraries if spatial else "", source)
