# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The certificate files of a secure node: what is made passes the check, what a node would refuse is named."""
from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.certificates import (
    FILES,
    check_certificates,
    make_certificates,
)

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


def test_what_is_made_passes_and_is_private(tmp_path):
    directory = tmp_path / "certs"
    make_certificates(str(directory))
    assert check_certificates(str(directory)) == "localhost"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert sorted(path.name for path in directory.iterdir()) == sorted(FILES)  # and no key of the certificate authority
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


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
