# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Changed input, always the same, and the cases that fuzzing has found: nothing but errors of ours, in bounded time and memory. `make fuzz` looks for more."""
from __future__ import annotations

import pytest
from fuzzing import fuzz
from fuzzing.reader import FIXTURES, Reader
from hypothesis import strategies as st

FOUND = FIXTURES / "fuzz"
CASES = 100


@pytest.fixture(name="reader", scope="module", params=fuzz.NAMES)
def _reader(request) -> Reader:
    [reader] = fuzz.readers((request.param,))
    return reader


def test_changed_input_is_refused_or_read(reader):
    outcome = fuzz.fuzz(reader, fuzz.Amount(cases=CASES, seed=7))
    assert not outcome.findings, "\n".join(outcome.findings.values())
    assert outcome.cases >= CASES // 10 and outcome.refused <= outcome.cases


def test_what_was_found_is_refused_or_read(reader):
    for path in sorted((FOUND / reader.name).glob("*")):
        fuzz.read_case(reader, path.read_bytes())


def test_all_found_cases_have_a_reader():
    assert {path.name for path in FOUND.iterdir()} <= set(fuzz.NAMES)


def test_what_is_no_error_of_ours_is_found(monkeypatch):
    """The fuzzer itself: another error, too much time, too much memory."""
    monkeypatch.setattr("fuzzing.limits.MOST_SECONDS", 0.2)

    def read(case: bytes) -> None:
        if case.startswith(b"\x07k"):
            raise KeyError("k")
        if case.startswith(b"\x07s"):
            sum(range(20_000_000))
        if case.startswith(b"\x07m"):
            bytearray(600 << 20)

    names = set()
    for letter in "ksm":
        outcome = fuzz.fuzz(Reader("test", st.just(b"\x07" + letter.encode()), read), fuzz.Amount(cases=3))
        names |= set(outcome.findings)
    assert [name.split(" at ")[0] for name in sorted(names)] == ["KeyError", "TooCostlyError"], names
