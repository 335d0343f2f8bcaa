# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A chain of assumed roles, against a server that checks signatures and policies: each role is assumed by the one before it, and only the last may read."""
from __future__ import annotations

import json
import types
from urllib.parse import parse_qs, quote

import boto3
import download_server
import faulty_server
import pytest
from moto.core.authorization import enable_iam_authentication

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

ACCOUNT = "123456789012"
FIRST, LAST = f"arn:aws:iam::{ACCOUNT}:role/first", f"arn:aws:iam::{ACCOUNT}:role/last"


TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]})


def allowed(action: str, resource: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})


@pytest.fixture(name="account", scope="module")
def _account():
    """A user who may only assume the first role, which may only assume the last one, which may read."""
    with faulty_server.running_s3() as server:
        clients = {name: boto3.client(name, endpoint_url=server.url, aws_access_key_id="root", aws_secret_access_key="root", region_name="us-east-1") for name in ("iam", "s3")}
        clients["s3"].create_bucket(Bucket="secured")
        clients["s3"].put_object(Bucket="secured", Key="x/file", Body=b"0123456789")
        iam = clients["iam"]
        iam.create_user(UserName="user")
        iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=allowed("sts:AssumeRole", FIRST))
        for name, action, resource in (("first", "sts:AssumeRole", LAST), ("last", "s3:*", "*")):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allowed(action, resource))
        key = iam.create_access_key(UserName="user")["AccessKey"]
        with enable_iam_authentication():
            yield types.SimpleNamespace(server=server, key=key["AccessKeyId"], secret=key["SecretAccessKey"])


@pytest.fixture(name="options")
def _options(account):
    account.server.reset()
    return StorageOptions(account.key, account.secret, region="us-east-1", endpoint_url=account.server.url)


def assumed(account) -> list[dict]:
    return [{name: values[0] for name, values in parse_qs(request.body.decode()).items()} for request in account.server.requests if request.method == "POST"]


def test_the_user_alone_may_not_read(options):
    with pytest.raises(ConfigurationError, match="access is denied"):
        open_storage("s3://secured/x", options).read("file")


@pytest.fixture(name="machine")
def _machine(account, monkeypatch, tmp_path):
    """Gives the identity of the machine in one of the ways that boto3 knows."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with download_server.serving() as server:
        def identify(kind: str) -> None:
            if kind == "environment":
                monkeypatch.setenv("AWS_ACCESS_KEY_ID", account.key)
                monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", account.secret)
            elif kind == "container":
                sts = boto3.client("sts", endpoint_url=account.server.url, aws_access_key_id=account.key, aws_secret_access_key=account.secret, region_name="us-east-1")
                own = sts.assume_role(RoleArn=FIRST, RoleSessionName="container")["Credentials"]
                server.files["/role"] = json.dumps({
                    "AccessKeyId": own["AccessKeyId"], "SecretAccessKey": own["SecretAccessKey"], "Token": own["SessionToken"], "Expiration": "2999-01-01T00:00:00Z"}).encode()
                monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/role")
            elif kind == "profile":
                (tmp_path / "credentials").write_text(f"[nightly]\naws_access_key_id={account.key}\naws_secret_access_key={account.secret}\n")

        yield identify


@pytest.mark.parametrize("given", ["options", "location", "environment", "container", "profile"])
def test_a_chain_of_roles_with_external_ids(account, options, given, machine):
    """By settings, by CockroachDB's URI, and by its URI with the machine's own identity."""
    roles = (f"{LAST};external_id=one two",) if given == "container" else (f"{FIRST};external_id=one two", LAST)
    location = "s3://secured/x"
    machine(given)
    account.server.reset()
    if given == "options":
        options = StorageOptions(account.key, account.secret, region="us-east-1", endpoint_url=account.server.url, assume_role=roles)
    else:
        keys = f"AWS_ACCESS_KEY_ID={account.key}&AWS_SECRET_ACCESS_KEY={quote(account.secret, safe='')}" if given == "location" else "AUTH=implicit"
        location += f"?{keys}&AWS_REGION=us-east-1&AWS_ENDPOINT={quote(account.server.url, safe='')}&ASSUME_ROLE={quote(','.join(roles), safe='')}"
        options = StorageOptions("unused", "unused", profile="nightly" if given == "profile" else "")
    storage = open_storage(location, options)
    assert storage.read("file") == b"0123456789" and storage.list() == ["file"]
    calls = assumed(account)
    expected = [(LAST, "one two")] if given == "container" else [(FIRST, "one two"), (LAST, None)]
    assert [(call["RoleArn"], call.get("ExternalId")) for call in calls] == expected


def test_a_role_that_may_not_be_assumed(account, options):
    with pytest.raises(ConfigurationError, match="a role cannot be assumed: .*sts:AssumeRole.*external id") as raised:
        open_storage(f"s3://secured/x?ASSUME_ROLE={quote(LAST, safe='')}", options).read("file")
    assert account.secret not in str(raised.value)
    assert len(assumed(account)) == 1


def test_a_token_file_that_is_not_there(machine, monkeypatch):
    machine("none")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
    monkeypatch.setenv("AWS_ROLE_ARN", FIRST)
    with pytest.raises(ConfigurationError, match="s3://secured/x/file: .*/nowhere/token"):
        open_storage("s3://secured/x", StorageOptions()).read("file")


def test_the_requester_pays(account, options):
    paying = StorageOptions(account.key, account.secret, region="us-east-1", endpoint_url=account.server.url, assume_role=(FIRST, LAST), requester_pays=True)
    storage = open_storage("s3://secured/x", paying)
    assert storage.list() == ["file"] and storage.size("file") == 10 and storage.read("file")
    sent = [request.headers.get("x-amz-request-payer") for request in account.server.requests if request.method != "POST"]
    assert sent == ["requester"] * 3
