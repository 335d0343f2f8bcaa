# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The readers of the collection's own files: a dump, the journal of an interrupted export, and the records of a migration's phases."""
from __future__ import annotations

import functools
import hashlib
import json
import pathlib
import shutil
from typing import Any

import zstandard
from fuzzing.mutations import changed_bytes, changed_json
from fuzzing.reader import Reader
from fuzzing.scratch import scratch
from hypothesis import strategies as st
from synthetic_dump import write

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.journal import ExportJournal
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import (
    Manifest,
    RejectFile,
    read_catalog,
    read_manifest,
    read_roles,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.rejected_rows import (
    read_rejects,
    write_rejects,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.task_result import TaskResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.validate import validate_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.result_file import (
    PhaseRecord,
    read_record,
    write_record,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.state import read_state
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import ValidateResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.problem_rows import RejectedRow

_IDENTITY = {"source_id": "x", "end_time": [1, 0]}
_REJECTED = RejectedRow("(id = 1)", "name", "length", "the text is too long", {"id": "1", "name": {"bytes": "616263"}})
_MANIFEST, _CATALOG, _ROLES, _CHUNK, _REJECTS = "manifest.json", "shop/catalog.json", "roles.json", "shop/data/public.lines/00001.copy.zst", "rejects.zst"
_JOURNAL, _RECORD = "export.journal", "validate.json"


@functools.cache
def _dump() -> pathlib.Path:
    """A small dump, and beside it rejected rows, a journal and the record of a phase."""
    directory = scratch("dump")
    write(str(directory / "dump"), orders=20, chunk_rows=10)
    manifest = read_manifest(str(directory / "dump"))
    write_rejects(str(directory / _REJECTS), [_REJECTED] * 3)
    journal = ExportJournal(str(directory / "unfinished"), _IDENTITY)
    table = manifest.databases[0].tables[0]
    for number, chunk in enumerate(table.chunks):
        journal.add(TaskResult(f"{table.id}/{number}", table.id, chunk, chunk.rows, reasons=[("name", "length", 1)], tally={"1": 20}))
    write_record(str(directory / _RECORD), PhaseRecord(manifest.dump_id, "", "", "2026-01-01T00:00:00.000Z", result=validate_dump(str(directory / "dump"))))
    return directory


def _path(name: str) -> pathlib.Path:
    folder = {_REJECTS: "", _RECORD: "", _JOURNAL: "unfinished"}.get(name, "dump")
    return _dump() / folder / name


@functools.cache
def _original(name: str) -> bytes:
    return _path(name).read_bytes()


def _read_dump(data: bytes) -> None:
    """The case is the name of a file and its content. Where the manifest has the file's checksum, it is made right."""
    name, _newline, content = data.partition(b"\n")
    _READERS[name.decode()](content)


def _read_file_of_dump(name: str, content: bytes) -> None:
    manifest = json.loads(_original(_MANIFEST))
    if name == _CATALOG:
        manifest["databases"][0]["catalog_sha256"] = hashlib.sha256(content).hexdigest()
    if name == _CHUNK:
        chunk = next(table for table in manifest["databases"][0]["tables"] if table["name"] == "lines")["chunks"][0]
        chunk.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    _path(_MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    _path(name).write_bytes(content)
    dump = str(_dump() / "dump")
    try:
        found = read_manifest(dump)
        _use_manifest(found)
        validate_dump(dump)
        read_roles(dump)
        for entry in found.databases:
            convert_database(read_catalog(dump, entry), [], ServerFeatures(), ConvertOptions("create", policies=found.policies))
        read_state(dump, str(_dump()), [])
    finally:
        _path(name).write_bytes(_original(name))


def _use_manifest(manifest: Manifest) -> None:
    for use in (lambda: manifest.identity, lambda: manifest.export_seconds, lambda: manifest.description, lambda: manifest.without_grants):
        use()
    for entry in manifest.databases:
        for table in entry.tables:
            assert table.rejected >= 0 or table.rows or table.checksum


def _read_rejects(content: bytes) -> None:
    path = _path(_REJECTS)
    path.write_bytes(content)
    read_rejects(str(path), RejectFile(path.name, 3, len(content), hashlib.sha256(content).hexdigest()))


def _read_journal(content: bytes) -> None:
    directory = scratch("journal")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    (directory / _JOURNAL).write_bytes(content)
    journal = ExportJournal(str(directory), _IDENTITY)
    assert journal.seconds >= 0 or journal.done


def _read_record(content: bytes) -> None:
    path = _path(_RECORD)
    path.write_bytes(content)
    try:
        record = read_record(str(path), ValidateResult)
        assert record is None or record.succeeded in (True, False)
        read_state(str(_dump() / "dump"), str(_dump()), [])
    finally:
        path.write_bytes(_original(_RECORD))


_READERS = {
    _MANIFEST: lambda content: _read_file_of_dump(_MANIFEST, content), _CATALOG: lambda content: _read_file_of_dump(_CATALOG, content),
    _ROLES: lambda content: _read_file_of_dump(_ROLES, content), _CHUNK: lambda content: _read_file_of_dump(_CHUNK, content), _REJECTS: _read_rejects, _JOURNAL: _read_journal, _RECORD: _read_record,
}


@st.composite
def _cases(draw) -> bytes:
    name = draw(st.sampled_from((_MANIFEST, _MANIFEST, _CATALOG, _CATALOG, _CATALOG, _ROLES, _CHUNK, _REJECTS, _JOURNAL, _RECORD)))
    return name.encode() + b"\n" + draw(_content(name))


@functools.cache
def _content(name: str) -> st.SearchStrategy[bytes]:
    original = _original(name)
    if name == _CHUNK:
        return changed_bytes([original])
    if name == _REJECTS:
        lines = zstandard.ZstdDecompressor().decompress(original)
        return st.one_of(changed_bytes([original]), _changed_lines(lines).map(zstandard.compress))
    if name == _JOURNAL:
        return _changed_lines(original)
    return st.one_of(changed_bytes([original]), changed_json([json.loads(original)]).map(_json), changed_json([json.loads(original)]).map(_json))


@st.composite
def _changed_lines(draw, original: bytes) -> bytes:
    """JSON lines, one of which is changed."""
    lines = original.splitlines(keepends=True)
    number = draw(st.integers(0, len(lines) - 1))
    lines[number] = draw(st.one_of(changed_bytes([lines[number]]), changed_json([json.loads(lines[number])]).map(lambda value: _json(value) + b"\n")))
    return b"".join(lines)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def readers() -> list[Reader]:
    """Return the readers of this file."""
    for name in _READERS:
        _original(name)
    return [Reader("dump", _cases(), _read_dump, slow=True)]
