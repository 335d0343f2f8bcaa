# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A certificate authority for tests, and what it signs."""
from __future__ import annotations

import datetime
import pathlib
from typing import Optional

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Makes files below ``directory``; ``certificate`` is the path of its own."""

    def __init__(self, directory: pathlib.Path, name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._name, self._name, self._key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = str(directory / f"{name}.crt")
        _write(self.certificate, builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str, hosts: tuple[str, ...] = (), key_password: Optional[bytes] = None) -> tuple[str, str]:
        """Return the paths of a new certificate, for a client or for a server of these names, and of its key (mode 0600)."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), self._name, key.public_key())
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        certificate, key_file = (str(self._directory / f"{name}-{signed.serial_number}.{suffix}") for suffix in ("crt", "key"))
        _write(certificate, signed.public_bytes(serialization.Encoding.PEM))
        protection = serialization.BestAvailableEncryption(key_password) if key_password else serialization.NoEncryption()
        _write(key_file, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))
        return certificate, key_file


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2)))


def _write(path: str, data: bytes) -> None:
    pathlib.Path(path).write_bytes(data)
    pathlib.Path(path).chmod(0o600)
