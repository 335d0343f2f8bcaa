# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Session defaults of a database (ALTER DATABASE … SET)."""

from __future__ import annotations

import csv

from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, literal, quote
from .context import Context
from .database_commands import on_database
from .definitions import Setting
from .expressions.tokens import MOST_DIGITS
from .statements import Subject

_SEARCH_PATH = "search_path"
_KNOWN = frozenset(
    (
        "application_name",
        "bytea_output",
        "client_min_messages",
        "datestyle",
        "default_transaction_read_only",
        "extra_float_digits",
        "idle_in_transaction_session_timeout",
        "intervalstyle",
        "lock_timeout",
        "search_path",
        "statement_timeout",
        "timezone",
    )
)
_DURATIONS = frozenset(("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"))
_UNITS = {"us": 0.001, "ms": 1, "": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
"""Milliseconds."""
_LONGEST = 2**31 - 1
"""INT_MAX in guc_tables.c, the greatest value of such a setting in milliseconds; CockroachDB's are of 64 bits."""


def create_settings(context: Context) -> None:
    """Add the settings that mean the same in PostgreSQL; the others are named in one finding."""
    omitted = []
    for setting in context.database.settings:
        name, _equals, value = setting.partition("=")
        text = _value(name, value)
        if not text:
            omitted.append(setting)
            continue
        template = f"ALTER DATABASE %I SET {quote(name)} TO {text}".replace("%", "%%").replace("%%I", "%I", 1)
        on_database(
            "setting",
            Subject("database_setting", name.lower()),
            template,
            context,
            expects=Setting(text if name == _SEARCH_PATH else value),
        )
    if omitted:
        context.find(
            FindingCode.DATABASE_SETTINGS,
            FullName("database", context.database.name),
            f"Session defaults of the database are omitted: {', '.join(omitted)}.",
            "Set those that have a counterpart with ALTER DATABASE … SET.",
        )


def _value(name: str, value: str) -> str:
    """Return the value as SQL; empty if PostgreSQL does not have the setting or would interpret the value
    differently."""
    if name not in _KNOWN:
        return ""
    if name == _SEARCH_PATH:
        names = next(csv.reader([value], skipinitialspace=True), [])
        return ", ".join(quote(clip(name.strip())) for name in names if name.strip())
    if name in _DURATIONS:
        unit = value.lstrip("0123456789")
        number = value[: len(value) - len(unit)]
        if unit not in _UNITS or not 0 < len(number) <= MOST_DIGITS or int(number) * _UNITS[unit] > _LONGEST:
            return ""
    return literal(value)
