# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""An encrypted dump: nothing of the rows can be read without the key, nothing can be exchanged, and no other key is taken for it."""
from __future__ import annotations

import base64
import json
import os
import pathlib
import subprocess
import sys
import threading

import psutil
import pyrage
import pytest
import zstandard
from ansible.module_utils.testing import patch_module_args
from full_disk import small_file_system
from memory_source import ORDERS, Memory

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import (
    ChunkWriter,
    open_chunk,
    write_chunk,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.dump_key import DumpKey
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import (
    read_catalog,
    read_manifest,
    read_manifest_for_rows,
    read_roles,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.validate import validate_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.run import ExportOptions, export
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.write_dump import DumpContent, write_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import compare_dumps
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Role
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.source import TaskReading
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import secret_command
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.secret_command import secret_of_command
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import block_of_lines
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.problem_rows import Change, RejectedRow
from ansible_collections.nomos.cockroach_migrator.plugins.modules import host_check

IDENTITY = pyrage.x25519.Identity.generate()
KEY, OTHER = DumpKey(str(IDENTITY)), DumpKey(str(pyrage.x25519.Identity.generate()))
NOTE = "hush-9f1e"
"""A value of a row."""
PROBLEMS = {"101:1": TaskReading(
    [Change("note", "zero_character", "replace", 2, [f"(id = '{NOTE}')"])],
    [RejectedRow(f"(id = '{NOTE}')", "note", "zero_character", "it holds U+0000", {"id": NOTE, "note": {"bytes": "00"}})],
)}


@pytest.fixture(name="dump")
def _dump(tmp_path):
    return str(tmp_path / "dump")


def run(dump, key, source=None, parallelism=2):
    return export(source or Memory(problems=PROBLEMS, lost=1), dump, ExportOptions(chunk_rows=100, parallelism=parallelism, key=key))


def files(dump, pattern="*/data/*/*"):
    return sorted(pathlib.Path(dump).glob(pattern))


def orders(dump):
    return next(table for table in read_manifest(dump).databases[0].tables if table.name == "orders")


def text_of(dump, key):
    table = orders(dump)
    parts = []
    for chunk in table.chunks:
        with open_chunk(f"{dump}/{table.directory}/{chunk.file}", key) as reader:
            parts.append(reader.read())
            reader.verify(chunk)
    return b"".join(parts)


def test_an_encrypted_dump_holds_the_same_rows(dump, tmp_path):
    run(dump, KEY)
    plain = str(tmp_path / "plain")
    run(plain, None)
    assert text_of(dump, KEY) == text_of(plain, None) and len(text_of(dump, KEY).splitlines()) == ORDERS
    found, without = validate_dump(dump, 2, key=KEY), validate_dump(plain, 2)
    assert found.succeeded and (found.rows, found.rejected) == (without.rows, 1)
    assert not run(dump, KEY).changed


def test_nothing_of_the_rows_is_readable(dump):
    """age itself decrypts what ends in .age; what does not has no value of a row."""
    run(dump, KEY)
    encrypted = [path for path in files(dump, "**/*") if path.suffix == ".age"]
    assert {path.parent.parent.name for path in encrypted} == {"data", "rejects"} and len(encrypted) == len(files(dump)) + 1
    for path in encrypted:
        data = path.read_bytes()
        assert data.startswith(b"age-encryption.org/v1\n")
        with pytest.raises(zstandard.ZstdError):
            zstandard.ZstdDecompressor().decompress(data)
        assert zstandard.ZstdDecompressor().decompressobj().decompress(pyrage.decrypt(data, [IDENTITY]))
    for path in files(dump, "**/*"):
        assert not path.is_file() or NOTE.encode() not in path.read_bytes(), path
    message = next(finding.message for finding in read_manifest(dump).findings if finding.code == "values_replaced")
    assert "2 rows had" in message and "Their keys are not told" in message
    assert (pathlib.Path(dump) / "manifest.json").read_text(encoding="utf-8").count("AGE-SECRET-KEY") == 0


@pytest.mark.parametrize(("made_with", "given", "message"), [
    (KEY, None, rf"is encrypted for {KEY.recipient}: set dump_encryption_key"), (KEY, OTHER, rf"is encrypted for {KEY.recipient}, and dump_encryption_key is the key of {OTHER.recipient}"),
    (None, KEY, "is not encrypted, but dump_encryption_key is set"),
], ids=["missing", "wrong", "given for a plain dump"])
def test_another_key_is_refused_before_anything_is_done(made_with, given, message, dump):
    run(dump, made_with)
    before = {path: path.read_bytes() for path in files(dump, "**/*") if path.is_file()}
    untouched = Memory()
    for action in (lambda: validate_dump(dump, key=given), lambda: run(dump, given, untouched)):
        with pytest.raises(ConfigurationError, match=message) as raised:
            action()
        assert "SECRET" not in str(raised.value)
    assert untouched.asked == [] and before == {path: path.read_bytes() for path in files(dump, "**/*") if path.is_file()}


@pytest.mark.parametrize(("begun_with", "given"), [(KEY, None), (KEY, OTHER), (None, KEY)])
def test_an_interrupted_export_goes_on_with_its_own_key_only(begun_with, given, dump):
    with pytest.raises(KeyError):
        run(dump, begun_with, Memory(fails={"101:4": KeyError("broken off")}), parallelism=1)
    journal = pathlib.Path(dump) / "export.journal"
    before = journal.read_bytes()
    assert (b"101:1" in before) == (begun_with is None)
    with pytest.raises(ConfigurationError, match="dump_encryption_key"):
        run(dump, given, Memory())
    assert journal.read_bytes() == before
    finished = {f"101:{chunk}" for chunk in (1, 2, 3)}
    run(dump, begun_with, Memory(fails={key: KeyError("read again") for key in finished}))
    assert validate_dump(dump, key=begun_with).succeeded


def test_a_line_of_the_journal_that_cannot_be_decrypted_is_exported_again(dump):
    with pytest.raises(KeyError):
        run(dump, KEY, Memory(fails={"101:4": KeyError("broken off")}), parallelism=1)
    journal = pathlib.Path(dump) / "export.journal"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join([*lines[:2], lines[2].replace('"encrypted": "', '"encrypted": "QUJD'), *lines[3:]]), encoding="utf-8")
    result = run(dump, KEY, Memory())
    assert "1 finished chunks count" in result.warnings[0] and validate_dump(dump, key=KEY).succeeded


def test_a_line_of_the_journal_that_somebody_without_the_key_has_written(dump):
    """Anybody can encrypt for the public half, which the journal names."""
    with pytest.raises(KeyError):
        run(dump, KEY, Memory(fails={"101:4": KeyError("broken off")}), parallelism=1)
    journal = pathlib.Path(dump) / "export.journal"
    identity, *lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    first = json.loads(lines[0])
    result = pyrage.decrypt(base64.b64decode(first["encrypted"]), [IDENTITY])
    forged = base64.b64encode(pyrage.encrypt(result.replace(b'"rows": ', b'"rows": 1'), [pyrage.x25519.Recipient.from_str(KEY.recipient)])).decode()
    journal.write_text("".join([identity, json.dumps({**first, "encrypted": forged}) + "\n", *lines[1:]]), encoding="utf-8")
    result = run(dump, KEY, Memory())
    assert "0 finished chunks count" in result.warnings[0] and validate_dump(dump, key=KEY).succeeded


def test_the_same_rows_have_the_same_id(dump, tmp_path):
    """So that a target goes on with them although no byte of the files is the same."""
    run(dump, KEY)
    for number, key in enumerate((KEY, OTHER)):
        again = str(tmp_path / str(number))
        run(again, key)
        assert read_manifest(again).dump_id == read_manifest(dump).dump_id
        assert [path.read_bytes() for path in files(again)] != [path.read_bytes() for path in files(dump)]


def test_dumps_are_compared_without_a_key(dump, tmp_path):
    run(dump, KEY)
    for number, key in enumerate((OTHER, None)):
        other = str(tmp_path / str(number))
        run(other, key)
        assert compare_dumps(dump, other).equal


SEGMENT = 65536 + 16


def long_chunk(path, key=KEY):
    """Write a chunk of several of age's segments, which zstd does not make smaller."""
    with ChunkWriter(str(path), key) as writer:
        for _block in range(4):
            writer.write(block_of_lines([os.urandom(50_000).hex()]))
    return writer.chunk


def exchanged(data: bytes) -> bytes:
    header = len(data) - len(data.partition(b"\n--- ")[2].partition(b"\n")[2]) + 16
    first, second, rest = data[header:header + SEGMENT], data[header + SEGMENT:header + 2 * SEGMENT], data[header + 2 * SEGMENT:]
    assert rest
    return data[:header] + second + first + rest


def cut(data: bytes) -> bytes:
    """Behind a whole segment."""
    header = len(data) - len(data.partition(b"\n--- ")[2].partition(b"\n")[2]) + 16
    return data[:header + 2 * SEGMENT]


@pytest.mark.parametrize("change", [
    lambda data: data[:-1], lambda data: data[:100_000], cut, exchanged, lambda data: data + b"\0", lambda data: data[:70_000] + bytes([data[70_000] ^ 1]) + data[70_001:],
    lambda data: OTHER.encrypt(KEY.decrypt(data)), KEY.decrypt, lambda data: b"",
], ids=["last byte", "cut", "cut behind a segment", "segments exchanged", "longer", "bit", "other key", "not encrypted", "empty"])
def test_a_changed_file_is_noticed_by_the_key_alone(change, tmp_path):
    """Before its SHA-256 is compared, which whoever changes a file may change, too."""
    path = tmp_path / "00001.copy.zst.age"
    long_chunk(path)
    path.write_bytes(change(path.read_bytes()))
    with open_chunk(str(path), KEY) as reader:
        with pytest.raises(MigrationError, match=f"{path} is damaged .*make the dump again"):
            while reader.read(1000):
                pass
        assert reader.damage


def test_chunks_that_are_exchanged(dump):
    """Each is whole, and the manifest is made to agree: only its signature does not."""
    run(dump, KEY)
    first, second, *_others = [path for path in files(dump) if "orders" in str(path)]
    first_data, second_data = first.read_bytes(), second.read_bytes()
    first.write_bytes(second_data)
    second.write_bytes(first_data)
    assert "SHA-256 differs" in "; ".join(validate_dump(dump, key=KEY).problems)
    manifest = pathlib.Path(dump) / "manifest.json"
    value = json.loads(manifest.read_text(encoding="utf-8"))
    table = next(table for table in value["databases"][0]["tables"] if table["name"] == "orders")
    chunks = table["chunks"]
    for name in ("rows", "bytes", "text_bytes", "sha256", "checksum"):
        chunks[0][name], chunks[1][name] = chunks[1][name], chunks[0][name]
    manifest.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(MigrationError, match=r"manifest\.json was changed after the dump was made"):
        validate_dump(dump, key=KEY)


@pytest.mark.parametrize(("change", "message"), [
    (lambda value: value["encryption"].update(signature=OTHER.sign("manifest", b"")), "was changed"), (lambda value: value.update(findings=[]), "was changed"),
    (lambda value: value.pop("encryption"), "has the format version 2"), (lambda value: value.update(format_version=1), "has the format version 1"),
    (lambda value: (value.pop("encryption"), value.update(format_version=1)), "is not encrypted, but"), (lambda value: value["encryption"].pop("recipient"), "recipient"),
])
def test_a_manifest_that_was_changed(change, message, dump):
    run(dump, KEY)
    path = pathlib.Path(dump) / "manifest.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(MigrationError, match=message):
        read_manifest_for_rows(dump, KEY)


@pytest.mark.parametrize("name", ["roles.json", "shop/catalog.json"])
def test_schema_and_roles_that_were_changed(name, dump):
    run(dump, KEY)
    path = pathlib.Path(dump) / name
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(MigrationError, match=f"{name} was changed after the dump was made"):
        manifest = read_manifest_for_rows(dump, KEY)
        read_catalog(dump, manifest.databases[0])


def test_the_roles_passwords_are_encrypted(tmp_path):
    dump = tmp_path / "dump"
    dump.mkdir()
    roles = [Role("app", login=True, password_hash=f"SCRAM-SHA-256$4096:{NOTE}")]
    write_dump(str(dump), DumpContent({"kind": "test"}, [], roles, []), keep_passwords=True, key=KEY)
    assert (dump / "roles.secret.json.age").exists() and not (dump / "roles.secret.json").exists()
    assert not any(NOTE.encode() in path.read_bytes() for path in dump.iterdir())
    assert read_roles(str(dump), KEY)[0].password_hash.endswith(NOTE) and not read_roles(str(dump))[0].password_hash


@pytest.mark.parametrize("exchange", [
    lambda path: path.write_bytes(pyrage.encrypt(b'{"app": "SCRAM-SHA-256$4096:mine"}', [pyrage.x25519.Recipient.from_str(KEY.recipient)])),
    lambda path: path.unlink(), lambda path: (path.unlink(), path.symlink_to("/nowhere")),
], ids=["another password", "none", "a link to nowhere"])
def test_password_verifiers_that_somebody_without_the_key_has_exchanged(exchange, tmp_path):
    """Anybody can encrypt for the public half, which the manifest names."""
    content = DumpContent({"kind": "test"}, [], [Role("app", login=True, password_hash="SCRAM-SHA-256$4096:right")], [])
    write_dump(str(tmp_path), content, keep_passwords=True, key=KEY)
    assert read_manifest_for_rows(str(tmp_path), KEY)
    exchange(tmp_path / "roles.secret.json.age")
    with pytest.raises(MigrationError, match=r"roles\.secret\.json\.age"):
        read_manifest_for_rows(str(tmp_path), KEY)
    write_dump(str(tmp_path), content, key=KEY)
    assert read_manifest_for_rows(str(tmp_path), KEY)
    (tmp_path / "roles.secret.json.age").write_bytes(KEY.encrypt(b"{}"))
    with pytest.raises(MigrationError, match="was changed after the dump was made"):
        read_manifest_for_rows(str(tmp_path), KEY)


def test_reading_may_stop_anywhere_and_leaves_no_thread(tmp_path):
    chunk = long_chunk(tmp_path / "chunk")
    before = threading.active_count()
    for size in (0, 10, 100_000):
        with open_chunk(str(tmp_path / "chunk"), KEY) as reader:
            reader.read(size)
    with open_chunk(str(tmp_path / "chunk"), KEY) as reader:
        reader.verify(chunk)
    assert threading.active_count() == before


def test_writing_may_stop_anywhere_and_leaves_nothing(tmp_path):
    before = threading.active_count()
    with pytest.raises(KeyError), ChunkWriter(str(tmp_path / "chunk"), KEY) as writer:
        writer.write(block_of_lines([os.urandom(100_000).hex()]))
        raise KeyError
    assert not list(tmp_path.iterdir()) and threading.active_count() == before


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_a_full_disk_is_said_with_a_key_as_without(key, tmp_path):
    lines = [os.urandom(50_000).hex() for _number in range(20)]
    with small_file_system(tmp_path / "small") as directory, pytest.raises(ConfigurationError, match="no room for the dump"), \
            write_chunk(str(directory / "chunk"), "shop.public.orders", key) as writer:
        for line in lines:
            writer.write(block_of_lines([line]))


@pytest.mark.parametrize("text", ["", "AGE-SECRET-KEY-1QQQQ", str(IDENTITY)[:-1], f"{IDENTITY}\n{IDENTITY}", KEY.recipient, "passphrase with words", "# only a comment", "AGE-SECRET-KEY-PQ-1QQ"],
                         ids=["nothing", "short", "cut", "two", "public half", "passphrase", "comment", "post-quantum"])
def test_what_is_no_key_is_not_shown(text):
    with pytest.raises(ConfigurationError, match="is none of age: it has to be one line AGE-SECRET-KEY-1") as raised:
        DumpKey(text)
    assert not text or text not in str(raised.value) and str(IDENTITY)[20:40] not in str(raised.value)


def test_the_file_of_age_keygen_is_a_key():
    text = f"# created: 2026-11-29T03:40:00Z\n# public key: {KEY.recipient}\n{IDENTITY}\n"
    assert DumpKey(text).recipient == KEY.recipient
    assert repr(DumpKey(text)) == f"DumpKey({KEY.recipient})" and DumpKey(text).secrets() == {str(IDENTITY)}


def command(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_a_key_that_a_command_prints():
    assert DumpKey(secret_of_command("an_option", command(f"print('{IDENTITY}')"))).recipient == KEY.recipient


@pytest.mark.parametrize(("given", "message"), [
    (["/nowhere/pass"], "an_option: /nowhere/pass cannot be run: No such file or directory"), (command("import sys; print('hush'); sys.exit('hush')"), "ended with code 1: run it as .* to see why"),
    (command(""), "prints nothing"), (command("import sys; sys.stdout.buffer.write(b'\\xff')"), "prints no text"), (["echo hush"], "echo hush cannot be run"),
    (["yes", "hush"], "yes prints more than 64 KiB"), (["printf", "hu\0sh"], "no command can have a NUL"),
])
def test_a_command_that_prints_no_key(given, message):
    with pytest.raises(ConfigurationError, match=message) as raised:
        secret_of_command("an_option", given)
    assert given == ["echo hush"] or "hush" not in str(raised.value)


@pytest.mark.parametrize("program", ["sleep 1000", "echo hush; sleep 1000 & wait"], ids=["itself", "what it has started"])
def test_a_command_that_does_not_end_is_ended(program, monkeypatch, tmp_path):
    monkeypatch.setattr(secret_command, "_SECONDS", 2)
    with pytest.raises(ConfigurationError, match="sh has not ended after 2 seconds"):
        secret_of_command("an_option", ["sh", "-c", f"echo $$ > {tmp_path}/pid; {program}"])
    group = (tmp_path / "pid").read_text(encoding="utf-8").strip()
    running = [process for process in psutil.process_iter() if process.status() != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == int(group)]
    assert not running


def test_it_is_loaded_by_hand_as_the_read_me_says(dump, tmp_path):
    """age's own program is not at hand here: one of pyrage's in its place, with the same arguments."""
    run(dump, KEY)
    (tmp_path / "bin").mkdir()
    programs = {
        "age": "import sys, pyrage\n_age, how, whose, key, path = sys.argv\nassert (how, whose) == ('--decrypt', '--identity')\n"
               "sys.stdout.buffer.write(pyrage.decrypt(open(path, 'rb').read(), [pyrage.x25519.Identity.from_str(open(key).read())]))\n",
        "zstd": "import sys, zstandard\nassert sys.argv[1:] == ['-dc']\ndata = sys.stdin.buffer.read()\n"
                "sys.stdout.buffer.write(zstandard.ZstdDecompressor().decompressobj().decompress(data)) if data else sys.exit(1)\n",
    }
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    script = (pathlib.Path(dump) / "shop" / "data.sql").read_text(encoding="utf-8")
    line = next(line for line in script.splitlines() if '"orders"' in line)
    shell = line.partition("from program '")[2][:-1]
    readme = (pathlib.Path(dump) / "README.txt").read_text(encoding="utf-8")
    assert "export DUMP_KEY_FILE=" in readme and 'age --decrypt --identity "$DUMP_KEY_FILE" <file> | zstd -dc' in readme
    (tmp_path / "key").write_text(str(IDENTITY), encoding="utf-8")

    def load():
        environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "DUMP_KEY_FILE": str(tmp_path / "key")}
        return subprocess.run(["sh", "-c", shell], cwd=dump, env=environment, capture_output=True, check=False)

    assert load().stdout == text_of(dump, KEY)
    (tmp_path / "key").write_text(str(pyrage.x25519.Identity.generate()), encoding="utf-8")
    assert load().returncode != 0


@pytest.mark.parametrize(("begun_with", "given", "message"), [
    (KEY, {}, "is encrypted for age1"), (KEY, {"dump_encryption_key": "AGE"}, "is none of age"), (None, {"dump_encryption_key": str(IDENTITY)}, "is not encrypted, but"),
    (KEY, {"dump_encryption_key_command": ["false"]}, "dump_encryption_key_command: false ended with code 1"), (KEY, {"dump_encryption_key": str(IDENTITY)}, ""), (None, {}, ""),
    (KEY, {"dump_encryption_key_command": ["echo", str(IDENTITY)]}, ""), (KEY, {"require_dump_key": False}, ""),
])
def test_the_first_check_of_a_migration_knows_the_key(begun_with, given, message, dump, capsys):
    """Also the key of an export that was interrupted, and of the directory that is the default."""
    with pytest.raises(KeyError):
        run(dump, begun_with, Memory(fails={"101:4": KeyError("broken off")}), parallelism=1)
    options = {"directory": os.path.dirname(dump), "dump_dir": "dump", "require_dump_key": True, **given}
    with patch_module_args(options), pytest.raises(SystemExit):
        host_check.main()
    found = json.loads(capsys.readouterr().out)
    assert message in found.get("msg", "") and bool(found.get("failed")) == bool(message) and str(IDENTITY) not in json.dumps(found.get("msg"))
