# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A short `make faults`, by modules without a playbook: ten kills, and each other fault once. A failure names the seed that chose them."""
from __future__ import annotations

import random
import sys

import pytest
from playbook_runs import CHECKOUT
from postgres_servers import bin_dir

sys.path[:0] = [str(CHECKOUT / "tests" / "faults"), str(CHECKOUT / "tests" / "benchmark")]

import faults
import troubles
from faults import Prepared, Result

KILLS = 10
MAJOR = 17

pytestmark = [pytest.mark.needs_postgres, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked for in /proc")]


@pytest.fixture(name="seed")
def _seed():
    """Chosen by the seed of the tests' order."""
    return random.randrange(1 << 32)


@pytest.fixture(scope="module", name="prepared")
def _prepared():
    with faults.place_of_faults("/var/tmp", bin_dir(MAJOR)) as (directory, target):
        yield faults.prepare(faults.shop(), target, directory / "shop", playbooks=False)


def judge(result: Result, seed: int, most_missed: int) -> None:
    """Whatever happened was survived, and on a busy machine not too much has come too late."""
    assert not result.broken, f"seed {seed}:\n" + "\n\n".join(result.broken)
    assert len(result.missed) <= most_missed, f"seed {seed}: {result.missed}"
    for text in result.skipped:
        print(f"skipped: {text}")


@pytest.mark.slow
def test_ten_kills(prepared: Prepared, seed):
    result = Result()
    faults.try_kills(faults.chosen_kills(KILLS, [prepared], random.Random(seed)), [prepared], result, random.Random(seed))
    judge(result, seed, KILLS // 2)


@pytest.mark.slow
def test_each_other_fault_once(prepared: Prepared, seed):
    result, chance = Result(), random.Random(seed)
    faults.try_troubles([*troubles.OTHERS, chance.choice(troubles.S3)], prepared, result, chance)
    faults.try_disks(prepared, result, chance)
    judge(result, seed, 3)
