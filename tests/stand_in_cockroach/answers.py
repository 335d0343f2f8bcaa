# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""How the stand-in answers: as its release refuses, else as a real CockroachDB was recorded, else by hand.

What is answered by hand was never recorded: the settings, which change; zone configurations; estimates; what SHOW says where the system tables are
closed (a file: by database, '' for all, statements with columns and rows); system tables that were not read, which are empty.
"""
from __future__ import annotations

import json
import os
import pathlib
import re
import signal
from typing import Any, Optional

import pgwire

_DEFAULTS = {
    "diagnostics.reporting.enabled": "true", "sql.stats.automatic_collection.enabled": "true", "timeseries.storage.enabled": "true",
    "kv.gc_ttl.strict_enforcement.enabled": "true", "jobs.scheduler.enabled": "true", "version.of_the_stand_in": "true",
}
"""The settings of a new CockroachDB that the project changes."""
_RESTORED = ("diagnostics.reporting.enabled", "sql.stats.automatic_collection.enabled")
"""Those that a restore of a whole cluster brings back."""
_ZONES = "SHOW ZONE CONFIGURATIONS"
_SYSTEM_TABLE = '"system"."public".'


class Answers:
    """Everything that the connections share. ``options`` are environment variables: see the program."""

    def __init__(self, options: dict[str, str]) -> None:
        self.options = options
        self.version = options.get("STAND_IN_VERSION", "v22.1.0")
        self.fault = options.get("STAND_IN_FAULT", "")
        self.settings = dict(_DEFAULTS)
        self.conversation: Any = None
        self.rows: Any = None
        self.shown: dict[str, dict] = {}
        if options.get("STAND_IN_SHOWN"):
            self.shown = json.loads(pathlib.Path(options["STAND_IN_SHOWN"]).read_text(encoding="utf-8"))
        if options.get("STAND_IN_CONVERSATION"):
            # These need packages that not every Python has.
            from conversation import Conversation
            from recorded_rows import RecordedRows, values

            self.conversation = Conversation(pathlib.Path(options["STAND_IN_CONVERSATION"]))
            self.rows = RecordedRows(self.conversation.exchanges)
            recorded = self.conversation.first("SHOW ALL CLUSTER SETTINGS") or b""
            names = {str(values(payload)[0]): str(values(payload)[1]) for kind, payload in pgwire.messages(recorded) if kind == "D"}
            self.settings = {**names, **_DEFAULTS}

    @property
    def release(self) -> tuple[int, int]:
        """Year and number."""
        year, number = re.findall(r"\d+", self.version)[:2]
        return int(year), int(number)

    def open_session(self, database: str) -> pgwire.Answer:
        """Return what answers one connection."""
        return _Connection(self, database)


class _Connection:
    """One connection; it is strict only where a conversation is repeated, for the rules need a package."""

    def __init__(self, answers: Answers, database: str) -> None:
        self.answers = answers
        self.database = database
        self.session: Any = None
        if answers.conversation:
            from releases import UNSAFE_INTERNALS_OFF_SINCE, Session

            self.session = Session(answers.release, internals=answers.release < UNSAFE_INTERNALS_OFF_SINCE and not answers.options.get("STAND_IN_CLOSED"))

    def __call__(self, sql: str) -> bytes:
        if self.answers.fault.startswith("ends_at:") and self.answers.fault.split(":", 1)[1] in sql:
            os.kill(os.getpid(), signal.SIGKILL)
        refused = self._refusal(sql)
        if refused is not None:
            if self.session.moment:
                self.session.failed = True
            return refused
        answer = self._transaction(sql) or self._by_hand(sql) or self._recorded(sql) or self._never_recorded(sql)
        return answer or pgwire.error_response(f"the stand-in for CockroachDB has no answer to: {sql}")

    def _refusal(self, sql: str) -> Optional[bytes]:
        if self.session is None:
            return None
        from releases import refusal

        if self.session.failed and sql != "ROLLBACK":
            return pgwire.error_response("current transaction is aborted, commands ignored until end of transaction block", "25P02")
        found = refusal(sql, self.session)
        gone = self.answers.fault.split(":", 1)[1] if self.answers.fault.startswith("collected:") else ""
        if found is None and self.answers.fault.startswith("refuses:") and sql.startswith(self.answers.fault.split(":", 2)[2]):
            found = "the stand-in was told to refuse this", self.answers.fault.split(":", 2)[1]
        if found is None and gone and gone in sql:
            found = "batch timestamp 1795834577.600783530,0 must be after replica GC threshold 1795844577.600783530,0", "XXUUU"
        return pgwire.error_response(*found) if found else None

    def _transaction(self, sql: str) -> Optional[bytes]:
        if self.session is None:
            return None
        from releases import moment_of, words

        if sql.startswith("BEGIN AS OF SYSTEM TIME "):
            self.session.moment = moment_of(list(words(sql)))
            return pgwire.command_complete("BEGIN")
        if sql in ("COMMIT", "ROLLBACK"):
            self.session.moment, self.session.failed = "", False
            return pgwire.command_complete(sql)
        return None

    def _recorded(self, sql: str) -> Optional[bytes]:
        conversation = self.answers.conversation
        if conversation is None:
            return None
        recorded = conversation.answer(sql)
        if recorded is None and sql.startswith("COPY "):
            # A COPY outside of a transaction of the moment would read the present, which nobody has recorded.
            return self.answers.rows.copy(sql) if self.session.moment else None
        if recorded is None and sql.startswith("SHOW BACKUP FROM "):
            # The grammar of v22.2; what it answers is the same.
            return conversation.first("SHOW BACKUP ")
        if recorded is not None and sql.startswith("RESTORE FROM "):
            self.answers.settings.update({name: _DEFAULTS[name] for name in _RESTORED})
        return recorded

    def _by_hand(self, sql: str) -> Optional[bytes]:
        answers, user = self.answers, self.answers.options.get("STAND_IN_USER", "")
        shown = answers.shown.get("", {}).get(sql) or answers.shown.get(self.database, {}).get(sql)
        if shown is not None:
            return pgwire.table(shown["columns"], shown["rows"])
        if sql == "SELECT version()":
            return pgwire.table(["version"], [[f"CockroachDB CCL {answers.version} (a stand-in for tests, built 2022/05/23 16:27:47, go1.17.6)"]])
        if sql == "SHOW ALL CLUSTER SETTINGS":
            return pgwire.table(["variable", "value"], sorted(answers.settings.items()))
        if sql.startswith("SET CLUSTER SETTING "):
            name, value = sql[len("SET CLUSTER SETTING "):].split(" = ")
            if name not in answers.settings:
                return pgwire.error_response(f"unknown cluster setting '{name}'")
            answers.settings[name] = value.strip("'")
            return pgwire.command_complete("SET CLUSTER SETTING")
        if sql.startswith("SET "):
            return self._set(sql)
        if sql == "SHOW is_superuser":
            return pgwire.table(["is_superuser"], [["off" if user else "on"]])
        if sql.startswith("SELECT rolbypassrls FROM pg_catalog.pg_roles"):
            return pgwire.table(["rolbypassrls"], [["t" if user == "bypasses" else "f"]])
        if sql.startswith("SELECT options FROM [SHOW ROLES]"):
            options = pgwire.table(["options"], [["{BYPASSRLS}"]])
            return options if user == "bypasses by option" else pgwire.error_response("user root does not have SELECT privilege on relation users", "42501")
        return self._zones() if sql == _ZONES and answers.options.get("STAND_IN_GC_SECONDS") else None

    def _never_recorded(self, sql: str) -> Optional[bytes]:
        if sql == _ZONES:
            return self._zones()
        if sql.startswith("SELECT schema_name, table_name, estimated_row_count FROM [SHOW TABLES FROM "):
            return pgwire.table(["schema_name", "table_name", "estimated_row_count"], [])
        if _SYSTEM_TABLE in sql and sql.startswith("SELECT "):
            return pgwire.table([f"column{number}" for number in range(sql.split(" FROM ")[0].count(",") + 1)], [])
        return None

    def _set(self, sql: str) -> bytes:
        if sql.startswith("SET allow_unsafe_internals") and self.session is not None:
            if self.answers.options.get("STAND_IN_CLOSED"):
                return pgwire.error_response("this service does not allow it", "42501")
            self.session.internals = sql.endswith(("on", "true"))
        return pgwire.command_complete("SET")

    def _zones(self) -> bytes:
        from releases import GC_SECONDS

        seconds = next(seconds for since, seconds in reversed(GC_SECONDS) if self.answers.release >= since)
        given = self.answers.options.get("STAND_IN_GC_SECONDS") or seconds
        config = f"ALTER RANGE default CONFIGURE ZONE USING\n\trange_min_bytes = 134217728,\n\tgc.ttlseconds = {given},\n\tnum_replicas = 3,\n\tconstraints = '[]'"
        return pgwire.table(["target", "raw_config_sql"], [["RANGE default", config]])
