# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Where a backup's files are: a bucket with S3's protocol, or a directory. Reads only."""
from __future__ import annotations

import os
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Optional

from ..errors import ConfigurationError, CorruptBackupError, MigrationError, UnsupportedError

try:
    import boto3
    import botocore.config
    import botocore.exceptions
except ImportError:
    boto3 = None  # named by libraries.missing()

ATTEMPTS = 5
CONNECT_TIMEOUT = 10
READ_TIMEOUT = 60
_NOT_FOUND = ("NoSuchKey", "404", "NotFound")
_ADVICE = {
    "NoSuchBucket": "there is no such bucket: check the bucket's name, the region and endpoint_url",
    "InvalidAccessKeyId": "the access key is not known there: check access_key_id and endpoint_url",
    "SignatureDoesNotMatch": "the secret access key is wrong: check secret_access_key",
    "AccessDenied": "access is denied: the key needs s3:GetObject and s3:ListBucket on this bucket",
    "403": "access is denied: check the keys; they need s3:GetObject and s3:ListBucket on this bucket",
    "ExpiredToken": "the session token has expired: get a new one",
    "InvalidToken": "the session token is not valid: check session_token",
    "PermanentRedirect": "the bucket is in another region: set region",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set region",
    "InvalidObjectState": "the object is archived (Glacier): restore it to a readable storage class first",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "KMS.DisabledException": "the KMS key that encrypts the bucket is disabled",
}


@dataclass(frozen=True)
class StorageOptions:
    """How to reach S3. Empty fields leave the choice to boto3: environment, profile, instance role."""

    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    region: str = ""
    profile: str = ""
    endpoint_url: str = ""


class Storage:
    """One location. Paths are relative to it, with slashes and without a leading one."""

    location: str

    def describe(self, path: str) -> str:
        """Return how to name a file of this location in a message."""
        return f"{self.location.rstrip('/')}/{path}" if path else self.location

    def read(self, path: str) -> bytes:
        """Return a whole file. Raises CorruptBackupError when it is missing."""
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
        return CorruptBackupError(f"{self.describe(path)} is missing: copy the whole backup again from where it was made")


def open_storage(location: str, options: StorageOptions) -> Storage:
    """Return the storage behind ``s3://bucket/prefix``, ``file:///directory`` or a directory's path."""
    parts = urllib.parse.urlsplit(location)
    if parts.query or parts.username or parts.password:
        raise ConfigurationError(
            f"{parts.scheme}://{parts.hostname}{parts.path}: give the location without parameters and credentials; "
            "keys, region and endpoint_url have options of their own"
        )
    if parts.scheme in ("s3", "s3a"):
        if not parts.netloc:
            raise ConfigurationError(f"{location} names no bucket: write s3://bucket/path")
        return S3Storage(parts.netloc, parts.path.strip("/"), options)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise ConfigurationError(f"{location} names a host: write file:///absolute/path")
        return DirectoryStorage(urllib.parse.unquote(parts.path))
    if "://" not in location and location.startswith("/"):
        return DirectoryStorage(location)
    if parts.scheme in ("nodelocal", "userfile"):
        raise UnsupportedError(f"{location}: {parts.scheme} lives inside the cluster; copy the backup to a directory and name it as file:///directory")
    if "://" in location:
        raise UnsupportedError(f"{location}: {parts.scheme} is not known; copy the backup to S3 or to a directory (file:///directory)")
    raise ConfigurationError(f"{location!r} is no location: write s3://bucket/path or file:///absolute/path")


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
                os.path.relpath(os.path.join(folder, name), top) for folder, _folders, names in os.walk(top) for name in names
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

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _client=None, _process=0)

    @property
    def client(self) -> Any:
        """The boto3 client of this process."""
        if self._client is None or self._process != os.getpid():
            self._client, self._process = self._connect(), os.getpid()
        return self._client

    def _connect(self) -> Any:
        options = self.options
        config = botocore.config.Config(
            retries={"mode": "standard", "max_attempts": ATTEMPTS}, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT,
            s3={"addressing_style": "path"} if options.endpoint_url else {},
        )
        try:
            session = boto3.session.Session(
                aws_access_key_id=options.access_key_id or None, aws_secret_access_key=options.secret_access_key or None,
                aws_session_token=options.session_token or None, region_name=options.region or None, profile_name=options.profile or None,
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
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NOT_FOUND:
                return self.missing(path)
            if code in _ADVICE:
                return ConfigurationError(f"{name}: {_ADVICE[code]} ({code})")
            return MigrationError(f"{name}: S3 answers {code or 'an unknown error'}: {error.response.get('Error', {}).get('Message', '')}")
        if isinstance(error, (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError)):
            return ConfigurationError(f"{name}: no S3 credentials: set access_key_id and secret_access_key, a profile, or an instance role")
        if isinstance(error, (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)):
            return MigrationError(f"{name}: S3 cannot be reached: check endpoint_url, region and the network ({type(error).__name__})")
        return MigrationError(f"{name}: {error}")

    def _get(self, path: str, byte_range: str = "") -> Optional[dict]:
        """Fetch an object; None when the range asked for lies behind its end. The body is read here, with retries."""
        arguments = {"Bucket": self.bucket, "Key": self._key(path)}
        if byte_range:
            arguments["Range"] = byte_range
        for attempt in range(ATTEMPTS):
            try:
                answer = self.client.get_object(**arguments)
                return {"data": answer["Body"].read(), "range": answer.get("ContentRange", "")}
            except botocore.exceptions.ClientError as error:
                if str(error.response.get("Error", {}).get("Code", "")) in ("InvalidRange", "416"):
                    return None
                raise self._failure(path, error) from error
            except (botocore.exceptions.IncompleteReadError, botocore.exceptions.HTTPClientError) as error:
                if attempt == ATTEMPTS - 1:
                    raise self._failure(path, error) from error
            except botocore.exceptions.BotoCoreError as error:
                raise self._failure(path, error) from error
        return None

    def read(self, path: str) -> bytes:
        answer = self._get(path)
        return answer["data"] if answer else b""

    def read_end(self, path: str, length: int) -> tuple[bytes, int]:
        # Not every S3 server knows ranges that count from the end.
        size = self._head(path)
        return self.read_range(path, max(0, size - length), min(length, size)), size

    def _head(self, path: str) -> int:
        try:
            return self.client.head_object(Bucket=self.bucket, Key=self._key(path))["ContentLength"]
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            raise self._failure(path, error) from error

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        answer = self._get(path, f"bytes={offset}-{offset + length - 1}") if length else None
        return answer["data"] if answer else b""

    def list(self, prefix: str = "", recursive: bool = False) -> list[str]:
        base = self._key(prefix)
        base = base + "/" if base else ""
        names: list[str] = []
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=base, **({} if recursive else {"Delimiter": "/"}))
            for page in pages:
                names += [entry["Prefix"][len(base):] for entry in page.get("CommonPrefixes", ())]
                names += [entry["Key"][len(base):] for entry in page.get("Contents", ())]
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            raise self._failure(prefix, error) from error
        return sorted(name for name in names if name)

    def exists(self, path: str) -> bool:
        try:
            self.client.head_object(Bucket=self.bucket, Key=self._key(path))
        except botocore.exceptions.ClientError as error:
            if str(error.response.get("Error", {}).get("Code", "")) in _NOT_FOUND:
                return False
            raise self._failure(path, error) from error
        except botocore.exceptions.BotoCoreError as error:
            raise self._failure(path, error) from error
        return True
