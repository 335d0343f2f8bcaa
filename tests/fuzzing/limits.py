# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What reading hostile input may cost: seconds of CPU, and memory beyond what the process had before."""
from __future__ import annotations

import contextlib
import faulthandler
import gc
import pathlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import Optional

MOST_SECONDS = 5
MOST_MIB = 512
"""Of a process, of which a hundred are the interpreter with all libraries."""
_START_MIB = 100
_HANG_SECONDS = 180
_STATUS, _CLEAR = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


class TooCostlyError(Exception):
    """A case took more than it may."""


@contextlib.contextmanager
def bounded(before: Optional[float] = None) -> Iterator[None]:
    """Context manager: raises TooCostlyError when its block takes too long or too much memory, and when it meets a MemoryError, even if that becomes
    another error. A block that hangs ends the process with the stacks of all threads on standard error.

    Memory is what the block adds to the process, or to what it had ``before``: to look takes milliseconds.
    """
    before = memory() if before is None else before
    faulthandler.register(signal.SIGALRM, file=sys.__stderr__, chain=True)
    signal.setitimer(signal.ITIMER_REAL, _HANG_SECONDS)
    started = time.process_time()
    try:
        yield
    except Exception as error:
        if any(isinstance(cause, MemoryError) for cause in _causes(error)):
            raise TooCostlyError("more memory than the process may have was asked for") from error
        raise
    finally:
        seconds = time.process_time() - started
        signal.setitimer(signal.ITIMER_REAL, 0)
        grown = _memory("VmHWM") - before
        if seconds > MOST_SECONDS or grown > MOST_MIB - _START_MIB:
            gc.collect()
            _memory("VmHWM", reset=True)
            raise TooCostlyError(f"it took {seconds:.1f} s and {grown:.0f} MiB")


def memory() -> float:
    """Return the memory of this process in MiB, and begin to measure its peak."""
    return _memory("VmRSS", reset=True)


def _causes(error: Optional[BaseException]) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__


def _memory(name: str, reset: bool = False) -> float:
    """Return a size of this process in MiB; ``reset`` begins to measure its peak again. Without Linux's files nothing is measured."""
    if not _CLEAR.exists():
        return 0.0
    if reset:
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024
