# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Whether an answer over HTTP is what was asked for, and all of it, where the provider's library does not look: a proxy
or a cache may answer with another range, and an answer that breaks off in its headers looks like an empty one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Optional

from .failure import UnusableAnswerError

_NUMBER = re.compile("[0-9]{1,19}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|[*])")
"""RFC 9110, 14.4: an asterisk if the server does not know the object's size."""
_RANGE = re.compile(r"bytes=([0-9]+)-[0-9]*")


def number(header: str) -> Optional[int]:
    """Return the number of bytes or seconds in a header, None if it is none: a server may send anything, such as a
    superscript two, which is a digit to Python."""
    return int(header) if _NUMBER.fullmatch(header) else None


def range_header(start: int, length: int) -> str:
    """Return the header Range for so many bytes; one byte, where none are wanted."""
    return f"bytes={start}-{start + max(length, 1) - 1}"


def object_size(content_range: str, start: int, received: Optional[int]) -> Optional[int]:
    """Return the size of the whole object that a Content-Range names, None if the server does not know it. ``received``
    bytes from ``start`` on were there, None if that is not known. Raises UnusableAnswerError if it is another range."""
    found = _CONTENT_RANGE.fullmatch(content_range)
    if not found or int(found[1]) != start:
        raise UnusableAnswerError("the server or a proxy answers with another range than the one that was asked for")
    if received is not None and int(found[2]) - start + 1 != received:
        raise UnusableAnswerError(
            f"the answer holds {received} bytes, where its Content-Range is {content_range}", passes=True
        )
    return None if found[3] == "*" else int(found[3])


def require_all(content_range: str, received: int) -> None:
    """Raise UnusableAnswerError if a part of an object was answered where all of it was asked for."""
    if content_range and object_size(content_range, 0, received) != received:
        raise UnusableAnswerError("the server or a proxy answers with a part of the object where all was asked for")


def require_length(headers: Mapping[str, str]) -> None:
    """Raise UnusableAnswerError for an answer whose end cannot be told from a connection that breaks off."""
    if "content-length" not in headers and "transfer-encoding" not in headers:
        raise UnusableAnswerError("the answer does not say how long it is, it may have broken off", passes=True)


def require_as_asked(answer: Any, **_arguments: Any) -> None:
    """Raise UnusableAnswerError for an answer that was not asked for or may not be whole: a hook of a session of
    requests."""
    if not answer.ok:
        return
    require_length(answer.headers)
    content_range, received = answer.headers.get("Content-Range", ""), number(answer.headers.get("Content-Length", ""))
    # Azure's library itself refuses an answer that names no range.
    asked_for = answer.request.headers.get("range") or (content_range and answer.request.headers.get("x-ms-range"))
    asked = _RANGE.fullmatch(asked_for or "")
    if received == 0:
        return
    if asked:
        object_size(content_range, int(asked[1]), received)
    elif received is not None:
        require_all(content_range, received)
