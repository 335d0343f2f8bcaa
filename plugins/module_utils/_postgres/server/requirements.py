# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Requirements of a schema that PostgreSQL's programs do not meet: ICU, extensions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import replace

from ..._convert.server_features import ICU
from ..._errors import ConfigurationError
from ..connect.connection import ConnectionParameters, connect
from ..target.probe_features import probe
from .postgres_binaries import MissingPart, PostgresBinaries
from .postgres_server import ServerOptions, temporary_server

_CONTRIB = frozenset(
    (
        "btree_gin",
        "btree_gist",
        "citext",
        "cube",
        "earthdistance",
        "fuzzystrmatch",
        "hstore",
        "intarray",
        "isn",
        "ltree",
        "pg_stat_statements",
        "pg_trgm",
        "pgcrypto",
        "tablefunc",
        "unaccent",
        "uuid-ossp",
    )
)


def missing_for(bin_dir: str, needs: Iterable[str]) -> list[MissingPart]:
    """Return what of ``needs`` (``icu`` and names of extensions) the programs in ``bin_dir`` lack.

    A server is started for a moment and asked: only it knows where its extensions are, and whether ICU was built in.
    Raises ConfigurationError or TargetError when it does not start.
    """
    wanted = sorted(set(needs))
    if not wanted:
        return []
    with tempfile.TemporaryDirectory(prefix="cockroach_migrator_", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        with temporary_server(ServerOptions(os.path.join(directory, "server"), bin_dir)) as parameters:
            return lacking_of_server(parameters, wanted)


def lacking_of_server(parameters: ConnectionParameters, needs: Iterable[str]) -> list[MissingPart]:
    """Return what of ``needs`` the server lacks that runs there. Raises TargetError when it cannot be reached."""
    wanted = sorted(set(needs))
    if not wanted:
        return []
    connection = connect(parameters)
    try:
        features = probe(connection)
    finally:
        connection.close()
    lacking = [name for name in wanted if not (features.icu if name == ICU else name in features.extensions)]
    return [MissingPart(name, _install(name, features.major)) for name in lacking]


def missing_message(bin_dir: str, missing: list[MissingPart]) -> str:
    """Return one line that names what is missing and what to install."""
    parts = "; ".join(f"{part.name} ({part.install})" for part in missing)
    return f"the PostgreSQL in {bin_dir} lacks {parts}"


def with_requirements(binaries: PostgresBinaries, requires: list[str], on_missing: str) -> PostgresBinaries:
    """Add what the programs lack of what is required, with a warning where ``on_missing`` is warn; programs that are
    not there yet lack nothing.

    Raises ConfigurationError when something is missing and ``on_missing`` is fail.
    """
    missing = missing_for(binaries.bin_dir, requires) if binaries.bin_dir else []
    if missing and on_missing == "fail":
        raise ConfigurationError(missing_message(binaries.bin_dir, missing))
    warnings = [missing_message(binaries.bin_dir, missing)] if missing else []
    return replace(binaries, missing=missing, warnings=warnings)


def _install(name: str, major: int) -> str:
    if name == ICU:
        return (
            "use a PostgreSQL that was built with ICU: the packages of the distributions are, "
            f"such as postgresql-{major}; the downloaded archives are not"
        )
    if name.startswith("postgis"):
        return (
            f"install PostGIS for it: postgresql-{major}-postgis-3 on Debian and Ubuntu, "
            f"postgis3x_{major} of the PGDG packages"
        )
    if name in _CONTRIB:
        return (
            f"install its contrib modules: part of postgresql-{major} on Debian and Ubuntu, "
            f"else postgresql-contrib or postgresql{major}-contrib"
        )
    return f"install the package that brings {name}.control"
