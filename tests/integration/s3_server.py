# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A real S3 server on loopback (s3rver, installed by ``make test``) that refuses unknown keys."""
from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import botocore.config

ACCESS_KEY = SECRET_KEY = "S3RVER"
PROGRAM = pathlib.Path(__file__).resolve().parent.parent.parent / ".cache" / "node" / "node_modules" / ".bin" / "s3rver"


@dataclass
class S3Server:
    """A running server with one bucket, ``backups``."""

    url: str

    def client(self):
        """Return a boto3 client for it."""
        return boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name="us-east-1",
            config=botocore.config.Config(s3={"addressing_style": "path"}),
        )

    def upload(self, directory: pathlib.Path, prefix: str) -> str:
        """Put a directory's files under ``prefix``; return the location for ``s3_backup_path``."""
        client = self.client()
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                client.upload_file(str(path), "backups", f"{prefix}/{path.relative_to(directory)}")
        return f"s3://backups/{prefix}"


def installed() -> bool:
    """Tell whether the server can be started here."""
    return PROGRAM.exists() and shutil.which("node") is not None


@contextlib.contextmanager
def running(directory: pathlib.Path) -> Iterator[S3Server]:
    """Start the server with its data in ``directory`` and stop it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["node", "--openssl-legacy-provider", str(PROGRAM), "-d", str(directory), "-a", "127.0.0.1", "-p", str(port), "--configure-bucket", "backups"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            deadline = time.monotonic() + 30
            while "listening" not in process.stdout.readline():
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError("the S3 server did not start")
            yield S3Server(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
