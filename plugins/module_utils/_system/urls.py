# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""URLs of downloads: what of them may be shown, and other paths on the same server."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit


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
