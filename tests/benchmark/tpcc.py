# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Migrates a TPC-C backup and loads the same rows with a bare ``psql \\copy``, on one server, in one run.

usage: tpcc.py [BACKUP_DIRECTORY] [--parallelism N] [--pg-bin DIRECTORY]

Each phase runs in a process of its own, so that its peak memory (the largest single process, from the operating
system) can be told. The bare load is one ``psql \\copy`` a table, one after the other, from plain text files, then the same primary
keys and indexes, one after the other; it has no foreign keys and verifies nothing. Prints a Markdown table.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(CHECKOUT / ".collections"))

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.backup.export import export_backup  # noqa: E402
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.backup.reader import BackupRequest  # noqa: E402
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.catalog.selection import Selection  # noqa: E402
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.convert.database import convert_database  # noqa: E402
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.convert.features import ConvertOptions, ServerFeatures  # noqa: E402
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.dump import layout  # noqa: E402
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.dump.chunk_files import open_chunk  # noqa: E402

DEFAULT_BACKUP = CHECKOUT.parent / "shared" / "fixtures" / "backups" / "tpcc"


def phase(work: pathlib.Path, name: str, *arguments: str) -> dict:
    """Run one phase of this program in a process; return its seconds, peak RSS in MiB and result."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, __file__, "--phase", name, "--work", str(work), *arguments], stdout=subprocess.PIPE)
    output = process.stdout.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"phase {name} failed")
    return {"seconds": time.monotonic() - started, "rss": usage.ru_maxrss / 1024, "result": json.loads(output or b"{}")}


def read(backup: str, work: pathlib.Path, parallelism: int) -> dict:
    return export_backup(BackupRequest(locations=(f"file://{backup}",)), str(work / "dump"), Selection(), 100_000, parallelism)


def bare_statements(work: pathlib.Path) -> tuple[list[str], list[str], list[tuple[str, str, pathlib.Path]]]:
    """Return the DDL before and after the data, and (table, columns, file) to copy."""
    dump = str(work / "dump")
    entry = layout.read_manifest(dump).databases[0]
    conversion = convert_database(layout.read_catalog(dump, entry), [], ServerFeatures(), ConvertOptions())
    before = [statement.sql for statement in conversion.statements if statement.section == "pre-data"]
    after = [statement.sql for statement in conversion.statements if statement.step in ("primary_key", "index")]
    files = []
    for table in entry.tables:
        path = work / "bare" / f"{table.name}.copy"
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as text:
            for chunk in table.chunks:
                reader = open_chunk(os.path.join(dump, table.directory, chunk.file))
                while data := reader.read(1 << 20):
                    text.write(data)
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        files.append((f'"{table.schema}"."{table.name}"', columns, path))
    return before, after, files


def bare_copy(work: pathlib.Path, pg_bin: str, url: str) -> float:
    """Load by psql alone; return the seconds of COPY and indexes."""
    before, after, files = bare_statements(work)
    psql = [os.path.join(pg_bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    subprocess.run([*psql, "-d", url, "-c", "CREATE DATABASE bare TEMPLATE template0 ENCODING 'UTF8'"], check=True)
    target = [*psql, "-d", url.rsplit("/", 1)[0] + "/bare"]
    subprocess.run(target, input=";\n".join(before) + ";\n", text=True, check=True)
    started = time.monotonic()
    for table, columns, path in files:
        subprocess.run([*target, "-c", f"\\copy {table} ({columns}) FROM '{path}'"], check=True)
    subprocess.run(target, input=";\n".join(after) + ";\n", text=True, check=True)
    return time.monotonic() - started
