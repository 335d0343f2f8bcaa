# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Files of an HTTP server, read with requests. As in CockroachDB (pkg/cloud/httpsink/http_storage.go) they cannot be
listed."""

from __future__ import annotations

import urllib.parse
from typing import Any, Optional

from ..._errors import UnsupportedError
from .answers import number, object_size, range_header, require_all, require_length
from .failure import CERTIFICATE, REDIRECTED, Failure, NoSuchObject, UnusableAnswerError, unreachable
from .remote import CONNECT_TIMEOUT, CONNECTIONS, READ_TIMEOUT, Page, Stored
from .retries import PASSING_STATUS

try:
    import requests
except ImportError:
    requests = None  # named by libraries.missing()

_TIMEOUT = (CONNECT_TIMEOUT, READ_TIMEOUT)
_MOST_WHOLE = 8 << 20
"""Bytes. A larger file is not fetched whole for a part of it."""
_MISSING = (404, 410)
_COMPRESSED = ("gzip", "x-gzip", "deflate", "br", "zstd")


class HttpFiles:
    """Connections of one process."""

    def __init__(self, session: requests.Session, base: str, query: str, name: str) -> None:
        self._session = session
        self._base = base
        self._query = f"?{query}" if query else ""
        self._name = name
        self.endpoint = ""

    def _url(self, key: str) -> str:
        return f"{self._base}/{urllib.parse.quote(key)}{self._query}"

    def get(self, key: str, start: int, length: Optional[int]) -> tuple[bytes, Stored]:
        headers = {"Accept-Encoding": "identity"}
        if length is not None:
            headers["Range"] = range_header(start, length)
        with self._session.get(self._url(key), headers=headers, timeout=_TIMEOUT, stream=True) as answer:
            if answer.status_code in _MISSING:
                raise NoSuchObject(key)
            if answer.status_code == 416:
                return b"", Stored(None, "")
            answer.raise_for_status()
            self._require_as_stored(answer, key)
            require_length(answer.headers)
            if length is None:
                data = _content(answer)
                require_all(answer.headers.get("Content-Range", ""), len(data))
                return data, Stored(len(data), _version(answer))
            if answer.status_code == 206:
                data = _content(answer)
                size = object_size(answer.headers.get("Content-Range", ""), start, len(data))
                return data[:length], Stored(size, _version(answer))
            size = _length(answer)
            if size is None or size > _MOST_WHOLE:
                raise UnsupportedError(
                    f"{self._name}/{key}: the server does not answer ranges, and so large a file would be fetched "
                    "again and again: use a server that does (nginx, Apache), or copy the backup to a directory"
                )
            data = _content(answer)
            return data[start : start + length], Stored(len(data), _version(answer))

    def look(self, key: str) -> Optional[Stored]:
        answer = self._session.head(
            self._url(key), headers={"Accept-Encoding": "identity"}, timeout=_TIMEOUT, allow_redirects=True
        )
        if answer.status_code in _MISSING:
            return None
        answer.raise_for_status()
        self._require_as_stored(answer, key)
        size = _length(answer)
        if size is None:
            raise UnusableAnswerError("the server does not tell the file's size (Content-Length)", passes=True)
        return Stored(size, _version(answer))

    def _require_as_stored(self, answer: requests.Response, key: str) -> None:
        encoding = answer.headers.get("Content-Encoding", "")
        if encoding.lower() in _COMPRESSED:
            raise UnsupportedError(
                f"{self._name}/{key}: the server or a proxy sends it compressed (Content-Encoding: {encoding}), though "
                "it was asked not to: switch that off for this location"
            )

    def page(self, prefix: str, token: Optional[str]) -> Page:
        raise UnsupportedError(f"{self._name}: files cannot be listed over HTTP")


def _version(answer: requests.Response) -> str:
    return answer.headers.get("ETag") or answer.headers.get("Last-Modified", "")


def _length(answer: requests.Response) -> Optional[int]:
    return number(answer.headers.get("Content-Length", ""))


def _content(answer: requests.Response) -> bytes:
    data = answer.content
    if _length(answer) not in (None, len(data)):
        # requests has no error of its own for it.
        raise requests.exceptions.ConnectionError("the answer breaks off")
    return data


class HttpProvider:
    """A server. ``authority`` may have a user and a password, ``query`` is sent with each request."""

    def __init__(self, scheme: str, authority: str, query: str) -> None:
        self.location = f"{scheme}://{authority.rpartition('@')[2]}"
        self.library_errors = (requests.exceptions.RequestException,)
        self._login = authority.rpartition("@")[0]
        self._query = query

    def connect(self) -> HttpFiles:
        session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        if self._login:
            user, _colon, password = self._login.partition(":")
            session.auth = (urllib.parse.unquote(user), urllib.parse.unquote(password))
        return HttpFiles(session, self.location, self._query, self.location)

    def explain(self, error: BaseException) -> Failure:
        if isinstance(error, requests.exceptions.TooManyRedirects):
            return Failure(REDIRECTED, settings=True)
        answer: Any = getattr(error, "response", None)
        if answer is not None:
            status = answer.status_code
            if status in PASSING_STATUS:
                return Failure(f"the server answers {status}", passes=True, wait=answer.headers.get("Retry-After", ""))
            if status in (401, 403):
                return Failure(
                    f"access is denied: check the user and password in the location ({status})", settings=True
                )
            return Failure(f"the server answers {status} {answer.reason}")
        if isinstance(error, requests.exceptions.SSLError):
            return Failure(f"{CERTIFICATE} ({type(error).__name__})", settings=True)
        return unreachable("the server", "the location, the proxy", error)
