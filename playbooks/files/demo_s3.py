# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs a local S3 server (moto) with a sample backup in a bucket, for the demo; demo_stop.py stops it.

Prints ``changed`` or ``ok``, and the port.
"""

from __future__ import annotations

import argparse
import pathlib
import socket
import subprocess
import sys

import boto3
import botocore.exceptions
import psutil
import tenacity

SECONDS = 60


def running(pid_file: pathlib.Path) -> int:
    """Return the server's process id, 0 when it does not run."""
    try:
        pid = int(pid_file.read_text(encoding="utf-8"))
        command = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return 0
    return pid if "moto.server" in command else 0


def choose_port(wanted: int) -> int:
    """Return ``wanted``, or any free port when somebody else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(state: pathlib.Path, wanted_port: int, bucket: str, sample: pathlib.Path) -> tuple[bool, int]:
    """Start the server where it does not run and upload what is missing; return whether there was anything to do, and
    the port."""
    changed = False
    pid_file, port_file = state / "s3.pid", state / "s3.port"
    if not running(pid_file):
        port_file.write_text(str(choose_port(wanted_port)), encoding="utf-8")
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port_file.read_text(encoding="utf-8")]
        with open(state / "s3.log", "ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        pid_file.write_text(str(process.pid), encoding="utf-8")
        changed = True
    port = int(port_file.read_text(encoding="utf-8"))
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="demo",
        aws_secret_access_key="demo-secret",
        region_name="us-east-1",
    )
    wait(client, state / "s3.log")
    if bucket not in [entry["Name"] for entry in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=bucket)
        changed = True
    stored = {
        item["Key"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for item in page.get("Contents", [])
    }
    for path in sorted(sample.rglob("*")):
        key = f"shop/{path.relative_to(sample)}"
        if path.is_file() and key not in stored:
            client.upload_file(str(path), bucket, key)
            changed = True
    return changed, port


def wait(client: object, log: pathlib.Path) -> None:
    """Wait until the server answers."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(botocore.exceptions.BotoCoreError),
        stop=tenacity.stop_after_delay(SECONDS),
        wait=tenacity.wait_fixed(0.2),
    )
    try:
        attempts(client.list_buckets)
    except tenacity.RetryError:
        sys.exit(f"the S3 server does not answer, see {log}")


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=pathlib.Path, help="a directory for process id, port and log")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bucket", default="backups")
    parser.add_argument("--sample", type=pathlib.Path)
    arguments = parser.parse_args()
    changed, port = start(arguments.state, arguments.port, arguments.bucket, arguments.sample)
    print("changed" if changed else "ok", port)


if __name__ == "__main__":
    main()
