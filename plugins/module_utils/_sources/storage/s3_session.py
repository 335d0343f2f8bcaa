# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The identity with which S3 is read: keys, a profile or the machine's own, and the roles that are assumed with it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Optional

from ..._errors import ConfigurationError
from .options import StorageOptions

try:
    import boto3
    import botocore.config
    import botocore.credentials
    import botocore.exceptions
    import botocore.session
except ImportError:
    boto3 = None  # named by libraries.missing()

_EXTERNAL_ID = "external_id="


def open_session(options: StorageOptions, config: botocore.config.Config, verify: Optional[bool]) -> Any:
    """Return a boto3 session of the keys, or of whom boto3 finds (environment, profile, instance role), who has assumed
    all roles. Credentials of roles are renewed before they expire. As in CockroachDB an endpoint also serves STS
    (newClient in pkg/cloud/amazon/s3_storage.go). Raises BotoCoreError."""
    session = boto3.session.Session(
        aws_access_key_id=options.access_key_id or None,
        aws_secret_access_key=options.secret_access_key or None,
        aws_session_token=options.session_token or None,
        region_name=options.region or None,
        profile_name=options.profile or None,
    )
    if not options.assume_role:
        return session
    region = session.region_name or "us-east-1"
    create_client = partial(
        boto3.session.Session(region_name=region).client,
        endpoint_url=service_url(options.endpoint_url),
        config=config,
        verify=verify,
    )
    credentials = session.get_credentials()
    if credentials is None:
        raise botocore.exceptions.NoCredentialsError
    for role in options.assume_role:
        credentials = _assumed(role, credentials, create_client)
    core = botocore.session.Session()
    core.get_component("credential_provider").insert_before("env", _Given(credentials))
    return boto3.session.Session(botocore_session=core, region_name=region)


def found_keys(options: StorageOptions) -> StorageOptions:
    """Return the options with the keys and the region that boto3 finds. Raises ConfigurationError when there are no
    keys."""
    try:
        session = boto3.session.Session(profile_name=options.profile or None, region_name=options.region or None)
        found = session.get_credentials()
        keys = found.get_frozen_credentials() if found else None
    except botocore.exceptions.BotoCoreError as error:
        raise ConfigurationError(f"no S3 credentials: {error}") from None
    if keys is None:
        raise ConfigurationError(
            "no S3 credentials: set aws_access_key_id and aws_secret_access_key, a profile, or the authentication "
            "'implicit'"
        )
    return replace(
        options,
        access_key_id=keys.access_key,
        secret_access_key=keys.secret_key,
        session_token=keys.token or "",
        region=options.region or session.region_name or "",
    )


def service_url(endpoint: str) -> Optional[str]:
    """Return an endpoint's URL, of which CockroachDB also takes the host alone (constructEndpointURI in
    pkg/cloud/amazon/s3_storage.go)."""
    if not endpoint:
        return None
    return endpoint if "://" in endpoint else f"https://{endpoint}"


def _assumed(role: str, credentials: Any, create_client: Any) -> Any:
    """Return the renewable credentials of a role, written as CockroachDB does: ``arn;external_id=…``
    (ParseRoleProvidersString in pkg/cloud/cloud_io.go)."""
    arn, _separator, rest = role.partition(";")
    external = {"ExternalId": rest[len(_EXTERNAL_ID) :]} if rest.startswith(_EXTERNAL_ID) else {}
    fetcher = botocore.credentials.AssumeRoleCredentialFetcher(
        client_creator=create_client, source_credentials=credentials, role_arn=arn, extra_args=external
    )
    return botocore.credentials.DeferredRefreshableCredentials(
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )


class _Given(botocore.credentials.CredentialProvider if boto3 else object):  # type: ignore[misc]
    """botocore's way to use credentials of one's own."""

    METHOD = "assumed-roles"

    def __init__(self, credentials: Any) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Any:
        return self._credentials
