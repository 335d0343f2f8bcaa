# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""CockroachDB's storage URIs: every value arrives as it was given, and no secret is ever shown."""

from __future__ import annotations

import urllib.parse

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.storage_uri import (
    StorageAccess,
    external_io_dir,
    is_own,
    joined,
    public_uri,
    storage_uri,
    takes_path_style,
    with_keys,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.uri_secrets import secrets_of
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.masking import mask

AWKWARD = "ab+/=&?%2F #;' \"é"
ACCESS = StorageAccess(
    StorageOptions(
        access_key_id="AKIA+/=",
        secret_access_key=AWKWARD,
        session_token=AWKWARD + "token",
        region="eu-west-1",
        endpoint_url="https://s3.example:9000/x?y",
    )
)


def parameters(uri):
    """Return the parameters as a server reads them (Go's url.Query, which takes a plus sign for a space)."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(uri).query, strict_parsing=True))


def test_every_parameter_arrives():
    uri = storage_uri("s3://bucket/a b/c%41", ACCESS)
    assert urllib.parse.urlsplit(uri).netloc == "bucket"
    assert urllib.parse.unquote(urllib.parse.urlsplit(uri).path) == "/a b/c%41"
    assert parameters(uri) == {
        "AUTH": "specified",
        "AWS_ACCESS_KEY_ID": "AKIA+/=",
        "AWS_SECRET_ACCESS_KEY": AWKWARD,
        "AWS_SESSION_TOKEN": AWKWARD + "token",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT": "https://s3.example:9000/x?y",
    }
    assert "+" not in urllib.parse.urlsplit(uri).query


def test_implicit_authentication_sends_no_keys_and_roles_are_listed_in_order():
    uri = storage_uri(
        "s3://bucket/p", StorageAccess(ACCESS.options, "implicit", ("arn:aws:iam::1:role/a", "arn:aws:iam::2:role/b"))
    )
    assert parameters(uri) == {
        "AUTH": "implicit",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT": "https://s3.example:9000/x?y",
        "ASSUME_ROLE": "arn:aws:iam::1:role/a,arn:aws:iam::2:role/b",
    }


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("v20.2.19", False),
        ("v22.1.0-alpha.1", False),
        ("v23.2.20", False),
        ("v24.1.9", False),
        ("v24.1.10", True),
        ("v24.2.7", False),
        ("v24.2.8", True),
        ("v24.3.2", False),
        ("v24.3.5", True),
        ("v25.1.0", True),
        ("v26.2.1", True),
    ],
)
def test_path_style_is_asked_for_only_where_it_is_known(version, told):
    assert takes_path_style(version) is told
    assert (
        "AWS_USE_PATH_STYLE" in parameters(storage_uri("s3://b/p", ACCESS, path_style=takes_path_style(version)))
    ) is told


@pytest.mark.parametrize(
    "uri",
    [
        "gs://bucket/p?AUTH=specified&CREDENTIALS=e30%3D",
        "azure-blob://c/p?AZURE_ACCOUNT_KEY=a%2Bb",
        "azure://c/p",
        "nodelocal://1/x",
        "nodelocal://self/x",
        "http://host/x",
        "https://user:word@host/x",
        "userfile://defaultdb.public.f/x",
        "external://nightly",
        "s3://b/p?AWS_ACCESS_KEY_ID=a&AWS_SECRET_ACCESS_KEY=b%2Fc",
    ],
)
def test_other_uris_are_passed_through(uri):
    assert storage_uri(uri, ACCESS) == uri
    assert not is_own(uri)


@pytest.mark.parametrize("location", ["ftp://host/x?password=hidden", "nonsense", "s3:///prefix"])
def test_what_is_no_location_is_refused(location):
    with pytest.raises(ConfigurationError) as caught:
        storage_uri(location, ACCESS)
    assert "hidden" not in str(caught.value)


def test_directories_are_named_below_the_external_directory():
    locations = ["file:///srv/backups/a%20b/full", "/srv/backups/inc 1"]
    directory = external_io_dir([*locations, "s3://b/p"])
    assert directory == "/srv/backups"
    assert [storage_uri(location, ACCESS, directory) for location in locations] == [
        "nodelocal://1/a%20b/full",
        "nodelocal://1/inc%201",
    ]
    assert external_io_dir(["file:///srv/backups/nightly"]) == "/srv/backups"
    assert external_io_dir(["s3://b/p"]) == ""


def test_a_directory_elsewhere_is_refused_with_what_to_do():
    with pytest.raises(ConfigurationError, match="--external-io-dir=/srv/other"):
        storage_uri("file:///srv/other/x", ACCESS, "/srv/backups")
    with pytest.raises(ConfigurationError, match="external-io-dir=/srv/other"):
        storage_uri("file:///srv/other/x", ACCESS)
    with pytest.raises(ConfigurationError, match="directly below /"):
        external_io_dir(["file:///backups", "/srv/x"])


def test_a_subdirectory_goes_before_the_parameters():
    assert joined("s3://b/p?AUTH=implicit", "/2024/02/29-1.2") == "s3://b/p/2024/02/29-1.2?AUTH=implicit"


def test_no_form_of_a_secret_survives():
    uri = storage_uri("s3://bucket/p", ACCESS)
    once = urllib.parse.quote(AWKWARD, safe="")
    text = f"job RESTORE FROM '{uri}'; {AWKWARD}; {once}; {urllib.parse.quote(once, safe='')}; {urllib.parse.quote_plus(AWKWARD)}; {AWKWARD}token"
    shown = mask(text, secrets_of([uri]))
    for piece in ("ab+", "ab%2B", "ab%252B", "é", "AKIA"):
        assert piece not in shown
    assert "eu-west-1" in shown


def test_secrets_of_other_uris_are_found():
    found = secrets_of(
        [
            "gs://b/p?AUTH=specified&CREDENTIALS=eyJ0%3D%3D",
            "https://user:pass%2Fword@host/x",
            "s3://b?AWS_SECRET_ACCESS_KEY=a+bcd",
        ]
    )
    assert {"eyJ0==", "eyJ0%3D%3D", "pass/word", "pass%2Fword", "a+bcd"} <= found
    assert "specified" not in found
    assert "p@ss" in secrets_of(["https://user:p@ss@host:5599/x"])
    assert not secrets_of(["http://127.0.0.1:55998/x"])
    assert public_uri("https://user:word@host/x?sig=1234") == "https://host/x"


def test_keys_of_a_profile_are_handed_over(tmp_path, monkeypatch):
    (tmp_path / "credentials").write_text(
        "[nightly]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = the/secret+key\n", encoding="utf-8"
    )
    (tmp_path / "config").write_text("[profile nightly]\nregion = eu-north-1\n", encoding="utf-8")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    found = with_keys(StorageAccess(StorageOptions(profile="nightly"))).options
    assert (found.access_key_id, found.secret_access_key, found.region) == (
        "AKIDPROFILE",
        "the/secret+key",
        "eu-north-1",
    )
    with pytest.raises(ConfigurationError, match="missing"):
        with_keys(StorageAccess(StorageOptions(profile="missing")))
