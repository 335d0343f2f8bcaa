# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Findings: one registry of codes, names part by part, old dumps, and the report that groups them."""
from __future__ import annotations

import ast
import json
import pathlib

import pytest
import synthetic_dump

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.full_names import rename_findings
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.report import report_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.report_facts import (
    build_report,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.report_text import render_text
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Function,
    Sequence,
    SqlType,
    Table,
    UserType,
    View,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog_names import full_name
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.finding_codes import (
    SEVERITIES,
    Action,
    FindingCode,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.findings import Finding, read_findings
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.json_form import to_json

PLUGINS = pathlib.Path(__file__).resolve().parents[3] / "plugins"
OF_EARLIER_RELEASES = {FindingCode.BACKUP_SIZES_MISSING, FindingCode.ROW_LEVEL_SECURITY}
"""No longer made, but dumps of earlier releases hold them."""
ORDERS = FullName("table", "shop", "public", "orders")


def _trees():
    for path in sorted(PLUGINS.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("code", FindingCode, ids=str)
def test_each_code_says_what_it_means_and_what_to_do(code):
    assert code == code.name.lower() == f"{code}"
    assert code.severities and set(code.severities) <= set(SEVERITIES)
    assert code.meaning[0].isupper() or code.meaning.startswith(("unique_rowid()", "upper()"))
    assert code.meaning.endswith((".", ".)")) and "|" not in code.meaning + code.what_to_do
    assert (code.what_to_do == "") == (code.action is Action.NOTHING)
    assert not code.what_to_do or code.what_to_do.endswith(".")


def test_the_registry_is_grouped_by_action_and_sorted():
    actions = list(Action)
    assert [code.value for code in FindingCode] == [
        code.value for code in sorted(FindingCode, key=lambda code: (actions.index(code.action), code.value))]


def test_every_registered_code_is_made_somewhere():
    made = {node.attr for path, tree in _trees() if path.name != "finding_codes.py" for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "FindingCode"}
    assert {code.name for code in FindingCode} - made == {code.name for code in OF_EARLIER_RELEASES}


def test_findings_are_made_in_one_way():
    """By Finding.of, whose code mypy checks; what is read from a file goes through json_form."""
    direct = [f"{path.relative_to(PLUGINS)}:{node.lineno}" for path, tree in _trees() for node in ast.walk(tree)
              if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding"]
    assert direct == []


def test_a_code_outside_the_registry_cannot_be_made():
    with pytest.raises(TypeError, match="'made_up' is not a registered finding code"):
        Finding("made_up", "info", "shop", "something")
    with pytest.raises(ValueError, match="view_left_out has no severity info"):
        Finding.of(FindingCode.VIEW_LEFT_OUT, ORDERS, severity="info")


def test_message_advice_and_severity_are_those_of_the_code_unless_given():
    code = FindingCode.INDEX_LEFT_OUT
    about = ORDERS.part("index", "orders_n_idx")
    assert Finding.of(code, about) == Finding.of(code, about, code.meaning, code.what_to_do, "warning")
    assert to_json(Finding.of(code, about, "It is omitted.", "Create it.", "error")) == {
        "code": "index_left_out", "severity": "error", "object": "shop.public.orders.orders_n_idx", "message": "It is omitted.", "advice": "Create it.",
        "kind": "index", "database": "shop", "schema": "public", "table": "orders", "name": "orders_n_idx"}


@pytest.mark.parametrize("item, name, text", [
    (Table(1, "orders", 29), ORDERS, "shop.public.orders"),
    (View(1, "open", 29, "SELECT 1"), FullName("view", "shop", "public", "open"), "shop.public.open"),
    (Sequence(1, "numbers", 29), FullName("sequence", "shop", "public", name="numbers"), "shop.public.numbers"),
    (UserType(1, "mood", 29), FullName("type", "shop", "public", name="mood"), "shop.public.mood"),
    (UserType(1, "email", 29, "domain", base=SqlType("string")), FullName("domain", "shop", "public", name="email"), "shop.public.email"),
    (Function(1, "f", 29), FullName("function", "shop", "public", name="f"), "shop.public.f"),
])
def test_full_names(item, name, text):
    assert full_name(item, "shop", "public") == name and str(name) == text
    part = name.part("constraint", "c")
    assert (part.table, part.name, str(part)) == (item.name, "c", f"{text}.c")
    column = name.column_named("x")
    assert (column.kind, column.table, column.column, column.name, str(column)) == ("column", item.name, "x", "", f"{text}.x")


def test_renaming_follows_the_parts_of_the_name():
    renamed = {"shop": "store", "shop.public": "store.sales", "shop.public.orders": "store.sales.Bestellungen"}
    names = [ORDERS.part("index", "i"), FullName("sequence", "shop", "public", name="orders"), FullName("view", "shop", "public", "open"),
             FullName("schema", "shop", "public"), FullName("database", "shop"), FullName("role", name="shop"), FullName("table", "crm", "public", "orders")]
    found = rename_findings([Finding.of(FindingCode.NAME_CUT, name) for name in names], renamed)
    assert [finding.object for finding in found] == [
        "store.sales.Bestellungen.i", "store.sales.Bestellungen", "store.sales.open", "store.sales", "store", "shop", "crm.public.orders"]
    assert (found[0].database, found[0].schema, found[0].table, found[0].name) == ("store", "sales", "Bestellungen", "i")


@pytest.fixture(name="manifest")
def _manifest(tmp_path):
    """A function that gives the manifest of a dump with these findings, as JSON values."""
    dump = synthetic_dump.write(str(tmp_path / "dump"), "shop")
    path = pathlib.Path(dump, "manifest.json")

    def with_findings(*findings: dict):
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "findings": list(findings)}), encoding="utf-8")
        return read_manifest(dump)

    return with_findings


def test_dumps_of_earlier_releases_are_read(manifest):
    """They have neither the parts of the name nor, here, the severity of today."""
    old = {"code": "view_left_out", "severity": "warning", "object": "shop.public.open", "message": "The view is left out."}
    found = manifest(old, {**old, "code": "row_level_security"}).findings
    assert (found[0].object, found[0].database, str(found[0].full_name)) == ("shop.public.open", "", "shop.public.open")
    text = render_text(build_report(manifest(old), {}, "t:5432", "", ""))
    assert "\n  shop.public.open\n    [warning] shop.public.open (view_left_out)\n      The view is left out." in text


def test_a_dump_with_an_unknown_code_is_refused(manifest):
    with pytest.raises(MigrationError, match="manifest.json.*made_up|manifest.json.*code"):
        manifest({"code": "made_up", "severity": "info", "object": "shop", "message": "something"})


def test_findings_that_a_module_is_given():
    given = [Finding.of(FindingCode.CLUSTER_NOT_RESTORED, FullName("backup", name="s3://b/f"))]
    assert list(read_findings(to_json(given))) == given
    for wrong in ({"code": "made_up", "severity": "info", "object": "b", "message": "m"}, {"code": "view_left_out"}, "text"):
        with pytest.raises(ConfigurationError, match="^findings: "):
            read_findings([wrong])


def test_the_report_groups_by_what_is_to_do_and_by_table(manifest):
    findings = [
        Finding.of(FindingCode.COLUMN_FAMILIES, ORDERS),
        Finding.of(FindingCode.INDEX_LEFT_OUT, ORDERS.part("index", "b")),
        Finding.of(FindingCode.CHECK_LEFT_OUT, ORDERS.part("constraint", "positive")),
        Finding.of(FindingCode.VIEW_LEFT_OUT, FullName("view", "shop", "public", "open")),
        Finding.of(FindingCode.ROLE_MISSING, FullName("role", name="app")),
        Finding.of(FindingCode.DEFAULT_PRIVILEGES, FullName("schema", "shop", "public")),
    ]
    report = build_report(manifest(*to_json(findings)), {}, "t:5432", "", "")
    shown = report_json(report)["findings"]
    assert [finding["severity"] for finding in shown] == ["error"] * 2 + ["warning"] * 3 + ["info"]
    assert {finding["code"]: finding["action"] for finding in shown}["role_missing"] == "grant"
    text = render_text(report)
    assert text.split("Findings: ")[1].splitlines()[0] == "2 error (an object or a row is missing), 3 warning (something differs), 1 info (nothing is lost)"
    headings = [line for line in text.split("Findings: ")[1].splitlines()[1:] if line and not line.startswith("      ")]
    assert headings == [
        "Create by hand what was omitted (3)",
        "  shop.public.open", "    [error] shop.public.open (view_left_out)",
        "  shop.public.orders", "    [error] shop.public.orders.positive (check_left_out)", "    [warning] shop.public.orders.b (index_left_out)",
        "Set roles, owners, privileges and settings (2)",
        "  app", "    [warning] app (role_missing)",
        "  shop.public", "    [warning] shop.public (default_privileges)",
        "Nothing has to be done (1)",
        "  shop.public.orders", "    [info] shop.public.orders (column_families)",
    ]
    assert "      What to do: Write it by hand." in text
