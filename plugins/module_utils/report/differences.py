# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a verification found to be different, one line each."""
from __future__ import annotations


def differences(verification: dict) -> list[str]:
    """Return a line for each table and object that differs, from the result of postgres.verify."""
    lines = []
    for database, result in verification["databases"].items():
        for name, table in result["tables"].items():
            if table.get("missing_columns"):
                lines.append(f"{database}.{name} lacks {', '.join(table['missing_columns'])}")
            elif table["rows"] != table["rows_found"]:
                lines.append(f"{database}.{name} has {table['rows_found']} rows instead of {table['rows']}")
            elif table["rejected"] != table["rejected_found"]:
                lines.append(f"{database}.{name} has {table['rejected_found']} rows put aside instead of {table['rejected']}")
            elif not table["ok"]:
                lines.append(f"{database}.{name} has other values: its checksum is {table['checksum_found']} instead of {table['checksum']}")
        lines += [f"{database}: {line}" for line in result["objects_missing"]]
    return lines
