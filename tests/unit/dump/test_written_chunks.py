# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A chunk is read again as soon as it is written: what the disk did not keep ends the export, and the validation after it reads only the other chunks."""
from __future__ import annotations

import json
import pathlib

import pytest
from exporting import export_backup

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump import validate
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import ChunkWriter
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.stored_sizes import RowSize
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.written_chunks import (
    WrittenChunks,
    check_written,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export import workers
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import LineBlock


@pytest.fixture(name="request_of_shop")
def _request_of_shop(fixtures_dir) -> BackupRequest:
    return BackupRequest(locations=(f"file://{fixtures_dir}/backups/shop",))


def flip(path: str) -> None:
    """Change a byte in the middle of a file."""
    data = bytearray(pathlib.Path(path).read_bytes())
    data[len(data) // 2] ^= 1
    pathlib.Path(path).write_bytes(data)


def test_what_the_disk_did_not_keep_ends_the_export_and_is_written_again_by_the_next(request_of_shop, tmp_path, monkeypatch):
    ends = ChunkWriter.__exit__

    def damage(writer: ChunkWriter, *error: object) -> None:
        ends(writer, *error)
        if "orders" in writer.path:
            flip(writer.path)

    with monkeypatch.context() as patched:
        patched.setattr(ChunkWriter, "__exit__", damage)
        with pytest.raises(MigrationError, match="orders.*is damaged|orders.*is not what the manifest says"):
            export_backup(request_of_shop, tmp_path / "dump")
    assert not (tmp_path / "dump" / "manifest.json").exists()
    export_backup(request_of_shop, tmp_path / "dump")
    assert validate.validate_dump(str(tmp_path / "dump")).succeeded


def test_a_chunk_counts_once_it_is_on_disk(request_of_shop, tmp_path, monkeypatch):
    """The disk fails for one table: what it has is not in the journal, and the next run writes it."""

    def fail(paths: list[str]) -> None:
        if any("orders" in path for path in paths):
            raise MigrationError("the disk failed")

    with monkeypatch.context() as patched:
        patched.setattr(workers, "sync_files", fail)
        with pytest.raises(MigrationError, match="the disk failed"):
            export_backup(request_of_shop, tmp_path / "dump")
    journalled = {json.loads(line).get("table_id") for line in (tmp_path / "dump" / "export.journal").read_text(encoding="utf-8").splitlines()}
    export_backup(request_of_shop, tmp_path / "dump")
    tables = {table.name: table.id for table in read_manifest(str(tmp_path / "dump")).databases[0].tables}
    assert tables["orders"] not in journalled and validate.validate_dump(str(tmp_path / "dump")).succeeded


def test_a_validation_after_an_export_says_the_same_and_reads_no_chunk_again(request_of_shop, tmp_path, monkeypatch):
    written, dump = WrittenChunks(), str(tmp_path / "dump")
    result = export_backup(request_of_shop, dump, written=written)
    assert len(written.files) == result.chunks
    whole = validate.validate_dump(dump)
    monkeypatch.setattr(validate, "open_chunk", None)
    short = validate.validate_dump(dump, written=written)
    assert (short.succeeded, short.rows, short.chunks, short.bytes, short.findings) == (True, whole.rows, whole.chunks, whole.bytes, whole.findings)


def test_chunks_of_an_interrupted_export_are_read_by_the_validation(request_of_shop, tmp_path, monkeypatch):
    dump = tmp_path / "dump"
    with monkeypatch.context() as patched:
        patched.setattr("ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.run.write_dump", lambda *_arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export_backup(request_of_shop, dump)
    flip(str(next(dump.rglob("*.zst"))))
    written = WrittenChunks()
    export_backup(request_of_shop, dump, written=written)
    assert not written.files
    assert len(validate.validate_dump(str(dump), written=written).problems) == 1


def test_number_and_length_of_the_rows_and_the_file_are_compared(tmp_path):
    path = str(tmp_path / "1.zst")
    with ChunkWriter(path) as writer:
        writer.write(LineBlock(b"1\ta\n2\tb\n", 2))
    measured = [RowSize(FullName("table", "d", "public", "t"), (), 2)]
    assert check_written(path, writer.chunk, ()) == {} and list(check_written(path, writer.chunk, measured)) == [measured[0].name]
    for wanted in ((), measured):
        for change, message in (({"rows": 3}, "does not hold what was written"), ({"text_bytes": 7}, "does not hold what was written"), ({"sha256": "0" * 64}, "SHA-256")):
            with pytest.raises(MigrationError, match=message):
                check_written(path, type(writer.chunk)(**{**vars(writer.chunk), **change}), wanted)
