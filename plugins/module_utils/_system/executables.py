# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Does a program run on this host, and if not, why: in words instead of the loader's."""

from __future__ import annotations

import errno
import os
import platform
import re
import struct
import subprocess
from collections.abc import Mapping
from typing import Any

from .._errors import ConfigurationError

_SECONDS = 60
_ELF_MACHINES = {0x03: "Linux x86 (32 bits)", 0x28: "Linux ARM (32 bits)", 0x3E: "Linux x86-64", 0xB7: "Linux arm64"}
_MACH_CPUS = {0x01000007: "macOS Intel", 0x0100000C: "macOS arm64"}
_MISSING_LIBRARY = (
    re.compile(r"error while loading shared libraries: ([^:\s]+)"),
    re.compile(r"Error loading shared library ([^:\s]+)"),
    re.compile(r"Library not loaded: (\S+)"),
)
_NEWER_LIBRARY = re.compile(r"version [`']([^']+)' not found")


def program_output(command: list[str], environment: Mapping[str, str], **identity: Any) -> str:
    """Run a short command and return what it prints. ``identity`` are the user's arguments of subprocess.run.

    Raises ConfigurationError that names the reason: not executable, another architecture, a missing shared library.
    """
    path = command[0]
    try:
        result = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=dict(environment),
            timeout=_SECONDS,
            **identity,
        )
    except OSError as error:
        raise ConfigurationError(f"{path} does not run: {_start_failure(path, error)}") from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"{path} does not run: it gave no answer within {_SECONDS} seconds") from None
    if result.returncode:
        raise ConfigurationError(f"{path} does not run: {_ended(result.returncode, result.stderr or result.stdout)}")
    return result.stdout


def loader_complaint(text: str) -> str:
    """Return what the dynamic loader misses, in words, or nothing when ``text`` is not its complaint."""
    for pattern in _MISSING_LIBRARY:
        match = pattern.search(text)
        if match:
            return (
                f"it needs the shared library {match.group(1)}, which this host lacks: install the package that brings "
                "it"
            )
    match = _NEWER_LIBRARY.search(text)
    return (
        f"it needs {match.group(1)}, and this host's libraries are older: use a newer system or an older release"
        if match
        else ""
    )


def architecture(path: str) -> str:
    """Return what a program was built for from its ELF or Mach-O header, such as ``Linux arm64``; nothing when it is
    neither."""
    with open(path, "rb") as file:
        head = file.read(20)
    if head[:4] == b"\x7fELF" and len(head) == 20:
        order = ">" if head[5] == 2 else "<"
        machine = struct.unpack(f"{order}H", head[18:20])[0]
        return _ELF_MACHINES.get(machine, f"Linux machine type {machine:#x}")
    if head[:4] == b"\xcf\xfa\xed\xfe" and len(head) >= 8:
        cpu = struct.unpack("<I", head[4:8])[0]
        return _MACH_CPUS.get(cpu, f"macOS processor type {cpu:#x}")
    return "Windows" if head[:2] == b"MZ" else ""


def _start_failure(path: str, error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        built = architecture(path)
        here = f"{platform.system()} {platform.machine()}"
        return f"it is built for {built}, and this host is {here}" if built else "it is no program"
    if error.errno in (errno.EACCES, errno.EPERM):
        if os.path.isfile(path) and not os.stat(path).st_mode & 0o111:
            return f"it is not executable: chmod +x {path}"
        return (
            "this user may not run it: check the directories above it, and that its file system is not mounted noexec"
        )
    if error.errno == errno.ENOENT and os.path.isfile(path):
        return "the loader it asks for is not on this host (a program for glibc does not run on musl)"
    return error.strerror or "it cannot be started"


def _ended(code: int, text: str) -> str:
    words = " ".join(text.split())[-400:]
    ending = f"it was killed by signal {-code}" if code < 0 else f"it ends with code {code}"
    return loader_complaint(text) or (f"{ending}: {words}" if words else ending)
