# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The certificates of a temporary node, made by its own program: ``cockroach cert``."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping

from ..._errors import ConfigurationError
from ..._system.executables import program_output

_COMMANDS = (("create-ca",), ("create-node", "localhost", "127.0.0.1"), ("create-client", "root"))


def make_certificates(binary: str, certs_dir: str, environment: Mapping[str, str]) -> None:
    """Make the directory ``certs_dir`` (mode 0700) anew, with certificates and keys of a node on localhost and of root.

    The key of their authority is removed: nothing else can be signed with it. Raises ConfigurationError with the
    reason when the program does not make them.
    """
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(certs_dir)
    os.mkdir(certs_dir, mode=0o700)
    authority_key = os.path.join(certs_dir, "ca.key")
    try:
        for command in _COMMANDS:
            program_output(
                [binary, "cert", *command, f"--certs-dir={certs_dir}", f"--ca-key={authority_key}"], environment
            )
    except ConfigurationError as error:
        raise ConfigurationError(f"the certificates of the temporary CockroachDB cannot be made: {error}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(authority_key)
