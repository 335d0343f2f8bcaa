# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Loads the rows of a dump with ``psql`` alone: one ``\\copy`` a table, one after the other, from plain text files, then the same primary keys and
indexes, one after the other. It has no foreign keys and verifies nothing.

Run as a program, it writes the text files and the commands of SQL for a dump.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent / ".collections"), str(TESTS)]

DATABASE = "bare"


def prepare(dump: str, directory: pathlib.Path) -> dict:
    """Write ``before.sql``, ``copies.json`` and ``after.sql`` into a directory, and the rows of each table; return how many rows there are."""
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
        ConvertOptions,
        ServerFeatures,
    )
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import open_chunk
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import (
        read_catalog,
        read_manifest,
    )

    directory.mkdir(exist_ok=True)
    entry = read_manifest(dump).databases[0]
    statements = convert_database(read_catalog(dump, entry), [], ServerFeatures(), ConvertOptions()).statements
    for name, chosen in (
        ("before", [item.sql for item in statements if item.section == "pre-data"]),
        ("after", [item.sql for item in statements if item.step in ("primary_key", "index")]),
    ):
        (directory / f"{name}.sql").write_text("".join(f"{text};\n" for text in chosen), encoding="utf-8")
    copies = []
    for table in entry.tables:
        path = directory / f"{table.name}.copy"
        with open(path, "wb") as text:
            for chunk in table.chunks:
                shutil.copyfileobj(open_chunk(os.path.join(dump, table.directory, chunk.file)), text, 1 << 20)
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        copies.append(f'\\copy "{table.schema}"."{table.name}" ({columns}) FROM \'{path}\'')
    (directory / "copies.json").write_text(json.dumps(copies), encoding="utf-8")
    return {"rows": sum(table.rows for table in entry.tables)}


def create_empty(directory: pathlib.Path, bin_dir: str, server: str, finished: bool = False) -> list[str]:
    """Create a database with the tables that were prepared, ``finished`` with their keys and indexes; return the command of a psql that uses it."""
    psql = [shutil.which("psql", path=bin_dir) or "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    subprocess.run([*psql, "-d", f"{server}/postgres", "-c", f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'"], check=True)
    target = [*psql, "-d", f"{server}/{DATABASE}"]
    for name in ("before", "after") if finished else ("before",):
        subprocess.run([*target, "-f", str(directory / f"{name}.sql")], check=True)
    return target


def bare_copy(directory: pathlib.Path, bin_dir: str, server: str) -> float:
    """Load what was prepared into a new database of the server (a URL without a database); return the seconds of rows, keys and indexes."""
    target = create_empty(directory, bin_dir, server)
    started = time.monotonic()
    for command in json.loads((directory / "copies.json").read_text(encoding="utf-8")):
        subprocess.run([*target, "-c", command], check=True)
    subprocess.run([*target, "-f", str(directory / "after.sql")], check=True)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump")
    parser.add_argument("directory", type=pathlib.Path)
    arguments = parser.parse_args()
    print(json.dumps(prepare(arguments.dump, arguments.directory)))


if __name__ == "__main__":
    main()
