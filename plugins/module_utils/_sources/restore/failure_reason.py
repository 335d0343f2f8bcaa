# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Why CockroachDB does not start, from what it prints, and what to do."""

from __future__ import annotations

import re

_LONGEST_REASON = 800
_ADVICE = (
    ("address already in use", "another process has just taken the port: run it again"),
    ("out of disk space", "free room there, or choose another directory"),
    ("no space left on device", "free room there, or choose another directory"),
    ("is too old for running version", "use an older release of CockroachDB, or remove the directory"),
    ("is incompatible with data in store", "use a newer release of CockroachDB, or remove the directory"),
    ("error while loading shared libraries", "install that library, or use a release made for this system"),
    ("version `GLIBC", "use a release made for this system"),
    ("open file descriptor limit", "raise the limit of open files (ulimit -n)"),
    ("clock synchronization", "correct this host's clock"),
)


def failure_reason(output: str) -> str:
    """Return in one line why CockroachDB says, in what it printed, that it does not start, and what to do; empty when
    it says nothing."""
    blocks = re.split(r"^ERROR: ", output, flags=re.MULTILINE)
    fatal = re.search(r"^(?:F\d{6} [^\n]*?\d  +|panic: |fatal error: )(.+)", output, flags=re.MULTILINE)
    if len(blocks) > 1:
        text = blocks[-1].split("\nFailed running")[0]
        text = text.rpartition("cockroach server exited with error: ")[2]
    elif fatal:
        text = fatal.group(1)
    else:
        text = "\n".join([line for line in output.splitlines() if line.strip(" *")][-3:])
    reason = " ".join(text.split())[:_LONGEST_REASON]
    advice = [what for sign, what in _ADVICE if sign in reason]
    return "; ".join([reason, *advice[:1]]) if reason else ""
