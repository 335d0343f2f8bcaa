# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a dump's JSON files hold is read with every type checked, and written as earlier releases wrote it."""
from __future__ import annotations

import json
import pathlib
from dataclasses import replace

import pytest
import synthetic_dump

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import (
    read_catalog,
    read_manifest,
    read_roles,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.task_result import TaskResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.validate import validate_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.write_dump import DumpContent, write_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Function,
    Index,
    Parameter,
    Policy,
    Role,
    SqlType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.finding_codes import FindingCode
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.findings import Finding
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.json_form import from_json, to_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.json_file import (
    json_text,
    read_json,
)


@pytest.mark.parametrize("kind, value, expected", [
    (Column, {"id": "1", "name": "a", "type": {"family": "int"}}, r"expected int @ \$\.id"),
    (Column, {"id": True, "name": "a", "type": {"family": "int"}}, r"expected int @ \$\.id"),
    (Column, {"id": 1, "name": None, "type": {"family": "int"}}, r"expected str @ \$\.name"),
    (Column, {"id": 1, "name": "a", "type": {"family": "int", "element": {"family": 7}}}, r"expected str @ \$\.type\.element\.family"),
    (Column, {"id": 1, "name": "a"}, r"required field missing @ \$\.type"),
    (Column, {"id": 1, "name": "a", "type": {"family": "int"}, "colour": "red"}, r"extra fields found \(colour\)"),
    (Column, {"id": 1, "name": "a", "type": {"family": "int"}, "uses_sequence_ids": "12"}, r"uses_sequence_ids"),
    (Index, {"id": 1, "name": "i", "interleave_ancestors": [[1, 2]]}, r"interleave_ancestors\[0\]"),
    (Column, [], "list"),
    (list[Role], {"name": "a"}, "dict"),
    (dict[str, str], ["a"], "list"),
    (TaskResult, {"key": "1/1/a-b", "chunk": 7}, r"expected Chunk @ \$\.chunk"),
])
def test_what_does_not_fit_is_named_with_its_place(kind, value, expected):
    with pytest.raises(ValueError, match=expected):
        from_json(kind, value)


def test_there_and_back():
    column = Column(1, "a", SqlType("array", 1007, element=SqlType("decimal", 1700, 2, 12)), uses_sequence_ids=[7])
    index = Index(1, "i", interleave_ancestors=[(1, 2, 3)])
    assert from_json(Column, to_json(column)) == column and from_json(Index, json.loads(json.dumps(to_json(index)))) == index
    assert to_json(column) == {
        "id": 1, "name": "a", "uses_sequence_ids": [7],
        "type": {"family": "array", "oid": 1007, "element": {"family": "decimal", "oid": 1700, "width": 2, "precision": 12}},
    }


def test_codes_of_findings_are_texts():
    finding = Finding.of(FindingCode.STATISTICS, FullName("table", "shop", "public", "orders"))
    value = to_json(finding)
    assert type(value["code"]) is str and from_json(Finding, value) == finding
    with pytest.raises(ValueError, match=r"expected FindingCode @ \$\.code"):
        from_json(Finding, {**value, "code": "of_a_later_release"})


def test_secrets_are_not_written():
    assert to_json([Role("admin", password_hash="SCRAM-SHA-256$4096:c2FsdA==$a:b")]) == [{"name": "admin"}]


def test_a_dump_of_1_3_0_is_read_and_would_be_written_with_the_same_id(fixtures_dir, tmp_path):
    old = str(fixtures_dir / "dumps" / "boxes-1.3.0")
    assert validate_dump(old).succeeded
    manifest = read_manifest(old)
    databases = [(read_catalog(old, entry), entry.tables) for entry in manifest.databases]
    write_dump(str(tmp_path), DumpContent(manifest.source, databases, read_roles(old), manifest.findings))
    for name in ("roles.json", "boxes/catalog.json"):
        assert (tmp_path / name).read_bytes() == pathlib.Path(old, name).read_bytes(), name
    # Since 1.7.0 the manifest also says which extensions are needed.
    written = replace(read_manifest(str(tmp_path)), schema_needs=None)
    assert json_text(to_json(written)) == pathlib.Path(old, "manifest.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name, damage, expected", [
    ("manifest.json", lambda value: value["databases"][0]["tables"][0].update(id="x"), r"manifest\.json is not a manifest .*\$\.databases\[0\]\.tables\[0\]\.id"),
    ("manifest.json", lambda value: value.update(later=1), r"extra fields found \(later\).*make the dump again"),
    ("manifest.json", lambda value: value.pop("dump_id"), r"required field missing @ \$\.dump_id"),
    ("roles.json", lambda value: value.append({"login": True}), r"roles\.json is damaged .*required field missing @ \$\[0\]\.name.*make the dump again"),
    ("roles.secret.json", lambda value: value.update(admin=None), r"roles\.secret\.json is damaged .*admin"),
])
def test_a_damaged_file_of_a_dump_is_refused(tmp_path, name, damage, expected):
    dump = pathlib.Path(synthetic_dump.write(str(tmp_path / "dump")))
    (dump / "roles.secret.json").write_text("{}", encoding="utf-8")
    value = json.loads((dump / name).read_text(encoding="utf-8"))
    damage(value)
    (dump / name).write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(MigrationError, match=expected):
        read_manifest(str(dump))
        read_roles(str(dump))


@pytest.mark.parametrize("name", ["manifest.json", "roles.json"])
def test_a_file_nested_too_deep_is_refused(tmp_path, name):
    dump = pathlib.Path(synthetic_dump.write(str(tmp_path / "dump")))
    (dump / name).write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(MigrationError, match=f"{name} is damaged .*make the dump again"):
        read_manifest(str(dump))
        read_roles(str(dump))


@pytest.mark.parametrize("text", ["[" * 200_000, "{", "\udcff"])
def test_a_damaged_result_file_is_refused(tmp_path, text):
    (tmp_path / "result.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(MigrationError, match="cannot read the result file .*: remove it and run again"):
        read_json(str(tmp_path / "result.json"))


def test_parameters_and_policies_are_written_as_every_release_wrote_them():
    """With all their fields: the id of a dump depends on it."""
    kind = {
        "family": "int", "oid": 20, "width": 64, "precision": None, "locale": "", "element": None, "user_type_id": 0, "fields": [], "field_names": [],
        "interval_fields": "", "geo_shape": "", "srid": 0, "domain_id": 0,
    }
    parameter = {"mode": "IN", "name": "n", "type": kind, "default": ""}
    policy = {"name": "own", "type": "PERMISSIVE", "command": "ALL", "roles": ["public"], "using": "", "with_check": ""}
    for form, value, made in ((Parameter, parameter, Parameter("IN", "n", SqlType("int", 20, 64))), (Policy, policy, Policy("own"))):
        assert list(to_json(made).items()) == list(value.items()) and from_json(form, value) == made
    assert to_json(Function(1, "f", 2, [Parameter("IN", "n", SqlType("int", 20, 64))]))["parameters"] == [parameter]
