# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every message that docs/troubleshooting.md quotes is one that the code, a role or a playbook gives."""
from __future__ import annotations

import ast
import pathlib
import re

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
PAGE = CHECKOUT / "docs" / "troubleshooting.md"


def texts_of(source: str) -> list[str]:
    """Return the string constants of Python source; an f-string gives one for each part between its values."""
    return [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.fixture(name="given", scope="module")
def _given() -> str:
    """All texts that messages are made of, one a line."""
    texts = []
    for path in sorted((CHECKOUT / "plugins").rglob("*.py")):
        texts += texts_of(path.read_text(encoding="utf-8"))
    for folder in ("playbooks", "roles"):
        for path in sorted((CHECKOUT / folder).rglob("*.yml")):
            texts.append(path.read_text(encoding="utf-8"))
    return "\n".join(" ".join(text.split()) for text in texts)


def messages() -> list[str]:
    """Return the quoted messages: the first cell of each row that begins with one."""
    return [
        quoted
        for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
        for quoted in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]


def missing_parts(message: str, given: str) -> list[str]:
    """Return the parts of a message, between its ``…``, that no text has."""
    return [part for part in message.split("…") if part.strip(" ,.:;()") and part.strip() not in given]


def test_the_page_quotes_messages():
    assert len(messages()) > 50


@pytest.mark.parametrize("message", messages())
def test_a_quoted_message_is_given(message, given):
    assert not missing_parts(message, given)


def test_a_message_that_nobody_gives_is_noticed(given):
    assert missing_parts("the moon … is made of cheese", given)
