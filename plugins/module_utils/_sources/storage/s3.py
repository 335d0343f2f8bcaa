# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A bucket with S3's protocol, read with boto3."""

from __future__ import annotations

from typing import Any, Optional

from ..._errors import ConfigurationError
from .failure import CERTIFICATE, Failure, unreachable
from .options import StorageOptions
from .remote import CONNECT_TIMEOUT, CONNECTIONS, READ_TIMEOUT, Page
from .retries import PASSING_STATUS
from .s3_session import open_session, service_url

try:
    import boto3
    import botocore.config
    import botocore.exceptions
except ImportError:
    boto3 = None  # named by libraries.missing()

_NOT_FOUND = ("NoSuchKey", "404", "NotFound")
_BEHIND_THE_END = ("InvalidRange", "416")
_PASSING_CODES = frozenset(
    (
        "BandwidthLimitExceeded",
        "InternalError",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    )
)
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what botocore's standard retries
(botocore/retries/standard.py) repeat."""
_ADVICE = {
    "NoSuchBucket": "there is no such bucket: check the bucket's name, aws_region and s3_endpoint_url",
    "InvalidAccessKeyId": "the access key is not known there: check aws_access_key_id and s3_endpoint_url",
    "InvalidClientTokenId": "the access key is not known there: check aws_access_key_id and s3_endpoint_url",
    "SignatureDoesNotMatch": "the secret access key is wrong: check aws_secret_access_key",
    "AccessDenied": "access is denied: the key needs s3:GetObject and s3:ListBucket on this bucket",
    "403": "access is denied: check the keys; they need s3:GetObject and s3:ListBucket on this bucket",
    "ExpiredToken": "the session token has expired: get a new one",
    "InvalidToken": "the session token is not valid: check aws_session_token",
    "PermanentRedirect": "the bucket is in another region: set aws_region",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set aws_region",
    "InvalidObjectState": "the object is archived (Glacier): restore it to a readable storage class first",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "KMS.DisabledException": "the KMS key that encrypts the bucket is disabled",
}
_ASSUME_ROLE = "AssumeRole"
_CHECK = "s3_endpoint_url, aws_region"


class S3Bucket:
    """A boto3 client of one process."""

    def __init__(self, client: Any, bucket: str, requester_pays: bool) -> None:
        self.client = client
        self._common = {"Bucket": bucket, **({"RequestPayer": "requester"} if requester_pays else {})}

    def get(self, key: str, start: int, length: Optional[int]) -> tuple[bytes, int]:
        arguments = {} if length is None else {"Range": f"bytes={start}-{start + max(length, 1) - 1}"}
        try:
            answer = self.client.get_object(**self._common, Key=key, **arguments)
        except botocore.exceptions.ClientError as error:
            if _code(error) in _NOT_FOUND:
                raise FileNotFoundError(key) from error
            if _code(error) not in _BEHIND_THE_END:
                raise
            return b"", self.size(key) or 0
        # The body is read here, so that an interrupted one is requested again.
        data = answer["Body"].read()
        size = int(answer["ContentRange"].rpartition("/")[2]) if "ContentRange" in answer else len(data)
        return data[:length], size

    def size(self, key: str) -> Optional[int]:
        try:
            return self.client.head_object(**self._common, Key=key)["ContentLength"]
        except botocore.exceptions.ClientError as error:
            if _code(error) in _NOT_FOUND:
                return None
            raise

    def page(self, prefix: str, recursive: bool, token: Optional[str]) -> Page:
        # boto3's paginator cannot continue after a page that failed.
        arguments = {"Prefix": prefix}
        if not recursive:
            arguments["Delimiter"] = "/"
        if token:
            arguments["ContinuationToken"] = token
        answer = self.client.list_objects_v2(**self._common, **arguments)
        names = [entry["Prefix"] for entry in answer.get("CommonPrefixes", ())]
        names += [entry["Key"] for entry in answer.get("Contents", ())]
        return Page(names, answer["NextContinuationToken"] if answer.get("IsTruncated") else None)


class S3Provider:
    """A bucket. ``options`` has what the location says, too; ``path_style`` is None where it says nothing."""

    def __init__(self, bucket: str, options: StorageOptions, path_style: Optional[bool], verify_tls: bool) -> None:
        self.location = f"s3://{bucket}"
        self.library_errors = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)
        self._bucket = bucket
        self._options = options
        self._path_style = bool(options.endpoint_url) if path_style is None else path_style
        self._verify = None if verify_tls else False

    def connect(self) -> S3Bucket:
        config = botocore.config.Config(
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=CONNECTIONS,
            s3={"addressing_style": "path"} if self._path_style else {},
        )
        try:
            session = open_session(self._options, config, self._verify)
            client = session.client(
                "s3",
                endpoint_url=service_url(self._options.endpoint_url),
                config=config,
                region_name=session.region_name or "us-east-1",
                verify=self._verify,
            )
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            raise ConfigurationError(f"{self.location}: S3 cannot be used: {error}") from error
        return S3Bucket(client, self._bucket, self._options.requester_pays)

    def explain(self, error: BaseException) -> Failure:
        if isinstance(error, botocore.exceptions.ClientError):
            return _explain_answer(error)
        if isinstance(error, (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError)):
            return Failure(
                "no S3 credentials: set aws_access_key_id and aws_secret_access_key, or aws_profile, or use an "
                "instance role",
                settings=True,
            )
        if isinstance(error, botocore.exceptions.SSLError):
            return Failure(f"{CERTIFICATE} ({type(error).__name__})", settings=True)
        broken = (
            botocore.exceptions.ConnectionError,
            botocore.exceptions.HTTPClientError,
            botocore.exceptions.IncompleteReadError,
            botocore.exceptions.ResponseStreamingError,
        )
        if isinstance(error, broken):
            proxy = isinstance(error, botocore.exceptions.ProxyConnectionError)
            return unreachable("S3", f"{_CHECK}, the proxy" if proxy else _CHECK, error, not proxy)
        return Failure(str(error))


def _explain_answer(error: botocore.exceptions.ClientError) -> Failure:
    code = _code(error)
    answer = error.response.get("ResponseMetadata", {})
    status = int(answer.get("HTTPStatusCode", 0))
    if status in PASSING_STATUS or code in _PASSING_CODES:
        wait = str(answer.get("HTTPHeaders", {}).get("retry-after", ""))
        return Failure(f"S3 answers {status} {code}", passes=True, wait=wait)
    if error.operation_name == _ASSUME_ROLE and code == "AccessDenied":
        return Failure(
            "a role cannot be assumed: whoever assumes it needs sts:AssumeRole, the role's trust policy has to allow "
            f"it, and the external id has to be the one that it asks for ({code})",
            settings=True,
        )
    if code in _ADVICE:
        return Failure(f"{_ADVICE[code]} ({code})", settings=True)
    return Failure(f"S3 answers {code or 'an unknown error'}: {error.response.get('Error', {}).get('Message', '')}")


def _code(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
