# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A bucket with S3's protocol, read with boto3."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

from ..._errors import ConfigurationError
from ..._system.urls import public_url
from ..location import Location
from ..uri_parameters import AUTH, IMPLICIT, is_true
from .answers import object_size, range_header, require_all, require_length
from .failure import CERTIFICATE, Failure, NoSuchObject, UnusableAnswerError, unreachable
from .options import StorageOptions
from .remote import CONNECT_TIMEOUT, CONNECTIONS, READ_TIMEOUT, Page, Stored
from .retries import PASSING_STATUS
from .s3_session import open_session, service_url

try:
    import botocore.config
    import botocore.exceptions
    import botocore.parsers
except ImportError:
    botocore = None  # named by libraries.missing()

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
    "RequestTimeTooSkewed": "the clocks of this machine and of the server differ by more than 15 minutes: correct them",
    "KMS.DisabledException": "the KMS key that encrypts the bucket is disabled",
}
_OF_EVERY_LISTING = frozenset(("Name", "IsTruncated", "KeyCount"))
_REDIRECTS = (301, 302, 307, 308)
_XML, _START_OF_ERROR = b"<?xml", 200
_ASSUME_ROLE = "AssumeRole"
_CHECK = "s3_endpoint_url, aws_region"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class S3Bucket:
    """A boto3 client of one process."""

    def __init__(self, client: Any, bucket: str, requester_pays: bool) -> None:
        self.client = client
        self.endpoint = public_url(client.meta.endpoint_url)
        self._common = {"Bucket": bucket, **({"RequestPayer": "requester"} if requester_pays else {})}

    def get(self, key: str, start: int, length: Optional[int]) -> tuple[bytes, Stored]:
        arguments = {} if length is None else {"Range": range_header(start, length)}
        try:
            answer = self.client.get_object(**self._common, Key=key, **arguments)
        except botocore.exceptions.ClientError as error:
            if _code(error) in _NOT_FOUND:
                raise NoSuchObject(key) from error
            if _code(error) not in _BEHIND_THE_END:
                raise
            return b"", Stored(None, "")
        # The body is read here, so that an interrupted one is requested again.
        data = answer["Body"].read()
        require_length(answer["ResponseMetadata"]["HTTPHeaders"])
        content_range, version = answer.get("ContentRange", ""), answer.get("ETag", "")
        if length is None or (start == 0 and not content_range):
            require_all(content_range, len(data))
            if data.startswith(_XML) and b"<Error>" in data[:_START_OF_ERROR]:
                raise UnusableAnswerError("S3 answers 200 with an error in the place of the object", passes=True)
            return data[:length], Stored(len(data), version)
        return data[:length], Stored(object_size(content_range, start, len(data)), version)

    def look(self, key: str) -> Optional[Stored]:
        try:
            answer = self.client.head_object(**self._common, Key=key)
        except botocore.exceptions.ClientError as error:
            if _code(error) in _NOT_FOUND:
                return None
            raise
        if "ContentLength" not in answer:
            raise UnusableAnswerError(
                "the server does not tell the object's size (Content-Length of HEAD)", passes=True
            )
        return Stored(answer["ContentLength"], answer.get("ETag", ""))

    def page(self, prefix: str, token: Optional[str]) -> Page:
        # boto3's paginator cannot continue after a page that failed.
        further = {"ContinuationToken": token} if token else {}
        answer = self.client.list_objects_v2(**self._common, Prefix=prefix, Delimiter="/", **further)
        names = [entry["Prefix"] for entry in answer.get("CommonPrefixes", ())]
        names += [entry["Key"] for entry in answer.get("Contents", ())]
        if not answer.keys() & _OF_EVERY_LISTING:
            raise UnusableAnswerError("the server answers with something that is no listing", passes=True)
        if answer.get("IsTruncated") and not answer.get("NextContinuationToken"):
            raise UnusableAnswerError("the listing goes on, but does not say where (NextContinuationToken)")
        return Page(names, answer["NextContinuationToken"] if answer.get("IsTruncated") else None)


class S3Provider:
    """A bucket, reached as the location's parameters say, or else as the options do."""

    def __init__(self, place: Location, options: StorageOptions) -> None:
        """Raises ConfigurationError."""
        self.location = f"s3://{place.bucket}"
        self.library_errors = (
            botocore.exceptions.ClientError,
            botocore.exceptions.BotoCoreError,
            botocore.parsers.ResponseParserError,
            # botocore follows a redirect by asking for the bucket's region, also where that request is redirected.
            RecursionError,
        )
        self._bucket = place.bucket
        self._options = _options_of(place, options)
        given = place.parameters
        self._addressing = {}
        if "AWS_USE_PATH_STYLE" in given:
            style = "path" if is_true(given, "AWS_USE_PATH_STYLE", place.name) else "virtual"
            self._addressing = {"addressing_style": style}
        elif self._options.endpoint_url:
            # With a server of one's own the bucket is rarely a part of the host's name.
            self._addressing = {"addressing_style": "path"}
        skips = "AWS_SKIP_TLS_VERIFY" in given and is_true(given, "AWS_SKIP_TLS_VERIFY", place.name)
        self._verify = False if skips else None

    def connect(self) -> S3Bucket:
        config = botocore.config.Config(
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=CONNECTIONS,
            s3=self._addressing,
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
        if isinstance(error, botocore.parsers.ResponseParserError):
            return Failure(
                "the server answers with something that is not S3's: check s3_endpoint_url", passes=True, answered=False
            )
        if isinstance(error, RecursionError):
            return Failure(
                "the server redirects every request: check s3_endpoint_url, perhaps it has to be https", settings=True
            )
        if isinstance(error, botocore.exceptions.FlexibleChecksumError):
            return Failure("what arrived has not the checksum that S3 names", passes=True)
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


def _options_of(place: Location, options: StorageOptions) -> StorageOptions:
    given = place.parameters
    if given.get(AUTH) == IMPLICIT:
        # As in CockroachDB the identity of the machine, not keys that are meant for other locations.
        options = replace(options, access_key_id="", secret_access_key="", session_token="")
    elif given.get(AUTH) not in (None, "", "specified"):
        raise ConfigurationError(f"{place.name}: AUTH={given[AUTH]} is not known: write implicit or specified")
    elif any(given.get(name) for name in _KEYS):
        if not all(given.get(name) for name in _KEYS):
            raise ConfigurationError(f"{place.name}: {' and '.join(_KEYS)} belong together: only one of them is there")
        options = replace(
            options,
            access_key_id=given[_KEYS[0]],
            secret_access_key=given[_KEYS[1]],
            session_token=given.get("AWS_SESSION_TOKEN", ""),
        )
    return replace(
        options,
        region=given.get("AWS_REGION") or options.region,
        endpoint_url=given.get("AWS_ENDPOINT") or options.endpoint_url,
        assume_role=tuple(filter(None, given.get("ASSUME_ROLE", "").split(","))) or options.assume_role,
    )


def _explain_answer(error: botocore.exceptions.ClientError) -> Failure:
    code = _code(error)
    answer = error.response.get("ResponseMetadata", {})
    status = int(answer.get("HTTPStatusCode", 0))
    if status in PASSING_STATUS or code in _PASSING_CODES:
        wait = str(answer.get("HTTPHeaders", {}).get("retry-after", ""))
        return Failure(f"S3 answers {status} {'' if code == str(status) else code}".rstrip(), passes=True, wait=wait)
    if status in _REDIRECTS:
        region = answer.get("HTTPHeaders", {}).get("x-amz-bucket-region")
        where = f"the bucket is in the region {region}" if region else "the server redirects to another address"
        return Failure(f"{where}: check aws_region and s3_endpoint_url ({status} {code})", settings=True)
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
