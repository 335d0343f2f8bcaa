# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Host, log, results, libraries, PostgreSQL's programs."""
from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import synthetic_dump

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.journal import ExportJournal
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.task_result import TaskResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration import result_file, state
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.files import (
    ReportRequest,
    WrittenReport,
    write_report,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.report_facts import (
    build_report,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.start_over import (
    StartedOver,
    start_over,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.finding_codes import FindingCode
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.findings import Finding
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import (
    DatabaseVerification,
    ImportResult,
    TableVerification,
    VerifyResult,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server import postgres_binaries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target import ledger
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.location import libraries_for
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.host import check_host
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.json_file import read_json, write_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.progress import Progress, RestoreProgress

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
MODULES = "ansible_collections.nomos.cockroach_migrator.plugins.modules"


def test_missing_library_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(libraries.importlib.util, "find_spec", lambda name: None if name in ("psycopg2", "google_crc32c", "sqlglot") else object())
    with pytest.raises(ConfigurationError) as caught:
        libraries.require(libraries.LOAD + libraries.READ_BACKUP)
    assert f"{sys.executable} -m pip install google-crc32c psycopg2-binary 'sqlglot>=30.30,<31')" in str(caught.value)
    assert "requirements.txt" in str(caught.value) and "ansible_python_interpreter" in str(caught.value)


@pytest.mark.parametrize("version", ["30.29.9", "31.0.0", "31.0.dev3", "100.30.0", "of an unknown version"])
def test_a_version_of_sqlglot_that_was_not_tried_is_refused(monkeypatch, version):
    def installed(name):
        if version[0].isdigit():
            return version
        raise libraries.importlib.metadata.PackageNotFoundError(name)
    monkeypatch.setattr(libraries.importlib.metadata, "version", installed)
    with pytest.raises(ConfigurationError, match=re.escape(f"sqlglot {version} is installed") + ".*tested with sqlglot>=30.30,<31 only; install that"):
        libraries.require(libraries.WRITE_DUMP)
    libraries.require(libraries.READ_BACKUP)  # which reads no SQL


def test_the_version_of_sqlglot_that_is_asked_for_is_taken(monkeypatch):
    asked = re.search(r"^sqlglot(.*)$", (CHECKOUT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert asked[1] == ">=30.30,<31"
    for version in ("30.30.0", "30.100.1"):
        monkeypatch.setattr(libraries.importlib.metadata, "version", lambda _name, version=version: version)
        libraries.require(libraries.LOAD)


@pytest.mark.parametrize(("location", "library"), [
    ("s3://b/p", "boto3"), ("gs://b/p", "google.cloud.storage"), ("azure-blob://c/p", "azure.storage.blob"), ("azure://c/p", "azure.identity"), ("https://h/p", "requests")])
def test_a_providers_library_is_needed_where_a_location_is_there(location, library):
    assert library in libraries_for(["file:///b", location]) and library not in libraries_for(["file:///b"])


def test_a_library_below_a_package_that_is_missing_is_missing(monkeypatch):
    monkeypatch.setitem(libraries.PACKAGES, "no_such_package.part", "no-such-package")
    assert libraries.missing(["no_such_package.part"]) == ["no-such-package"]


@pytest.mark.parametrize("module", ["backup_info", "backup_export", "cockroach_restore"])
def test_no_providers_library_is_imported_before_it_is_needed(module):
    code = f"import sys, {MODULES}.{module}; print([name for name in ('boto3', 'botocore', 'azure', 'google.cloud', 'requests') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_log_lines(tmp_path):
    path = tmp_path / "migration.log"
    log = MigrationLog(str(path), "phase")
    log.write("one\nline")
    log.progress(Progress(1, 2))
    log.progress(Progress(2, 2))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["phase: one line", "phase: done 1, total 2"]
    assert path.stat().st_mode & 0o777 == 0o600
    MigrationLog("", "phase").write("nothing")


@pytest.mark.parametrize("progress, line", [
    (Progress(1, 4, 0), "done 1, total 4, rows 0"),
    (Progress(0, 4, 12, "validate"), "phase validate, done 0, total 4, rows 12"),
    (Progress(3, 4, 12, "load", "shop"), "phase load, database shop, done 3, total 4, rows 12"),
    (Progress(4, 4, phase="index", database="shop"), "phase index, database shop, done 4, total 4"),
    (RestoreProgress(7, 0), "restore job 7, percent 0"),
])
def test_progress_in_the_log(tmp_path, progress, line):
    path = tmp_path / "migration.log"
    MigrationLog(str(path), "import").progress(progress)
    assert path.read_text(encoding="utf-8").split(" ", 1)[1] == f"import: {line}\n"


def test_host_without_room(tmp_path):
    with pytest.raises(ConfigurationError, match="no room for the dump"):
        check_host(str(tmp_path / "new" / "deep"), 1 << 60)
    assert not (tmp_path / "new").exists()
    assert check_host(str(tmp_path), 1).free_bytes > 1


def test_host_with_a_directory_that_others_may_write_to(tmp_path):
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(ConfigurationError, match="others may write"):
        check_host(str(directory), 0)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="not a directory"):
        check_host(str(tmp_path / "link"), 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_host_with_somebody_elses_directory(tmp_path):
    directory = tmp_path / "theirs"
    directory.mkdir()
    os.chown(directory, 65534, 65534)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        check_host(str(directory), 0)


def verification(directory, orders: int = 600, content: str = "all", without: str = "") -> VerifyResult:
    """A verification of the test's dump that found so many rows of orders, and did not look at the table ``without``."""
    tables = {
        table.full_name: TableVerification(
            table.rows, orders if table.name == "orders" else table.rows, table.checksum, table.checksum, rejected=0, rejected_found=0, seconds=0.1,
        )
        for table in read_manifest(str(directory / "dump")).databases[0].tables if table.name != without
    }
    return VerifyResult({"shop": DatabaseVerification(tables if content != "schema" else {}, 1, [])}, 0.1, content)


def keep(directory, phase: str, result, **fields) -> None:
    """Keep a result of a phase with the dump of the test in the target t:5432."""
    made = {"dump_id": read_manifest(str(directory / "dump")).dump_id, "target": "t:5432", "run": "", "finished_at": result_file.utc_now(), **fields}
    result_file.write_record(state.result_path(str(directory), phase, made["target"]), result_file.PhaseRecord(result=result, **made))


@pytest.fixture(name="kept")
def _kept(tmp_path):
    """A directory with a dump of the database shop, and what its last verification said."""
    synthetic_dump.write(str(tmp_path / "dump"), "shop")

    def proved(*targets: str) -> bool:
        return state.verified_dump(str(tmp_path / "dump"), str(tmp_path), list(targets or ["t:5432"])) != ""

    return tmp_path, proved


def test_only_the_last_verification_of_every_target_counts(kept):
    directory, proved = kept
    assert not proved()
    keep(directory, "target_verify", verification(directory))
    assert proved() and not proved("t:5432", "other:5432") and state.verified_dump(str(directory / "dump"), str(directory), []) == ""
    keep(directory, "target_verify", verification(directory, orders=599))
    assert not proved()
    keep(directory, "target_verify", verification(directory))
    assert proved()
    keep(directory, "target_verify", None, failure="the target cannot be reached")
    assert not proved()
    keep(directory, "target_verify", verification(directory, content="schema"))
    assert not proved()
    keep(directory, "target_verify", verification(directory), dump_id="another")
    assert not proved()


def test_a_verification_of_a_part_proves_no_dump(kept):
    directory, proved = kept
    keep(directory, "target_verify", VerifyResult({}, 0.1, "all"))
    assert not proved()
    keep(directory, "target_verify", verification(directory, without="orders"))
    assert not proved()


def test_an_import_that_came_after_the_verification_undoes_it(kept):
    directory, proved = kept
    keep(directory, "target_verify", verification(directory))
    assert proved()
    keep(directory, "target_import", None, failure="the import was begun and has not ended", finished_at="2999-01-01T00:00:00.000Z")
    assert not proved()


def test_what_was_missing_at_the_rehearsal_is_no_finding_of_the_loaded_target(kept):
    directory, _proved = kept

    def imported(*roles: str) -> ImportResult:
        return ImportResult(True, {}, [Finding.of(FindingCode.ROLE_MISSING, FullName("role", name=role)) for role in roles], 0.1, "all")

    def found() -> list[str]:
        manifest = read_manifest(str(directory / "dump"))
        records = {phase: result_file.read_record(state.result_path(str(directory), phase, "t:5432"), ImportResult) for phase in ("rehearsal_import", "target_import")}
        return [finding.object for finding in build_report(manifest, {phase: record for phase, record in records.items() if record}, "t:5432", "", "").findings]

    keep(directory, "rehearsal_import", imported("app", "reader"))
    assert found() == ["app", "reader"]
    keep(directory, "target_import", None, failure="the import was begun and has not ended")
    assert found() == ["app", "reader"]
    keep(directory, "target_import", imported("reader"))
    assert found() == ["reader"]
    keep(directory, "target_import", imported())
    assert found() == []


def test_results_of_another_release_are_not_believed(kept):
    directory, proved = kept
    dump_id = read_manifest(str(directory / "dump")).dump_id
    path = state.result_path(str(directory), "target_verify", "t:5432")
    old = {"ok": True, "databases": {}, "seconds": 0.1, "changed": False, "dump_id": dump_id, "target": "t:5432"}
    keep(directory, "target_verify", verification(directory))
    good = json.loads((directory / "target_verify@t:5432.json").read_text(encoding="utf-8"))
    assert proved()
    for value in (dict(good, form=1), dict(good, form=99), {key: good[key] for key in good if key != "form"}, old, dict(old, ok=False), dict(old, form=result_file.FORM), dict(old, form=99), [], {"form": result_file.FORM, "result": {"nonsense": 1}}):
        write_json(path, value)
        assert not proved()
        assert not state.read_state(str(directory / "dump"), str(directory), ["t:5432"]).done["target_verify"]


def test_a_report_says_who_has_verified_and_what_differs(kept):
    directory, _proved = kept
    manifest = read_manifest(str(directory / "dump"))

    def verdict(run: str, failure: str = "") -> str:
        return build_report(manifest, state.current_records(str(directory), manifest, "t:5432"), "t:5432", failure, run).verdict

    assert verdict("now").startswith("EXPORTED")
    keep(directory, "target_verify", verification(directory), run="now", finished_at="2026-01-02T03:04:05.000Z")
    assert verdict("now").startswith("VERIFIED: t:5432 holds all of 7 tables")
    assert verdict("later").startswith("VERIFIED (at 2026-01-02T03:04:05.000Z, by the run now, not by this one): ")
    assert verdict("").startswith("VERIFIED (at 2026-01-02T03:04:05.000Z, by the run now, not by this one): ")
    assert verdict("later", "no room") == "FAILED: no room"
    keep(directory, "target_verify", verification(directory, orders=599), run="now", finished_at="2026-01-02T03:04:05.000Z")
    differs = "DIFFERENT: t:5432 does not hold what the dump holds: shop.public.orders has 599 rows instead of 600"
    assert verdict("now", "told already") == differs
    assert verdict("later") == f"{differs} (at 2026-01-02T03:04:05.000Z, by the run now, not by this one)"
    assert verdict("later", "no room") == "FAILED: no room"


def test_a_report_that_would_say_the_same_is_not_written_again(kept):
    """The rehearsal of an earlier run and other times make no other report; another verdict does."""
    directory, _proved = kept

    def write(run: str) -> bool:
        request = ReportRequest(str(directory / "dump"), str(directory), str(directory / "report"), "t:5432", run=run)
        return write_report(request, check=False).changed

    keep(directory, "rehearsal_verify", verification(directory), run="first", target="")
    keep(directory, "target_verify", verification(directory), run="first")
    assert write("first")
    keep(directory, "target_verify", dataclasses.replace(verification(directory), seconds=7.5), run="second")
    assert not write("second")
    keep(directory, "target_verify", verification(directory, orders=599), run="third")
    assert write("third")


def test_the_difference_of_a_report_is_that_of_its_text(kept):
    directory, _proved = kept

    def write(run: str, check: bool) -> WrittenReport:
        request = ReportRequest(str(directory / "dump"), str(directory), str(directory / "report"), "t:5432", run=run)
        return write_report(request, check=check, diff=True)

    keep(directory, "target_verify", verification(directory), run="first")
    (planned,), made = write("first", check=True).diff, write("first", check=False)
    text = (directory / "report" / "validation_report.txt").read_text(encoding="utf-8")
    assert (planned["before"], planned["after"].splitlines()[0]) == ("", text.splitlines()[0])
    assert [(item["before"], item["after"], item["after_header"]) for item in made.diff] == [("", text, made.report)]
    assert write("first", check=False).diff == []
    keep(directory, "target_verify", verification(directory, orders=599), run="first")
    (differs,) = write("first", check=False).diff
    assert differs["before"] == text and "DIFFERENT" in differs["after"]


def test_starting_over(kept):
    """A dump that has its rows is renamed; one whose rows were removed, or that was never whole, is removed; anything else is refused."""
    directory, _proved = kept
    dump, results = directory / "dump", directory / "state"
    whole = sorted(path.name for path in dump.iterdir())
    results.mkdir()
    assert start_over(str(dump), str(results), "m", check=True) == StartedOver(True, f"{dump}-m") and dump.exists() and results.exists()
    assert start_over(str(dump), str(results), "m", check=False) == StartedOver(True, f"{dump}-m") and not dump.exists() and not results.exists()
    assert sorted(path.name for path in (directory / "dump-m").iterdir()) == whole
    assert start_over(str(dump), str(results), "n", check=False) == StartedOver(False, "")
    synthetic_dump.write(str(dump), "shop")
    (dump / "rows_removed").touch()
    assert start_over(str(dump), str(results), "n", check=False) == StartedOver(True, "") and not dump.exists()
    dump.mkdir()
    (dump / "precious").touch()
    with pytest.raises(ConfigurationError, match="holds other files"):
        start_over(str(dump), str(results), "n", check=False)
    (dump / "export.journal").touch()
    with pytest.raises(ConfigurationError, match="holds other files"):
        start_over(str(dump), str(results), "n", check=False)
    (dump / "precious").unlink()
    assert start_over(str(dump), str(results), "n", check=False).kept == "" and not dump.exists()
    synthetic_dump.write(str(dump), "shop")
    (dump / "manifest.json").write_text("damaged", encoding="utf-8")
    with pytest.raises(MigrationError, match="start_over: true"):
        read_manifest(str(dump))
    assert start_over(str(dump), str(results), "d", check=False).kept == f"{dump}-d" and not dump.exists()


def test_times_of_attempts_add_up():
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)

    def entry(seconds: float, before: float = 0.0) -> ledger.Entry:
        return ledger.Entry(0, before, begin + datetime.timedelta(seconds=seconds))

    done = {
        ("attempt", "all 1"): entry(0, before=0.5), ("chunk", "a"): entry(4), ("attempt", "all 2"): entry(1000), ("chunk", "b"): entry(1003), ("import", "complete"): entry(1005),
    }
    assert ledger.seconds_of_attempts(done, "all") == 9.5 and ledger.seconds_of_attempts(done, "data") == 0
    assert ledger.next_attempt(done, "all", 0.5) == ledger.Done(("attempt", "all 3"), 0, 0.5) and ledger.next_attempt(done, "data", 0).key == ("attempt", "data 1")


def test_the_time_of_an_export_goes_on_where_it_was_broken_off(tmp_path):
    directory = tmp_path / "dump"
    directory.mkdir()
    journal = ExportJournal(str(directory), {"of": "this"})
    journal.add(TaskResult("one", 101))
    lines = (directory / "export.journal").read_text(encoding="utf-8").splitlines()
    slow = {**json.loads(lines[1]), "seconds_so_far": 100.0}
    (directory / "export.journal").write_text("\n".join([lines[0], json.dumps(slow), ""]), encoding="utf-8")
    again = ExportJournal(str(directory), {"of": "this"})
    assert set(again.done) == {"one"} and 100 <= again.seconds < 110


def test_damaged_result(tmp_path):
    path = tmp_path / "verify.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(MigrationError, match=r"verify\.json"):
        read_json(str(path))


def test_programs_of_a_version_that_cannot_be_had(tmp_path):
    with pytest.raises(ConfigurationError, match="no PostgreSQL 9 on this host"):
        postgres_binaries.provide(postgres_binaries.Wanted("9.6", str(tmp_path), download=True), False)
    with pytest.raises(ConfigurationError, match="allow the download"):
        postgres_binaries.provide(postgres_binaries.Wanted("16", str(tmp_path), download=False), False)


def test_programs_in_check_mode_download_nothing(tmp_path):
    result = postgres_binaries.provide(postgres_binaries.Wanted("16.1", str(tmp_path / "cache"), download=True), True)
    assert (result.changed, result.bin_dir) == (True, "") and not (tmp_path / "cache").exists()


def test_programs_of_the_installed_package(tmp_path):
    result = postgres_binaries.provide(postgres_binaries.Wanted("17.0", str(tmp_path / "cache"), download=False), False)
    assert result.version.startswith("17.") and os.path.exists(os.path.join(result.bin_dir, "initdb"))
