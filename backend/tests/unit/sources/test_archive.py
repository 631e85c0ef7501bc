from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from app.errors import StoreError
from app.market.security import Venue
from app.sources import queries, registry
from app.sources.archive import Archive
from app.sources.base import (
    LatestQuery,
    ListQuery,
    MonthQuery,
    PeriodQuery,
    QuotesQuery,
    Reply,
    Request,
    SessionQuery,
    Site,
    YearQuery,
)
from tests.contract.dataset_contract import RECORDED

QUERY = SessionQuery(date(2023, 1, 30))
BARS = registry.daily_bars(Venue.TWSE)
BODY = (RECORDED / "twse/daily_bars.json").read_bytes()
NOON = datetime(2026, 9, 30, 4, 0, tzinfo=UTC)


def reply(body: bytes = BODY, at: datetime = NOON, **params: str) -> Reply:
    request = BARS.request(QUERY)
    request = Request(request.site, request.path, (*request.params, *params.items()))
    return Reply(request, body, "application/json", at)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def test_a_reply_comes_back_as_it_was_and_parses_again_offline(archive: Archive, tmp_path: Path) -> None:
    path = archive.keep(reply(), dataset=BARS.name, query=QUERY)
    assert path.parent == tmp_path / "archive/twse/daily_bars/2026/09"
    assert path.stat().st_size < len(BODY)
    (one,) = archive.entries()
    assert (one.dataset, one.query, one.reply()) == (BARS.name, QUERY, reply())
    parsed = registry.dataset(Venue.TWSE, one.dataset).parse(one.reply().body, one.query)
    assert len(parsed.rows) == 12


def test_the_same_body_is_kept_once_a_month(archive: Archive, tmp_path: Path) -> None:
    first = archive.keep(reply(), dataset="d", query=QUERY)
    assert archive.keep(reply(at=NOON.replace(hour=9)), dataset="d", query=QUERY) == first
    archive.keep(reply(b"[1]"), dataset="d", query=QUERY)
    archive.keep(reply(b"[1]", extra="1"), dataset="d", query=QUERY)
    archive.keep(reply(at=NOON.replace(month=10)), dataset="d", query=QUERY)
    assert len(list(archive.entries())) == 4
    assert next(archive.entries()).received_at == NOON  # the first time counts
    assert len(list(tmp_path.rglob("*.gz"))) == 4


def test_an_answer_that_comes_back_is_the_newest_again(archive: Archive) -> None:
    for hour, body in enumerate((b"A", b"B", b"A", b"A")):
        archive.keep(reply(body, NOON.replace(hour=hour)), dataset="d", query=QUERY)
    first, last = archive.entries()
    assert (first.reply().body, last.reply().body) == (b"B", b"A")
    assert (last.received_at.hour, last.last_received_at.hour) == (0, 3)
    archive.keep(reply(b"B", NOON.replace(hour=0)), dataset="d", query=QUERY)  # a clock that was put back
    assert [one.reply().body for one in archive.entries()] == [b"B", b"A"]


def test_a_note_of_before_last_received_at_counts_from_when_it_came(archive: Archive) -> None:
    note = archive.keep(reply(), dataset="d", query=QUERY).with_suffix(".json")
    facts = json.loads(note.read_bytes())
    del facts["last_received_at"]
    note.write_text(json.dumps(facts))
    (one,) = archive.entries()
    assert one.last_received_at == one.received_at == NOON


def test_what_was_damaged_is_kept_anew_when_it_comes_again(archive: Archive) -> None:
    path = archive.keep(reply(), dataset="d", query=QUERY)
    for lost in (path, path.with_suffix(".json")):
        lost.unlink()
        archive.keep(reply(), dataset="d", query=QUERY)
        assert [one.reply().body for one in archive.entries()] == [BODY]
    path.write_bytes(b"")
    path.with_suffix(".json").write_bytes(b"")  # as a power cut leaves them
    archive.keep(reply(), dataset="d", query=QUERY)
    assert [one.reply().body for one in archive.entries()] == [BODY]


def test_entries_by_site_and_dataset_in_order(archive: Archive) -> None:
    archive.keep(reply(b"2", NOON), dataset="a", query=QUERY)
    archive.keep(reply(b"1", NOON.replace(hour=1)), dataset="a", query=QUERY)
    archive.keep(reply(b"3"), dataset="b", query=QUERY)
    assert [one.reply().body for one in archive.entries(dataset="a")] == [b"1", b"2"]
    assert len(list(archive.entries(site=Site.TWSE))) == 3
    assert list(archive.entries(site=Site.MIS)) == []


def test_secrets_are_not_written_down(archive: Archive, tmp_path: Path) -> None:
    archive.keep(reply(token="hush-hush"), dataset="d", query=QUERY)
    assert all(b"hush-hush" not in path.read_bytes() for path in tmp_path.rglob("*.json"))
    (one,) = archive.entries()
    assert ("token", "***") in one.request.params


def test_two_at_once_leave_one_whole_reply(archive: Archive, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: archive.keep(reply(), dataset="d", query=QUERY), range(32)))
    (one,) = archive.entries()
    assert one.reply().body == BODY
    assert list(tmp_path.rglob(".writing-*")) == []


def test_a_write_that_fails_leaves_nothing_behind(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreError, match="No space left on device"):
        archive.keep(reply(), dataset="d", query=QUERY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_damaged_body_is_noticed(archive: Archive) -> None:
    path = archive.keep(reply(), dataset="d", query=QUERY)
    (one,) = archive.entries()
    good = path.read_bytes()
    for content in (good[: len(good) // 2], b"", b"not gzip"):
        path.write_bytes(content)
        with pytest.raises(StoreError):
            one.reply()
    archive.keep(reply(b"another"), dataset="d", query=QUERY).replace(path)
    with pytest.raises(StoreError, match="SHA-256"):
        one.reply()
    path.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        one.reply()


def test_a_damaged_note_is_noticed(archive: Archive) -> None:
    note = archive.keep(reply(), dataset="d", query=QUERY).with_suffix(".json")
    good = json.loads(note.read_bytes())
    archive.keep(reply(b"another"), dataset="d", query=QUERY)
    for broken in ("", "{", "{}", "[]", json.dumps(good | {"site": "?"}), json.dumps(good | {"received_at": "?"})):
        note.write_text(broken)
        with pytest.raises(StoreError):
            list(archive.entries())
        damaged: list[str] = []
        (other,) = archive.entries(damaged=damaged)
        assert other.reply().body == b"another"
        assert len(damaged) == 1
        assert str(note) in damaged[0]


@pytest.mark.parametrize(
    "query",
    [
        QUERY,
        MonthQuery("2330", date(2024, 11, 1)),
        LatestQuery(),
        PeriodQuery(date(2025, 6, 1), date(2025, 6, 30)),
        QuotesQuery(((Venue.TWSE, "2330"), (Venue.TPEX, "6488"))),
        ListQuery(Venue.EMERGING),
        YearQuery(2024),
    ],
)
def test_every_query_survives(query: queries.Query) -> None:
    assert queries.from_json(json.loads(json.dumps(queries.to_json(query)))) == query


def test_what_is_no_query() -> None:
    with pytest.raises(TypeError):
        queries.to_json("2330")
    for facts in ({}, {"query": "NoSuch"}, {"query": "SessionQuery"}, {"query": "ListQuery", "venue": "NYSE"}):
        with pytest.raises(StoreError):
            queries.from_json(facts)
