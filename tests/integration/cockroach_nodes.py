# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""CockroachDB nodes for tests: a real one when COCKROACH_BINARY names its program, and the stand-in that repeats recorded conversations.

With RECORD_CONVERSATIONS=1 the real node's conversation is written over the recorded one.
"""
from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator

import pytest
import recorder

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import (
    CockroachParameters,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_server import (
    NodeOptions,
    ensure_node,
)

TESTS = pathlib.Path(__file__).resolve().parent.parent
STAND_IN = TESTS / "stand_in_cockroach" / "cockroach"
CONVERSATIONS = TESTS / "fixtures" / "conversations"
BINARY = os.environ.get("COCKROACH_BINARY", "")
RECORD = os.environ.get("RECORD_CONVERSATIONS", "") == "1"

KINDS = [
    pytest.param("real", marks=pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program")),
    pytest.param("stand-in", marks=pytest.mark.skipif(RECORD, reason="the stand-in's conversation is being recorded")),
]


def stand_in_environment(conversation: str, fault: str = "", **options: str) -> dict[str, str]:
    """Return the environment in which the stand-in repeats a conversation; ``options`` as ``version="v24.3.5"``, see the stand-in."""
    recorded = CONVERSATIONS / f"{conversation}.zst"
    given = {"version": "v22.1.0-alpha.1", **options}
    return {"STAND_IN_CONVERSATION": str(recorded), "STAND_IN_FAULT": fault, **{f"STAND_IN_{name.upper()}": value for name, value in given.items()}}


@contextlib.contextmanager
def node(
    kind: str, directory: pathlib.Path, io_dir: pathlib.Path, conversation: str, fault: str = "", **options: str,
) -> Iterator[CockroachParameters]:
    """Run an insecure node whose files for nodelocal are in ``io_dir``; the stand-in repeats the conversation of that name, and may have a fault."""
    recorded = CONVERSATIONS / f"{conversation}.zst"
    environment = stand_in_environment(conversation, fault, **options) if kind == "stand-in" else {}
    options = NodeOptions(
        str(directory / "node"), str(STAND_IN) if kind == "stand-in" else BINARY, port=0, http_port=0, cache="256MiB", max_sql_memory="512MiB",
        external_io_dir=str(io_dir), environment=environment,
    )
    facts = ensure_node("started", options, check=False)
    try:
        with contextlib.ExitStack() as stack:
            port = facts.port
            if RECORD:
                recorded.parent.mkdir(exist_ok=True)
                port = stack.enter_context(recorder.recording(port, recorded))
            yield CockroachParameters(port=port)
    finally:
        ensure_node("absent", options, check=False)
