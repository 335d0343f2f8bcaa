# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Results of phases as JSON files, so that a later run and the report know what was done."""
from __future__ import annotations

import json
from typing import Any, Optional

from .errors import MigrationError
from .text_file import write_text

TIMES = frozenset({"seconds", "changed"})
"""Keys that differ from run to run although the result is the same."""


def read_result(path: str) -> Optional[dict]:
    """Return the result in the file, None where there is no file. Raises MigrationError when it is damaged."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise MigrationError(f"cannot read the result file {path} ({error}): remove it and run again") from error


def write_result(path: str, result: dict) -> bool:
    """Write the result unless the file holds the same already, times aside; return whether it was written."""
    previous = read_result(path)
    if previous is not None and without_times(previous) == without_times(result):
        return False
    write_text(path, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return True


def keep_result(path: str, result: dict) -> None:
    """Keep the result of a phase. One that had nothing to do leaves what the earlier run did with the same dump and target."""
    previous = read_result(path)
    if result.get("changed") or previous is None or any(previous.get(key) != result.get(key) for key in ("dump_id", "target", "failed", "content")):
        write_result(path, result)


def without_times(value: Any) -> Any:
    """Return a copy without the keys of ``TIMES``, at any depth."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return value
