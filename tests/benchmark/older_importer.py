# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs the converter and the importer of the Python package cockroach-migrator 0.1.0, by the Python of a virtual environment that has it.

Its converter turns the text that ``cockroach sql`` prints into INSERTs, its importer gives them to psql. What was measured goes into ``measured.json``: the
package prints, too.
"""
from __future__ import annotations

import argparse
import json
import logging
import pathlib
import time

from cockroach_migrator import migrate_conversion, migrate_postgresql


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path, help="with a file TABLE.txt a table, as cockroach sql prints rows")
    parser.add_argument("config", help="the package's variables as JSON")
    arguments = parser.parse_args()
    logger = logging.getLogger("older_importer")
    started = time.monotonic()
    target = arguments.directory / "inserts.sql"
    with open(target, "w", encoding="utf-8") as inserts:
        for path in sorted(arguments.directory.glob("*.txt")):
            migrate_conversion.convert_select_to_inserts(path.read_text(encoding="utf-8"), path.stem, inserts, logger)
    converted = time.monotonic()
    result = migrate_postgresql.perform_postgresql_import(json.loads(arguments.config), str(target), logger=logger)
    measured = {"convert": converted - started, "import": time.monotonic() - converted, "success": result["success"], "errors": result["errors"]}
    (arguments.directory / "measured.json").write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
