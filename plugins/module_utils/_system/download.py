# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Fetching files over HTTP.

pooch and Ansible's get_url show the whole URL, with login and parameters, in what they log and raise, and decode what
a server calls gzip: a .tgz would not have its published checksum any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
from collections.abc import Iterator
from functools import partial
from typing import Any, Callable, Optional, TypeVar
from urllib.parse import urlsplit

try:
    import requests
    import tenacity
    import urllib3
except ImportError:  # named by libraries.missing()
    requests = None

from .._errors import ConfigurationError
from . import libraries
from .file_checksums import checked_sha256, listed_sha256
from .file_errors import unwritable
from .time_limit import TimeLimitError, within
from .urls import at_path, public_url

_PACKAGES = ("requests", "tenacity")
_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = (20, 60)
"""To connect, and between two pieces of the answer."""
_LONGEST_PIECE_SECONDS = 300
"""For each piece, and for the beginning of the answer. The timeouts above count from byte to byte only."""
_ATTEMPTS = 5
_BACKOFF_SECONDS = 0.5
_PASSING_STATUS = (429, 500, 502, 503, 504)
_LONGEST_CHECKSUM_FILE = 1 << 16
_ADVICE = "check version, platform and mirror"

_T = TypeVar("_T")


class _PassingError(ConfigurationError):
    """Another attempt may succeed."""


def fetch_file(url: str, target: str, sha256: str) -> None:
    """Download ``url`` to the file ``target``, which appears only when it is whole and its SHA-256 is the expected one.

    Connection errors, refusals for a while (429, 5xx) and answers that end early are tried again, more slowly each
    time. Proxies and their exceptions come from the environment. Raises ConfigurationError; its text never holds the
    URL's user, password or parameters.
    """
    expected = checked_sha256(sha256)
    part = f"{target}.part"
    try:
        found = _tried_again(_receive, url, part)
        if found != expected:
            raise ConfigurationError(
                f"{public_url(url)} has the SHA-256 {found}, expected {expected}: the file was changed, or the "
                "checksum is another file's"
            )
        os.replace(part, target)
    except OSError as error:
        raise unwritable(part, error) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def checksum_beside(url: str, suffix: str = ".sha256sum") -> str:
    """Return the SHA-256 that the publisher's checksum file next to the archive ``url`` gives. Raises
    ConfigurationError."""
    path = urlsplit(url).path
    address = at_path(url, path + suffix)
    return listed_sha256(_tried_again(_receive_text, address), posixpath.basename(path), public_url(address))


def _tried_again(receive: Callable[..., _T], *arguments: str) -> _T:
    libraries.require(_PACKAGES)
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_PassingError),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential(multiplier=_BACKOFF_SECONDS),
        reraise=True,
    )
    return attempts(receive, *arguments)


def _receive(url: str, part: str) -> str:
    """Write the whole answer to ``part`` and return its SHA-256."""
    digest, received = hashlib.sha256(), 0
    with _answer(url, _ADVICE) as response, open(part, "wb") as file:
        length = response.headers.get("Content-Length")
        pieces = response.raw.stream(_CHUNK_BYTES, decode_content=False)
        while piece := within(_LONGEST_PIECE_SECONDS, lambda: next(pieces, b"")):
            file.write(piece)
            digest.update(piece)
            received += len(piece)
    if length is not None and received != int(length):
        raise _PassingError(
            f"{public_url(url)} was interrupted after {received} of {length} bytes; check the network, then run again"
        )
    return digest.hexdigest()


def _receive_text(url: str) -> str:
    with _answer(url, f"{_ADVICE}, or give the SHA-256 yourself") as response:
        text = within(_LONGEST_PIECE_SECONDS, lambda: response.raw.read(_LONGEST_CHECKSUM_FILE, decode_content=False))
        return text.decode("utf-8", "replace")


@contextlib.contextmanager
def _answer(url: str, advice: str) -> Iterator[Any]:
    """Yield the streaming answer to GET; every way in which there is none becomes one ConfigurationError. ``advice`` is
    for HTTP 404."""
    shown = public_url(url)
    ask = partial(requests.get, url, stream=True, timeout=_TIMEOUT_SECONDS, headers={"Accept-Encoding": "identity"})
    try:
        response = within(_LONGEST_PIECE_SECONDS, ask)
    except TimeLimitError:
        raise _too_slow(shown) from None
    except requests.exceptions.ProxyError as error:
        raise _PassingError(
            f"the proxy for {shown} refuses or cannot be reached: {_reason(error)}; check https_proxy, http_proxy and "
            "no_proxy"
        ) from None
    except requests.exceptions.SSLError as error:
        raise ConfigurationError(
            f"the TLS certificate of {shown} is not accepted: {_reason(error)}; name the authority's file in "
            "REQUESTS_CA_BUNDLE"
        ) from None
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
        raise _PassingError(
            f"{shown} cannot be reached: {_reason(error)}; check the URL, the network and the proxy settings"
        ) from None
    except requests.exceptions.TooManyRedirects:
        raise ConfigurationError(f"{shown} redirects in circles: check the URL") from None
    except (requests.exceptions.RequestException, ValueError):
        raise ConfigurationError(
            f"{shown} is no URL that can be fetched: it has to look like https://host/path"
        ) from None
    with response:
        _require_file(shown, response.status_code, advice)
        try:
            yield response
        except TimeLimitError:
            raise _too_slow(shown) from None
        except urllib3.exceptions.HTTPError as error:
            raise _PassingError(
                f"{shown} was interrupted: {_reason(error)}; check the network, then run again"
            ) from None


def _too_slow(shown: str) -> ConfigurationError:
    return ConfigurationError(
        f"{shown} sends less than a megabyte in {_LONGEST_PIECE_SECONDS} s: check the network and the proxy, or use "
        "another mirror"
    )


def _require_file(shown: str, status: int, advice: str) -> None:
    """Raise ConfigurationError for every status but 200."""
    if status in _PASSING_STATUS:
        raise _PassingError(f"{shown} answers HTTP {status} again and again: try later, or use a mirror")
    if status in (404, 410):
        raise ConfigurationError(f"{shown} does not exist (HTTP {status}): {advice}")
    if status in (401, 403):
        raise ConfigurationError(f"{shown} refuses access (HTTP {status}): check the login in the URL")
    if status == 407:
        raise ConfigurationError(f"the proxy for {shown} wants a login (HTTP 407): put it into https_proxy")
    if status != 200:
        raise ConfigurationError(f"{shown} answers HTTP {status} instead of the file")


def _reason(error: BaseException) -> str:
    """Return the innermost cause in words; the outer ones repeat the whole URL."""
    inner: Optional[BaseException] = error
    text = type(error).__name__
    while inner is not None:
        following = getattr(inner, "reason", None)
        if not isinstance(following, BaseException):
            following = next((argument for argument in inner.args if isinstance(argument, BaseException)), None)
        if following is None:
            text = str(inner.args[-1]) if inner.args else type(inner).__name__
        inner = following
    return text.rsplit(">: ", 1)[-1]  # urllib3 begins with the connection's repr()
