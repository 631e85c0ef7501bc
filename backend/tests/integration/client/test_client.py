"""The client against a real server: exact values, pages followed, errors with the server's sentence."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import quantlab_client
from quantlab_client import InvalidRequest, NotFound, NotReady, QuantLab, Unavailable, client

from app.core.wiring import Platform
from app.market.bar import BAR_FIELDS, Bar
from app.market.calendar import TAIPEI
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import BAR_VENUES
from app.store import coverage
from app.store.bars import write_bars
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from app.store.sessions import override
from tests.integration.conftest import NOW

FIRST = quantlab_client.Bar(
    "2330", date(2026, 11, 19), Decimal(990), Decimal(1000), Decimal(985), Decimal("998.5"), None,
    1000, 998_500, 3, 1.0,
)  # fmt: skip


def test_everything_of_one_server(lab: QuantLab, seeded: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """One test, for a server takes seconds to start."""
    assert lab.prices is None
    bars = lab.bars(["2330", "2317"])
    assert lab.prices == "synthetic"
    assert bars[0] == FIRST
    assert [(bar.session.day, bar.close, bar.volume) for bar in bars] == [
        (19, Decimal("998.5"), 1000), (20, None, 0), (23, Decimal(999), 2000)
    ]  # fmt: skip
    assert lab.bars("2330", as_of=NOW) == bars
    assert lab.bars("all", as_of=NOW - timedelta(seconds=1)) == []
    assert lab.bars_polars(["2330"], as_of="2026-11-23T14:59").height == 0
    assert lab.bars("2330", start=date(2026, 11, 20), end="2026-11-22") == [bars[1]]
    assert lab.bars("all") == bars
    _frames(lab, bars)
    _adjusted(lab, seeded)
    _pages(lab, seeded, monkeypatch)
    _changed_between_two_pages(lab, seeded, monkeypatch)
    _errors(lab)
    _lists(lab)


def _frames(lab: QuantLab, bars: list[quantlab_client.Bar]) -> None:
    frame = lab.bars_polars(["2330"])
    assert frame["symbol"].to_list() == ["2330"] * 3
    assert frame["session"].to_list() == [bar.session for bar in bars]
    assert frame["close"].to_list() == [998.5, None, 999.0]
    assert frame["low"].to_list() == [985.0, None, 900.005]
    table = lab.bars_pandas(["2330"])
    assert table["symbol"].tolist() == ["2330"] * 3
    assert [day.date() for day in table["session"]] == [bar.session for bar in bars]
    assert table["low"].dropna().tolist() == [985.0, 900.005]
    assert table["close"].isna().tolist() == [False, True, False]
    assert table["volume"].tolist() == [1000, 0, 2000]


def _adjusted(lab: QuantLab, seeded: Platform) -> None:
    split = CorporateAction("2330", date(2026, 11, 20), ActionKind.SPLIT, 9_985_000, 2_496_250, note="1:4")
    with transaction(seeded.engine) as connection:
        write_actions(connection, [split], period=(split.ex_date,) * 2, source="TWSE.test", run_id=None, at=NOW)
    (action,) = lab.actions("2330")
    assert (action.ex_date, action.kind, action.previous_close, action.ratio, action.note) == (
        split.ex_date, "split", Decimal("998.5"), 0.25, "1:4"
    )  # fmt: skip
    assert action.recorded_at == NOW
    assert lab.actions("2330", as_of="2026-11-23T14:59") == []
    first = lab.bars(["2330"], adjusted="back", method="split_only")[0]
    assert (first.close, first.volume, first.applied_factor) == (Decimal("249.625"), 4000, 0.25)


def _pages(lab: QuantLab, seeded: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [date(2026, 1, 5) + timedelta(n) for n in range(30)]
    more = [Bar(symbol, day, close=n + 1) for symbol in ("2317", "6488") for n, day in enumerate(days)]
    with transaction(seeded.engine) as connection:
        write_bars(connection, more, fields=BAR_FIELDS, source="test", run_id=None, at=NOW)
        acted = [CorporateAction("2317", day, ActionKind.DIVIDEND, 100, 99) for day in days]
        write_actions(connection, acted, period=(days[0], days[-1]), source="test", run_id=None, at=NOW)
    whole = lab.bars("all", end="2026-11-19")
    expected = [("2330", FIRST.session), *((bar.symbol, bar.session) for bar in more)]
    assert [(bar.symbol, bar.session) for bar in whole] == sorted(expected)
    for size in (1, 7, 61):
        monkeypatch.setattr(client, "_PAGE", size)
        monkeypatch.setattr(client, "_MANY", 1 + size)
        assert lab.bars("all", end="2026-11-19") == whole
        assert [one.ex_date for one in lab.actions("2317")] == days[::-1]
    assert lab.bars_pandas("all", end="2026-11-19")["session"].dt.date.tolist() == [bar.session for bar in whole]


def _changed_between_two_pages(lab: QuantLab, seeded: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAGE", 20)
    ask, ratios = lab._get, [50]

    def get(path: str, query: dict[str, Any]) -> Any:
        reply = ask(path, query)
        if query["cursor"] is None and ratios:
            split = CorporateAction("6488", date(2026, 1, 8), ActionKind.SPLIT, 100, ratios.pop())
            with transaction(seeded.engine) as connection:
                write_actions(connection, [split], period=(split.ex_date,) * 2, source="test", run_id=None, at=NOW)
        return reply

    monkeypatch.setattr(lab, "_get", get)
    bars = lab.bars(["6488"], adjusted="back")
    assert [bar.applied_factor for bar in bars] == [0.5] * 3 + [1.0] * 27
    ratios.extend((40, 25))  # once anew, and no more
    with pytest.raises(InvalidRequest, match="begin anew") as caught:
        lab.bars(["6488"], adjusted="back")
    assert caught.value.kind == "ChangedMeanwhile"
    monkeypatch.setattr(lab, "_get", ask)


def _errors(lab: QuantLab) -> None:
    with pytest.raises(NotFound, match=r"No securities list holds '9998', '9999'\.") as caught:
        lab.bars(["2330", "9998", "9999"])
    assert caught.value.kind == "UnknownSymbol"
    wrong: list[tuple[Callable[[], Any], str]] = [
        (lambda: lab.bars("none"), "There is no universe 'none'"),
        (lambda: lab.bars_polars(["2330"], start="2026-02-02", end="2026-02-01"), "is later than end"),
        (lambda: lab.bars([]), "write symbols such as 2330"),
        (lambda: lab.figures("nothing", "2330"), "nothing"),
        (lambda: lab.ready("tomorrow"), "date is 'tomorrow'"),
        (lambda: lab._get("/api/v1/nothing", {}), "There is nothing at /api/v1/nothing"),
    ]
    for ask, sentence in wrong:
        with pytest.raises(InvalidRequest, match=sentence):
            ask()


def _lists(lab: QuantLab) -> None:
    assert [(one.symbol, one.name, one.listed_on) for one in lab.securities(venue="TPEX")] == [
        ("6488", "環球晶", date(2000, 1, 4))
    ]
    assert [one.symbol for one in lab.securities()] == ["2317", "2330", "6488", "7772"]
    assert lab.figures("institutional", "2330") == []
    assert lab.coverage("2026-11-01", "2026-11-30") == []
    found = lab.ready("2026-11-23")
    assert (found.ready, found.session, found.ready_at) == (False, date(2026, 11, 23), None)
    assert found.reason.startswith("daily_bars of 2026-11-23: nothing of TWSE is held")
    assert lab.ready("2026-11-22").ready  # a Sunday
    with pytest.raises(NotReady, match="nothing of TWSE is held"):
        lab.wait_ready("2026-11-23", timeout=0.05, poll=0.01)


def test_it_asks_for_a_whole_day_or_for_some_symbols(lab: QuantLab, seeded: Platform) -> None:
    day = date(2026, 11, 23)
    with transaction(seeded.engine) as connection:
        for venue in BAR_VENUES:
            coverage.account(connection, venue, [day], at=NOW)
        connection.exec_driver_sql("UPDATE coverage SET expected = 100, held = 99")
    assert lab.ready(day).missing == ("2317", "6488")
    assert not lab.ready(day, strict=True).ready
    assert lab.wait_ready(day, symbols=["2330"], timeout=0.05, poll=0.01).ready
    with pytest.raises(NotReady, match="2 missing: 2317 6488"):
        lab.wait_ready(day, strict=True, timeout=0.05, poll=0.01)


def test_it_waits_until_the_day_is_complete(lab: QuantLab, seeded: Platform) -> None:
    """Somebody says meanwhile that there was no session."""
    asked = threading.Event()
    real = lab.ready

    def ready(*words: Any, **named: Any) -> quantlab_client.Readiness:
        found = real(*words, **named)
        asked.set()
        return found

    def close() -> None:
        asked.wait(30)
        with transaction(seeded.engine) as connection:
            override(
                connection, date(2026, 11, 23), is_open=False, reason="颱風", by="tests", at=NOW.astimezone(TAIPEI)
            )

    lab.ready = ready  # type: ignore[method-assign]
    typhoon = threading.Thread(target=close)
    typhoon.start()
    found = lab.wait_ready("2026-11-23", timeout=30, poll=0.01)
    typhoon.join()
    assert found.reason == "2026-11-23 is no trading session."


def test_a_server_that_is_away_is_said(free_port: Callable[[], int]) -> None:
    with QuantLab(f"http://127.0.0.1:{free_port()}") as away:
        with pytest.raises(Unavailable, match=r"does not answer: .* Does it run\? `make up`"):
            away.bars(["2330"])
        with pytest.raises(Unavailable):
            away.wait_ready("2026-11-23", timeout=0.05, poll=0.01)


def test_it_stands_alone() -> None:
    """Neither the platform nor anything but httpx is imported where frames are not asked for."""
    folder = Path(quantlab_client.__file__).parent
    assert (folder / "py.typed").exists()
    for path in folder.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name is not None
                top = name.split(".")[0]
                assert top in {"quantlab_client", "httpx"} or top in STANDARD, (path.name, name)


STANDARD = {"__future__", "collections", "dataclasses", "datetime", "decimal", "io", "time", "types", "typing"}
