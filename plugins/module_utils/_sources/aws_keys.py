# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The file of AWS keys: lines such as ``export AWS_ACCESS_KEY=…``, quoted or not."""

from __future__ import annotations

import re

from .._errors import ConfigurationError

NAMES = {
    "AWS_ACCESS_KEY": "access_key_id",
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_KEY": "secret_access_key",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_SECURITY_TOKEN": "session_token",
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "region",
}
_LINE = re.compile(r"""^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'#]*))\s*(?:#.*)?$""")


def parse_aws_keys(text: str) -> dict[str, str]:
    """Return ``access_key_id``, ``secret_access_key`` and, where given, ``session_token`` and ``region``.

    Raises ConfigurationError, with line numbers and never with a value.
    """
    keys: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise ConfigurationError(f"aws_keys_file: line {number} is not of the form `export NAME=value`")
        key = NAMES.get(match.group(1).upper())
        if key:
            keys[key] = next((value for value in match.groups()[1:] if value is not None), "")
    for key, names in (
        ("access_key_id", "AWS_ACCESS_KEY or AWS_ACCESS_KEY_ID"),
        ("secret_access_key", "AWS_SECRET_KEY or AWS_SECRET_ACCESS_KEY"),
    ):
        if not keys.get(key):
            raise ConfigurationError(f"aws_keys_file: there is no line with {names}")
    return keys
