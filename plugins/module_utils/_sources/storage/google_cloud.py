# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A bucket of Google Cloud Storage, read with Google's own library."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Optional

from ..._errors import ConfigurationError
from ..._system.urls import public_url
from ..uri_parameters import AUTH, IMPLICIT, Parameters
from .answers import require_as_asked
from .failure import CERTIFICATE, REDIRECTED, Failure, NoSuchObject, unreachable
from .remote import CONNECT_TIMEOUT, CONNECTIONS, READ_TIMEOUT, Page, Stored
from .retries import PASSING_STATUS

try:
    import google.api_core.exceptions
    import google.auth
    import google.auth.exceptions
    import google.auth.impersonated_credentials
    import google.auth.transport.requests
    import google.cloud.storage
    import google.oauth2.credentials
    import google.oauth2.service_account
    import requests
    import urllib3.exceptions
except ImportError:
    requests = None  # named by libraries.missing()

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_only",)
_IMPERSONATE = ("https://www.googleapis.com/auth/cloud-platform",)
_TIMEOUT = (CONNECT_TIMEOUT, READ_TIMEOUT)
_SERVER = "Google Cloud Storage"
_NO_CREDENTIALS = (
    "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS or run gcloud auth application-default login on the "
    "host that migrates, use the machine's service account, or add CREDENTIALS to the location as CockroachDB takes it"
)


class GoogleBucket:
    """A client of one process."""

    def __init__(self, client: Any, bucket: Any) -> None:
        self._client = client
        self._bucket = bucket
        self.endpoint = public_url(client.api_endpoint)

    def get(self, key: str, start: int, length: Optional[int]) -> tuple[bytes, Stored]:
        blob = self._bucket.blob(key)
        try:
            data = blob.download_as_bytes(
                start=None if length is None else start,
                end=None if length is None else start + max(length, 1) - 1,
                raw_download=True,
                checksum=None,
                retry=None,
                timeout=_TIMEOUT,
            )
        except google.api_core.exceptions.NotFound as error:
            raise NoSuchObject(key) from error
        except google.api_core.exceptions.RequestRangeNotSatisfiable:
            return b"", Stored(None, "")
        # Only require_as_asked sees the answer's Content-Range; a short answer ends where the object does.
        size = start + len(data) if length is None or len(data) < length else None
        return data, Stored(size, _generation(blob))

    def look(self, key: str) -> Optional[Stored]:
        blob = self._bucket.get_blob(key, retry=None, timeout=_TIMEOUT)
        return None if blob is None else Stored(blob.size, _generation(blob))

    def page(self, prefix: str, token: Optional[str]) -> Page:
        found = self._client.list_blobs(
            self._bucket,
            prefix=prefix,
            delimiter="/",
            page_token=token,
            retry=None,
            timeout=_TIMEOUT,
        )
        try:
            names = [blob.name for blob in next(found.pages, ())]
        except google.api_core.exceptions.NotFound as error:
            raise ConfigurationError(
                f"gs://{self._bucket.name}: there is no such bucket: check the bucket's name"
            ) from error
        return Page(sorted(found.prefixes) + names, found.next_page_token)


def _generation(blob: Any) -> str:
    return str(blob.generation or "")


class GoogleProvider:
    """A bucket, reached as the parameters of CockroachDB's URI say."""

    def __init__(self, bucket: str, parameters: Parameters) -> None:
        self.location = f"gs://{bucket}"
        self.library_errors = (
            google.api_core.exceptions.GoogleAPIError,
            google.auth.exceptions.GoogleAuthError,
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
        )
        self._bucket = bucket
        self._parameters = parameters

    def connect(self) -> GoogleBucket:
        billed = self._parameters.get("GOOGLE_BILLING_PROJECT") or None
        try:
            credentials = self._credentials()
            http = google.auth.transport.requests.AuthorizedSession(credentials)
            http.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
            http.hooks["response"].append(require_as_asked)
            client = google.cloud.storage.Client(project=billed or "none", credentials=credentials, _http=http)
        except google.auth.exceptions.DefaultCredentialsError as error:
            raise ConfigurationError(f"{self.location}: {_NO_CREDENTIALS}") from error
        return GoogleBucket(client, client.bucket(self._bucket, user_project=billed))

    def _credentials(self) -> Any:
        """Return the identity that the parameters name, as makeGCSStorage does, or else the application's default
        one."""
        given = self._parameters
        scopes = _IMPERSONATE if given.get("ASSUME_ROLE") else _SCOPES
        if given.get("CREDENTIALS"):
            credentials = self._service_account(scopes)
        elif given.get("BEARER_TOKEN"):
            credentials = google.oauth2.credentials.Credentials(given["BEARER_TOKEN"])
        elif given.get(AUTH) not in (None, "", "default", IMPLICIT):
            raise ConfigurationError(f"{self.location}: AUTH={given[AUTH]} needs CREDENTIALS or BEARER_TOKEN")
        else:
            credentials, _project = google.auth.default(scopes=scopes)
        *delegates, target = given.get("ASSUME_ROLE", "").split(",")
        if not target:
            return credentials
        return google.auth.impersonated_credentials.Credentials(
            credentials, target_principal=target, target_scopes=_SCOPES, delegates=delegates
        )

    def _service_account(self, scopes: tuple[str, ...]) -> Any:
        try:
            key = json.loads(base64.b64decode(self._parameters["CREDENTIALS"], validate=True))
            return google.oauth2.service_account.Credentials.from_service_account_info(key, scopes=scopes)
        except (binascii.Error, ValueError):
            # The text of the error may hold a part of the key.
            raise ConfigurationError(
                f"{self.location}: CREDENTIALS is no service account's key: write its JSON file there, in base64 and "
                "percent-encoded"
            ) from None

    def explain(self, error: BaseException) -> Failure:
        if isinstance(error, google.auth.exceptions.TransportError):
            error = error.__cause__ or (error.args[0] if error.args and isinstance(error.args[0], Exception) else error)
        if isinstance(error, google.api_core.exceptions.GoogleAPICallError):
            return _explain_answer(error)
        if isinstance(error, google.auth.exceptions.DefaultCredentialsError):
            return Failure(_NO_CREDENTIALS, settings=True)
        if isinstance(error, google.auth.exceptions.GoogleAuthError):
            return Failure(
                "the login to Google Cloud fails: check the credentials, and with ASSUME_ROLE the role Service Account "
                f"Token Creator ({type(error).__name__})",
                passes=bool(getattr(error, "retryable", False)),
                settings=True,
            )
        if isinstance(error, requests.exceptions.TooManyRedirects):
            return Failure(REDIRECTED, settings=True)
        if isinstance(error, requests.exceptions.SSLError):
            return Failure(f"{CERTIFICATE} ({type(error).__name__})", settings=True)
        return unreachable(_SERVER, "the proxy", error)


def _explain_answer(error: Any) -> Failure:
    status = int(error.code or 0)
    if status in PASSING_STATUS:
        headers = getattr(error.response, "headers", {})
        return Failure(f"{_SERVER} answers {status}", passes=True, wait=headers.get("Retry-After", ""))
    if status == 401:
        return Failure("the login to Google Cloud is refused: check the credentials (401)", settings=True)
    if status == 403:
        return Failure(
            "access is denied: the account needs storage.objects.get and storage.objects.list on this bucket (403)",
            settings=True,
        )
    if status == 400 and "user project" in str(error.message):
        return Failure("the bucket's requester pays: add GOOGLE_BILLING_PROJECT=… to the location (400)", settings=True)
    return Failure(f"{_SERVER} answers {status}: {error.message}")
