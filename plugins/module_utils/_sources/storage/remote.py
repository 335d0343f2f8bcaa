# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Storage behind a network. Each provider's own library is used (boto3, google-cloud-storage, azure-storage-blob,
requests): the libraries that know all of them cannot serve here. obstore 0.12 and opendal 0.47 hang in a fork of a
process that has used them, as the export's workers are, and obstore needs Python 3.11 and took 2.5 times boto3's CPU
time a byte; fsspec's family pins another botocore than boto3's."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Optional, Protocol, TypeVar

from ..._errors import ConfigurationError, MigrationError
from ..._system.time_limit import TimeLimitError
from .failure import Failure, NoSuchObject, UnusableAnswerError, too_slow
from .options import StorageOptions
from .retries import repeated
from .seen_versions import SeenVersions
from .storage import Storage

CONNECT_TIMEOUT = 10
READ_TIMEOUT = 60
"""Seconds without a byte, after which the libraries give a connection up."""
CONNECTIONS = 16
"""Of one process to one storage, as many as its threads read at once."""
_MOST_NAMES = 1_000_000
"""Of one folder. A backup's folders that are listed hold some thousands."""
_MOST_EMPTY_PAGES = 1000
"""One after the other that bring nothing new: every provider may send some, where many objects were deleted."""
_CONNECTING: dict[int, threading.Lock] = {}
"""A lock for each process: one that was inherited by fork may be held by a thread that is not here."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Page:
    """One page of a listing: full names, those of folders with a slash at the end."""

    names: list[str]
    next: Optional[str]
    """Continues the listing; None at its end."""


@dataclass(frozen=True)
class Stored:
    """What is known of an object: the size of all of it, and what differs when it is overwritten, such as its ETag."""

    size: Optional[int]
    version: str


class Bucket(Protocol):
    """What one process uses of a provider's library, with its connections. Keys are full names.

    Methods raise the library's errors, UnusableAnswerError or MigrationError. No method repeats a call.
    """

    endpoint: str
    """The server's URL without secrets, empty where the location names it."""

    def get(self, key: str, start: int, length: Optional[int]) -> tuple[bytes, Stored]:
        """Return a range's bytes, to the end without ``length``, none behind the end; and what the answer tells of the
        object. Raises NoSuchObject."""

    def look(self, key: str) -> Optional[Stored]:
        """Return what is known of an object, its size in any case; None when there is none."""

    def page(self, prefix: str, token: Optional[str]) -> Page:
        """Return a page of the objects and folders whose names begin with ``prefix``, not what is in those folders."""


class Provider(Protocol):
    """One place at a provider: how it is called, reached, and what its errors mean. Holds no connections."""

    location: str

    @property
    def library_errors(self) -> tuple[type[Exception], ...]:
        """What the library raises."""

    def connect(self) -> Bucket:
        """Make the connections of this process. Raises ConfigurationError."""

    def explain(self, error: Exception) -> Failure:
        """Say what an error of the library means."""


class RemoteStorage(Storage):
    """A part of a bucket. Connections are made when they are first needed, once a process."""

    def __init__(self, provider: Provider, prefix: str, options: StorageOptions, can_list: bool = True) -> None:
        super().__init__(f"{provider.location}/{prefix}".rstrip("/"), options.log_file)
        self.provider = provider
        self.prefix = prefix
        self.can_list = can_list
        self._versions = SeenVersions()
        self._limit = options.timeout
        self._bucket: Optional[Bucket] = None
        self._process = 0
        self._answered = False

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _bucket=None, _process=0)

    @property
    def bucket(self) -> Bucket:
        """The connections of this process."""
        process = os.getpid()
        if self._bucket is None or self._process != process:
            with _CONNECTING.setdefault(process, threading.Lock()):
                if self._bucket is None or self._process != process:
                    self._bucket, self._process = self.provider.connect(), process
        return self._bucket

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self.prefix, path.strip("/")) if part)

    def _call(self, path: str, function: Callable[[Bucket], Answer]) -> Answer:
        """Return what ``function`` returns; every request goes this way. Raises MigrationError."""
        try:
            answer = repeated(
                lambda: function(self.bucket),
                self._explain,
                lambda text: self._log.write(f"{self._place(path)}: {text}"),
                lambda: self._answered,
                self._limit,
            )
        except NoSuchObject as error:
            raise self.missing(path) from error
        except UnusableAnswerError as error:
            raise MigrationError(f"{self._place(path)}: {error}") from error
        except TimeLimitError as error:
            raise MigrationError(f"{self._place(path)}: {too_slow(self._limit)}") from error
        except self.provider.library_errors as error:
            failure = self.provider.explain(error)
            kind = ConfigurationError if failure.settings else MigrationError
            raise kind(f"{self._place(path)}: {' '.join(failure.text.split())}") from error
        except OSError as error:
            # A file of this machine that the library was told to read: certificates, tokens.
            raise ConfigurationError(f"{self.describe(path)}: {error}") from error
        self._answered = True
        return answer

    def _place(self, path: str) -> str:
        """Name a file, and the server that is asked for it."""
        endpoint = self._bucket.endpoint if self._bucket else ""
        return f"{self.describe(path)} at {endpoint}" if endpoint else self.describe(path)

    def _explain(self, error: BaseException) -> Optional[Failure]:
        if isinstance(error, UnusableAnswerError):
            return Failure(str(error), error.passes)
        if not isinstance(error, self.provider.library_errors):
            return None
        failure = self.provider.explain(error)
        # A refusal is an answer, too.
        self._answered = self._answered or failure.answered
        return failure

    def _get(self, path: str, start: int, length: Optional[int]) -> tuple[bytes, Optional[int]]:
        data, stored = self._call(path, lambda bucket: bucket.get(self._key(path), start, length))
        self._versions.require_same(path, self._place(path), stored.version)
        return data, stored.size

    def _look(self, path: str) -> Optional[Stored]:
        stored = self._call(path, lambda bucket: bucket.look(self._key(path)))
        if stored is not None:
            self._versions.require_same(path, self._place(path), stored.version)
        return stored

    def read(self, path: str) -> bytes:
        return self._get(path, 0, None)[0]

    def read_start(self, path: str, length: int) -> tuple[bytes, int]:
        data, size = self._get(path, 0, length)
        return data, self.size(path) if size is None else size

    def read_end(self, path: str, length: int) -> tuple[bytes, int]:
        # Not every server knows ranges that count from the end.
        size = self.size(path)
        return self.read_range(path, max(0, size - length), min(length, size)), size

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        return self._get(path, offset, length)[0] if length else b""

    def size(self, path: str) -> int:
        stored = self._look(path)
        if stored is None or stored.size is None:
            raise self.missing(path)
        return stored.size

    def list(self, prefix: str = "") -> list[str]:
        base = self._key(prefix)
        base = base + "/" if base else ""
        names: set[str] = set()
        tokens: set[Optional[str]] = set()
        page, empty = Page([], None), 0
        while page.next not in tokens and len(names) <= _MOST_NAMES and empty < _MOST_EMPTY_PAGES:
            tokens.add(page.next)
            before = len(names)
            page = self._call(prefix, partial(_page, base, page.next))
            names.update(name[len(base) :] for name in page.names)
            if not page.next:
                return sorted(name for name in names if name)
            empty = empty + 1 if len(names) == before else 0
        raise MigrationError(
            f"{self._place(prefix)}: the listing does not end: after {len(tokens)} pages with {len(names)} names the "
            "server says that more follow, and gives what it gave before. Check the server and the proxy"
        )

    def exists(self, path: str) -> bool:
        return self._look(path) is not None


def _page(prefix: str, token: Optional[str], bucket: Bucket) -> Page:
    return bucket.page(prefix, token)
