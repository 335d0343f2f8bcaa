# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which chunks of an unfinished export are whole, so that a second run resumes after them."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from .._errors import ConfigurationError, MigrationError
from .._model.json_form import from_json, to_json
from .._system.file_errors import advice, unwritable
from .._system.text_file import write_text
from . import dump_lock
from .dump_key import SUFFIX, DecryptionError, DumpKey
from .manifest import MAKE_AGAIN, is_complete
from .paths import MANIFEST, PASSWORDS, ROLES
from .removed_rows import REMOVED, rows_removed
from .task_result import TaskResult

FILE_NAME = "export.journal"
_PARTS_OF_DATABASES = frozenset(("data", "rejects", "catalog.json", "pre-data.sql", "data.sql", "post-data.sql"))
"""What an unfinished export may have in a database's directory."""
_FILES = frozenset(
    (FILE_NAME, dump_lock.FILE_NAME, MANIFEST, REMOVED, ROLES, PASSWORDS, PASSWORDS + SUFFIX, "README.txt")
)
"""What it may have besides those directories."""
_UNFINISHED = ".part"
_SECONDS = "seconds_so_far"
_ENCRYPTED, _SIGNATURE = "encrypted", "signature"


@dataclass(frozen=True)
class _Found:
    """What a journal says: the export's identity and its finished tasks."""

    identity: Mapping[str, Any] = field(default_factory=dict)
    results: tuple[dict[str, Any], ...] = ()
    """JSON values of TaskResult, each with the seconds so far."""
    exists: bool = False
    whole: bool = True
    """False: a line that is not the last one cannot be read."""


def _read(path: str, key: Optional[DumpKey] = None) -> _Found:
    """Read a journal up to the first line that cannot be read; the last one may have been cut off while it was
    written."""
    if not os.path.exists(path):
        return _Found()
    with open(path, encoding="utf-8", errors="replace") as journal:
        # What follows the last newline is a line that was cut off.
        lines = journal.read().split("\n")[:-1]
    read: list[dict[str, Any]] = []
    for line in lines:
        try:
            value = _value_of(line, key, read[0]) if read else json.loads(line)
        except (ValueError, RecursionError, DecryptionError):
            break
        if not isinstance(value, dict) or read and "key" not in value:
            break
        read.append(value)
    return _Found(read[0] if read else {}, tuple(read[1:]), True, bool(read) and len(read) == len(lines))


def _line_of(value: Any, key: Optional[DumpKey], identity: Mapping[str, Any]) -> str:
    """Return a line with the result of a task. Those of an encrypted dump are encrypted, because their keys have values
    of rows, and signed, because they say what the chunks are that nobody reads again."""
    text = json.dumps(value)
    if key:
        data = base64.b64encode(key.encrypt(text.encode())).decode()
        text = json.dumps({_ENCRYPTED: data, _SIGNATURE: key.sign("journal", _signed(identity, data))})
    return text + "\n"


def _value_of(line: str, key: Optional[DumpKey], identity: Mapping[str, Any]) -> Any:
    """Return what a line says; None for one that the key has not signed. Raises ValueError, DecryptionError."""
    value = json.loads(line)
    if not key or not isinstance(value, dict):
        return value
    data, signature = str(value.get(_ENCRYPTED)), str(value.get(_SIGNATURE))
    if not hmac.compare_digest(key.sign("journal", _signed(identity, data)).encode(), signature.encode()):
        return None
    return json.loads(key.decrypt(base64.b64decode(data)))


def _signed(identity: Mapping[str, Any], data: str) -> bytes:
    return json.dumps([identity, data], sort_keys=True).encode()


def has_journal(dump_dir: str) -> bool:
    """Tell whether an export was begun in the directory and has not ended in every respect."""
    return os.path.lexists(os.path.join(dump_dir, FILE_NAME))


def unfinished_identity(dump_dir: str) -> Mapping[str, Any]:
    """Return the identity (see Manifest.identity) of the interrupted export in the directory, empty if there is
    none."""
    return _read(os.path.join(dump_dir, FILE_NAME)).identity


class ExportJournal:
    """A file of JSON lines next to the chunks: first the export's identity, then one result a task.

    The journal of another unfinished export (another backup, time or selection) is discarded with its chunks, as is one
    that cannot be read any more; of a journal that is damaged further on, what stands before counts. A directory that
    holds a complete dump or anything else is refused with ConfigurationError, which a full disk raises, too: then the
    journal is as it was. MigrationError is raised for a line that is no result of a task.
    """

    def __init__(self, dump_dir: str, identity: Mapping[str, Any], key: Optional[DumpKey] = None) -> None:
        """``key`` is that of an encrypted dump, which the identity names."""
        self._key = key
        self._dump_dir = dump_dir
        self.path = os.path.join(dump_dir, FILE_NAME)
        self.identity = identity
        self.warnings: list[str] = []
        """Problems found in the journal, for the user."""
        found = _read(self.path, key)
        if found.identity != identity:
            if found.exists and not found.identity:
                _refuse_other_files(dump_dir)
                self.warnings.append(
                    f"{self.path} is empty or damaged, perhaps because the disk was full: the export begins again"
                )
            _empty(dump_dir, ours=found.exists)
            found = _Found(identity)
        elif not found.whole:
            self.warnings.append(
                f"{self.path} is damaged: {len(found.results)} finished chunks count, what it said after them is "
                "exported again"
            )
        self.done = self._read_results(found)
        """The finished tasks by their keys."""
        lines = (_line_of(identity, None, identity), *(_line_of(result, key, identity) for result in found.results))
        write_text(self.path, "".join(lines))
        self._started = time.monotonic()
        self._seconds_before = max((result.get(_SECONDS, 0.0) for result in found.results), default=0.0)

    @property
    def seconds(self) -> float:
        """How long the export has lasted, with all interrupted attempts, each until the last task that it
        finished."""
        return round(self._seconds_before + time.monotonic() - self._started, 3)

    def _read_results(self, found: _Found) -> dict[str, TaskResult]:
        values = ({name: value for name, value in result.items() if name != _SECONDS} for result in found.results)
        try:
            return {result.key: result for result in (from_json(TaskResult, value) for value in values)}
        except ValueError as error:
            raise MigrationError(f"{self.path} is damaged ({error}): {MAKE_AGAIN}") from error

    def add(self, result: TaskResult) -> None:
        """Record a finished task; its chunk is already on disk. Raises ConfigurationError."""
        try:
            with open(self.path, "a", encoding="utf-8") as journal:
                journal.write(_line_of({**to_json(result), _SECONDS: self.seconds}, self._key, self.identity))
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {self.path}: {error.strerror}; finished chunks are kept, {advice(error)} and run again"
            ) from error

    def remove(self) -> None:
        """Forget the journal: the dump is complete."""
        forget_journal(self._dump_dir)


def forget_journal(dump_dir: str) -> None:
    """Remove the journal of a dump that is complete, if it is there still. Raises ConfigurationError."""
    path = os.path.join(dump_dir, FILE_NAME)
    try:
        _remove(path)
    except OSError as error:
        raise unwritable(path, error) from error


def _empty(dump_dir: str, ours: bool) -> None:
    """Remove the chunks of an unfinished export; what somebody may still need is refused."""
    if not has_content(dump_dir):
        return
    if rows_removed(dump_dir):
        ours = True
    elif is_complete(dump_dir):
        raise ConfigurationError(
            f"{dump_dir} holds the dump of another backup or selection: remove it, or name another directory in "
            "dump_dir"
        )
    if not ours:
        raise ConfigurationError(f"{dump_dir} holds other files: name an empty or a new directory in dump_dir")
    discard(dump_dir)


def has_content(dump_dir: str) -> bool:
    """Tell whether a directory is there and holds anything but a lock."""
    return os.path.isdir(dump_dir) and bool(set(os.listdir(dump_dir)) - {dump_lock.FILE_NAME})


def discard(dump_dir: str) -> None:
    """Remove all of a dump but its directory and lock. Raises ConfigurationError.

    However this is interrupted, what is left is no complete dump, and has a journal that says so: any export begins
    again there. The journal is removed last.
    """
    path = os.path.join(dump_dir, FILE_NAME)
    write_text(path, "")
    entries = set(os.listdir(dump_dir)) - {MANIFEST, FILE_NAME, dump_lock.FILE_NAME}
    try:
        for name in (MANIFEST, *sorted(entries), FILE_NAME):
            _remove(os.path.join(dump_dir, name))
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be removed: {error.strerror}; {advice(error)}") from error


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _refuse_other_files(dump_dir: str) -> None:
    """Refuse to clear a directory whose journal does not say what it is of, if anything in it is not an export's."""
    others = other_files(dump_dir)
    if others and not is_complete(dump_dir):
        raise ConfigurationError(
            f"{os.path.join(dump_dir, FILE_NAME)} is empty or damaged, and next to it is what no export writes "
            f"({', '.join(others[:5])}): remove {dump_dir} if nothing in it is needed, or name another directory in "
            "dump_dir"
        )


def other_files(dump_dir: str) -> list[str]:
    """Return what is in a directory that no unfinished export writes: files, and directories with anything but parts of
    a database."""
    others = []
    for entry in os.scandir(dump_dir):
        is_database = entry.is_dir(follow_symlinks=False)
        names, known = (os.listdir(entry.path), _PARTS_OF_DATABASES) if is_database else ([entry.name], _FILES)
        if not {name.removesuffix(_UNFINISHED) for name in names} <= known:
            others.append(entry.name)
    return sorted(others)
