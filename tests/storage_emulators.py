# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Stand-ins for cloud storage on loopback: Azurite, Azure's own, which ``make integration`` installs, and an emulator of Google Cloud Storage."""
from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import azure.storage.blob
import google.auth.credentials
import google.cloud.storage

AZURITE = pathlib.Path(__file__).resolve().parent.parent / ".cache" / "node" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, the same everywhere: https://learn.microsoft.com/azure/storage/common/storage-use-azurite"""


def azurite_installed() -> bool:
    """Tell whether Azurite can be started here."""
    return AZURITE.exists() and shutil.which("node") is not None


@contextlib.contextmanager
def azurite(directory: pathlib.Path) -> Iterator[str]:
    """Give the URL of an account with the container ``backups``."""
    port = _free_port()
    command = [
        "node", str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck", "--silent"]
    with _running(command, port, directory):
        url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        _azure(url).create_container("backups")
        yield url


@contextlib.contextmanager
def google_cloud() -> Iterator[str]:
    """Give the URL of a server with the bucket ``backups``."""
    port = _free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host=127.0.0.1", f"--port={port}", "--in-memory", "--default-bucket=backups"]
    with _running(command, port):
        yield f"http://127.0.0.1:{port}"


def upload_to_azure(url: str, files: dict[str, bytes]) -> None:
    """Put files into the container."""
    container = _azure(url).get_container_client("backups")
    for name, content in files.items():
        container.upload_blob(name, content, overwrite=True)


def upload_to_google(url: str, files: dict[str, bytes]) -> None:
    """Put files into the bucket."""
    client = google.cloud.storage.Client(
        project="tests", credentials=google.auth.credentials.AnonymousCredentials(), client_options={"api_endpoint": url})
    for name, content in files.items():
        client.bucket("backups").blob(name).upload_from_string(content)


def _azure(url: str) -> azure.storage.blob.BlobServiceClient:
    return azure.storage.blob.BlobServiceClient(url, {"account_name": ACCOUNT, "account_key": ACCOUNT_KEY})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _running(command: list[str], port: int, directory: pathlib.Path | None = None) -> Iterator[None]:
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"{command[0]} did not start")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
