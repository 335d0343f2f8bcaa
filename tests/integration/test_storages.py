# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""One backup in every kind of storage, under the locations that CockroachDB takes: the same dump, and one clear line where it cannot be read."""
from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import types
from urllib.parse import quote

import download_server
import faulty_server
import pytest
import storage_emulators as emulators
from building import SECOND, message, row_key, unsigned, value, version, write_layer
from cockroach_nodes import BINARY, node
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from exporting import export_backup
from moto.core.authorization import enable_iam_authentication
from psycopg2 import sql
from storage_places import SECRET, Place, googles_own, start_place
from tls_authority import Authority

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    ConfigurationError,
    CorruptBackupError,
    MigrationError,
    UnsupportedError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import compare_dumps
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage import retries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

OPTIONS = StorageOptions()
FULL = "2021/04/07-141126.52"
BASE = 1600000000 * SECOND
TABLE = (unsigned(60) + unsigned(1), unsigned(60) + unsigned(2))


@pytest.fixture(name="places", scope="module")
def _places(tmp_path_factory):
    """Starts what stands in for a kind of storage when a test first asks for it."""
    started = {}
    with contextlib.ExitStack() as stack:

        def start(kind: str) -> Place:
            if kind not in started:
                started[kind] = start_place(kind, stack, tmp_path_factory)
            return started[kind]

        yield start


@pytest.fixture(autouse=True)
def _no_login(monkeypatch, tmp_path):
    """No login of the machine that runs the tests, and no proxy."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CLIENT_ID", "AZURE_STORAGE_KEY", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture(name="place", params=["s3", "gs", "azure-blob", "http", "file"])
def _place(request, places, monkeypatch):
    place = places(request.param)
    for name in place.environment:
        monkeypatch.setenv(name, place.url)
    return place


def only(kinds: str):
    """Decorate a test of some kinds of storage."""
    return pytest.mark.parametrize("place", kinds.split(), indirect=True)


@pytest.fixture(name="waits")
def _waits(monkeypatch):
    """The waits, which are not made."""
    seconds: list[float] = []
    monkeypatch.setattr(retries, "GIVING_UP", types.SimpleNamespace(wait=seconds.append, is_set=lambda: False))
    return seconds


@pytest.fixture(name="types_dump", scope="module")
def _types_dump(fixtures_dir, tmp_path_factory):
    dump = tmp_path_factory.mktemp("expected") / "dump"
    export_backup(BackupRequest((str(fixtures_dir / "backups" / "types"),)), dump)
    return dump


def files_below(directory, prefix: str) -> dict[str, bytes]:
    return {f"{prefix}/{path.relative_to(directory)}": path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def layer(folder, start, end, identifier, text, *fields, **named):
    points = [(row_key(60, 1, identifier), version(BASE + end * SECOND, 0), value(text))]
    write_layer(folder, (BASE + start * SECOND, 0) if start else None, (BASE + end * SECOND, 0), [("data/1.sst", TABLE, points, {}, named.get("more", ()))], *fields)


def read(*given):
    batches = open_backup(BackupRequest(tuple(map(str, given)))).scan(b"\x80", b"\xfd", {})
    return {key[2] - 0x88: content[5:].decode() for keys, values in batches for key, content in zip(keys, values)}


def one_line(raised) -> str:
    """Return a message, which is one line without a secret."""
    text = str(raised.value)
    assert "\n" not in text and SECRET not in text and quote(SECRET) not in text and emulators.ACCOUNT_KEY not in text and "ya29" not in text
    return text


def test_the_same_dump(place, fixtures_dir, tmp_path, types_dump):
    """The prefix has what is encoded in a URI; the parent has read the manifest when the workers are forked."""
    prefix = "night ly#1/100%"
    place.put(files_below(fixtures_dir / "backups" / "types", prefix))
    export_backup(BackupRequest((place.location(prefix),)), tmp_path / "dump")
    assert compare_dumps(str(types_dump), str(tmp_path / "dump")).differences == []
    [named] = read_manifest(str(tmp_path / "dump")).source["locations"]
    assert named.endswith(f"/backups/{prefix}") and "?" not in named
    findings = {finding.code for finding in read_manifest(str(tmp_path / "dump")).findings}
    assert ("backup_increments_unknown" in findings) == named.startswith("http:")


def test_ranges(place):
    content = bytes(range(256)) * 400
    place.put({"ranges/a/file": content, "ranges/empty": b""})
    storage = open_storage(place.location("ranges"), OPTIONS)
    assert storage.read("a/file") == content
    assert storage.read_range("a/file", 90, 20) == content[90:110]
    assert storage.read_range("a/file", len(content) - 3, 20) == content[-3:]
    assert storage.read_range("a/file", len(content), 20) == b""
    assert storage.read_start("a/file", 30) == (content[:30], len(content))
    assert storage.read_start("a/file", 1 << 20) == (content, len(content))
    assert storage.read_end("empty", 300) == (b"", 0)
    assert storage.read_start("empty", 300) == (b"", 0)
    assert storage.read_end("a/file", 30) == (content[-30:], len(content))
    assert storage.size("a/file") == len(content)
    assert storage.exists("empty") and not storage.exists("a") and not storage.exists("other")
    for read in (storage.read, storage.size, lambda path: storage.read_start(path, 5), lambda path: storage.read_range(path, 1, 5)):
        with pytest.raises(CorruptBackupError, match="ranges/other is missing"):
            read("other")
    if storage.can_list:
        assert storage.list() == ["a/", "empty"] and storage.list("a") == ["file"] and storage.list("other") == []
    else:
        with pytest.raises(UnsupportedError, match="cannot be listed over HTTP"):
            storage.list()
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        fresh = open_storage(place.location("ranges"), OPTIONS)
        assert list(threads.map(lambda at: fresh.read_range("a/file", at, 1000), range(0, 1000, 50))) == [content[at:at + 1000] for at in range(0, 1000, 50)]


@only("s3 gs azure-blob http")
def test_each_process_makes_connections_of_its_own(place):
    """What two processes send on one connection gets mixed up."""
    place.put({"fork/file": b"0123456789"})
    storage = open_storage(place.location("fork"), OPTIONS)
    assert storage.read("file") == b"0123456789"
    inherited = storage.bucket
    assert storage.bucket is inherited
    child = os.fork()
    if not child:
        os._exit(0 if storage.read("file") == b"0123456789" and storage.bucket is not inherited else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert storage.bucket is inherited


def test_layers_and_localities_in_several_places(place, tmp_path):
    """A full backup in a directory and its incremental layers in the place, and the other way round; http names each layer."""
    folders = {"full": FULL, "second": f"{FULL}/20210408/141127.00", "east": FULL}
    layer(tmp_path / "full" / FULL, None, 10, 1, "one", (19, b"BACKUP_PART_1_region_east"), (20, b"region=east"), more=((9, b"region=east"),))
    layer(tmp_path / "second" / folders["second"], 10, 20, 2, "zwei")
    (tmp_path / "east" / FULL).mkdir(parents=True)
    (tmp_path / "full" / FULL / "data").rename(tmp_path / "east" / FULL / "data")
    (tmp_path / "east" / FULL / "BACKUP_PART_1_region_east").write_bytes(message((1, b"region=east"), (3, b"backup".ljust(16, b"0"))))
    prefix, over_http = f"layers-{tmp_path.name}", place.base.startswith("http")
    for name in folders:
        place.put(files_below(tmp_path / name, f"{prefix}/{name}"))
    directories = [tmp_path / name / (folder if over_http else "") for name, folder in folders.items()]
    locations = [place.location(f"{prefix}/{name}/{folder if over_http else ''}", f"{place.parameters}&COCKROACH_LOCALITY=region%3D{name}" if "?" in place.parameters else "")
                 for name, folder in folders.items()]
    for given in (locations, [directories[0], *locations[1:]], [locations[0], *directories[1:]]):
        assert read(*given) == {1: "one", 2: "zwei"}


@only("s3 gs azure-blob file")
def test_the_folder_of_a_full_backup_as_the_location(place, tmp_path):
    """Its increments lie beside it in the collection, and are read too."""
    layer(tmp_path / FULL, None, 10, 1, "one")
    layer(tmp_path / "incrementals" / FULL / "20210408" / "141127.00", 10, 20, 2, "zwei")
    place.put(files_below(tmp_path, f"beside-{tmp_path.name}"))
    assert read(place.location(f"beside-{tmp_path.name}/{FULL}")) == {1: "one", 2: "zwei"}


@only("s3 gs azure-blob file")
def test_a_bucket_that_is_not_there(place):
    with pytest.raises(ConfigurationError, match="no such (bucket|container)|no directory") as raised:
        open_backup(BackupRequest((place.location("x", bucket="nowhere-at-all"),)))
    assert "nowhere-at-all" in one_line(raised)


def test_a_path_without_a_backup(place):
    place.put({"other/file": b"x"})
    with pytest.raises(ConfigurationError, match="no backup in .*/other.* looked for BACKUP_METADATA") as raised:
        open_backup(BackupRequest((place.location("other"),)))
    one_line(raised)


@only("s3 azure-blob")
def test_wrong_credentials(place):
    with enable_iam_authentication(), pytest.raises(ConfigurationError, match="access key is not known|the login is refused|access is denied") as raised:
        open_backup(BackupRequest((place.location("x", place.wrong),)))
    assert "/backups/x" in one_line(raised) and str(raised.value).endswith(("(InvalidAccessKeyId)", "(AuthorizationFailure)"))


@pytest.mark.parametrize(("location", "advice"), [
    ("gs://backups/x", "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS"), ("gs://backups/x?AUTH=specified", "AUTH=specified needs CREDENTIALS"),
    (f"gs://backups/x?CREDENTIALS={SECRET}", "CREDENTIALS is no service account's key"), ("azure-blob://backups/x", "names no account: add AZURE_ACCOUNT_NAME"),
    ("azure-blob://backups/x?AZURE_ACCOUNT_NAME=n&AUTH=specified", "AUTH=specified needs AZURE_ACCOUNT_KEY"),
    ("azure-blob://backups/x?AZURE_ACCOUNT_NAME=n&AZURE_CLIENT_ID=i", "belong together: some are missing"),
    (f"azure-blob://backups/x?AZURE_ACCOUNT_NAME=n&AZURE_ACCOUNT_KEY={SECRET}&AUTH=implicit", "give only one"),
    (f"azure-blob://backups/x?AZURE_ACCOUNT_NAME=n&AZURE_ACCOUNT_KEY={SECRET[:-2]}", "the account's key is not in base64"),
    ("azure-blob://backups/x?AZURE_ACCOUNT_NAME=n&AZURE_ENVIRONMENT=Mars", "AZURE_ENVIRONMENT=Mars is not known"),
    (f"s3://backups/x?AWS_SECRET_ACCESS_KEY={SECRET}", "belong together"), (f"s3://backups/x?AUTH=none&AWS_SECRET_ACCESS_KEY={SECRET}", "AUTH=none is not known"),
    ("s3://backups/x?AWS_USE_PATH_STYLE=maybe", "AWS_USE_PATH_STYLE has to be true or false"),
])
def test_an_access_that_cannot_be(location, advice, monkeypatch):
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_SAS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match=advice) as raised:
        open_storage(location, OPTIONS).list()
    assert location.partition("?")[0].rpartition("/")[0] in one_line(raised)


@pytest.mark.parametrize(("scheme", "said"), [("nodelocal", "lives inside the cluster; copy the backup to a directory"), ("userfile", "lives inside the cluster"), ("external", "only the cluster knows")])
def test_places_inside_a_cluster(scheme, said):
    with pytest.raises(UnsupportedError, match=said) as raised:
        open_storage(f"{scheme}://1/x?a={SECRET}", OPTIONS)
    one_line(raised)


def refused(status: int) -> faulty_server.Answer:
    return faulty_server.refusal(status, "", retry_after="1")


@only("s3 gs azure-blob http")
def test_refusals_are_waited_for(place, waits, tmp_path, monkeypatch):
    """The second request of each file is refused, the third is broken off."""
    place.put({"refused/file": b"0123456789"})
    with faulty_server.running(place.url) as proxy:
        proxy.uncounted = googles_own
        for name in place.environment:
            monkeypatch.setenv(name, proxy.url)
        log = tmp_path / "migration.log"
        storage = open_storage(place.location("refused", url=proxy.url), StorageOptions(log_file=str(log)))
        proxy.fault = lambda request: refused(503) if request.number in (1, 2) else faulty_server.stopping(request) if request.number == 3 else None
        assert storage.read("file") == b"0123456789"
        proxy.fault = lambda request: refused(404)
        with pytest.raises(CorruptBackupError, match="file is missing"):
            storage.read("file")
        proxy.fault = lambda request: refused(403)
        asked = len(proxy.requests)
        with pytest.raises(ConfigurationError, match="access is denied|the login is refused"):
            storage.read("file")
        assert len(proxy.requests) == asked + 1
        proxy.fault = lambda request: refused(503)
        with pytest.raises(MigrationError, match="answers 503"):
            storage.read("file")
    # Azure's library asks for the rest of an answer that broke off by itself.
    broken = 0 if place.base.startswith("azure") else 1
    assert waits[:2] == [1.0, 1.0] and len(waits) == 2 + broken + 7
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(waits) and all("refused/file" in line and "the next one in" in line for line in lines)
    assert "answers 503" in lines[0] and ("cannot be reached or broke the connection" in lines[2]) == bool(broken)
    assert emulators.ACCOUNT_KEY not in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("location", [
    "gs://backups/x?BEARER_TOKEN=t", f"azure-blob://backups/x?AZURE_ACCOUNT_NAME=n&AZURE_ACCOUNT_KEY={SECRET}", "http://127.0.0.1:1/x",
    f"s3://backups/x?AWS_ENDPOINT=http%3A%2F%2F127.0.0.1%3A1&AWS_ACCESS_KEY_ID=a&AWS_SECRET_ACCESS_KEY={SECRET}"])
def test_an_address_where_nobody_answers_is_told_soon(location, waits, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("AZURE_STORAGE_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(MigrationError, match="cannot be reached or broke the connection: check") as raised:
        open_storage(location, OPTIONS).read("file")
    one_line(raised)
    assert len(waits) == 2


@only("azure-blob")
@pytest.mark.parametrize("login", ["connection string", "key", "signature"])
def test_azures_own_environment(place, login, monkeypatch):
    import datetime

    import azure.storage.blob

    place.put({"environment/file": b"x"})
    if login == "connection string":
        monkeypatch.delenv("AZURE_STORAGE_SERVICE_ENDPOINT")
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"DefaultEndpointsProtocol=http;AccountName={emulators.ACCOUNT};AccountKey={emulators.ACCOUNT_KEY};BlobEndpoint={place.url};")
    elif login == "key":
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", emulators.ACCOUNT)
        monkeypatch.setenv("AZURE_STORAGE_KEY", emulators.ACCOUNT_KEY)
    else:
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azure.storage.blob.generate_container_sas(
            emulators.ACCOUNT, "backups", emulators.ACCOUNT_KEY, permission=azure.storage.blob.ContainerSasPermissions(read=True, list=True), expiry=end))
    for scheme in ("azure-blob", "azure", "azure-storage"):
        assert open_storage(f"{scheme}://backups/environment", OPTIONS).list() == ["file"]


def test_the_machines_own_identity_at_azure(web, tmp_path, monkeypatch):
    """As Azure's services give it to what runs on them (IDENTITY_ENDPOINT); Azurite takes no tokens without HTTPS, so that a server of this test takes this one."""
    authority = Authority(tmp_path, "authority")
    certificate, key = (pathlib.Path(path).read_text(encoding="utf-8") for path in authority.sign("server", ("localhost",)))
    (tmp_path / "both.pem").write_text(certificate + key)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.certificate)
    web.files["/token"] = json.dumps({"access_token": "ya29.machine", "expires_on": "32503680000", "resource": "https://storage.azure.com", "token_type": "Bearer"}).encode()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{web.url}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    with download_server.serving(str(tmp_path / "both.pem")) as server:
        server.ranges = True
        server.files["/backups/x/file"] = b"0123456789"
        monkeypatch.setenv("AZURE_STORAGE_SERVICE_ENDPOINT", server.url.replace("127.0.0.1", "localhost"))
        assert open_storage("azure-blob://backups/x?AUTH=implicit&AZURE_ACCOUNT_NAME=n", OPTIONS).read_range("file", 2, 3) == b"234"
        assert server.seen[-1][1]["Authorization"] == "Bearer ya29.machine"


@pytest.fixture(name="google_key", scope="module")
def _google_key():
    """The key of a service account whose tokens come from a server of this test."""
    private = rsa.generate_private_key(65537, 2048).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    with download_server.serving() as tokens:
        tokens.files["/token"] = json.dumps({"access_token": "ya29.made", "expires_in": 3600, "token_type": "Bearer"}).encode()
        yield types.SimpleNamespace(tokens=tokens, text=json.dumps({
            "type": "service_account", "client_email": "reader@project.iam.gserviceaccount.com", "private_key": private, "private_key_id": "1", "token_uri": f"{tokens.url}/token"}))


@only("gs")
@pytest.mark.parametrize("given", ["location", "environment"])
def test_the_key_of_a_google_service_account(place, given, google_key, monkeypatch, tmp_path, waits):
    place.put({"account/file": b"x"})
    if given == "location":
        parameters = f"?AUTH=specified&CREDENTIALS={quote(base64.b64encode(google_key.text.encode()).decode(), safe='')}"
    else:
        (tmp_path / "key.json").write_text(google_key.text)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        parameters = "?AUTH=implicit"
    with faulty_server.running(place.url) as proxy:
        proxy.uncounted = googles_own
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        assert open_storage(place.location("account", f"{parameters}&GOOGLE_BILLING_PROJECT=payer"), OPTIONS).list() == ["file"]
        [request] = proxy.requests
        assert request.headers["authorization"] == "Bearer ya29.made" and "userProject=payer" in request.path
        google_key.tokens.failures["/token"] = [400] * 9
        with pytest.raises(ConfigurationError, match="the login to Google Cloud fails: check the credentials") as raised:
            open_storage(place.location("account", parameters), OPTIONS).list()
        assert "PRIVATE" not in one_line(raised)
        google_key.tokens.failures.clear()


@pytest.fixture(name="web")
def _web():
    with download_server.serving() as server:
        server.ranges = True
        yield server


def test_http_is_asked_as_the_location_says(web):
    web.files["/b/x"] = b"0123"
    location = web.url.replace("http://", "http://user:w%40rd@") + "/b?sig=" + quote(SECRET) + "&COCKROACH_LOCALITY=region%3Deast"
    storage = open_storage(location, OPTIONS)
    assert storage.read("x") == b"0123" and storage.describe("x") == f"{web.url}/b/x"
    assert web.seen[-1][1]["Authorization"] == f"Basic {base64.b64encode(b'user:w@rd').decode()}"
    web.failures["/b/x"] = [401]
    with pytest.raises(ConfigurationError, match="access is denied: check the user and password") as raised:
        storage.read("x")
    assert "w@rd" not in one_line(raised) and "w%40rd" not in str(raised.value)


def test_an_endpoint_that_is_no_s3_server(web, waits):
    location = f"s3://backups/x?AWS_ENDPOINT={quote(web.url, safe='')}&AWS_ACCESS_KEY_ID=a&AWS_SECRET_ACCESS_KEY={SECRET}"
    web.files["/backups"] = b"<!doctype html><title>Welcome</title>"
    web.failures["/backups"] = [500] * 9
    with pytest.raises(MigrationError, match="is not S3's: check s3_endpoint_url|answers 500") as raised:
        open_storage(location, OPTIONS).list()
    one_line(raised)


def test_an_s3_endpoint_that_redirects_everything(web):
    web.redirects.update(dict.fromkeys(("/backups", "/backups/x/file"), "https://127.0.0.1:1/"))
    location = f"s3://backups/x?AWS_ENDPOINT={quote(web.url, safe='')}&AWS_ACCESS_KEY_ID=a&AWS_SECRET_ACCESS_KEY={SECRET}"
    with pytest.raises(ConfigurationError, match="redirects every request: check s3_endpoint_url") as raised:
        open_storage(location, OPTIONS).read("file")
    one_line(raised)


def test_an_azure_endpoint_that_is_something_else(web, monkeypatch):
    web.ranges, web.files["/acc/backups/x/file"] = False, b"<html>"
    monkeypatch.setenv("AZURE_STORAGE_SERVICE_ENDPOINT", f"{web.url}/acc")
    with pytest.raises(ConfigurationError, match="the answer is not Azure Blob Storage's") as raised:
        open_storage(f"azure-blob://backups/x?AZURE_ACCOUNT_NAME=acc&AZURE_ACCOUNT_KEY={quote(SECRET)}", OPTIONS).read_range("file", 1, 2)
    one_line(raised)


def test_http_without_ranges(web, fixtures_dir, monkeypatch, types_dump, tmp_path):
    """A small file is fetched whole, a large one is refused: it would be fetched again for every part of it."""
    web.ranges = False
    web.files.update({f"/{name}": content for name, content in files_below(fixtures_dir / "backups" / "types", "b").items()})
    export_backup(BackupRequest((f"{web.url}/b",)), tmp_path / "dump")
    assert compare_dumps(str(types_dump), str(tmp_path / "dump")).differences == []
    web.files["/b/large"] = bytes(9 << 20)
    with pytest.raises(UnsupportedError, match="/b/large: the server does not answer ranges.*nginx") as raised:
        open_storage(f"{web.url}/b", OPTIONS).read_range("large", 5, 5)
    one_line(raised)


ODD_ANSWERS = {
    "another range": ({"Content-Range": "bytes 0-4/100"}, "answers with another range than the one that was asked for"),
    "no range named": ({"Content-Range": ""}, "answers with another range than the one that was asked for"),
    "compressed": ({"Content-Encoding": "gzip"}, r"sends it compressed \(Content-Encoding: gzip\)"),
}


@pytest.mark.parametrize("case", ODD_ANSWERS)
def test_http_answers_that_are_not_what_was_asked_for(web, case):
    headers, message = ODD_ANSWERS[case]
    web.files["/b/file"], web.headers = bytes(range(100)), headers
    storage = open_storage(f"{web.url}/b", OPTIONS)
    for read in (lambda: storage.read_range("file", 50, 5), lambda: storage.read_end("file", 5)):
        with pytest.raises(MigrationError, match=message) as raised:
            read()
        one_line(raised)


def test_an_http_server_that_does_not_know_the_size(web, waits):
    web.files["/b/file"], web.headers = bytes(range(100)), {"Content-Range": "bytes 0-4/*"}
    storage = open_storage(f"{web.url}/b", OPTIONS)
    assert storage.read_start("file", 5) == (bytes(range(5)), 100) and storage.read_range("file", 0, 5) == bytes(range(5))
    # To Python a superscript two is a digit.
    for length in ("", "\xb2"):
        web.headers = {"Content-Length": length}
        with pytest.raises(MigrationError, match="does not tell the file's size"):
            storage.size("file")


def test_a_collection_over_http(web, fixtures_dir):
    """LATEST is read where it has a known name; without it the message says what to set, with which the encrypted backup is read."""
    encrypted = fixtures_dir / "backups" / "modern-shaped" / "types-v7-encrypted"
    web.files.update({f"/{name}": content for name, content in files_below(encrypted, "b").items()})
    with pytest.raises(ConfigurationError, match="no backup in .*/b: looked for .*LATEST"):
        open_backup(BackupRequest((f"{web.url}/b",)))
    [folder] = [f"2026/11/{path.name}" for path in (encrypted / "2026" / "11").iterdir()]
    with pytest.raises(ConfigurationError, match="set backup_subdirectory to one of: YYYY/MM"):
        open_backup(BackupRequest((f"{web.url}/b",), subdirectory="2026/11/01-000000.00"))
    with pytest.raises(ConfigurationError, match="is encrypted: set the backup's passphrase"):
        open_backup(BackupRequest((f"{web.url}/b",), subdirectory=folder))
    web.files["/b/metadata/latest/LATEST"] = f"/{folder}".encode()
    expected = open_backup(BackupRequest((str(encrypted),), passphrase="correct horse")).descriptors
    for locations in ((f"{web.url}/b",), (f"{web.url}/b/{folder}",)):
        assert open_backup(BackupRequest(locations, passphrase="correct horse")).descriptors == expected


def test_a_certificate_of_ones_own_authority(tmp_path, monkeypatch):
    authority = Authority(tmp_path, "authority")
    certificate, key = (pathlib.Path(path).read_text(encoding="utf-8") for path in authority.sign("server", ("localhost",)))
    (tmp_path / "both.pem").write_text(certificate + key)
    keys = f"AWS_ACCESS_KEY_ID=a&AWS_SECRET_ACCESS_KEY={SECRET}"
    with download_server.serving(str(tmp_path / "both.pem")) as server:
        server.files.update({"/x/file": b"0123", "/backups/x/file": b"0123"})
        url = server.url.replace("127.0.0.1", "localhost")
        locations = (f"{url}/x", f"s3://backups/x?AWS_ENDPOINT={quote(url.partition('://')[2], safe='')}&{keys}")
        for location in locations:
            with pytest.raises(ConfigurationError, match="certificate is not trusted: set REQUESTS_CA_BUNDLE") as raised:
                open_storage(location, OPTIONS).read("file")
            one_line(raised)
        assert open_storage(f"{locations[1]}&AWS_SKIP_TLS_VERIFY=true", OPTIONS).read("file") == b"0123"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/authority.crt")
        for location in locations:
            with pytest.raises(ConfigurationError, match="/nowhere/authority.crt|certificate is not trusted"):
                open_storage(location, OPTIONS).read("file")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.certificate)
        for location in locations:
            assert open_storage(location, OPTIONS).read("file") == b"0123"


def test_a_proxy(web, monkeypatch, waits):
    """The server is the proxy here: it answers what is asked for by a whole URL."""
    web.files.update({"/x/file": b"0123", "/backups/x/file": b"0123"})
    monkeypatch.setenv("HTTP_PROXY", web.url)
    monkeypatch.setenv("http_proxy", web.url)
    locations = ("http://files.invalid/x", f"s3://backups/x?AWS_ENDPOINT=http%3A%2F%2Fs3.invalid&AWS_ACCESS_KEY_ID=a&AWS_SECRET_ACCESS_KEY={SECRET}")
    for location in locations:
        assert open_storage(location, OPTIONS).read("file") == b"0123"
    monkeypatch.setenv("NO_PROXY", "files.invalid,s3.invalid")
    monkeypatch.setenv("no_proxy", "files.invalid,s3.invalid")
    for location in locations:
        with pytest.raises(MigrationError, match="cannot be reached"):
            open_storage(location, OPTIONS).read("file")


@pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program")
def test_what_a_real_cockroachdb_wrote_is_read_under_the_same_uri(places, web, tmp_path):
    """Each URI is given to BACKUP and to the reader. (This release always asks Google and Azure themselves, which are not there.)"""
    s3 = places("s3")
    with node("real", tmp_path, tmp_path, "") as parameters, contextlib.closing(connect(parameters, "defaultdb")) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, v STRING)")
            cursor.execute("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g")
        for uri in (s3.location("real ly/a#b"), f"{web.url}/{quote('real ly/a#b')}?sig={quote(SECRET)}"):
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("BACKUP TABLE t INTO {}").format(sql.Literal(uri)))
            rows = [key for keys, _values in open_backup(BackupRequest((uri,))).scan(b"\x80", b"\xfd", {}) for key in keys]
            assert len(rows) == 1000
