# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which Python packages a module needs on its host, and what to do when one is missing."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Iterable

from .._errors import ConfigurationError

PACKAGES = {
    "boto3": "boto3",
    "cramjam": "cramjam",
    "cryptography": "cryptography",
    "google_crc32c": "google-crc32c",
    "psutil": "psutil",
    "psycopg2": "psycopg2-binary",
    "requests": "requests",
    "sqlglot": "sqlglot",
    "tenacity": "tenacity",
    "xxhash": "xxhash",
    "zstandard": "zstandard",
}
"""Import name to the name on PyPI."""

READ_S3 = ("boto3", "tenacity")
READ_BACKUP = ("cramjam", "cryptography", "google_crc32c", "xxhash", "zstandard")
WRITE_DUMP = ("sqlglot", "zstandard")
LOAD = ("psycopg2", "sqlglot", "zstandard")


def missing(names: Iterable[str]) -> list[str]:
    """Return the packages (by their names on PyPI) that this interpreter cannot import."""
    return sorted({PACKAGES[name] for name in names if importlib.util.find_spec(name) is None})


def require(names: Iterable[str]) -> None:
    """Raise ConfigurationError with the command to run when a package is missing."""
    packages = missing(names)
    if packages:
        raise ConfigurationError(
            f"Python packages are missing on {platform.node()}, which runs the modules with {sys.executable}: "
            f"{', '.join(packages)}; install the collection's "
            f"requirements.txt there ({sys.executable} -m pip install {' '.join(packages)}), or set "
            "ansible_python_interpreter to a Python that has it"
        )
