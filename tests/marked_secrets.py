# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Secrets that can be found again wherever they get to, and a look at what a run shows while it runs.

Each has a core of letters and digits, which no escaping changes: of all forms only base64 and hexadecimal digits hide it, and these are looked for, too.
"""
from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

ODD = "+/=&?% #;:@'\"\\$(w){{ x }}é"
"""What passwords may hold, and what quotes, URLs, shells and templates do something to."""
_PAUSE = 0.02
_LARGEST_READ = 8 << 20
_LOOKS = 6
"""At each process: what its arguments and environment are changes when it executes a program."""


@dataclass
class Marked:
    """The secrets of a test by their names."""

    cores: dict[str, str] = field(default_factory=dict)

    def new(self, name: str, before: str = "", after: str = "") -> str:
        """Return a new secret, with odd characters around its core."""
        self.cores[name] = core = f"zq{secrets.token_hex(7)}{name.replace('_', '')}"
        return f"{before}{core}{after}"

    def find(self, data: bytes) -> list[str]:
        """Return the names of the secrets that are there in any form."""
        if not hasattr(self, "_pattern") or self._known != len(self.cores):
            self._known = len(self.cores)
            self._names = {form: name for name, core in self.cores.items() for form in forms(core)}
            self._pattern = re.compile(b"|".join(re.escape(form) for form in sorted(self._names, key=len, reverse=True)))
        return sorted({self._names[form] for form in self._pattern.findall(data)})


def forms(core: str) -> set[bytes]:
    """Return the bytes by which a core is found: as it is, hexadecimal, and what base64 makes of it wherever it stands in a longer text."""
    data = core.encode()
    found = {data, data.hex().encode(), data.hex().upper().encode()}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data)
        # The characters that also depend on what stands before and behind.
        found.add(whole[(before * 8 + 5) // 6:len(whole) // 4 * 4 - 4])
    return found


@dataclass
class Watch:
    """What was seen of the secrets, and of modes, while something ran."""

    marked: Marked
    directory: pathlib.Path
    skipped: Callable[[pathlib.Path], bool]
    """Files that may hold secrets, and directories that are not looked into."""
    wanted_mode: Callable[[pathlib.Path], int]
    """Return a file's or directory's mode, -1 where any will do."""
    shown: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    """What others can read."""
    processes: int = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[Watch]:
        """Look for the length of a block, and once more after it."""
        self._looks: dict[str, int] = {}
        self._files: dict[pathlib.Path, tuple[int, int]] = {}
        stopped = threading.Event()
        thread = threading.Thread(target=self._look_until, args=(stopped,))
        thread.start()
        try:
            yield self
        finally:
            stopped.set()
            thread.join()
            self._look_at_files()

    def _look_until(self, stopped: threading.Event) -> None:
        turn = 0
        while not stopped.wait(_PAUSE):
            self._look_at_processes()
            turn += 1
            if turn % 20 == 0:
                self._look_at_files()

    def _look_at_processes(self) -> None:
        for name in os.listdir("/proc"):
            if name.isdigit() and self._looks.get(name, 0) < _LOOKS:
                self.processes += name not in self._looks
                self._looks[name] = self._looks.get(name, 0) + 1
                for what in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        data = pathlib.Path("/proc", name, what).read_bytes()
                        self.shown |= {f"{secret} in the {what} of {data[:60]!r}" for secret in self.marked.find(data)}

    def _look_at_files(self) -> None:
        directories = [self.directory]
        while directories:
            with contextlib.suppress(OSError):
                for entry in os.scandir(directories.pop()):
                    self._look_at_entry(entry, directories)

    def _look_at_entry(self, entry: os.DirEntry, directories: list[pathlib.Path]) -> None:
        path = pathlib.Path(entry.path)
        with contextlib.suppress(OSError):
            status = entry.stat(follow_symlinks=False)
            wanted = self.wanted_mode(path)
            # A new directory has less until it has its mode.
            if wanted >= 0 and stat.S_IMODE(status.st_mode) & ~wanted and not stat.S_ISLNK(status.st_mode):
                self.open.add(f"{path.relative_to(self.directory)} {stat.S_IMODE(status.st_mode):o}")
            if self.skipped(path):
                return
            if stat.S_ISDIR(status.st_mode):
                directories.append(path)
            elif stat.S_ISREG(status.st_mode) and self._files.get(path) != (status.st_mtime_ns, status.st_size):
                self._files[path] = (status.st_mtime_ns, status.st_size)
                if status.st_size <= _LARGEST_READ:
                    self.shown |= {f"{name} in {path.relative_to(self.directory)}" for name in self.marked.find(path.read_bytes())}
