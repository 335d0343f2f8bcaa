# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Secrets that a command of the user prints, such as that of a password manager."""

from __future__ import annotations

import getpass
import platform
import subprocess
from collections.abc import Sequence

from .._errors import ConfigurationError

_SECONDS = 60


def secret_of_command(option: str, command: Sequence[str]) -> str:
    """Run a command without a shell and return what it prints. ``option`` is where the user has named it.

    Raises ConfigurationError, without anything that the command has printed: it may be the secret.
    """
    advice = f"run it as {getpass.getuser()} on {platform.node()} to see why"
    try:
        result = subprocess.run(
            list(command), check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SECONDS
        )
    except OSError as error:
        raise ConfigurationError(f"{option}: {command[0]} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"{option}: {command[0]} has not ended after {_SECONDS} seconds: {advice}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{option}: {command[0]} prints no text") from None
    if result.returncode:
        raise ConfigurationError(f"{option}: {command[0]} ended with code {result.returncode}: {advice}")
    if not result.stdout.strip():
        raise ConfigurationError(f"{option}: {command[0]} prints nothing: {advice}")
    return result.stdout
