# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a provider's error means to the one who waits for an answer, and to the one who reads the message."""

from __future__ import annotations

from dataclasses import dataclass

CERTIFICATE = (
    "the server's certificate is not trusted: set REQUESTS_CA_BUNDLE (for S3 AWS_CA_BUNDLE, if that is set) to a file "
    "with its certificate authority, in the environment of the host that migrates"
)

REDIRECTED = "the server redirects every request to another one: check the address, perhaps it has to be https"


@dataclass(frozen=True)
class Failure:
    """An error of a provider's library."""

    text: str
    """What is wrong and what to do, without the file's name and without secrets."""
    passes: bool = False
    """Whether the same call may succeed later."""
    answered: bool = True
    """Whether there was an answer at all."""
    settings: bool = False
    """Whether another setting helps."""
    wait: str = ""
    """The value of the answer's Retry-After."""


class UnusableAnswerError(Exception):
    """An answer that the library took for a good one, and that is not; ``passes`` as in Failure."""

    def __init__(self, text: str, passes: bool = False) -> None:
        super().__init__(text)
        self.passes = passes


class NoSuchObject(Exception):
    """There is no object of this name."""


def unreachable(server: str, what_to_check: str, error: BaseException, passes: bool = True) -> Failure:
    """Return the failure of a call without an answer, or without a whole one."""
    return Failure(
        f"{server} cannot be reached or broke the connection: check {what_to_check} and the network "
        f"({type(error).__name__})",
        passes,
        answered=False,
    )


def too_slow(seconds: float) -> str:
    """Say that a call took longer than the setting allows."""
    return (
        f"no whole answer within {seconds:.0f} s, with all repetitions: check the server, the network and the proxy. "
        "Over a slow line, set a longer storage_timeout"
    )
