# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes the rows of a dump as ``cockroach sql`` prints them where its output is no terminal: a line of names, then one of values a row, with tabs between them.

Only for values without tabs, line breaks and backslashes, as TPC-C has them.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent / ".collections"), str(TESTS)]

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import open_chunk
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump")
    parser.add_argument("directory", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.directory.mkdir()
    tables = read_manifest(arguments.dump).databases[0].tables
    for table in tables:
        with open(arguments.directory / f"{table.name}.txt", "wb") as target:
            target.write("\t".join(column.name for column in table.columns).encode() + b"\n")
            for chunk in table.chunks:
                target.write(open_chunk(os.path.join(arguments.dump, table.directory, chunk.file)).read().replace(b"\\N", b"NULL"))
    print(json.dumps({"rows": sum(table.rows for table in tables)}))


if __name__ == "__main__":
    main()
