# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Unpacking tar archives so that nothing is written outside of a directory."""

from __future__ import annotations

import itertools
import os
import tarfile
import zlib

from .._errors import ConfigurationError
from .file_errors import unwritable

_Parts = tuple[str, ...]


def unpack_tar(archive: str, directory: str) -> None:
    """Unpack a tar archive of any compression into ``directory``.

    Raises ConfigurationError that names the entry for absolute paths, ``..``, links that leave, anything that is no
    file, directory or link; and when the archive is damaged, or the disk full.
    """
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            _refuse_unsafe(members, archive)
            # The filter came with 3.12 and the patch releases 3.11.4, 3.10.12 and 3.9.17 (PEP 706); Debian 12 has
            # 3.11.2. Several releases of it follow links that leave (CVE-2025-4517), so the entries are checked in any
            # case.
            if hasattr(tarfile, "data_filter"):
                tar.extractall(directory, members, filter="data")
            else:
                tar.extractall(directory, [_ours(member) for member in members])
    except (tarfile.TarError, EOFError, zlib.error, KeyError) as error:  # KeyError: a hard link to nothing
        raise ConfigurationError(f"{archive} is no whole tar archive: {error}") from None
    except OSError as error:
        if error.errno is None:  # a damaged gzip stream
            raise ConfigurationError(f"{archive} is no whole tar archive: {error}") from None
        raise unwritable(directory, error) from None


def _refuse_unsafe(members: list[tarfile.TarInfo], archive: str) -> None:
    links = {_parts(member.name) for member in members if member.issym()}
    for member in members:
        reason = _unsafe(member, links)
        if reason:
            raise ConfigurationError(f"{archive} is not unpacked, its entry {member.name} {reason}")


def _unsafe(member: tarfile.TarInfo, links: set[_Parts]) -> str:
    """Say why an entry must not be unpacked; ``links`` are all symbolic links of the archive.

    No entry lies below a link, and every link by itself stays inside, so that no chain of links leads out.
    """
    parts = _parts(member.name)
    if member.name.startswith("/") or ".." in parts:
        return "leaves the directory"
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return "is neither file, directory nor link"
    if links.intersection(itertools.accumulate((part,) for part in parts[:-1])):
        return "lies below a symbolic link"
    if parts in links and not member.issym():
        return "lies below a symbolic link"
    if member.issym() and not _stays(len(parts) - 1, member.linkname):
        return f"links to {member.linkname}, outside the directory"
    if member.islnk() and (not _stays(0, member.linkname) or _parts(member.linkname) in links):
        return f"links to {member.linkname}, outside the directory"
    return ""


def _stays(depth: int, target: str) -> bool:
    """Tell whether the target of a link that lies ``depth`` directories deep stays inside.

    ``..`` may stand at its beginning only: after a name it would go up from wherever that name links to.
    """
    parts = _parts(target)
    up = len(list(itertools.takewhile(lambda part: part == "..", parts)))
    return not target.startswith("/") and up <= depth and ".." not in parts[up:]


def _parts(path: str) -> _Parts:
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _ours(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """What the filter does besides: no foreign owners, no special modes."""
    member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
    member.mode = member.mode & 0o755 | (0o700 if member.isdir() else 0o600)
    return member
