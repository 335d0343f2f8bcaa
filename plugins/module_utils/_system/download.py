# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Fetching archives over HTTP with a checksum, and unpacking them safely."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import posixpath
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Optional
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

try:
    import requests
    import tenacity
    import urllib3
    import urllib3.util
    from requests.adapters import HTTPAdapter
except ImportError:  # named by libraries.missing()
    requests = None

from .._errors import ConfigurationError
from . import libraries

_PACKAGES = ("requests", "tenacity")
_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = (20, 60)
"""To connect, and between two pieces of the answer."""
_RETRIES = 4
_BACKOFF_SECONDS = 0.5
_RETRIED = (429, 500, 502, 503, 504)
_LONGEST_CHECKSUM_FILE = 1 << 16
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _BrokenOffError(ConfigurationError):
    """The answer ended early; another attempt may succeed."""


def fetch_file(url: str, target: str, sha256: str) -> None:
    """Download ``url`` to the file ``target``, which appears only when it is whole and its SHA-256 is the expected one.

    Connection errors, refusals for a while (429, 5xx) and answers that end early are tried again, more slowly each
    time. Proxies and their exceptions come from the environment. Raises ConfigurationError; its text never holds the
    URL's user, password or parameters.
    """
    libraries.require(_PACKAGES)
    expected = checked_sha256(sha256)
    part = f"{target}.part"
    try:
        found = _whole(url, part)
        if found != expected:
            raise ConfigurationError(
                f"{public_url(url)} has the SHA-256 {found}, expected {expected}: the file was changed, or the "
                "checksum is another file's"
            )
        os.replace(part, target)
    except OSError as error:
        raise _unwritable(part, error) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def checksum_beside(url: str, suffix: str = ".sha256sum") -> str:
    """Return the SHA-256 that the publisher's checksum file beside the archive ``url`` gives. Raises
    ConfigurationError."""
    libraries.require(_PACKAGES)
    address = at_path(url, urlsplit(url).path + suffix)
    with _answer(address, "check version, platform and mirror, or give the SHA-256 yourself") as response:
        text = response.raw.read(_LONGEST_CHECKSUM_FILE, decode_content=False).decode("utf-8", "replace")
    return _listed(text, posixpath.basename(urlsplit(url).path), public_url(address))


def checksum_file_beside(path: str, suffix: str = ".sha256sum") -> str:
    """Return the SHA-256 from the checksum file beside a local archive, or nothing when there is no such file. Raises
    ConfigurationError."""
    try:
        with open(path + suffix, encoding="utf-8", errors="replace") as file:
            return _listed(file.read(_LONGEST_CHECKSUM_FILE), os.path.basename(path), path + suffix)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(f"{path + suffix} cannot be read: {error.strerror}") from None


def file_sha256(path: str) -> str:
    """Return the SHA-256 of a file. Raises ConfigurationError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(_CHUNK_BYTES), b""):
                digest.update(piece)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def check_file(path: str, sha256: str) -> str:
    """Return the SHA-256 of a local archive after comparing it with ``sha256``, unless that is empty. Raises
    ConfigurationError."""
    found = file_sha256(path)
    if sha256 and found != checked_sha256(sha256):
        raise ConfigurationError(
            f"{path} has the SHA-256 {found}, expected {checked_sha256(sha256)}: the file was changed, or the "
            "checksum is another file's"
        )
    return found


def checked_sha256(text: str) -> str:
    """Return a SHA-256 in lower case. Raises ConfigurationError when it is none."""
    digest = text.strip().lower()
    if not _SHA256.fullmatch(digest):
        raise ConfigurationError(f"{text!r} is no SHA-256: 64 hexadecimal digits are expected")
    return digest


def public_url(url: str) -> str:
    """Return the URL without its user, password and parameters, for messages."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def url_secrets(url: str) -> set[str]:
    """Return what of a URL must not be shown: its password and the values of its parameters, as written and decoded."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    written = login.partition(":")[2] or login
    pairs = [pair.partition("=")[2] for pair in parts.query.split("&")]
    return {
        secret
        for secret in (written, unquote(written), *pairs, *(value for _name, value in parse_qsl(parts.query)))
        if secret
    }


def at_path(url: str, path: str) -> str:
    """Return the URL with another path; its parameters stay, for a mirror may want them."""
    parts = urlsplit(url)
    return urlunsplit(SplitResult(parts.scheme, parts.netloc, path, parts.query, ""))


def unpack_tar(archive: str, directory: str) -> None:
    """Unpack a tar archive of any compression into ``directory``.

    Nothing is written outside. Raises ConfigurationError that names the entry for absolute paths, ``..``, links that
    leave, anything that is no file, directory or link; and when the archive is damaged, or the disk full.
    """
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            _refuse_unsafe(members, archive)
            if hasattr(tarfile, "data_filter"):
                tar.extractall(directory, members, filter="data")
            else:
                tar.extractall(directory, [_ours(member) for member in members])
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{archive} is no whole tar archive: {error}") from None
    except OSError as error:
        if error.errno is None:  # a damaged gzip stream
            raise ConfigurationError(f"{archive} is no whole tar archive: {error}") from None
        raise _unwritable(directory, error) from None


@contextlib.contextmanager
def work_directory(parent: str) -> Iterator[str]:
    """Make ``parent`` and in it a directory of this run alone, which is removed at the end.

    Raises ConfigurationError, also for what cannot be written there within the block.
    """
    try:
        os.makedirs(parent, mode=0o755, exist_ok=True)
        directory = tempfile.mkdtemp(prefix=".part_", dir=parent)
    except OSError as error:
        raise _unwritable(parent, error) from None
    try:
        yield directory
    except OSError as error:
        raise _unwritable(directory, error) from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def put_in_place(tree: str, target: str, is_good: Callable[[], bool]) -> None:
    """Rename the directory ``tree`` to ``target``, both in one file system, unless another run was faster and
    ``is_good``.

    A ``target`` that is not good is removed. A lock is held for these few steps only, so that runs do not disturb each
    other.
    """
    parent = os.path.dirname(target)
    os.chmod(tree, 0o755)
    with open(os.path.join(parent, ".lock"), "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.lexists(target):
            if is_good():
                return
            with work_directory(parent) as old:
                os.rename(target, os.path.join(old, "replaced"))
                os.rename(tree, target)
        else:
            os.rename(tree, target)


def _whole(url: str, part: str) -> str:
    """Write the whole answer to ``part`` and return its SHA-256."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_BrokenOffError),
        stop=tenacity.stop_after_attempt(_RETRIES),
        reraise=True,
        wait=tenacity.wait_exponential(multiplier=_BACKOFF_SECONDS),
    )
    return attempts(_receive, url, part)


def _receive(url: str, part: str) -> str:
    digest, received = hashlib.sha256(), 0
    with _answer(url) as response, open(part, "wb") as file:
        length = response.headers.get("Content-Length")
        # Not decoded: some servers call a .tgz file "gzip encoded".
        for piece in response.raw.stream(_CHUNK_BYTES, decode_content=False):
            file.write(piece)
            digest.update(piece)
            received += len(piece)
    if length is not None and received != int(length):
        raise _BrokenOffError(
            f"{public_url(url)} was broken off after {received} of {length} bytes; check the network, then run again"
        )
    return digest.hexdigest()


@contextlib.contextmanager
def _answer(url: str, advice: str = "check version, platform and mirror") -> Iterator[Any]:
    """Yield the streaming answer to GET; every way in which there is none becomes one ConfigurationError. ``advice`` is
    for HTTP 404."""
    shown = public_url(url)
    retry = urllib3.util.Retry(
        total=_RETRIES,
        backoff_factor=_BACKOFF_SECONDS,
        status_forcelist=_RETRIED,
        allowed_methods=("GET",),
        raise_on_status=False,
        respect_retry_after_header=False,  # it may ask for hours
    )
    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=retry))
        session.mount("http://", HTTPAdapter(max_retries=retry))
        try:
            response = session.get(url, stream=True, timeout=_TIMEOUT_SECONDS, headers={"Accept-Encoding": "identity"})
        except requests.exceptions.ProxyError as error:
            raise ConfigurationError(
                f"the proxy for {shown} refuses or cannot be reached: {_reason(error)}; check https_proxy, http_proxy "
                "and no_proxy"
            ) from None
        except requests.exceptions.SSLError as error:
            raise ConfigurationError(
                f"the TLS certificate of {shown} is not accepted: {_reason(error)}; name the authority's file in "
                "REQUESTS_CA_BUNDLE"
            ) from None
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
            raise ConfigurationError(
                f"{shown} cannot be reached: {_reason(error)}; check the URL, the network and the proxy settings"
            ) from None
        except requests.exceptions.TooManyRedirects:
            raise ConfigurationError(f"{shown} redirects in circles: check the URL") from None
        except (requests.exceptions.RequestException, ValueError):
            raise ConfigurationError(
                f"{shown} is no URL that can be fetched: it has to look like https://host/path"
            ) from None
        with response:
            if response.status_code != requests.codes.ok:
                raise ConfigurationError(_refusal(shown, response.status_code, advice))
            try:
                yield response
            except urllib3.exceptions.HTTPError as error:
                raise _BrokenOffError(
                    f"{shown} was broken off: {_reason(error)}; check the network, then run again"
                ) from None


def _refusal(shown: str, status: int, advice: str) -> str:
    if status in (404, 410):
        return f"{shown} does not exist (HTTP {status}): {advice}"
    if status in (401, 403):
        return f"{shown} refuses access (HTTP {status}): check the login in the URL"
    if status == 407:
        return f"the proxy for {shown} wants a login (HTTP 407): put it into https_proxy"
    if status in _RETRIED:
        return f"{shown} answers HTTP {status} again and again: try later, or use a mirror"
    return f"{shown} answers HTTP {status} instead of the file"


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


def _listed(text: str, name: str, place: str) -> str:
    """Return the digest of ``name`` from the text of a checksum file: ``<digest>  <name>`` lines, or the digest
    alone."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    named = [words[0] for words in lines if len(words) > 1 and posixpath.basename(words[1].lstrip("*")) == name]
    alone = [words[0] for words in lines if len(words) == 1]
    digests = {digest.lower() for digest in named or alone if _SHA256.fullmatch(digest.lower())}
    if len(digests) != 1:
        raise ConfigurationError(f"{place} gives no SHA-256 of {name}: give the checksum yourself")
    return digests.pop()


def _refuse_unsafe(members: list[tarfile.TarInfo], archive: str) -> None:
    links = {_parts(member.name) for member in members if member.issym()}
    names: set[tuple[str, ...]] = set()
    for member in members:
        reason = _unsafe(member, links, names)
        if reason:
            raise ConfigurationError(f"{archive} is not unpacked, its entry {member.name} {reason}")
        names.add(_parts(member.name))


def _unsafe(member: tarfile.TarInfo, links: set[tuple[str, ...]], earlier: set[tuple[str, ...]]) -> str:
    """Say why an entry must not be unpacked. ``links`` are all symbolic links, ``earlier`` the entries before this
    one."""
    parts = _parts(member.name)
    if member.name.startswith("/") or ".." in parts:
        return "leaves the directory"
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return "is neither file, directory nor link"
    if _passes(parts[:-1], links) or parts in links and (not member.issym() or parts in earlier):
        return "lies behind a symbolic link"
    if member.issym():
        return (
            "" if _stays(parts[:-1], member.linkname, links) else f"links to {member.linkname}, outside the directory"
        )
    if member.islnk() and (_parts(member.linkname) in links or not _stays((), member.linkname, links)):
        return f"links to {member.linkname}, outside the directory"
    return ""


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _passes(directory: tuple[str, ...], links: set[tuple[str, ...]]) -> bool:
    return any(directory[:length] in links for length in range(1, len(directory) + 1))


def _stays(directory: tuple[str, ...], target: str, links: set[tuple[str, ...]]) -> bool:
    """Tell whether a link's target lies inside; on its way it must not pass another link, whose end the text does not
    show."""
    place = list(directory)
    for part in _parts(target):
        if part == "..":
            if not place or tuple(place) in links:
                return False
            place.pop()
        elif place and tuple(place) in links:
            return False
        else:
            place.append(part)
    return not target.startswith("/")


def _ours(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """What Python's filter "data" does where it exists: no foreign owners, no special modes."""
    member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
    member.mode = member.mode & 0o755 | (0o700 if member.isdir() else 0o600)
    return member


def _unwritable(path: str, error: OSError) -> ConfigurationError:
    place = error.filename if isinstance(error.filename, str) else path
    advice = (
        "make room there, or choose another directory"
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else "choose another directory, or its owner"
    )
    return ConfigurationError(f"{place} cannot be written: {error.strerror}; {advice}")
