# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The key of an encrypted dump: an identity of age, whose format (https://age-encryption.org/v1) its files have."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

try:
    import pyrage
except ImportError:  # named by libraries.missing()
    pyrage = None

from .._errors import ConfigurationError

SUFFIX = ".age"
"""What the names of encrypted files end in."""
ENCRYPTED_FOR = "encrypted_for"
"""The key of an export's identity that holds the public half of its key."""
_SIGNED = "nomos.cockroach_migrator {}\0"


class DecryptionError(Exception):
    """What should be decrypted was changed or cut off, or is encrypted for another key."""


class DumpKey:
    """A key for files that nobody else can read, and for signatures that nobody else can make. Its ``repr`` has the
    public half only."""

    def __init__(self, text: str) -> None:
        """``text`` is a file as ``age-keygen`` writes it, or its line with the identity. Raises ConfigurationError,
        without anything of the text."""
        lines = [line.strip() for line in text.splitlines()]
        identities = [line for line in lines if line and not line.startswith("#")]
        try:
            (identity,) = identities
            self._identity = pyrage.x25519.Identity.from_str(identity)
        except (ValueError, pyrage.IdentityError):
            raise ConfigurationError(
                "the key of the dump (dump_encryption_key) is none of age: it has to be one line AGE-SECRET-KEY-1…, "
                "as age-keygen prints it"
            ) from None
        self._recipient = self._identity.to_public()

    @property
    def recipient(self) -> str:
        """The public half, ``age1…``: it tells keys from each other, and can decrypt nothing."""
        return str(self._recipient)

    def __repr__(self) -> str:
        return f"DumpKey({self.recipient})"

    def secrets(self) -> set[str]:
        """Return what must never be shown."""
        return {str(self._identity)}

    def encrypt(self, data: bytes) -> bytes:
        return pyrage.encrypt(data, [self._recipient])

    def decrypt(self, data: bytes) -> bytes:
        """Raises DecryptionError."""
        try:
            return pyrage.decrypt(data, [self._identity])
        except pyrage.DecryptError as error:
            raise DecryptionError(str(error)) from None

    def encrypt_file(self, source: Any, target: Any) -> None:
        """Encrypt what ``source.read`` gives, to its end, into ``target.write``."""
        pyrage.encrypt_io(source, target, [self._recipient])

    def decrypt_file(self, source: Any, target: Any) -> None:
        """Decrypt likewise. Raises DecryptionError, perhaps after some was written: no more than what is whole and in
        its place."""
        try:
            pyrage.decrypt_io(source, target, [self._identity])
        except (pyrage.DecryptError, OSError) as error:
            raise DecryptionError(str(error)) from None

    def sign(self, kind: str, data: bytes) -> str:
        """Return a hexadecimal HMAC-SHA256, by which whoever has the key knows that the data were not changed, and are
        of that kind: anybody can encrypt for the public half."""
        return hmac.new(str(self._identity).encode(), _SIGNED.format(kind).encode() + data, hashlib.sha256).hexdigest()
