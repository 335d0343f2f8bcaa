# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every kind of storage that a backup may lie in, on loopback."""
from __future__ import annotations

import contextlib
from collections.abc import Callable
from urllib.parse import quote

import boto3
import download_server
import faulty_server
import pytest
import storage_emulators as emulators

SECRET = "aHVzaC1odXNoLWh1c2g="


class Place:
    """A kind of storage: ``put`` takes files by name; ``environment`` are the variables that name its server, at ``url``."""

    def __init__(self, base: str, parameters: str, put: Callable[[dict[str, bytes]], object], url: str = "", environment: tuple[str, ...] = (), wrong: str = "") -> None:
        self.base, self.parameters, self.put, self.url, self.environment, self.wrong = base, parameters, put, url, environment, wrong

    def location(self, prefix: str, parameters: str | None = None, bucket: str = "backups", url: str = "") -> str:
        """Return the location of a prefix, with the parameters of CockroachDB's URI; with ``url`` its server is reached there."""
        found = f"{self.base.replace('backups', bucket)}/{quote(prefix)}{self.parameters if parameters is None else parameters}"
        return found.replace(self.url, url).replace(quote(self.url, safe=""), quote(url, safe="")) if url else found


def start_place(kind: str, stack: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Start what stands in for a kind of storage, until the stack ends."""
    if kind == "file":
        directory = tmp_path_factory.mktemp("files")

        def write(files):
            for name, content in files.items():
                (directory / "backups" / name).parent.mkdir(parents=True, exist_ok=True)
                (directory / "backups" / name).write_bytes(content)

        return Place(f"file://{directory}/backups", "", write)
    if kind == "http":
        server = stack.enter_context(download_server.serving())
        server.ranges = True
        return Place(f"{server.url}/backups", "", lambda files: server.files.update({f"/backups/{quote(name)}": content for name, content in files.items()}), server.url)
    if kind == "gs":
        url = stack.enter_context(emulators.google_cloud())
        return Place("gs://backups", "?BEARER_TOKEN=ya29.token", lambda files: emulators.upload_to_google(url, files), url, ("STORAGE_EMULATOR_HOST",))
    if kind == "azure-blob":
        if not emulators.azurite_installed():
            pytest.skip("Azurite is not installed: make integration installs it where there is npm")
        url = stack.enter_context(emulators.azurite(tmp_path_factory.mktemp("azurite")))
        account = f"?AZURE_ACCOUNT_NAME={emulators.ACCOUNT}&AZURE_ACCOUNT_KEY="
        return Place("azure-blob://backups", account + quote(emulators.ACCOUNT_KEY, safe=""), lambda files: emulators.upload_to_azure(url, files),
                     url, ("AZURE_STORAGE_SERVICE_ENDPOINT",), account + quote(SECRET))
    server = stack.enter_context(faulty_server.running_s3())
    client = boto3.client("s3", endpoint_url=server.url, aws_access_key_id="key", aws_secret_access_key="word", region_name="us-east-1")
    client.create_bucket(Bucket="backups")
    keys = f"?AWS_ENDPOINT={quote(server.url, safe='')}&AWS_REGION=us-east-1&AWS_ACCESS_KEY_ID="
    return Place("s3://backups", f"{keys}key&AWS_SECRET_ACCESS_KEY=word", lambda files: [client.put_object(Bucket="backups", Key=name, Body=content) for name, content in files.items()],
                 server.url, (), f"{keys}unknown&AWS_SECRET_ACCESS_KEY={quote(SECRET)}")


def googles_own(path: str) -> bool:
    """Tell what Google's library asks for in the background: the bucket's place."""
    return path.startswith("/storage/v1/b/backups?")
