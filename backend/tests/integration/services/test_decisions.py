"""What becomes of quarantined rows: released, dismissed, mended by themselves, or read again by today's parsers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from app.errors import AlreadyDecided, InvalidParameter, NotStorable, UnknownRow
from app.market import bar_rules
from app.market.bar import Bar
from app.market.security import Venue
from app.services import decisions, gate
from app.services.sync_daily_bars import sync_daily_bars
from app.services.sync_month_bars import sync_month_bars
from app.sources.replayed import ArchivedClient
from app.store.cells import read_cells
from app.store.coverage import list_unheld
from app.store.engine import transaction
from app.store.securities import find

DAY = date(2026, 11, 19)
WHOLE = 1347 + 1009
SAYS = {"by": "mei", "note": "asked the exchange"}


class Spoiled:
    """A client among whose answers some bars of TWSE are not in order: as if the exchange had printed them so."""

    def __init__(self, client: Any, *symbols: str, high: int = 10_000) -> None:
        self.client, self.symbols, self.high = client, symbols, high

    def fetch(self, dataset: Any, query: Any) -> Any:
        parsed = self.client.fetch(dataset, query)
        if dataset.name not in ("daily_bars", "month_bars"):
            return parsed
        bad = {place for place, bar in enumerate(parsed.rows) if bar.symbol in self.symbols}
        rows = tuple(replace(bar, high=self.high) if at in bad else bar for at, bar in enumerate(parsed.rows))
        cells = tuple(
            {**row, "最高價": f"{self.high / 10_000}"} if at in bad else row for at, row in enumerate(parsed.cells)
        )
        return replace(parsed, rows=rows, cells=cells)


@pytest.fixture
def rule(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let one rule alone hold, whose judge the test brings; None: the real ones again."""
    right = bar_rules.JUDGES, gate.suspects

    def only(name: str | None, judge: Any = None) -> None:
        judges, plain = right if name is None else (((name, judge),), lambda bars, _facts: range(len(bars)))
        monkeypatch.setattr(bar_rules, "JUDGES", judges)
        monkeypatch.setattr(gate, "suspects", plain)

    return only


def sync(bench: Any, *spoiled: str, high: int = 10_000) -> Any:
    context = replace(bench.context, client=Spoiled(bench.context.client, *spoiled, high=high))
    return sync_daily_bars(context, start=DAY, end=DAY)


def waiting(bench: Any) -> dict[tuple[str, str], int]:
    rows = bench.rows("SELECT symbol, rule, id FROM quarantine WHERE released_at IS NULL ORDER BY id")
    return {(row.symbol, row.rule): row.id for row in rows}


def covered(bench: Any) -> tuple[int, int, int]:
    query = "SELECT held, quarantined, missing FROM coverage WHERE venue = 'TWSE' AND session = :day"
    return tuple(bench.rows(query, day=DAY)[0])  # type: ignore[return-value]


def high_of(bench: Any, symbol: str) -> int | None:
    query = "SELECT high FROM bars JOIN securities s ON s.id = security_id WHERE symbol = :symbol AND session = :day"
    rows = bench.rows(query, symbol=symbol, day=DAY)
    return rows[0][0] if rows else None


def test_a_released_row_is_stored_and_accepted_from_now_on(bench: Any) -> None:
    report = sync(bench, "2330", "2317")
    assert (report.counts.quarantined, report.counts.stored) == (2, WHOLE - 2)
    held, quarantined, missing = covered(bench)
    assert quarantined == 2
    assert high_of(bench, "2330") is None

    ids = waiting(bench)
    (row,) = decisions.release(bench.context, [ids["2330", "ohlc-order"]], **SAYS)
    assert (row.decision, row.decided_by, row.note) == ("stored", "mei", "asked the exchange")
    assert high_of(bench, "2330") == 10_000
    assert covered(bench) == (held + 1, 1, missing)

    again = sync(bench, "2330", "2317")
    assert (again.counts.quarantined, again.counts.stored, again.counts.unchanged) == (1, 0, WHOLE - 1)
    assert waiting(bench) == {("2317", "ohlc-order"): ids["2317", "ohlc-order"]}
    assert covered(bench) == (held + 1, 1, missing)

    # Another wrong value of the same bar is another row: nobody has said anything of that.
    assert sync(bench, "2330", high=20_000).counts.quarantined == 1
    assert set(waiting(bench)) == {("2330", "ohlc-order")}


def test_what_a_released_row_replaces_is_a_revision(bench: Any) -> None:
    sync(bench)
    good = high_of(bench, "2330")
    assert sync(bench, "2330").counts.quarantined == 1
    assert high_of(bench, "2330") == good, "what is held stays while the new row waits"
    decisions.release(bench.context, list(waiting(bench).values()), **SAYS)
    revised = bench.rows("SELECT field, old, new, source FROM revisions WHERE old IS NOT NULL")
    assert revised == [("high", good, 10_000, "TWSE.daily_bars released")]


def test_all_rules_that_a_row_breaks_are_decided_together(bench: Any) -> None:
    sync(bench, "2330", high=10_001)  # out of order, and no whole number of ticks
    ids = waiting(bench)
    assert set(ids) == {("2330", "ohlc-order"), ("2330", "tick-size")}
    assert covered(bench)[1] == 1
    rows = decisions.release(bench.context, [ids["2330", "tick-size"]], **SAYS)
    assert {row.id for row in rows} == set(ids.values())
    assert waiting(bench) == {}
    assert sync(bench, "2330", high=10_001).counts.quarantined == 0
    assert high_of(bench, "2330") == 10_001


def test_a_dismissed_row_does_not_come_back(bench: Any) -> None:
    sync(bench, "2330")
    held, _, missing = covered(bench)
    decisions.dismiss(bench.context, list(waiting(bench).values()), **SAYS)
    assert covered(bench) == (held, 0, missing + 1), "nobody has a bar of it"
    assert sync(bench, "2330").counts.quarantined == 1
    assert waiting(bench) == {}
    assert high_of(bench, "2330") is None
    sync(bench, "2330", high=20_000)
    assert len(waiting(bench)) == 1, "another raw row"


def test_what_comes_right_is_mended_by_itself(bench: Any) -> None:
    bench.sandbox.fault("twse", "bad-cells", path="MI_INDEX", times=None)
    sync(bench)
    assert {rule for _, rule in waiting(bench)} == {"zero-price", "price-too-large", "unreadable-cell"}
    bench.sandbox.heal()
    sync(bench)
    assert waiting(bench) == {}
    assert bench.rows("SELECT decision, decided_by, count(*) FROM quarantine GROUP BY 1, 2") == [("mended", None, 3)]
    assert covered(bench)[1] == 0


def test_a_month_history_mends_its_own_symbol_only(bench: Any) -> None:
    with transaction(bench.engine) as connection:
        some = [find(connection, symbol) for symbol in ("2330", "2317")]
    span = {"start": DAY - timedelta(days=3), "end": DAY}
    bad = replace(bench.context, client=Spoiled(bench.context.client, "2330", "2317"))
    assert sync_month_bars(bad, some, **span).counts.quarantined == 8
    sync_month_bars(bench.context, some[:1], **span)
    assert {symbol for symbol, _ in waiting(bench)} == {"2317"}
    assert bench.number("SELECT count(*) FROM quarantine WHERE decision = 'mended'") == 4


@pytest.mark.parametrize("verb", [decisions.release, decisions.dismiss])
def test_what_cannot_be_decided(bench: Any, verb: Any) -> None:
    sync(bench, "2330")
    (row_id,) = waiting(bench).values()
    with pytest.raises(UnknownRow, match="no quarantined row 999"):
        verb(bench.context, [row_id, 999], **SAYS)
    with pytest.raises(InvalidParameter, match="Say why"):
        verb(bench.context, [row_id], by="mei", note=" ")
    with pytest.raises(InvalidParameter, match="Say who"):
        verb(bench.context, [row_id], by=" ", note="so")
    assert len(waiting(bench)) == 1, "all or none"
    verb(bench.context, [row_id], **SAYS)
    with pytest.raises(AlreadyDecided, match="by mei"):
        verb(bench.context, [row_id], **SAYS)


def test_two_people_at_once_decide_once(bench: Any) -> None:
    sync(bench, "2330")
    (row_id,) = waiting(bench).values()

    def go(verb: Any) -> str:
        try:
            return str(verb(bench.context, [row_id], **SAYS)[0].decision)
        except AlreadyDecided:
            return "too late"

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(go, [decisions.release, decisions.dismiss] * 3))
    (held,) = bench.rows("SELECT decision FROM quarantine")
    assert sorted(said) == sorted([held.decision, *["too late"] * 5])
    assert (high_of(bench, "2330") is not None) == (held.decision == "stored")


def test_a_row_without_values_cannot_be_stored(bench: Any) -> None:
    bench.sandbox.fault("twse", "bad-cells", path="MI_INDEX", times=None)
    sync(bench, "2330")
    ids = waiting(bench)
    with pytest.raises(NotStorable, match=r"zero-price before it had values .* reparse"):
        decisions.release(bench.context, [row_id for (_, rule), row_id in ids.items() if rule == "zero-price"], **SAYS)
    assert waiting(bench) == ids


def test_a_bar_of_the_future_is_not_stored(bench: Any) -> None:
    sync(bench, "2330")
    (row_id,) = waiting(bench).values()
    with transaction(bench.engine) as connection:
        connection.exec_driver_sql("UPDATE quarantine SET session = '2026-12-01'")
    with pytest.raises(NotStorable, match="lies in the future"):
        decisions.release(bench.context, [row_id], **SAYS)
    assert list(waiting(bench).values()) == [row_id]


def test_a_warning_is_of_a_stored_row_and_only_closed(bench: Any, rule: Any) -> None:
    def doubt(bar: Bar, _: bar_rules.Facts) -> str | None:
        return "Odd." if bar.symbol == "2330" else None

    rule("turnover-range", doubt)
    report = sync(bench)
    assert (report.state, report.counts.quarantined, report.counts.stored) == ("SUCCESS", 0, WHOLE)
    assert covered(bench)[1] == 0
    held = high_of(bench, "2330")
    (row_id,) = waiting(bench).values()
    (row,) = decisions.release(bench.context, [row_id], **SAYS)
    assert (row.severity, row.decision) == ("warning", "stored")
    assert high_of(bench, "2330") == held
    sync(bench)
    assert waiting(bench) == {}


def test_after_a_rule_was_mended_the_archive_is_read_again(bench: Any, rule: Any) -> None:
    def wrong(bar: Bar, _: bar_rules.Facts) -> str | None:
        return "A rule that somebody got wrong." if bar.symbol in ("2330", "6488") else None

    rule("tick-size", wrong)
    sync_daily_bars(bench.context, start=DAY - timedelta(days=1), end=DAY)
    assert len(bench.rows("SELECT * FROM quarantine")) == 4
    rule(None)
    bench.sandbox.forget_requests()

    assert decisions.reparse(bench.context, start=DAY, end=DAY, rule="ohlc-order").state == "SKIPPED"
    with pytest.raises(InvalidParameter, match="There is no rule 'tick'"):
        decisions.reparse(bench.context, start=DAY, end=DAY, rule="tick")
    report = decisions.reparse(bench.context, start=DAY, end=DAY, rule="tick-size")
    assert (report.state, report.details["mended"]) == ("SUCCESS", 2)
    assert report.counts.stored == 2
    assert high_of(bench, "2330")
    decisions.reparse(bench.context, start=date(2026, 1, 1), end=DAY)
    assert waiting(bench) == {}
    assert bench.number("SELECT count(*) FROM bars") == 2 * WHOLE
    assert bench.number("SELECT sum(quarantined) FROM coverage") == 0
    assert not sum(sum(counts.values()) for counts in bench.sandbox.requests().values()), "nobody was asked"


def test_too_many_bad_rows_refuse_the_whole_reply(bench: Any, rule: Any) -> None:
    """Ticks that change for the whole market are a change of the market's rules, not of its rows."""
    rule("tick-size", lambda bar, _: "No tick." if bar.close else None)
    with pytest.raises(Exception, match=r"break rules, more than 20%: nothing of this reply is stored"):
        sync_daily_bars(bench.context, start=DAY, end=DAY)
    assert bench.number("SELECT count(*) FROM bars") + bench.number("SELECT count(*) FROM quarantine") == 0


def test_two_people_on_two_entries_of_one_row_decide_once(bench: Any) -> None:
    """Each holds the entry that the other is about to close with his own."""
    sync(bench, "2330", high=10_001)  # out of order, and no whole number of ticks
    ids = sorted(waiting(bench).values())
    assert len(ids) == 2
    bench.rows("UPDATE quarantine SET raw = raw RETURNING id")  # the later entry now lies before the earlier one

    def go(verb: Any, row_id: int) -> str:
        try:
            return str(verb(bench.context, [row_id], **SAYS)[0].decision)
        except AlreadyDecided:
            return "too late"

    for _ in range(10):
        with ThreadPoolExecutor(2) as pool:
            said = list(pool.map(go, [decisions.release, decisions.dismiss], ids))
        held = {row.decision for row in bench.rows("SELECT decision FROM quarantine")}
        assert sorted(said) == sorted([*held, "too late"])
        assert (high_of(bench, "2330") is not None) == (held == {"stored"})
        bench.rows("UPDATE quarantine SET decision = NULL, released_at = NULL RETURNING id")
        bench.rows("DELETE FROM bars RETURNING session")


def month_of(bench: Any, *spoiled: str, high: int = 20_000) -> Any:
    """The month history of 2317 alone, as the exchange prints it then."""
    with transaction(bench.engine) as connection:
        security = find(connection, "2317")
    context = replace(bench.context, client=Spoiled(bench.context.client, *spoiled, high=high))
    return sync_month_bars(context, [security], start=DAY, end=DAY)


def later(bench: Any) -> None:
    bench.at(bench.sandbox.clock[0] + timedelta(hours=1))


def test_a_row_of_a_month_counts_in_its_day(bench: Any) -> None:
    month_of(bench, "2317")
    _, quarantined, missing = covered(bench)
    assert quarantined == 1
    with transaction(bench.engine) as connection:
        cells = read_cells(connection, dataset="daily_bars", start=DAY, end=DAY)
        (cell,) = list_unheld(connection, Venue.TWSE, [DAY], states=("quarantined",))
    assert list(cells.set_aside.values()) == [1]
    assert cell.symbol == "2317"
    decisions.dismiss(bench.context, list(waiting(bench).values()), **SAYS)
    assert covered(bench)[1:] == (0, missing + 1)


def test_either_dataset_of_bars_mends_what_waits_from_the_other(bench: Any) -> None:
    month_of(bench, "2317")
    later(bench)
    sync(bench, "2330")
    assert set(waiting(bench)) == {("2330", "ohlc-order")}, "the day told 2317 well"
    assert covered(bench)[1] == 1

    later(bench)
    sync(bench, "2317", "2330")
    later(bench)
    month_of(bench)
    assert set(waiting(bench)) == {("2330", "ohlc-order")}, "and the month did; of 2330 it told nothing"


def test_an_old_answer_mends_and_opens_nothing_that_is_newer(bench: Any) -> None:
    sync(bench, "2330")
    later(bench)
    month_of(bench, "2317")
    opened = waiting(bench)
    assert set(opened) == {("2330", "ohlc-order"), ("2317", "ohlc-order")}
    seen = "SELECT id, last_seen_at FROM quarantine ORDER BY id"
    before = bench.rows(seen)
    archived = ArchivedClient(bench.context.data_dir / "archive")
    later(bench)
    replay = replace(bench.context, client=Spoiled(archived, "2330"))
    sync_daily_bars(replay, start=DAY, end=DAY)  # the day's table, as it had come two hours ago
    assert waiting(bench) == opened
    assert bench.rows(seen) == before

    later(bench)
    sync(bench)
    assert waiting(bench) == {}
    sync_daily_bars(replay, start=DAY, end=DAY)
    assert waiting(bench) == {}, "it came right after that answer"


def test_after_a_parser_was_mended_months_are_read_again(bench: Any) -> None:
    month_of(bench, "2317")
    later(bench)
    bench.sandbox.forget_requests()
    report = decisions.reparse(bench.context, start=DAY, end=DAY)
    assert (report.state, report.details["mended"], report.counts.stored) == ("SUCCESS", 1, 1)
    assert covered(bench)[:2] == (1, 0)
    assert not sum(sum(counts.values()) for counts in bench.sandbox.requests().values()), "nobody was asked"


def test_a_row_older_than_the_bar_that_is_held_is_not_stored(bench: Any) -> None:
    month_of(bench, "2317", high=20_000)
    (old,) = waiting(bench).values()
    later(bench)
    sync(bench, "2317", high=10_000)
    (new,) = set(waiting_ids(bench)) - {old}
    later(bench)
    decisions.release(bench.context, [new], **SAYS)
    with pytest.raises(NotStorable, match=r"told later, .* Dismiss it"):
        decisions.release(bench.context, [old], **SAYS)
    assert high_of(bench, "2317") == 10_000
    assert waiting_ids(bench) == [old]


def waiting_ids(bench: Any) -> list[int]:
    return [row.id for row in bench.rows("SELECT id FROM quarantine WHERE released_at IS NULL ORDER BY id")]
