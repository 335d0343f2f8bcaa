# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A conversation with a real CockroachDB, recorded by ``recorder.py``, and how the stand-in repeats it.

The file is zstd-compressed JSON lines: ``sql``, and ``answer`` (the server's messages without ReadyForQuery, as Latin-1 text).
"""
from __future__ import annotations

import json
import pathlib
import threading
from collections import defaultdict
from typing import Optional

import zstandard


def write(path: pathlib.Path, exchanges: list[tuple[str, bytes]]) -> None:
    """Write what was recorded, in its order."""
    lines = "".join(json.dumps({"sql": sql, "answer": answer.decode("latin-1")}) + "\n" for sql, answer in exchanges)
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress(lines.encode()))


class Conversation:
    """Answers each query as the real server did; a query that was asked again gets the next answer, at the end always the last."""

    def __init__(self, path: pathlib.Path) -> None:
        self._answers: dict[str, list[bytes]] = defaultdict(list)
        self._lock = threading.Lock()
        self.exchanges: list[tuple[str, bytes]] = []
        text = zstandard.ZstdDecompressor().decompress(path.read_bytes()).decode()
        for line in text.splitlines():
            exchange = json.loads(line)
            self.exchanges.append((exchange["sql"], exchange["answer"].encode("latin-1")))
            self._answers[exchange["sql"]].append(self.exchanges[-1][1])

    def answer(self, sql: str) -> Optional[bytes]:
        """Return the recorded messages, None for a query that was never asked."""
        with self._lock:
            answers = self._answers.get(sql)
            if not answers:
                return None
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def first(self, beginning: str) -> Optional[bytes]:
        """Return the first answer to a statement that begins so, None when there was none."""
        return next((answer for sql, answer in self.exchanges if sql.startswith(beginning)), None)
