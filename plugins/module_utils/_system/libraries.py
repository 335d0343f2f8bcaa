# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which Python packages a module needs on its host, and what to do when one is missing."""

from __future__ import annotations

import importlib.util
import platform
import re
import shlex
import sys
from collections.abc import Iterable

from .._errors import ConfigurationError

_SQLGLOT = "sqlglot>=30.30,<31"
_OLDEST_SQLGLOT, _NEXT_SQLGLOT = (30, 30), (31, 0)
"""The versions for which the conversion was tested. It overrides private methods of sqlglot, and with another version
it may read the same SQL as something else without an error. requirements.txt asks for the same."""

PACKAGES = {
    "azure.identity": "azure-identity",
    "azure.storage.blob": "azure-storage-blob",
    "boto3": "boto3",
    "cattrs": "cattrs",
    "cramjam": "cramjam",
    "cryptography": "cryptography",
    "google.cloud.storage": "google-cloud-storage",
    "google_crc32c": "google-crc32c",
    "numpy": "numpy",
    "psutil": "psutil",
    "psycopg2": "psycopg2-binary",
    "pyrage": "pyrage",
    "requests": "requests",
    "sqlglot": _SQLGLOT,
    "tenacity": "tenacity",
    "xxhash": "xxhash",
    "zstandard": "zstandard",
}
"""Import name to the requirement, as pip takes it."""

READ_S3 = ("boto3", "tenacity")
READ_GOOGLE = ("google.cloud.storage", "requests", "tenacity")
READ_AZURE = ("azure.identity", "azure.storage.blob", "requests", "tenacity")
READ_HTTP = ("requests", "tenacity")
READ_BACKUP = ("cramjam", "cryptography", "google_crc32c", "numpy", "xxhash", "zstandard")
READ_DUMP = ("cattrs", "zstandard")
ENCRYPT_DUMP = ("pyrage",)
WRITE_DUMP = ("cattrs", "sqlglot", "zstandard")
LOAD = ("cattrs", "psycopg2", "sqlglot", "tenacity", "zstandard")


def missing(names: Iterable[str]) -> list[str]:
    """Return the requirements whose packages this interpreter cannot import."""
    return sorted({PACKAGES[name] for name in names if not _is_there(name)})


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        # The package above it is missing.
        return False


def require(names: Iterable[str]) -> None:
    """Raise ConfigurationError with the command to run when a package is missing or the sqlglot version untested."""
    names = tuple(names)
    packages = missing(names)
    if packages:
        raise ConfigurationError(
            f"Python packages are missing on {platform.node()}, which runs the modules with {sys.executable}: "
            f"{', '.join(packages)}; install the collection's requirements.txt there ({sys.executable} -m pip install "
            f"{shlex.join(packages)}), or set ansible_python_interpreter to a Python that has it"
        )
    if "sqlglot" in names:
        _require_tested_sqlglot()


def _require_tested_sqlglot() -> None:
    # Imported here, as it takes longer than all other imports of a module that needs no sqlglot.
    from importlib import metadata

    try:
        version = metadata.version("sqlglot")
    except metadata.PackageNotFoundError:
        version = "of an unknown version"
    match = re.match(r"(\d+)\.(\d+)", version)
    if match is None or not _OLDEST_SQLGLOT <= (int(match.group(1)), int(match.group(2))) < _NEXT_SQLGLOT:
        raise ConfigurationError(
            f"sqlglot {version} is installed on {platform.node()} for {sys.executable}, and the conversion of SQL was "
            f"tested with {_SQLGLOT} only; install that ({sys.executable} -m pip install {shlex.quote(_SQLGLOT)}), "
            "or set ansible_python_interpreter to a Python that has it"
        )
