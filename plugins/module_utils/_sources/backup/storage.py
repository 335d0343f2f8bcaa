# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Where a backup's files are: a bucket with S3's protocol, or a directory. Reads only, in several threads at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional

from ..._errors import ConfigurationError, CorruptBackupError, MigrationError, UnsupportedError
from ..._system.migration_log import MigrationLog
from ..location import S3, parse_location, scheme_of, without_secrets
from .backup_request import StorageOptions
from .storage_retries import is_broken_off, repeated

try:
    import boto3
    import botocore.config
    import botocore.exceptions
except ImportError:
    boto3 = None  # named by libraries.missing()

CONNECT_TIMEOUT = 10
READ_TIMEOUT = 60
CONNECTIONS = 16
"""Of one process, as many as its threads read at once."""
_OWN = ("file", "s3", "s3a", "s3n")
"""What ``parse_location`` judges, other spellings of S3 too."""
_CONNECTING = threading.Lock()
"""boto3 makes clients in one thread at a time."""
_NOT_FOUND = ("NoSuchKey", "404", "NotFound")
_BEHIND_THE_END = ("InvalidRange", "416")
_ADVICE = {
    "NoSuchBucket": "there is no such bucket: check the bucket's name, aws_region and s3_endpoint_url",
    "InvalidAccessKeyId": "the access key is not known there: check aws_access_key_id and s3_endpoint_url",
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


class Storage:
    """One location. Paths are relative to it, with slashes and without a leading one."""

    location: str

    def describe(self, path: str) -> str:
        """Return how to name a file of this location in a message."""
        return f"{self.location.rstrip('/')}/{path}" if path else self.location

    def read(self, path: str) -> bytes:
        """Return a whole file. Raises CorruptBackupError when it is missing."""
        raise NotImplementedError

    def read_start(self, path: str, length: int) -> tuple[bytes, int]:
        """Return up to ``length`` bytes from a file's start, and the file's size: in one request."""
        raise NotImplementedError

    def read_end(self, path: str, length: int) -> tuple[bytes, int]:
        """Return up to ``length`` bytes before a file's end, and the file's size."""
        raise NotImplementedError

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        """Return ``length`` bytes at ``offset``; fewer at the file's end."""
        raise NotImplementedError

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        return self.read_end(path, 1)[1]

    def list(self, prefix: str = "", recursive: bool = False) -> list[str]:
        """Return the names below the folder ``prefix``, relative to it; folders end in a slash unless ``recursive``."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""
        raise NotImplementedError

    def missing(self, path: str) -> CorruptBackupError:
        """The error for a file that should be there."""
        return CorruptBackupError(
            f"{self.describe(path)} is missing: copy the whole backup again from where it was made"
        )


def open_storage(location: str, options: StorageOptions) -> Storage:
    """Return the storage at ``s3://bucket/prefix``, ``file:///directory`` or a directory's path."""
    scheme = scheme_of(location)
    if scheme in ("nodelocal", "userfile"):
        raise UnsupportedError(
            f"{without_secrets(location)}: {scheme} lives inside the cluster; copy the backup to a directory and name "
            "it as file:///directory"
        )
    if scheme not in _OWN and "://" in location:
        raise UnsupportedError(
            f"{without_secrets(location)}: {scheme} is not known; copy the backup to S3 or to a directory "
            "(file:///directory)"
        )
    place = parse_location(location)
    return S3Storage(place.bucket, place.path, options) if place.scheme == S3 else DirectoryStorage(place.path)


class DirectoryStorage(Storage):
    """A directory of this machine."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") or "/"
        self.location = f"file://{self.root}"

    def _path(self, path: str) -> str:
        return os.path.join(self.root, path) if path else self.root

    def _failure(self, path: str, error: OSError) -> MigrationError:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return self.missing(path)
        return MigrationError(f"{self.describe(path)} cannot be read: {error.strerror}")

    def read(self, path: str) -> bytes:
        try:
            with open(self._path(path), "rb") as stream:
                return stream.read()
        except OSError as error:
            raise self._failure(path, error) from error

    def read_start(self, path: str, length: int) -> tuple[bytes, int]:
        try:
            with open(self._path(path), "rb") as stream:
                return stream.read(length), os.fstat(stream.fileno()).st_size
        except OSError as error:
            raise self._failure(path, error) from error

    def read_end(self, path: str, length: int) -> tuple[bytes, int]:
        try:
            with open(self._path(path), "rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                stream.seek(max(0, size - length))
                return stream.read(length), size
        except OSError as error:
            raise self._failure(path, error) from error

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        try:
            with open(self._path(path), "rb") as stream:
                stream.seek(offset)
                return stream.read(length)
        except OSError as error:
            raise self._failure(path, error) from error

    def list(self, prefix: str = "", recursive: bool = False) -> list[str]:
        if not os.path.isdir(self.root):
            raise ConfigurationError(f"{self.location} is no directory on this machine: check the backup's location")
        top = self._path(prefix.strip("/"))
        try:
            if not recursive:
                return sorted(entry.name + ("/" if entry.is_dir() else "") for entry in os.scandir(top))
            return sorted(
                os.path.relpath(os.path.join(folder, name), top)
                for folder, _folders, names in os.walk(top)
                for name in names
            )
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._failure(prefix, error) from error

    def exists(self, path: str) -> bool:
        return os.path.isfile(self._path(path))


class S3Storage(Storage):
    """A bucket, or a part of it. The client is made when it is first needed, once a process."""

    def __init__(self, bucket: str, prefix: str, options: StorageOptions) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.options = options
        self.location = f"s3://{bucket}/{prefix}".rstrip("/")
        self._client: Any = None
        self._process = 0
        self._answered = False

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _client=None, _process=0)

    @property
    def client(self) -> Any:
        """The boto3 client of this process."""
        with _CONNECTING:
            if self._client is None or self._process != os.getpid():
                self._client, self._process = self._connect(), os.getpid()
            return self._client

    def _connect(self) -> Any:
        options = self.options
        config = botocore.config.Config(
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=CONNECTIONS,
            s3={"addressing_style": "path"} if options.endpoint_url else {},
        )
        try:
            session = boto3.session.Session(
                aws_access_key_id=options.access_key_id or None,
                aws_secret_access_key=options.secret_access_key or None,
                aws_session_token=options.session_token or None,
                region_name=options.region or None,
                profile_name=options.profile or None,
            )
            region = session.region_name or "us-east-1"
            return session.client("s3", endpoint_url=options.endpoint_url or None, config=config, region_name=region)
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            raise ConfigurationError(f"{self.location}: S3 cannot be used: {error}") from error

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self.prefix, path.strip("/")) if part)

    def _failure(self, path: str, error: Exception) -> MigrationError:
        name = self.describe(path)
        if isinstance(error, botocore.exceptions.ClientError):
            code = _code(error)
            if code in _NOT_FOUND:
                return self.missing(path)
            if code in _ADVICE:
                return ConfigurationError(f"{name}: {_ADVICE[code]} ({code})")
            return MigrationError(
                f"{name}: S3 answers {code or 'an unknown error'}: {error.response.get('Error', {}).get('Message', '')}"
            )
        if isinstance(error, (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError)):
            return ConfigurationError(
                f"{name}: no S3 credentials: set aws_access_key_id and aws_secret_access_key, or aws_profile, or use "
                "an instance role"
            )
        if isinstance(
            error, (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)
        ) or is_broken_off(error):
            return MigrationError(
                f"{name}: S3 cannot be reached: check s3_endpoint_url, aws_region and the network "
                f"({type(error).__name__})"
            )
        return MigrationError(f"{name}: {error}")

    def _call(self, path: str, function: Callable[[], Any]) -> Any:
        """Return what ``function`` returns; every call to S3 goes this way. Raises MigrationError."""
        log = MigrationLog(self.options.log_file, "storage")
        try:
            result = repeated(function, self.describe(path), log, self._answered)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            raise self._failure(path, error) from error
        self._answered = True
        return result

    def _get(self, path: str, **arguments: str) -> tuple[bytes, int]:
        """Return an object's bytes and its size; none and 0 when the range asked for lies after its end."""

        def fetch() -> tuple[bytes, int]:
            try:
                # The body is read here, so that an interrupted one is requested again.
                answer = self.client.get_object(Bucket=self.bucket, Key=self._key(path), **arguments)
                return answer["Body"].read(), _size(answer)
            except botocore.exceptions.ClientError as error:
                if _code(error) in _BEHIND_THE_END:
                    return b"", 0
                raise

        return self._call(path, fetch)

    def _head(self, path: str) -> Optional[int]:
        """Return an object's size, None when there is none."""

        def ask() -> Optional[int]:
            try:
                return self.client.head_object(Bucket=self.bucket, Key=self._key(path))["ContentLength"]
            except botocore.exceptions.ClientError as error:
                if _code(error) in _NOT_FOUND:
                    return None
                raise

        return self._call(path, ask)

    def _pages(self, prefix: str, **arguments: str) -> Iterator[dict]:
        """Yield the pages of a listing. (boto3's paginator cannot continue after a page that failed.)"""
        while True:
            page = self._call(prefix, lambda: self.client.list_objects_v2(Bucket=self.bucket, **arguments))
            yield page
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def read(self, path: str) -> bytes:
        return self._get(path)[0]

    def read_start(self, path: str, length: int) -> tuple[bytes, int]:
        return self._get(path, Range=f"bytes=0-{length - 1}")

    def read_end(self, path: str, length: int) -> tuple[bytes, int]:
        # Not every S3 server knows ranges that count from the end.
        size = self._head(path)
        if size is None:
            raise self.missing(path)
        return self.read_range(path, max(0, size - length), min(length, size)), size

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        return self._get(path, Range=f"bytes={offset}-{offset + length - 1}")[0] if length else b""

    def list(self, prefix: str = "", recursive: bool = False) -> list[str]:
        base = self._key(prefix)
        base = base + "/" if base else ""
        names: list[str] = []
        for page in self._pages(prefix, Prefix=base, **({} if recursive else {"Delimiter": "/"})):
            names += [entry["Prefix"][len(base) :] for entry in page.get("CommonPrefixes", ())]
            names += [entry["Key"][len(base) :] for entry in page.get("Contents", ())]
        return sorted(name for name in names if name)

    def exists(self, path: str) -> bool:
        return self._head(path) is not None


def _size(answer: dict) -> int:
    """Return the size of the whole object that an answer, whole or a range, is of."""
    _range, _slash, size = answer.get("ContentRange", "").rpartition("/")
    return int(size or answer["ContentLength"])


def _code(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
