# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The certificate files of a secure node: what cockroach cert makes passes the check, what a node would refuse is named."""
from __future__ import annotations

import datetime
import ipaddress
import os
import pathlib
import shutil
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.given_certificates import (
    FILES,
    check_certificates,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.node_certificates import (
    make_certificates,
)

STAND_IN = pathlib.Path(__file__).resolve().parent.parent.parent / "stand_in_cockroach" / "cockroach"
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc)


def issue(name, issuer=None, begins=NOW - DAY, ends=NOW + DAY, hosts=()):
    """Return (certificate, key), signed by ``issuer`` (certificate, key) or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[0].subject if issuer else subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(hosts)), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def write(directory, name, *certificates, key=None):
    """Write name.crt, and name.key when there is a key."""
    pem = serialization.Encoding.PEM
    (directory / f"{name}.crt").write_bytes(b"".join(certificate.public_bytes(pem) for certificate in certificates))
    if key:
        path = directory / f"{name}.key"
        path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
        path.chmod(0o600)


@pytest.fixture(name="authority")
def _authority():
    return issue("Some CA")


@pytest.fixture(name="directory")
def _directory(tmp_path, authority):
    """The files as somebody else made them."""
    write(tmp_path, "ca", authority[0])
    node, key = issue("node", authority, hosts=[x509.DNSName("db.example"), x509.DNSName("localhost")])
    write(tmp_path, "node", node, key=key)
    root, key = issue("root", authority)
    write(tmp_path, "client.root", root, key=key)
    return tmp_path


def refused(directory, *words):
    """Assert that the check fails, in one line with these words."""
    with pytest.raises(ConfigurationError) as error:
        check_certificates(str(directory))
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value), str(error.value)


@pytest.fixture(name="binary", params=["stand-in", "real"])
def _binary(request):
    """The program: each test runs on both."""
    if request.param == "stand-in":
        return str(STAND_IN)
    if not os.environ.get("COCKROACH_BINARY"):
        pytest.skip("no real CockroachDB: COCKROACH_BINARY is not set")
    return os.environ["COCKROACH_BINARY"]


def test_what_cockroach_cert_makes_passes_and_is_private(binary, tmp_path):
    directory = tmp_path / "certs"
    umask = os.umask(0)
    try:
        make_certificates(binary, str(directory), os.environ)
        assert check_certificates(str(directory)) == "localhost"
        (directory / "node.key").chmod(0o644)  # what an earlier start left does not matter
        (directory / "ca.key").write_text("of a start that was killed")
        make_certificates(binary, str(directory), os.environ)
    finally:
        os.umask(umask)
    assert check_certificates(str(directory)) == "localhost"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert sorted(path.name for path in directory.iterdir()) == sorted(FILES)  # and no key of the certificate authority
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.glob("*.key")} == {0o600}


def test_certificates_that_cannot_be_made(binary, tmp_path):
    """The authority's key is removed in that case, too."""
    directory = tmp_path / "certs"
    program = tmp_path / "cockroach"
    program.write_text(f'#!/bin/sh\nif [ "$2" = create-client ]; then set -- cert create-client; fi\nexec "{binary}" "$@"\n')
    program.chmod(0o755)
    with pytest.raises(ConfigurationError, match=r"the certificates of the temporary CockroachDB cannot be made: .*accepts 1 arg\(s\), received 0"):
        make_certificates(str(program), str(directory), os.environ)
    assert sorted(path.name for path in directory.iterdir()) == ["ca.crt", "node.crt", "node.key"]


@pytest.mark.parametrize("arguments, reason", [
    (("create-ca",), "failed to generate CA cert and key: the path to the CA key is required"),
    (("create-ca", "--ca-key=ca.key"), "failed to generate CA cert and key: CA key ca.key exists, but key reuse is disabled"),
    (("create-ca", "--ca-key=other.key"), "failed to generate CA cert and key: could not write CA certificate file ca.crt: open ca.crt: file exists"),
    (("create-ca", "--ca-key=ca.key", "--no-such-flag"), "unknown flag: --no-such-flag"),
    (("create-node", "--ca-key=ca.key"), "create-node requires at least one host name or address, none was specified"),
    (("create-node", "localhost", "--ca-key=ca.key"), "error writing node server certificate to node.crt: open node.crt: file exists"),
    (("create-node", "localhost", "--ca-key=node.key", "--overwrite"), "tls: private key does not match public key"),
    (("create-client", "other", "--ca-key=nothing.key"), "open nothing.key: no such file or directory"),
    (("create-client", "other", "--ca-key=ca.key", "--lifetime=1000000h"), "CA lifetime is"),
    (("create-client", "other", "more", "--ca-key=ca.key"), "accepts 1 arg(s), received 2"),
])
def test_the_stand_in_refuses_what_cockroach_refuses(binary, made, arguments, reason):
    result = subprocess.run([binary, "cert", *arguments, "--certs-dir=."], cwd=made, check=False, capture_output=True, text=True)
    assert result.returncode and reason in result.stderr and f'Failed running "cert {arguments[0]}"' in result.stderr, result.stderr


@pytest.fixture(name="made")
def _made(binary, tmp_path):
    """A directory with an authority, its key and a node's files."""
    for command in (("create-ca",), ("create-node", "localhost")):
        subprocess.run([binary, "cert", *command, "--certs-dir=.", "--ca-key=ca.key"], cwd=tmp_path, check=True)
    return tmp_path


def test_given_files(directory):
    assert check_certificates(str(directory)) == "localhost"


@pytest.mark.parametrize("name", FILES)
def test_missing_file(directory, name):
    (directory / name).unlink()
    refused(directory, str(directory / name), "No such file", "create-client root")


@pytest.mark.parametrize("name", FILES)
def test_damaged_file(directory, name):
    (directory / name).write_text("-----BEGIN NOTHING-----\n")
    refused(directory, str(directory / name), "holds no PEM")


def test_key_that_others_may_read(directory):
    path = directory / "client.root.key"
    path.chmod(0o644)
    refused(directory, "mode 0644", f"chmod 600 {path}")


def test_expired_and_not_yet_valid(directory, authority):
    node, key = issue("node", authority, begins=NOW - 3 * DAY, ends=NOW - DAY, hosts=[x509.DNSName("localhost")])
    write(directory, "node", node, key=key)
    refused(directory, "node.crt expired on", f"{NOW - DAY:%Y-%m-%d}")
    node, key = issue("node", authority, begins=NOW + DAY, ends=NOW + 3 * DAY, hosts=[x509.DNSName("localhost")])
    write(directory, "node", node, key=key)
    refused(directory, "node.crt is not valid before", "clock")


def test_expired_authority_beside_the_new_one(directory, authority):
    old = issue("Some CA", begins=NOW - 3 * DAY, ends=NOW - DAY)
    write(directory, "ca", old[0], authority[0])
    assert check_certificates(str(directory)) == "localhost"
    write(directory, "ca", old[0])
    refused(directory, "ca.crt expired on")


def test_names_of_this_host(directory, authority):
    node, key = issue("node", authority, hosts=[x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    write(directory, "node", node, key=key)
    assert check_certificates(str(directory)) == "127.0.0.1"
    node, key = issue("node", authority, hosts=[x509.DNSName("db.example")])
    write(directory, "node", node, key=key)
    refused(directory, "node.crt is not valid for localhost or 127.0.0.1")


def test_other_authority_and_intermediate_one(directory, authority):
    middle = issue("Middle CA", authority)
    node, key = issue("node", middle, hosts=[x509.DNSName("localhost")])
    write(directory, "node", node, key=key)
    refused(directory, "node.crt is not signed by ca.crt")
    write(directory, "node", node, middle[0], key=key)
    assert check_certificates(str(directory)) == "localhost"


def test_key_and_user_that_do_not_fit(directory, authority):
    shutil.copy(directory / "node.key", directory / "client.root.key")
    refused(directory, "client.root.crt and client.root.key do not belong together")
    other, key = issue("maxroach", authority)
    write(directory, "client.root", other, key=key)
    refused(directory, "client.root.crt is not made for the user root", "create-client root")


def test_file_that_cannot_be_read(directory):
    if os.geteuid() == 0:
        pytest.skip("root can read every file")
    (directory / "node.key").chmod(0)
    refused(directory, "node.key cannot be read")
