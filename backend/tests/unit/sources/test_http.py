"""The client against a transport of canned answers, and against a loopback server for what only a socket can do."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from loguru import logger

from app.errors import (
    ConfigurationError,
    NoData,
    RateLimited,
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnavailable,
    StoreError,
    WrongDate,
)
from app.market.security import Venue
from app.sources import registry
from app.sources.archive import Archive
from app.sources.base import QuotesQuery, RangeQuery, SessionQuery, Site
from app.sources.http import USER_AGENT, Client, NoBreaker, NoQuota, tls_context
from tests.contract.dataset_contract import RECORDED

NOW = datetime(2026, 9, 30, 6, 30, tzinfo=UTC)
QUERY = SessionQuery(date(2023, 1, 30))
BARS = registry.daily_bars(Venue.TWSE)
BODY = (RECORDED / "twse/daily_bars.json").read_bytes()
URLS = {site: f"http://{site}.test/base/" for site in Site}
FINMIND, OF_2330 = registry.finmind_bars(), RangeQuery("2330", date(2020, 4, 2), date(2020, 4, 12))
QUOTES = QuotesQuery(((Venue.TWSE, "2330"),))


class Watch:
    """Quota and breaker that write down what they are told."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.closed: SourceError | None = None

    def acquire(self, site: Site) -> None:
        self.log.append("acquire")

    def rest(self, site: Site, seconds: float, reason: str) -> None:
        assert reason
        self.log.append(f"rest {seconds:.0f}")

    def check(self, site: Site) -> None:
        if self.closed:
            raise self.closed

    def success(self, site: Site) -> None:
        self.log.append("success")

    def failure(self, site: Site, error: SourceError) -> None:
        self.log.append("failure")

    def open(self, site: Site, reason: str) -> None:
        assert reason
        self.log.append("open")


class Bench:
    """A client whose exchange answers what the test says, one answer after another, and whose waits take no time."""

    def __init__(self, *answers: Canned | Exception, archive: Archive | None = None, **settings: Any) -> None:
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []
        self.watch = Watch()
        queue = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            reply = queue.pop(0) if len(queue) > 1 else queue[0]
            if isinstance(reply, Exception):
                raise reply
            return reply.response()

        self.client = Client(
            URLS,
            self.watch,
            self.watch,
            clock=lambda: NOW,
            archive=archive,
            sleep=self.waits.append,
            transport=httpx.MockTransport(answer),
            **settings,
        )

    def fetch(self) -> Any:
        with self.client:
            return self.client.fetch(BARS, QUERY)


class Canned(httpx.SyncByteStream):
    """An answer that can be given again and again."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    def __iter__(self) -> Iterator[bytes]:
        yield self.body

    def response(self) -> httpx.Response:
        return httpx.Response(self.status, headers=self.headers, stream=self)

    def __str__(self) -> str:
        return f"{self.status}-{self.headers}-{self.body[:12]!r}"


def reply(status: int = 200, body: bytes = BODY, **headers: str) -> Canned:
    return Canned(status, body, {key.replace("_", "-"): value for key, value in headers.items()})


def test_a_good_answer_is_parsed() -> None:
    bench = Bench(reply())
    parsed = bench.fetch()
    assert len(parsed.rows) == 12
    assert bench.watch.log == ["acquire", "success"]
    (request,) = bench.asked
    assert str(request.url) == (
        "http://twse.test/base/rwd/zh/afterTrading/MI_INDEX?date=20230130&type=ALLBUT0999&response=json"
    )
    assert request.headers["user-agent"] == USER_AGENT
    assert USER_AGENT.startswith("Mozilla/5.0")
    assert "QuantLab" in USER_AGENT


FAULTS = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.ReadTimeout("slow"),
    httpx.RemoteProtocolError("peer closed connection"),
    reply(500),
    reply(502),
    reply(503),
    reply(408),
    reply(body=b""),
    reply(body=BODY[:1000]),
    reply(body=BODY, content_encoding="gzip"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_passing_fault_is_tried_again(fault: Canned | Exception) -> None:
    bench = Bench(fault, fault, reply())
    assert len(bench.fetch().rows) == 12
    assert bench.watch.log == ["acquire", "failure", "acquire", "failure", "acquire", "success"]
    first, second = bench.waits
    assert 2 <= first <= 4  # 2 s and up to as much of jitter
    assert 4 <= second <= 6


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_lasting_fault_ends_as_unavailable(fault: Canned | Exception) -> None:
    bench = Bench(fault)
    with pytest.raises(SourceUnavailable) as caught:
        bench.fetch()
    assert caught.value.site == "twse"
    assert len(bench.asked) == 4
    assert bench.watch.log.count("failure") == 4


def test_the_longest_wait_is_bounded() -> None:
    bench = Bench(reply(500), attempts=9)
    with pytest.raises(SourceUnavailable):
        bench.fetch()
    assert len(bench.waits) == 8
    assert max(bench.waits) <= 30


def test_a_site_that_names_its_wait_gets_it() -> None:
    bench = Bench(reply(503, retry_after="17"), reply())
    bench.fetch()
    assert bench.waits == [17.0]


def test_a_site_that_wants_a_long_rest_is_left_to_the_caller() -> None:
    bench = Bench(reply(503, retry_after="600"))
    with pytest.raises(SourceUnavailable) as caught:
        bench.fetch()
    assert caught.value.retry_after == 600
    assert len(bench.asked) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"retry_after": "120"}, 120.0),
        ({"retry_after": "Wed, 30 Sep 2026 06:31:30 GMT"}, 90.0),
        ({"retry_after": "Wed, 30 Sep 2026 06:00:00 GMT"}, 0.0),
        ({"retry_after": "Wed, 30 Sep 2026 06:31:30 -0000"}, 90.0),
        ({"retry_after": "soon"}, None),
        ({}, None),
    ],
)
def test_asked_too_often_is_not_asked_again_here(header: dict[str, str], seconds: float | None) -> None:
    bench = Bench(reply(429, **header))
    with pytest.raises(RateLimited) as caught:
        bench.fetch()
    assert caught.value.retry_after == seconds
    assert len(bench.asked) == 1
    shared = [f"rest {seconds:.0f}"] if seconds and seconds >= 60 else []
    assert bench.watch.log == ["acquire", *shared, "failure"], "a long wish is every worker's business"


@pytest.mark.parametrize(
    ("minute", "header", "seconds"), [(30, {}, 1800), (0, {}, 3600), (59, {}, 60), (30, {"retry_after": "90"}, 90)]
)
def test_a_used_up_hour_is_waited_for(minute: int, header: dict[str, str], seconds: float) -> None:
    watch = Watch()
    used_up = httpx.MockTransport(lambda _: reply(402, b'{"msg":"upper limit","status":402}', **header).response())
    clock = lambda: NOW.replace(minute=minute)  # noqa: E731
    with Client(URLS, watch, watch, clock=clock, transport=used_up) as client, pytest.raises(RateLimited) as caught:
        client.fetch(FINMIND, OF_2330)
    assert caught.value.retry_after == seconds
    assert watch.log == ["acquire", f"rest {seconds}", "failure"]


@pytest.mark.parametrize(
    "refusal",
    [
        reply(403),
        reply(401),
        reply(451),
        reply(301, location="http://elsewhere.test/"),
        reply(302, location="/errors"),
        reply(307, location="http://twse.test/block.html"),
        reply(308),
        reply(body=b"<html>THE PAGE CANNOT BE ACCESSED</html>"),
        reply(body=b"\n <!DOCTYPE html><html>oops</html>", content_type="application/json"),
    ],
    ids=str,
)
def test_a_refusal_opens_the_breaker_at_once_and_no_redirect_is_followed(refusal: Canned) -> None:
    bench = Bench(refusal)
    with pytest.raises(SourceRefused):
        bench.fetch()
    assert bench.watch.log == ["acquire", "open"]
    assert len(bench.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(404), SourceChanged),
        (reply(400), SourceChanged),
        (reply(204, body=b""), SourceChanged),
        (reply(body=b"{}"), SourceChanged),
        (reply(body=BODY.replace(b"20230130", b"20230131")), WrongDate),
        (reply(body='{"stat":"很抱歉，沒有符合條件的資料!"}'.encode()), NoData),
    ],
    ids=str,
)
def test_what_the_site_did_answer_counts_as_alive_and_is_not_tried_again(
    answer: Canned, error: type[SourceError]
) -> None:
    bench = Bench(answer)
    with pytest.raises(error):
        bench.fetch()
    assert bench.watch.log == ["acquire", "success"]


@pytest.mark.parametrize("error", [SourceRefused, SourceUnavailable])
def test_an_open_breaker_is_asked_first_and_stops_everything(error: type[SourceError]) -> None:
    bench = Bench(reply())
    bench.watch.closed = error("twse is not asked since noon")
    with pytest.raises(error, match="since noon"):
        bench.fetch()
    assert (bench.asked, bench.waits, bench.watch.log) == ([], [], [])


def test_a_breaker_that_opens_meanwhile_ends_the_attempts() -> None:
    bench = Bench(reply(500))
    bench.watch.failure = lambda site, error: setattr(bench.watch, "closed", SourceUnavailable("open"))  # type: ignore[method-assign]
    with pytest.raises(SourceUnavailable, match="open"):
        bench.fetch()
    assert len(bench.asked) == 1


def test_a_quota_without_room_is_passed_on() -> None:
    bench = Bench(reply())

    def full(site: Site) -> None:
        raise RateLimited("no turn", site=site, retry_after=3)

    bench.watch.acquire = full  # type: ignore[method-assign]
    with pytest.raises(RateLimited, match="no turn"):
        bench.fetch()
    assert (bench.asked, bench.watch.log) == ([], [])


def test_a_body_beyond_the_cap_is_not_swallowed() -> None:
    with pytest.raises(SourceChanged, match="more than"):
        Bench(reply(body=b"x" * 100_000), max_bytes=50_000).fetch()


def test_a_site_without_a_good_address() -> None:
    for urls in ({Site.TWSE: "ftp://twse.test"}, {Site.TWSE: "twse.test"}, {Site.TWSE: "http://"}):
        with pytest.raises(ConfigurationError):
            Client(urls, NoQuota(), NoBreaker(), clock=lambda: NOW)
    with Client({}, NoQuota(), NoBreaker(), clock=lambda: NOW) as client, pytest.raises(ConfigurationError):
        client.fetch(BARS, QUERY)
    with pytest.raises(ConfigurationError):
        Client(URLS, NoQuota(), NoBreaker(), clock=lambda: NOW, attempts=0)


def test_certificates_are_always_checked_but_not_by_the_strict_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = ssl.create_default_context()
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python ≥ 3.13 does by itself
    monkeypatch.setattr(httpx, "create_ssl_context", lambda: strict)
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_quotes_without_a_session_warm_up_once_and_keep_the_cookie() -> None:
    bare = b'{"userDelay":500,"rtmessage":"   ","rtcode":"0000"}'
    good = (RECORDED / "mis/quotes.json").read_bytes()
    bench = Bench(reply(body=bare), reply(body=b"<html>", set_cookie="JSESSIONID=7"), reply(body=good))
    with bench.client:
        assert len(bench.client.fetch(registry.quotes(), QUOTES).rows) == 1
    assert [request.url.path for request in bench.asked] == [
        "/base/stock/api/getStockInfo.jsp",
        "/base/stock/index.jsp",
        "/base/stock/api/getStockInfo.jsp",
    ]
    assert bench.asked[-1].headers["cookie"] == "JSESSIONID=7"
    assert bench.watch.log == ["acquire", "acquire", "acquire", "success"]


@pytest.mark.parametrize(
    ("warm_up", "error", "told"), [(reply(307), SourceRefused, "open"), (reply(429), RateLimited, "failure")]
)
def test_a_warm_up_that_fails(warm_up: Canned, error: type[SourceError], told: str) -> None:
    bench = Bench(reply(body=b'{"rtcode":"0000"}'), warm_up)
    with bench.client, pytest.raises(error):
        bench.client.fetch(registry.quotes(), QUOTES)
    assert bench.watch.log[-1] == told


def test_a_warm_up_in_vain_is_unavailable() -> None:
    bench = Bench(reply(body=b'{"rtcode":"0000"}'), attempts=1)
    with bench.client, pytest.raises(SourceUnavailable):
        bench.client.fetch(registry.quotes(), QUOTES)
    assert len(bench.asked) == 3


def test_every_answer_is_archived_even_one_that_cannot_be_read(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    Bench(reply(), archive=archive).fetch()
    with pytest.raises(SourceRefused):
        Bench(reply(body=b"<html>blocked</html>"), archive=archive).fetch()
    assert {one.reply().body for one in archive.entries()} == {BODY, b"<html>blocked</html>"}


def test_an_archive_that_cannot_be_written_stops_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be archived"):
        Bench(reply(), archive=Archive(tmp_path / "file")).fetch()


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """A loopback server that says ``answer`` and hangs up, to everyone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    if answer == b"":
                        return
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"stat":',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"sta\r\n',
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_a_connection_that_ends_early(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # a local server must be reached past any proxy
    with (
        server(answer) as url,
        Client({Site.TWSE: url}, NoQuota(), NoBreaker(), clock=lambda: NOW, attempts=1) as client,
    ):
        with pytest.raises(SourceUnavailable) as caught:
            client.fetch(BARS, QUERY)
        assert "refused" not in str(caught.value)


def test_a_whole_answer_over_a_socket() -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
    with server(answer) as url, Client({Site.TWSE: url}, NoQuota(), NoBreaker(), clock=lambda: NOW) as client:
        assert len(client.fetch(BARS, QUERY).rows) == 12


class Dripping(Canned):
    """A body that never ends, a byte at a time."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b"x"


def test_a_body_that_drips_for_ever_is_given_up() -> None:
    bench = Bench(Dripping(200, b"", {}), attempts=1, total_timeout=0.05, max_bytes=2**40)
    with pytest.raises(SourceUnavailable, match="too slowly"):
        bench.fetch()


def test_the_instant_of_receipt_comes_from_the_clock(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    Bench(reply(), archive=archive).fetch()
    (one,) = archive.entries()
    assert one.received_at == NOW
    assert one.received_at.utcoffset() == timedelta(0)


SECRET = "eyJ0eXAi.the-token.s3cret"
FOUND = (RECORDED / "finmind/daily_bars.json").read_bytes()


class Counter:
    """A site that answers the same to all, and keeps the tokens that it was shown."""

    def __init__(self, status: int = 200, body: bytes = FOUND) -> None:
        self.shown: list[tuple[str, str | None]] = []
        self._reply = reply(status, body)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.shown.append((request.url.host, request.headers.get("authorization")))
        return self._reply.response()


def with_token(counter: Counter, *, token: str = SECRET, base: str = "https://finmind.test", **more: Any) -> Client:
    urls = URLS | {Site.FINMIND: base}
    transport = httpx.MockTransport(counter)
    return Client(
        urls, Watch(), Watch(), clock=lambda: NOW, tokens={Site.FINMIND: token}, transport=transport, attempts=1, **more
    )


def test_a_token_goes_to_its_own_site_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(1)
    logger.remove()
    logger.add(sys.stderr, level=0, diagnose=False)
    counter = Counter()
    with with_token(counter, archive=Archive(tmp_path)) as client:
        assert len(client.fetch(FINMIND, OF_2330).rows) == 5
        for site in (Site.TWSE, Site.TPEX):
            with pytest.raises(SourceError):
                client.fetch(registry.daily_bars(Venue(site.upper())), QUERY)
    shown = dict(counter.shown)
    assert shown.pop("finmind.test") == f"Bearer {SECRET}"
    assert set(shown.values()) == {None}
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 2
    assert not any(SECRET.encode() in one or b"uthorization" in one for one in written)
    assert SECRET not in caplog.text + capsys.readouterr().err


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500])
def test_no_error_tells_the_token(status: int) -> None:
    counter = Counter(status, f'{{"msg":"no {SECRET}"}}'.encode())
    with with_token(counter) as client, pytest.raises(SourceError) as caught:
        client.fetch(FINMIND, OF_2330)
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + repr(caught.value.facts)
    assert isinstance(caught.value, SourceRefused) == (status in (400, 401, 403))


@pytest.mark.parametrize(
    ("token", "base", "sentence"),
    [
        (SECRET, "http://finmind.test", "in the clear"),
        (SECRET + "\n", "https://finmind.test", "characters that no token has"),
    ],
)
def test_a_token_that_must_not_be_sent_is_not(token: str, base: str, sentence: str) -> None:
    counter = Counter()
    with with_token(counter, token=token, base=base) as client, pytest.raises(ConfigurationError, match=sentence) as no:
        client.fetch(FINMIND, OF_2330)
    assert counter.shown == []
    assert SECRET not in str(no.value)


def test_without_a_token_400_is_another_layout() -> None:
    with pytest.raises(SourceChanged):
        Bench(reply(400)).fetch()
