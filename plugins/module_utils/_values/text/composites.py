# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Arrays and composite values as PostgreSQL prints them."""

from __future__ import annotations

import re
from typing import Optional

_ARRAY_QUOTED = {
    delimiter: re.compile(rf'^$|["\\{{}}{delimiter} \t\n\r\v\f]|^null$', re.IGNORECASE) for delimiter in ",:"
}
_FIELD_QUOTED = re.compile(r'^$|["\\(), \t\n\r\v\f]')
_ARRAY_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\"})
_FIELD_ESCAPES = str.maketrans({'"': '""', "\\": "\\\\"})


def array_text(elements: list[Optional[str]], delimiter: str = ",") -> str:
    """A one-dimensional array of the elements' texts; None is NULL."""
    quoted = _ARRAY_QUOTED[delimiter].search
    return (
        "{"
        + delimiter.join(
            [
                "NULL" if text is None else f'"{text.translate(_ARRAY_ESCAPES)}"' if quoted(text) else text
                for text in elements
            ]
        )
        + "}"
    )


def plain_array_text(elements: list[Optional[str]]) -> str:
    """As ``array_text`` for elements that never need quotes: numbers, booleans, UUIDs."""
    return "{" + ",".join(["NULL" if text is None else text for text in elements]) + "}"


def record_text(fields: list[Optional[str]]) -> str:
    """A composite value of the fields' texts; None is NULL."""
    return (
        "("
        + ",".join(
            [
                "" if text is None else f'"{text.translate(_FIELD_ESCAPES)}"' if _FIELD_QUOTED.search(text) else text
                for text in fields
            ]
        )
        + ")"
    )
