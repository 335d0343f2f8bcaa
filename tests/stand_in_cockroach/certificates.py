# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""``cockroach cert create-ca``, ``create-node`` and ``create-client`` as v22.1 has them, with its files, modes and refusals.

Source: pkg/cli/cert.go, pkg/security/certs.go, x509.go, pem.go and certificate_loader.go of cockroachdb/cockroach.
"""
from __future__ import annotations

import argparse
import datetime
import ipaddress
import os
import pathlib
import stat
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

COMMANDS = {"create-ca": "CA cert and key", "create-node": "node certificate and key", "create-client": "client certificate and key"}
YEARS = {"create-ca": 10, "create-node": 5, "create-client": 5}
PEM = serialization.Encoding.PEM


class CertificateError(Exception):
    """A refusal."""


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add ``cert`` and what comes after it."""
    made = commands.add_parser("cert", allow_abbrev=False).add_subparsers(dest="made", required=True)
    for name, years in YEARS.items():
        command = made.add_parser(name, allow_abbrev=False)
        command.add_argument("--certs-dir", default=os.path.expanduser("~/.cockroach-certs"))
        command.add_argument("--ca-key", default="")
        command.add_argument("--key-size", type=int, default=2048)
        command.add_argument("--lifetime", type=hours, default=datetime.timedelta(days=366 * years))
        command.add_argument("--overwrite", action="store_true")
        if name == "create-ca":
            command.add_argument("--allow-ca-key-reuse", action="store_true")
        else:
            command.add_argument("names", nargs="*")


def hours(text: str) -> datetime.timedelta:
    """Read a duration such as 24h."""
    return datetime.timedelta(hours=float(text.removesuffix("h")))


def make(given: argparse.Namespace, fail: Callable[..., None]) -> None:
    """Make what is asked for, or call ``fail`` with CockroachDB's words."""
    command = f"cert {given.made}"
    names = getattr(given, "names", [])
    if given.made == "create-node" and not names:
        fail("create-node requires at least one host name or address, none was specified", command=command)
    if given.made == "create-client" and len(names) != 1:
        fail(f"accepts 1 arg(s), received {len(names)}", command=command)
    try:
        if not given.ca_key:
            raise CertificateError("the path to the CA key is required")
        directory = pathlib.Path(given.certs_dir)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_keys(directory)
        if given.made == "create-ca":
            make_authority(directory, given)
        else:
            make_pair(directory, given, names)
    except (CertificateError, OSError) as error:
        reason = error.args[0] if isinstance(error, CertificateError) else f"open {error.filename}: {(error.strerror or '').lower()}"
        fail(f"failed to generate {COMMANDS[given.made]}: {reason}", command=command)


def check_keys(directory: pathlib.Path) -> None:
    """Refuse keys that others may read."""
    for path in directory.glob("*.key"):
        status = path.stat()
        forbidden = 0o037 if status.st_uid == 0 and status.st_gid == os.getgid() else 0o077
        if path.with_suffix(".crt").exists() and status.st_mode & forbidden:
            raise CertificateError(f"key file {path} has permissions {stat.filemode(status.st_mode)}, exceeds {stat.filemode(0o100777 & ~forbidden)}")


def make_authority(directory: pathlib.Path, given: argparse.Namespace) -> None:
    """The key is made, or an old one is used again where that is allowed; old certificates stay after the new one."""
    path = pathlib.Path(given.ca_key)
    if path.exists():
        if not given.allow_ca_key_reuse:
            raise CertificateError(f"CA key {path} exists, but key reuse is disabled")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    else:
        key = new_key(path, given)
    usage = x509.KeyUsage(**{**NO_USAGE, "digital_signature": True, "key_encipherment": True, "content_commitment": True, "key_cert_sign": True})
    builder = template("Cockroach CA", "Cockroach CA", key.public_key(), given).add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(usage, critical=True).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    target = directory / "ca.crt"
    older = target.read_bytes() if target.exists() else b""
    write(target, builder.sign(key, hashes.SHA256()).public_bytes(PEM) + older, 0o644, given.overwrite)


def make_pair(directory: pathlib.Path, given: argparse.Namespace, names: list[str]) -> None:
    """A certificate that the authority signs, and its key."""
    files = f"ca.crt and key {given.ca_key}"
    try:
        authority = x509.load_pem_x509_certificate((directory / "ca.crt").read_bytes())
        authority_key = serialization.load_pem_private_key(pathlib.Path(given.ca_key).read_bytes(), None)
    except OSError as error:
        raise CertificateError(f"error loading CA certificate {files}: open {error.filename}: no such file or directory") from None
    except ValueError:
        raise CertificateError(f"error loading CA certificate {files}: tls: failed to find any PEM data") from None
    if authority.public_key() != authority_key.public_key():
        raise CertificateError(f"error loading CA certificate {files}: tls: private key does not match public key")
    node = given.made == "create-node"
    key = rsa.generate_private_key(65537, given.key_size)
    builder = template("node" if node else names[0], "Cockroach CA", key.public_key(), given)
    if datetime.datetime.now(datetime.timezone.utc) + given.lifetime > authority.not_valid_after_utc:
        raise CertificateError("error creating certificate and key: CA lifetime is shorter than the requested one")
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH] if node else [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = builder.add_extension(x509.KeyUsage(**{**NO_USAGE, "digital_signature": True, "key_encipherment": True}), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    if node:
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative_name(name) for name in names]), critical=False)
    stem = "node" if node else f"client.{names[0]}"
    write(directory / f"{stem}.crt", builder.sign(authority_key, hashes.SHA256()).public_bytes(PEM), 0o644, given.overwrite)
    write_key(directory / f"{stem}.key", key, given.overwrite)


NO_USAGE = dict.fromkeys((
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
), False)


def template(subject: str, issuer: str, public_key: rsa.RSAPublicKey, given: argparse.Namespace) -> x509.CertificateBuilder:
    """Valid since a day ago, because clocks differ."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(name_of(subject)).issuer_name(name_of(issuer)).public_key(public_key).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + given.lifetime))


def name_of(common_name: str) -> x509.Name:
    """O = Cockroach, and the name."""
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cockroach"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def alternative_name(host: str) -> x509.GeneralName:
    """An address or a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def new_key(path: pathlib.Path, given: argparse.Namespace) -> rsa.RSAPrivateKey:
    """Make a key in a file."""
    key = rsa.generate_private_key(65537, given.key_size)
    write_key(path, key, given.overwrite)
    return key


def write_key(path: pathlib.Path, key: rsa.RSAPrivateKey, overwrite: bool) -> None:
    """As PKCS #1."""
    write(path, key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()), 0o600, overwrite)


def write(path: pathlib.Path, content: bytes, mode: int, overwrite: bool) -> None:
    """Write a file, which must not be there unless it may be overwritten."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | (0 if overwrite else os.O_EXCL)
    try:
        with open(os.open(path, flags, mode), "wb") as file:
            file.write(content)
    except FileExistsError:
        what = {"ca.crt": "could not write CA certificate file", "node.crt": "error writing node server certificate to"}
        raise CertificateError(f"{what.get(path.name, 'error writing certificate or key to')} {path}: open {path}: file exists") from None
