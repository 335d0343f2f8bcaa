# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The corpus: schemas in the text of many releases of CockroachDB, and by hand what PostgreSQL's catalog has to hold of them.

``<release>_<topic>.sql`` is text as SHOW CREATE prints it in that release; ``<release>_<topic>.expected`` beside it has

* ``## a construct`` or ``## only a finding: a construct`` before the lines that show what becomes of it,
* one line an object as ``postgres_description`` words it, or ``finding <severity> <code> <object>``;
  a line that begins with a blank goes on with the one before,
* at the end of a line, in braces, the servers that it is for: ``{postgis}``, ``{!icu}``, ``{>=18}``, ``{<16,citext}`` (all must hold),
* ``# `` before a remark.
"""
from __future__ import annotations

import operator
import pathlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import ServerFeatures

DIRECTORY = pathlib.Path(__file__).resolve().parent / "fixtures" / "corpus"
ONLY_A_FINDING = "only a finding: "
_CONDITIONS = re.compile(r" +\{([^{}]+)\}$")
_VERSION = re.compile(r"(>=|<)(\d+)$")
_COMPARISONS = {">=": operator.ge, "<": operator.lt}


@dataclass
class Construct:
    """A construct and the lines that show what becomes of it, each with its conditions."""

    name: str
    only_a_finding: bool
    lines: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def expected(self, features: ServerFeatures) -> set[str]:
        """Return the lines for a server."""
        return {line for line, conditions in self.lines if all(holds(condition, features) for condition in conditions)}


@dataclass(frozen=True)
class Schema:
    """One text of the corpus."""

    path: pathlib.Path

    @property
    def name(self) -> str:
        """The name of its files, such as ``v20.1_tables``."""
        return self.path.stem

    @property
    def release(self) -> str:
        """The release whose text it is."""
        return self.name.split("_")[0]

    @property
    def text(self) -> str:
        """The text itself."""
        return self.path.read_text(encoding="utf-8")

    def constructs(self) -> list[Construct]:
        """Return what is expected of it."""
        result: list[Construct] = []
        for line in _joined(self.path.with_suffix(".expected").read_text(encoding="utf-8")):
            if line.startswith("## "):
                name = line[3:]
                result.append(Construct(name.removeprefix(ONLY_A_FINDING), name.startswith(ONLY_A_FINDING)))
            elif not line.startswith("# "):
                found = _CONDITIONS.search(line)
                conditions = tuple(found.group(1).split(",")) if found else ()
                result[-1].lines.append((line[:found.start()] if found else line, conditions))
        return result


def _joined(text: str) -> Iterator[str]:
    """Yield the lines with those that go on with them."""
    line = ""
    for part in text.splitlines():
        if part[:1] == " ":
            line += " " + part.strip()
            continue
        if line:
            yield line
        line = part.strip()
    if line:
        yield line


def holds(condition: str, features: ServerFeatures) -> bool:
    """Whether a condition holds for a server."""
    if condition.startswith("!"):
        return not holds(condition[1:], features)
    version = _VERSION.match(condition)
    if version:
        return bool(_COMPARISONS[version.group(1)](features.major, int(version.group(2))))
    return features.icu if condition == "icu" else condition in features.extensions


def schemas() -> list[Schema]:
    """Return the whole corpus, by name."""
    return [Schema(path) for path in sorted(DIRECTORY.glob("*.sql"))]
