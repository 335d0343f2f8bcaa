# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The five certificate files that a user gives for a secure node, checked before a start.

``ca.crt``, ``node.crt``, ``node.key``, ``client.root.crt`` and ``client.root.key``, named as CockroachDB names them.
"""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Sequence
from typing import Any

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import NameOID
except ImportError:  # named by libraries.missing()
    x509 = None

from ..._errors import ConfigurationError
from ..._system import libraries

FILES = ("ca.crt", "node.crt", "node.key", "client.root.crt", "client.root.key")
_PAIRS = (("node", "node", "create-node localhost 127.0.0.1"), ("client.root", "root", "create-client root"))
"""Name of the files, user, and the command of CockroachDB that makes them."""
_HOSTS = ("localhost", "127.0.0.1")


def check_certificates(certs_dir: str) -> str:
    """Check the five files; return the name of this host that ``node.crt`` is valid for: ``localhost`` or
    ``127.0.0.1``.

    Raises ConfigurationError that names the file and what to do.
    """
    libraries.require(("cryptography",))
    for name in FILES:
        _check_file(os.path.join(certs_dir, name))
    authorities = _certificates(certs_dir, "ca.crt")
    problems = [_date_problem(os.path.join(certs_dir, "ca.crt"), authority) for authority in authorities]
    if all(problems):  # while certificates are rotated the file holds the old authority and the new one
        raise ConfigurationError(problems[0])
    current = [authority for authority, problem in zip(authorities, problems) if not problem]
    for pair, user, command in _PAIRS:
        path = os.path.join(certs_dir, f"{pair}.crt")
        chain = _certificates(certs_dir, f"{pair}.crt")
        problem = _date_problem(path, chain[0])
        if problem:
            raise ConfigurationError(problem)
        if not _is_signed(chain, current):
            raise ConfigurationError(
                f"{path} is not signed by ca.crt: make it again with the key of this certificate authority"
            )
        if _public_key(_private_key(certs_dir, f"{pair}.key")) != _public_key(chain[0]):
            raise ConfigurationError(f"{path} and {pair}.key do not belong together: give both files of one pair")
        # CockroachDB takes the user from the common name or a DNS name.
        if user not in (*_common_names(chain[0]), *_alternative_names(chain[0])):
            raise ConfigurationError(f"{path} is not made for the user {user}: make it with cockroach cert {command}")
    return _host(certs_dir)


def _check_file(path: str) -> None:
    try:
        status = os.stat(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: {error.strerror}; certs_dir has to hold {', '.join(FILES)}: make them with cockroach cert "
            f"create-ca, {_PAIRS[0][2]}, {_PAIRS[1][2]}"
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"{path} is not a file")
    if not os.access(path, os.R_OK):
        raise ConfigurationError(f"{path} cannot be read by this user: chown it to the user that runs CockroachDB")
    if path.endswith(".key"):
        # CockroachDB and libpq let root's own group read a key, and nobody else.
        forbidden = 0o037 if status.st_uid == 0 and status.st_gid == os.getgid() else 0o077
        if status.st_mode & forbidden:
            raise ConfigurationError(
                f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}), which CockroachDB refuses: "
                f"chmod 600 {path}"
            )


def _certificates(certs_dir: str, name: str) -> list[Any]:
    path = os.path.join(certs_dir, name)
    try:
        with open(path, "rb") as file:
            return x509.load_pem_x509_certificates(file.read())
    except ValueError:
        raise ConfigurationError(f"{path} holds no PEM certificate: make it again") from None


def _private_key(certs_dir: str, name: str) -> Any:
    path = os.path.join(certs_dir, name)
    try:
        with open(path, "rb") as file:
            return serialization.load_pem_private_key(file.read(), password=None)
    except TypeError:
        raise ConfigurationError(
            f"{path} is protected with a passphrase, which CockroachDB cannot open: give it without one"
        ) from None
    except ValueError:
        raise ConfigurationError(f"{path} holds no PEM private key: make it again") from None


def _date_problem(path: str, certificate: Any) -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    if certificate.not_valid_after_utc <= now:
        return f"{path} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: make it again"
    if certificate.not_valid_before_utc > now:
        start = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return f"{path} is not valid before {start}: check this host's clock, or wait"
    return ""


def _is_signed(chain: Sequence[Any], authorities: Sequence[Any]) -> bool:
    """Tell whether the first certificate leads to an authority, through the ones that follow it in the file."""
    for position, certificate in enumerate(chain):
        if any(_is_issued_by(certificate, authority) for authority in authorities):
            return True
        if position + 1 == len(chain) or not _is_issued_by(certificate, chain[position + 1]):
            return False
    return False


def _is_issued_by(certificate: Any, issuer: Any) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _host(certs_dir: str) -> str:
    names = _alternative_names(_certificates(certs_dir, "node.crt")[0])
    for host in _HOSTS:
        if host in names:
            return host
    raise ConfigurationError(
        f"{os.path.join(certs_dir, 'node.crt')} is not valid for localhost or 127.0.0.1: make it with cockroach cert "
        "create-node localhost 127.0.0.1"
    )


def _alternative_names(certificate: Any) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _common_names(certificate: Any) -> list[str]:
    return [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _public_key(holder: Any) -> bytes:
    return holder.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
