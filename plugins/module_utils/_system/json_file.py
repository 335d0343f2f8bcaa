# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""JSON files that a later run reads again."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from .._errors import MigrationError
from .file_errors import unusable
from .text_file import write_text

_PIECES = 10_000


def read_json(path: str) -> Any:
    """Return the value in the file, None where there is no file. Raises MigrationError when it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise unusable(error) from error
    except (OSError, ValueError, RecursionError) as error:
        raise MigrationError(f"cannot read the result file {path} ({error}): remove it and run again") from error


def write_json(path: str, value: Any) -> None:
    """Write the file, whole or not at all (see ``write_text``). Raises ConfigurationError."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return the text of such a file."""
    pieces = json.JSONEncoder(indent=1, ensure_ascii=False).iterencode(value)
    # json.dumps keeps all pieces until the end: several times the text.
    return "".join(iter(lambda: "".join(islice(pieces, _PIECES)), "")) + "\n"
