# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Secrets that a command of the user prints, such as that of a password manager."""

from __future__ import annotations

import getpass
import os
import platform
import signal
import subprocess
from collections.abc import Sequence

from .._errors import ConfigurationError
from .time_limit import TimeLimitError, within

_SECONDS = 60
_LONGEST = 1 << 16
"""Bytes that a command may print."""


def secret_of_command(option: str, command: Sequence[str]) -> str:
    """Run a command without a shell and return what it prints. ``option`` is where the user has named it.

    Raises ConfigurationError, without anything that the command has printed: it may be the secret.
    """
    advice = f"run it as {getpass.getuser()} on {platform.node()} to see why"
    printed, code = _run(option, command, advice)
    if len(printed) > _LONGEST:
        raise ConfigurationError(f"{option}: {command[0]} prints more than {_LONGEST >> 10} KiB: {advice}")
    if code:
        raise ConfigurationError(f"{option}: {command[0]} ended with code {code}: {advice}")
    try:
        text = printed.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{option}: {command[0]} prints no text") from None
    if not text.strip():
        raise ConfigurationError(f"{option}: {command[0]} prints nothing: {advice}")
    return text


def _run(option: str, command: Sequence[str], advice: str) -> tuple[bytes, int]:
    """Return what the command prints, of what is too much only the beginning, and its code. What it has started ends
    with it where it is ended here."""
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigurationError(f"{option}: {command[0]} cannot be run: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{option}: no command can have a NUL in it") from None
    with process:
        try:
            return within(_SECONDS, lambda: _output(process))
        except TimeLimitError:
            raise ConfigurationError(
                f"{option}: {command[0]} has not ended after {_SECONDS} seconds: {advice}"
            ) from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)


def _output(process: subprocess.Popen[bytes]) -> tuple[bytes, int]:
    printed = b""
    while process.stdout and len(printed) <= _LONGEST and (part := process.stdout.read(_LONGEST)):
        printed += part
    return printed, 0 if len(printed) > _LONGEST else process.wait()
