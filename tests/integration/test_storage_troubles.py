# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Everything that a storage behind a network does wrong, in every kind of it: the right bytes, or one line in time that names the file, the server and the cause."""
from __future__ import annotations

import contextlib
import dataclasses
import re
import time
import types
from functools import partial

import faulty_server
import pytest
from faulty_server import Answer, Request
from storage_places import googles_own, start_place

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage import remote, retries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.seen_versions import (
    SeenVersions,
)

LIMIT = 0.4
CONTENT = bytes(range(256)) * 200
START, LENGTH = 90, 200
SOME = CONTENT[START : START + LENGTH]


@pytest.fixture(name="places", scope="module")
def _places(tmp_path_factory):
    """Each kind of storage with one file, behind a faulty server, and its reader, which is connected: it has nothing to do but to wait for answers."""
    started = {}
    with contextlib.ExitStack() as stack:

        def start(kind: str):
            if kind not in started:
                place = start_place(kind, stack, tmp_path_factory)
                place.put({"troubled/file": CONTENT})
                server = stack.enter_context(faulty_server.running(place.url))
                server.uncounted = googles_own
                log = tmp_path_factory.mktemp(kind) / "migration.log"
                with pytest.MonkeyPatch.context() as patch:
                    for name in place.environment:
                        patch.setenv(name, server.url)
                    storage = open_storage(place.location("troubled", url=server.url), StorageOptions(log_file=str(log)))
                    assert storage.read_range("file", START, LENGTH) == SOME
                started[kind] = types.SimpleNamespace(kind=kind, server=server, storage=storage, log=log, put=place.put)
            return started[kind]

        yield start


@pytest.fixture(name="place", params=["s3", "gs", "azure-blob", "http"])
def _place(request, places, monkeypatch):
    """The waits between the repetitions are not made."""
    found = places(request.param)
    monkeypatch.setattr(retries, "GIVING_UP", types.SimpleNamespace(wait=lambda seconds: None, is_set=lambda: False))
    monkeypatch.setattr(found.storage, "_answered", False)
    found.server.reset()
    found.log.write_text("")
    yield found
    found.server.reset()


def only(*kinds: str):
    """Decorate a test of some kinds of storage."""
    return pytest.mark.parametrize("place", kinds, indirect=True)


def failure_of(place, call) -> str:
    """Return the message of a call that has to fail in time: one line that names the file and the server."""
    started = time.monotonic()
    with pytest.raises(MigrationError) as raised:
        call()
    assert time.monotonic() - started < 10
    text = str(raised.value)
    assert "\n" not in text and "troubled" in text and place.server.url in text
    return text


def changed(request: Request, body=None, length=None, **headers: str | None) -> Answer:
    """The true answer with another body, length or headers; a header that is None is omitted."""
    answer = request.passed_on()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in named}
    body = answer.body if body is None else body(answer.body)
    return dataclasses.replace(answer, headers={**kept, **{name: value for name, value in named.items() if value is not None}}, body=body, length=answer.length if length is None else length)


SLOW = {
    "never answers": lambda request: faulty_server.silent(),
    "one byte a second": faulty_server.trickling,
    "falls silent in the body": lambda request: faulty_server.stopping(request, silent=True),
    "falls silent in the headers": lambda request: faulty_server.stopping(request, silent=True, in_head=True),
}


@pytest.mark.parametrize("fault", SLOW)
def test_a_server_that_does_not_answer_in_time(place, fault, monkeypatch):
    """The libraries limit only the wait for the next byte."""
    monkeypatch.setattr(place.storage, "_limit", LIMIT)
    place.server.fault = SLOW[fault]
    found = failure_of(place, lambda: place.storage.read_range("file", START, LENGTH))
    assert found.endswith(f"no whole answer within {LIMIT:.0f} s, with all repetitions: check the server, the network and the proxy. Over a slow line, set a longer storage_timeout")
    assert len(place.server.requests) == 1


@only("s3", "gs", "azure-blob")
def test_a_listing_that_does_not_come_in_time(place, monkeypatch):
    monkeypatch.setattr(place.storage, "_limit", LIMIT)
    place.server.fault = faulty_server.trickling
    assert "no whole answer within" in failure_of(place, place.storage.list)


def test_a_server_that_is_slow_once_is_asked_again(place, monkeypatch):
    """The libraries give the connection up after a while without a byte; each repetition is told."""
    monkeypatch.setattr(place.storage, "_answered", True)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    place.server.fault = lambda request: faulty_server.stopping(request, in_head=request.number == 2) if request.number < 4 else None
    assert place.storage.read_range("file", START, LENGTH) == SOME
    lines = place.log.read_text(encoding="utf-8").splitlines()
    # Azure's library repeats twice by itself when the body breaks off, each time after a second, and it cannot be told not to.
    assert len(lines) == (1 if place.kind == "azure-blob" else 3)
    assert all("troubled/file" in line and place.server.url in line and f"attempt {number} of 8" in line for number, line in enumerate(lines, start=1))


def another_range(request: Request) -> Answer:
    """The bytes of another range, which the answer names."""
    return Answer(206, {**request.passed_on().headers, "Content-Range": f"bytes 80-279/{len(CONTENT)}"}, CONTENT[80:280], LENGTH)


WRONG = {
    "301": (lambda request: faulty_server.redirect(request.path, 301), "redirects every request"),
    "302": (lambda request: faulty_server.redirect(request.path, 302), "redirects every request"),
    "307": (lambda request: faulty_server.redirect(request.path, 307), "redirects every request"),
    "another range": (another_range, "another range than the one that was asked for"),
    "a body that is too short": (lambda request: changed(request, lambda body: body[:-50], length=LENGTH - 50), "the answer holds 150 bytes, where its Content-Range is bytes 90-289"),
    "a length that is too large": (lambda request: changed(request, length=LENGTH + 50), "the answer holds 250 bytes|broke the connection"),
    "a length that is too small": (lambda request: changed(request, length=LENGTH - 50), "the answer holds 150 bytes"),
    "a storm of refusals": (lambda request: faulty_server.refusal(message="slower"), "answers 503"),
    "a token that has expired": (lambda request: faulty_server.refusal(403, "ExpiredToken", "expired"), "the session token has expired|access is denied|the login is refused"),
    "a wrong clock": (lambda request: faulty_server.refusal(403, "RequestTimeTooSkewed", "skewed"), "the clocks of this machine and of the server differ|access is denied"),
    "an odd refusal": (lambda request: faulty_server.refusal(403, "Odd"), "access is denied|S3 answers Odd|is not Azure"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_an_answer_that_is_wrong(place, fault):
    place.server.fault, said = WRONG[fault]
    assert re.search(said, failure_of(place, lambda: place.storage.read_range("file", START, LENGTH)))
    assert len(place.server.requests) <= 100
    repeated = place.log.read_text(encoding="utf-8").splitlines()
    assert len(repeated) <= retries.ATTEMPTS - 1 and not (repeated and "redirects" in said)


def test_an_answer_without_the_range(place):
    """A small file is taken from all of it over HTTP, where such servers are usual."""
    place.server.fault = lambda request: Answer(200, {}, CONTENT, len(CONTENT))
    if place.kind == "http":
        assert place.storage.read_range("file", START, LENGTH) == SOME
    else:
        assert re.search("another range|is not Azure", failure_of(place, lambda: place.storage.read_range("file", START, LENGTH)))


def test_a_part_where_all_was_asked_for(place):
    place.server.fault = another_range
    assert re.search("another range|holds 200 bytes|not the checksum that S3 names", failure_of(place, lambda: place.storage.read("file")))


def test_no_size_is_told(place):
    place.server.fault = lambda request: dataclasses.replace(request.passed_on(), length=None)
    if place.kind != "gs":  # Its size comes as JSON.
        assert re.search("does not tell the|does not say how long", failure_of(place, lambda: place.storage.size("file")))
        place.server.reset()
    # Headers that end with the connection: nothing says that the body is missing.
    place.server.fault = lambda request: Answer(206 if request.range else 200, {"Content-Range": request.passed_on().headers.get("Content-Range", "")} if request.range else {}, b"")
    for call in (lambda: place.storage.read_range("file", START, LENGTH), lambda: place.storage.read("file"), place.storage.list if place.kind != "http" else lambda: place.storage.read("file")):
        assert re.search("does not say how long it is|no listing|is not Azure", failure_of(place, call))


@only("s3", "gs")
def test_compressed_on_the_way(place):
    """What the server calls compressed is left as it is: an object may be stored so."""
    place.server.fault = lambda request: changed(request, content_encoding="gzip")
    assert place.storage.read_range("file", START, LENGTH) == SOME


@only("s3")
def test_an_error_that_is_called_a_success(place):
    place.server.fault = lambda request: faulty_server.refusal(200, "InternalError")
    assert "with an error in the place of the object" in failure_of(place, lambda: place.storage.read("file"))
    assert "S3 answers 500 InternalError" in failure_of(place, place.storage.list)


@only("s3")
def test_a_bucket_in_another_region(place):
    for status in (301, 307):
        place.server.fault = partial(lambda status, request: faulty_server.redirect(request.path, status, x_amz_bucket_region="eu-west-1"), status)
        assert "the bucket is in the region eu-west-1: check aws_region" in failure_of(place, lambda: place.storage.read("file"))
        assert len(place.server.requests) == 2
        place.server.reset()


PAGE = """<ListBucketResult><Name>backups</Name><IsTruncated>{more}</IsTruncated>{token}<Contents><Key>troubled/{key}</Key></Contents></ListBucketResult>"""


def pages(token, key):
    """Answer a page each time that says that there are more."""
    def answer(request: Request) -> Answer:
        more = token(request.number)
        body = PAGE.format(more="true", token=f"<NextContinuationToken>{more}</NextContinuationToken>" if more else "", key=key(request.number)).encode()
        return Answer(200, {"Content-Type": "application/xml"}, body, len(body))

    return answer


ENDLESS = {
    "the same token": (lambda number: "again", str, "the listing does not end: after 2 pages with 2 names", 2),
    "two tokens in turn": (lambda number: str(number % 2), str, "the listing does not end: after 3 pages", 3),
    "the same names": (str, lambda number: "one", "the listing does not end: after 6 pages with 1 names", 6),
    "no token": (lambda number: "", str, "the listing goes on, but does not say where", 1),
    "ever more names": (str, str, "the listing does not end: after 21 pages with 21 names", 21),
}


@only("s3")
@pytest.mark.parametrize("case", ENDLESS)
def test_a_listing_that_does_not_end(place, case, monkeypatch):
    token, key, said, requests = ENDLESS[case]
    monkeypatch.setattr(remote, "_MOST_NAMES", 20)
    monkeypatch.setattr(remote, "_MOST_EMPTY_PAGES", 5)
    place.server.fault = pages(token, key)
    assert said in failure_of(place, place.storage.list)
    assert len(place.server.requests) == requests


@only("s3")
def test_a_listing_with_empty_pages(place):
    """As S3 sends them where objects were deleted."""
    empty = PAGE.format(more="true", token="<NextContinuationToken>t{}</NextContinuationToken>", key="").replace("<Contents><Key>troubled/</Key></Contents>", "")
    bodies = [empty.format(1), empty.format(2), PAGE.format(more="false", token="", key="b")]
    place.server.fault = lambda request: Answer(200, {"Content-Type": "application/xml"}, bodies[request.number - 1].encode(), len(bodies[request.number - 1]))
    assert place.storage.list() == ["b"]


@only("s3")
def test_a_listing_that_changes_meanwhile(place):
    """A name that moves from one page to the next is there once."""
    bodies = [PAGE.format(more="true", token="<NextContinuationToken>t</NextContinuationToken>", key="b"), PAGE.format(more="false", token="", key="b</Key></Contents><Contents><Key>troubled/c")]
    place.server.fault = lambda request: Answer(200, {"Content-Type": "application/xml"}, bodies[request.number - 1].encode(), len(bodies[request.number - 1]))
    assert place.storage.list() == ["b", "c"]


CALLS = {"size": lambda storage: storage.size("other"), "range": lambda storage: storage.read_range("other", 1, 5), "all": lambda storage: storage.read("other")}


@pytest.mark.parametrize("call", CALLS)
def test_a_file_that_is_overwritten(place, call, monkeypatch):
    """The server of files over HTTP does not say by itself when they were written. Google's emulator names a generation only where it is asked for the size."""
    if place.kind == "gs" and call != "size":
        return
    monkeypatch.setattr(place.storage, "_versions", SeenVersions())
    for minute, content in enumerate((CONTENT, CONTENT[::-1])):
        place.put({"troubled/other": content})
        place.server.fault = partial(changed, last_modified=f"Mon, 02 Jan 2006 15:0{minute}:00 GMT") if place.kind == "http" else lambda request: None
        if content is CONTENT:
            assert CALLS[call](place.storage)
    found = failure_of(place, lambda: CALLS[call](place.storage))
    assert "troubled/other" in found and "was changed while it was read: wait until nothing writes to the backup any more" in found


def test_a_version_that_is_named_in_another_way_is_the_same():
    versions = SeenVersions()
    for version in ('"abc"', 'W/"abc"', "Mon, 02 Jan 2006 15:04:00 GMT", "", '"abc"'):
        versions.require_same("file", "the file", version)
    with pytest.raises(MigrationError, match="the file was changed while it was read"):
        versions.require_same("file", "the file", 'W/"abd"')
