"""What a socket can do to the client: whatever comes over it, one of our errors or the whole reply, within the time."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from random import Random

import pytest

from app.errors import RateLimited, SourceChanged, SourceError, SourceRefused, SourceUnavailable
from app.market.security import Venue
from app.sources import registry
from app.sources.base import SessionQuery, Site
from app.sources.http import Client, NoBreaker, NoQuota
from tests.contract.dataset_contract import RECORDED

BARS = registry.daily_bars(Venue.TWSE)
QUERY = SessionQuery(date(2023, 1, 30))
BODY = (RECORDED / "twse/daily_bars.json").read_bytes()
TOTAL = 0.8
LATEST = TOTAL + 1.5
"""The bound and some room for a busy machine."""
CAP = 2**20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Send = Callable[[socket.socket], None]


@contextmanager
def answering(send: Send) -> Iterator[str]:
    """A server that reads each request and then sends what the test says."""
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    connection.recv(65_536)
                    send(connection)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        thread = threading.Thread(target=serve, daemon=True)
        listener.settimeout(None)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@contextmanager
def asking(address: str) -> Iterator[Callable[[], int]]:
    """A fetch: how many rows came; an error of ours may come out instead, neither may take longer than it should."""

    def fetch() -> int:
        begun = time.monotonic()
        try:
            return len(client.fetch(BARS, QUERY).rows)
        finally:
            took = time.monotonic() - begun
            assert took < LATEST, f"it took {took:.1f} s"

    client = Client(
        dict.fromkeys(Site, address), NoQuota(), NoBreaker(), clock=lambda: datetime.now(UTC), attempts=1,
        read_timeout=0.6, connect_timeout=0.6, total_timeout=TOTAL, max_bytes=CAP,
    )  # fmt: skip
    with client:
        yield fetch


def whole(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(one + b"\r\n" for one in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def sending(*parts: bytes) -> Send:
    return lambda connection: [connection.sendall(part) for part in parts] and None


def dripping(first: bytes, drop: bytes, *, every: float = 0.05, for_seconds: float = 8) -> Send:
    """One drop after the other, each well within the time that a single read may take."""

    def send(connection: socket.socket) -> None:
        connection.sendall(first)
        deadline = time.monotonic() + for_seconds
        while time.monotonic() < deadline:
            connection.sendall(drop)
            time.sleep(every)

    return send


def packed(times: int, size: int) -> bytes:
    body = b"[" + b" " * size
    for _ in range(times):
        body = gzip.compress(body)
    return body


@pytest.mark.parametrize(
    "send",
    [
        sending(whole(BODY)),
        sending(whole(gzip.compress(BODY), b"Content-Encoding: gzip")),
        sending(whole(gzip.compress(BODY), b"Content-Encoding: X-GZip, identity")),
        sending(HEAD + b"\r\n" + BODY),
        sending(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"),
        sending(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + whole(BODY)),
    ],
    ids=["plain", "gzip", "x-gzip", "until-closed", "chunked", "interim"],
)
def test_a_whole_reply_is_read(send: Send) -> None:
    with answering(send) as address, asking(address) as fetch:
        assert fetch() == 12


FAULTS: dict[str, tuple[Send, type[SourceError]]] = {
    "says nothing": (lambda connection: time.sleep(1.2), SourceUnavailable),
    "closes at once": (sending(), SourceUnavailable),
    "status line dripping": (dripping(b"", b"H"), SourceUnavailable),
    "headers dripping": (dripping(HEAD, b"X-A: b\r\n"), SourceUnavailable),
    "one header dripping": (dripping(HEAD + b"X-A: ", b"b"), SourceUnavailable),
    "interim answers for ever": (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), SourceUnavailable),
    "body dripping": (dripping(HEAD + b"Content-Length: 99999\r\n\r\n{", b" "), SourceUnavailable),
    "chunks dripping": (dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), SourceUnavailable),
    "gzip dripping": (dripping(HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"")[:10]), SourceUnavailable),
    "too short": (sending(HEAD + b"Content-Length: 9999999\r\n\r\n" + BODY), SourceUnavailable),
    "too long": (sending(HEAD + b"Content-Length: 900\r\n\r\n" + BODY), SourceUnavailable),
    "two lengths": (sending(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + BODY), SourceUnavailable),
    "length of letters": (sending(HEAD + b"Content-Length: many\r\n\r\n" + BODY), SourceUnavailable),
    "length below zero": (sending(HEAD + b"Content-Length: -1\r\n\r\n" + BODY), SourceUnavailable),
    "no HTTP": (sending(b"SSH-2.0-OpenSSH_9.9\r\n"), SourceUnavailable),
    "another HTTP": (sending(b"HTTP/9.9 200 OK\r\n\r\n"), SourceUnavailable),
    "a status of letters": (sending(b"HTTP/1.1 two OK\r\n\r\n"), SourceUnavailable),
    "a huge header": (sending(HEAD + b"X: " + b"x" * 300_000 + b"\r\n\r\n"), SourceUnavailable),
    "headers for ever": (sending(HEAD + b"X: y\r\n" * 60_000), SourceUnavailable),
    "chunks of garbage": (sending(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY), SourceUnavailable),
    "a chunk of a size": (
        sending(HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n" + BODY), SourceUnavailable),
    "chunks without end": (
        sending(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n"), SourceUnavailable),
    "transfer unknown": (sending(HEAD + b"Transfer-Encoding: x\r\n\r\n" + BODY), SourceUnavailable),
    "gzip cut off": (sending(whole(gzip.compress(BODY)[:-9], b"Content-Encoding: gzip")), SourceUnavailable),
    "gzip with a tail": (sending(whole(gzip.compress(BODY) + b"{}", b"Content-Encoding: gzip")), SourceUnavailable),
    "gzip that is none": (sending(whole(BODY, b"Content-Encoding: gzip")), SourceUnavailable),
    "gzip of another": (sending(whole(zlib.compress(BODY), b"Content-Encoding: gzip")), SourceUnavailable),
    "gzip unannounced": (sending(whole(gzip.compress(BODY))), SourceChanged),
    "brotli": (sending(whole(BODY, b"Content-Encoding: br")), SourceChanged),
    "a bomb": (sending(whole(packed(1, 40 * CAP), b"Content-Encoding: gzip")), SourceChanged),
    "a bomb in a bomb": (sending(whole(packed(2, 40 * CAP), b"Content-Encoding: gzip, gzip")), SourceChanged),
    "more than the cap": (sending(HEAD + b"\r\n" + b" " * (3 * CAP)), SourceChanged),
    "a length beyond the cap": (sending(HEAD + b"Content-Length: 99999999\r\n\r\n" + b" " * (3 * CAP)), SourceChanged),
    "block page": (sending(whole(b"<html>THE PAGE CANNOT BE ACCESSED</html>")), SourceRefused),
    "an interim of 101": (sending(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), SourceUnavailable),
    "retry for ever": (
        sending(b"HTTP/1.1 429 x\r\nRetry-After: " + b"9" * 400 + b"\r\nContent-Length: 0\r\n\r\n"), RateLimited),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_of_the_wire_is_one_of_our_errors_in_time(what: str) -> None:
    send, error = FAULTS[what]
    with answering(send) as address, asking(address) as fetch, pytest.raises(error) as caught:
        fetch()
    assert type(caught.value) is error
    assert (caught.value.facts.get("retry_after") or 0) <= 86_400


@pytest.mark.parametrize(
    "target",
    ["http://elsewhere.test/", "//elsewhere.test", "/here", "http://[", "http://:99999999/", "javascript:1", "http://\xff/",
     "http://\u2488.test", "x" * 5_000, "", "http://" + "a" * 300 + ".test", "\x7f", "https:", "ht!tp://a:b:c"],
)  # fmt: skip
def test_no_redirect_is_followed_wherever_it_leads(target: str) -> None:
    location = b"Location: " + target.encode("latin-1", "replace")
    reply = [b""]
    with answering(lambda connection: connection.sendall(reply[0])) as address, asking(address) as fetch:
        for status in (300, 301, 302, 303, 307, 308, 399):
            reply[0] = b"HTTP/1.1 %d x\r\n%s\r\nContent-Length: 0\r\n\r\n" % (status, location)
            with pytest.raises((SourceRefused, SourceUnavailable)) as caught:
                fetch()
            assert isinstance(caught.value, SourceRefused) or target == "\x7f"  # which is no header at all


def test_unpacking_a_bomb_takes_no_more_memory_than_the_cap() -> None:
    import tracemalloc

    from app.sources.body import Body

    bomb = packed(1, 60 * CAP)
    tracemalloc.start()
    try:
        with pytest.raises(SourceChanged):
            Body("gzip", max_bytes=CAP, site="twse", path="/").add(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * CAP
    finally:
        tracemalloc.stop()


def test_bytes_at_random_over_the_wire() -> None:
    random = Random(2330)
    replies = [whole(BODY), whole(gzip.compress(BODY), b"Content-Encoding: gzip")]
    replies.append(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n")
    seen = set()

    def send(connection: socket.socket) -> None:
        connection.sendall(spoilt[0])

    spoilt = [b""]
    with answering(send) as address, asking(address) as fetch:
        for number in range(300):
            reply = bytearray(replies[number % 3])
            for _ in range(random.choice((1, 3))):
                at = random.randrange(120 if random.random() < 0.7 else len(reply))
                reply[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
            spoilt[0] = bytes(reply)
            try:
                assert fetch() <= 12
                seen.add("read")
            except SourceError as error:
                str(error).encode()
                seen.add(type(error).__name__)
    assert {"read", "SourceUnavailable"} <= seen
