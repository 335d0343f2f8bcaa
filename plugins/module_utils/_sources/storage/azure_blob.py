# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A container of Azure Blob Storage, read with Azure's own libraries."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any, Optional

from ..._errors import ConfigurationError
from ..._system.urls import public_url
from ..uri_parameters import AUTH, IMPLICIT, Parameters
from .answers import require_as_asked
from .failure import CERTIFICATE, REDIRECTED, Failure, NoSuchObject, UnusableAnswerError, unreachable
from .remote import CONNECT_TIMEOUT, CONNECTIONS, READ_TIMEOUT, Page, Stored
from .retries import PASSING_STATUS

try:
    import azure.core.exceptions
    import azure.core.pipeline.transport
    import azure.identity
    import azure.storage.blob
    import requests
except ImportError:
    requests = None  # named by libraries.missing()

_CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
_ACCOUNT, _KEY, _SAS = "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"
_ENDPOINT = "AZURE_STORAGE_SERVICE_ENDPOINT"
"""What Azure's command line reads, too: https://learn.microsoft.com/en-us/cli/azure/azure-cli-configuration"""
_CLOUDS = {
    "": ("blob.core.windows.net", "login.microsoftonline.com"),
    "AZUREPUBLICCLOUD": ("blob.core.windows.net", "login.microsoftonline.com"),
    "AZURECHINACLOUD": ("blob.core.chinacloudapi.cn", "login.chinacloudapi.cn"),
    "AZUREUSGOVERNMENTCLOUD": ("blob.core.usgovcloudapi.net", "login.microsoftonline.us"),
    "AZUREUSGOVERNMENT": ("blob.core.usgovcloudapi.net", "login.microsoftonline.us"),
}
"""The clouds that AZURE_ENVIRONMENT names (Azure/go-autorest, autorest/azure/environments.go, EnvironmentFromName)."""
_SERVER = "Azure Blob Storage"
_READER = "the role Storage Blob Data Reader on this container"
_ADVICE = {
    "AuthenticationFailed": "the login is refused: check the account's key or token, and the clock of this machine",
    "InvalidAuthenticationInfo": "the login is refused: check the account's key or token",
    "AuthorizationFailure": f"access is denied: the identity needs {_READER}, and the firewall has to let it in",
    "AuthorizationPermissionMismatch": f"access is denied: the identity needs {_READER}",
    "PublicAccessNotPermitted": "access is denied: a login is needed",
    "NoAuthenticationInformation": "access is denied: a login is needed",
    "ContainerNotFound": "there is no such container: check its name and AZURE_ACCOUNT_NAME",
    "BlobArchived": "the blob is archived: rehydrate it to a readable tier first",
    "KeyBasedAuthenticationNotPermitted": "the account takes no keys: use AUTH=implicit, or a client id and secret",
}


class AzureContainer:
    """A client of one process."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.endpoint = public_url(client.primary_endpoint)

    def get(self, key: str, start: int, length: Optional[int]) -> tuple[bytes, Stored]:
        try:
            stream = self._client.download_blob(
                key, offset=None if length is None else start, length=length, max_concurrency=1
            )
            data = stream.readall()
        except azure.core.exceptions.ResourceNotFoundError as error:
            if _code(error) == "ContainerNotFound":
                raise
            raise NoSuchObject(key) from error
        except azure.core.exceptions.HttpResponseError as error:
            if error.status_code != 416:
                raise
            return b"", Stored(None, "")
        # The properties have the range that was asked for, with the size that the answer names.
        size = len(data) if length is None else int(stream.properties.content_range.rpartition("/")[2])
        return data, Stored(size, stream.properties.etag or "")

    def look(self, key: str) -> Optional[Stored]:
        try:
            properties = self._client.get_blob_client(key).get_blob_properties()
        except azure.core.exceptions.ResourceNotFoundError as error:
            if _code(error) == "ContainerNotFound":
                raise
            return None
        if properties.size is None:
            raise UnusableAnswerError("the server does not tell the blob's size (Content-Length)", passes=True)
        return Stored(properties.size, properties.etag or "")

    def page(self, prefix: str, token: Optional[str]) -> Page:
        pages = self._client.walk_blobs(name_starts_with=prefix).by_page(token)
        names = [found.name for found in next(pages, ())]
        return Page(names, pages.continuation_token)


class AzureProvider:
    """A container, reached as the parameters of CockroachDB's URI say, or else as Azure's environment variables do."""

    def __init__(self, container: str, parameters: Parameters) -> None:
        self.location = f"azure-blob://{container}"
        # The library trips over an answer that is not what it expects: a range without its headers, a listing or a
        # refusal without the elements that it has in Azure.
        self.library_errors = (azure.core.exceptions.AzureError, ValueError, TypeError, AttributeError)
        self._container = container
        self._parameters = parameters

    def connect(self) -> AzureContainer:
        transport = azure.core.pipeline.transport.RequestsTransport(
            session=_session(), session_owner=False, connection_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT
        )
        options = {"transport": transport, "retry_total": 0, "max_single_get_size": 1 << 30}
        try:
            named = self._parameters.get("AZURE_ACCOUNT_NAME")
            if os.environ.get(_CONNECTION_STRING) and not named:
                service = azure.storage.blob.BlobServiceClient.from_connection_string(
                    os.environ[_CONNECTION_STRING], **options
                )
            else:
                service = azure.storage.blob.BlobServiceClient(self._url(), self._credential(), **options)
            return AzureContainer(service.get_container_client(self._container))
        except ValueError as error:
            # The text of the error may hold a part of a key.
            raise ConfigurationError(
                f"{self.location}: the account's name, key or connection string cannot be used: check "
                f"AZURE_ACCOUNT_NAME and AZURE_ACCOUNT_KEY ({type(error).__name__})"
            ) from None

    def _cloud(self) -> tuple[str, str]:
        name = self._parameters.get("AZURE_ENVIRONMENT", "")
        cloud = _CLOUDS.get(name.upper())
        if cloud is None:
            raise ConfigurationError(f"{self.location}: AZURE_ENVIRONMENT={name} is not known")
        return cloud

    def _url(self) -> str:
        if os.environ.get(_ENDPOINT):
            return os.environ[_ENDPOINT]
        account = self._account()
        if not account:
            raise ConfigurationError(
                f"{self.location} names no account: add AZURE_ACCOUNT_NAME=… to the location as CockroachDB takes it, "
                f"or set {_ACCOUNT} or {_CONNECTION_STRING} in the environment of the host that migrates"
            )
        return f"https://{account}.{self._cloud()[0]}"

    def _account(self) -> str:
        return self._parameters.get("AZURE_ACCOUNT_NAME") or os.environ.get(_ACCOUNT, "")

    def _credential(self) -> Any:
        """Return the login as azureAuthMethod of CockroachDB chooses it. What the location does not say comes from the
        environment: a key, a shared access signature, or whom azure-identity finds."""
        given = self._parameters
        authority = self._cloud()[1]
        names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
        login = [given.get(name, "") for name in names]
        if given.get("AZURE_ACCOUNT_KEY"):
            if any(login) or given.get(AUTH) == IMPLICIT:
                raise ConfigurationError(f"{self.location}: AZURE_ACCOUNT_KEY is a login of its own: give only one")
            return self._shared_key(given["AZURE_ACCOUNT_KEY"])
        if any(login):
            if not all(login):
                raise ConfigurationError(f"{self.location}: {', '.join(names)} belong together: some are missing")
            return azure.identity.ClientSecretCredential(*login, authority=authority, retry_total=0)
        if given.get(AUTH) not in (None, "", IMPLICIT):
            raise ConfigurationError(
                f"{self.location}: AUTH={given[AUTH]} needs AZURE_ACCOUNT_KEY or {', '.join(names)}"
            )
        if given.get(AUTH) != IMPLICIT and os.environ.get(_KEY):
            return self._shared_key(os.environ[_KEY])
        if given.get(AUTH) != IMPLICIT and os.environ.get(_SAS):
            return os.environ[_SAS]
        return azure.identity.DefaultAzureCredential(
            authority=authority, exclude_interactive_browser_credential=True, retry_total=0
        )

    def _shared_key(self, key: str) -> dict[str, str]:
        try:
            base64.b64decode(key, validate=True)
        except binascii.Error:
            raise ConfigurationError(f"{self.location}: the account's key is not in base64: give it as it is") from None
        return {"account_name": self._account(), "account_key": key}

    def explain(self, error: BaseException) -> Failure:
        cause = getattr(error, "inner_exception", None) or error
        if isinstance(error, (ValueError, TypeError, AttributeError)):
            return Failure(
                "the answer is not Azure Blob Storage's: check AZURE_ACCOUNT_NAME and the proxy", settings=True
            )
        if isinstance(error, azure.core.exceptions.TooManyRedirectsError):
            return Failure(REDIRECTED, settings=True)
        if isinstance(error, azure.core.exceptions.DecodeError):
            return Failure("the answer is not whole, or not Azure Blob Storage's: check the proxy", passes=True)
        if isinstance(error, azure.core.exceptions.IncompleteReadError):
            return unreachable(_SERVER, "the proxy", error)
        if isinstance(error, azure.core.exceptions.ClientAuthenticationError) and not _status(error):
            return Failure(
                "no Azure login works: set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET or a key in the "
                "location or the environment, or use a managed identity",
                settings=True,
            )
        if isinstance(error, azure.core.exceptions.HttpResponseError) and _status(error):
            return _explain_answer(error)
        if isinstance(cause, requests.exceptions.SSLError):
            return Failure(f"{CERTIFICATE} ({type(cause).__name__})", settings=True)
        return unreachable(_SERVER, "AZURE_ACCOUNT_NAME, the proxy", cause)


def _session() -> requests.Session:
    session = requests.Session()
    session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
    session.hooks["response"].append(require_as_asked)
    return session


def _code(error: Any) -> str:
    # An enumeration, or a string where the library does not know the code.
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))


def _status(error: Any) -> int:
    return int(getattr(error, "status_code", 0) or 0)


def _explain_answer(error: Any) -> Failure:
    status, code = _status(error), _code(error)
    if status in PASSING_STATUS:
        wait = error.response.headers.get("Retry-After", "") if error.response else ""
        return Failure(f"{_SERVER} answers {status} {code}".rstrip(), passes=True, wait=wait)
    advice = _ADVICE.get(code)
    if advice is None and status in (401, 403):
        advice = f"access is denied: the identity needs {_READER}"
    if advice:
        return Failure(f"{advice} ({code or status})", settings=True)
    return Failure(f"{_SERVER} answers {status} {code}".rstrip())
