# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Fuzzes what reads backups, schema text and dumps, and prints a table: cases, cases a second, findings.

Each reader runs in a process of its own. A case may raise nothing but a MigrationError, and takes at most as much as limits.py says. What is found is written
below --found, by the reader's name; such files are kept in tests/fixtures/fuzz, where they are read in each run of the tests.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import pathlib
import resource
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from typing import Optional

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "unit" / "rows")]

from fuzzing import backup_readers, dump_readers, row_readers, sst_readers, text_readers
from fuzzing.limits import bounded, memory
from fuzzing.reader import Reader
from hypothesis import HealthCheck, Phase, given, seed, settings

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup import json_arrays

NAMES = (
    "sst_footer", "row_block", "columnar_block", "sst_metadata", "compression", "sst", "row_value", "row_key", "json_document", "manifest", "descriptor", "converted_descriptor", "layer",
    "slim_lists", "encrypted_file", "sql", "shell_output", "dump")
ADDRESS_SPACE = 4 << 30
_ROUND = 200
"""Cases after which the time is looked at."""


@dataclass
class Outcome:
    """What became of a reader's cases. A finding is where and what, by which others are taken for the same."""

    cases: int = 0
    refused: int = 0
    """Those that ended with a MigrationError."""
    seconds: float = 0.0
    findings: dict[str, str] = field(default_factory=dict)


def readers(names: tuple[str, ...] = NAMES) -> list[Reader]:
    """Return the readers with these names."""
    modules = (sst_readers, row_readers, backup_readers, text_readers, dump_readers)
    found = {reader.name: reader for module in modules for reader in module.readers()}
    return [found[name] for name in names]


def read_case(reader: Reader, case: bytes, before: Optional[float] = None) -> bool:
    """Read a case within the limits and return whether it was refused; ``before`` is as in ``bounded``."""
    with bounded(before):
        try:
            reader.read(case)
        except MigrationError:
            return True
        return False


@dataclass(frozen=True)
class Amount:
    """How much is tried: for so many seconds, or so many cases of one seed where there are no seconds, of slow readers a tenth."""

    seconds: float = 0
    cases: int = 100
    seed: int = 0
    shrink: bool = False
    """Whether what is found is made smaller, which may take minutes for each."""


def fuzz(reader: Reader, amount: Amount, found: Optional[pathlib.Path] = None) -> Outcome:
    """Read changed input, and write what is found into a directory."""
    outcome = Outcome()
    # Documents are decoded together even where few are alike.
    json_arrays._FEWEST_DOCUMENTS = 2
    started = time.monotonic()
    last: list[bytes] = [b""]
    current = found / f"{reader.name}.current" if found else None
    before = memory()

    def run(case: bytes) -> None:
        last[0] = case
        if current:
            current.write_bytes(case)
        outcome.cases += 1
        try:
            outcome.refused += read_case(reader, case, before)
        except Exception as error:
            if signature(error) in outcome.findings:
                return
            raise

    number = amount.seed
    while number == amount.seed or time.monotonic() - started < amount.seconds:
        checked = given(reader.cases)(run)
        checked = settings(
            max_examples=_ROUND if amount.seconds else max(1, amount.cases // (10 if reader.slow else 1)), deadline=None, database=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink) if amount.shrink else (Phase.generate,))(checked)
        try:
            seed(number)(checked)()
        except Exception as error:
            name = signature(error)
            outcome.findings[name] = "".join(traceback.format_exception(error)[-12:])
            if found:
                (found / reader.name).mkdir(parents=True, exist_ok=True)
                (found / reader.name / hashlib.sha256(last[0]).hexdigest()[:12]).write_bytes(last[0])
        number += 1
    outcome.seconds = time.monotonic() - started
    return outcome


def signature(error: BaseException) -> str:
    """Return the type of an error and the innermost place in the collection where it was raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "module_utils" in frame.filename]
    place = f"{pathlib.Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "the test"
    return f"{type(error).__name__} at {place}" + (f": {error}" if isinstance(error, AssertionError) and not frames else "")


def in_process(name: str, arguments: argparse.Namespace) -> Outcome:
    """Fuzz one reader in a process of its own."""
    command = [sys.executable, __file__, "--child", name, f"--seconds={arguments.seconds}", f"--cases={arguments.cases}", f"--seed={arguments.seed}", f"--found={arguments.found}", *(["--shrink"] if arguments.shrink else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Outcome(findings={f"the process ended with {done.returncode}": f"The case is {name}.current.\n{done.stderr[-4000:]}"})
    return Outcome(**json.loads(done.stdout))


def main() -> int:
    """Fuzz all readers and print a table; return 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0, help="for each reader; without it, --cases of one seed")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", default=",".join(NAMES))
    parser.add_argument("--found", default="", help="a directory for the cases that are found")
    parser.add_argument("--shrink", action="store_true", help="make what is found smaller")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    found = pathlib.Path(arguments.found) if arguments.found else None
    if found:
        found.mkdir(parents=True, exist_ok=True)
    if arguments.child:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        print(json.dumps(asdict(fuzz(readers((arguments.child,))[0], Amount(arguments.seconds, arguments.cases, arguments.seed, arguments.shrink), found))))
        return 0
    print("| reader | cases | refused | cases/s | findings |\n|---|---|---|---|---|")
    total = 0
    for name in arguments.readers.split(","):
        outcome = in_process(name, arguments)
        total += len(outcome.findings)
        print(f"| {name} | {outcome.cases:,} | {outcome.refused:,} | {outcome.cases / max(outcome.seconds, 0.1):,.0f} | {len(outcome.findings)} |", flush=True)
        for place, trace in outcome.findings.items():
            print(f"\n{name}: {place}\n{trace}", file=sys.stderr, flush=True)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
