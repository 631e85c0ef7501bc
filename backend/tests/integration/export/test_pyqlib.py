"""The real Qlib reads our export: every field, universe and expression against SQL and arithmetic on single bars."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from app.market.bar import BAR_FIELDS, Bar
from app.market.corporate_action import CorporateAction
from app.market.security import BAR_VENUES
from app.runtime.postgres import Postgres
from app.sandbox.rows import Comparison
from app.sandbox.synthetic import SyntheticPrices
from app.services.context import Context
from app.services.export_qlib import export_qlib
from app.store.bars import write_bars
from app.store.corporate_actions import write_actions
from app.store.engine import make_engine, transaction
from app.store.securities import save_list
from tests.conftest import PROJECT, TEMPLATE, fresh_database

QLIB = PROJECT / ".venv-qlib/bin/python"
PAGE = PROJECT / "docs/howto/qlib.md"
START, END = date(2023, 3, 1), date(2024, 5, 31)
DELISTED, DELISTED_ON = "1101", date(2023, 10, 2)
AT = datetime(2024, 6, 3, tzinfo=UTC)
POPULAR = ["2330", "2317"]

pytestmark = pytest.mark.timeout(240)


@dataclass
class Read:
    """What Qlib read, and what the database holds: symbol → session → row."""

    facts: dict[str, Any]
    values: dict[str, dict[date, dict[str, float]]]
    alpha: dict[str, dict[date, dict[str, float]]]
    held: dict[str, dict[date, dict[str, int | None]]]
    actions: dict[str, list[tuple[date, Fraction]]]

    def factor(self, symbol: str, session: date) -> Fraction:
        """The product of all later ratios, as far as bars are held."""
        last = max(self.held[symbol])
        ratios = (ratio for ex_date, ratio in self.actions.get(symbol, ()) if session < ex_date <= last)
        return math.prod(ratios, start=Fraction(1))


def chosen(prices: SyntheticPrices) -> set[str]:
    """0050 and a few well-known shares of both venues; whatever has a rare action, and so was halted before it."""
    rare = {one.listed.symbol for one in prices.happened(START, END) if one.halted_on}
    return {"0050", "0056", "2330", "2317", "2454", "6488", "5483", "3105", "1102", "2881", "006208", DELISTED, *rare}


def fill(url: str) -> set[str]:
    """A sandbox market of some dozens of securities over three hundred sessions; returns the symbols."""
    prices = SyntheticPrices()
    symbols = chosen(prices)
    bars = [
        Bar(
            row.symbol, row.session, row.open, row.high, row.low, row.close,
            row.change if row.comparison is Comparison.NORMAL else None, row.volume, row.turnover, row.trades,
        )
        for symbol in sorted(symbols)
        for row in prices.history(symbol, START, DELISTED_ON if symbol == DELISTED else END)
    ]  # fmt: skip
    actions = [
        CorporateAction(one.listed.symbol, one.session, one.kind, one.previous_close, one.reference)
        for one in prices.happened(START, END)
        if one.listed.symbol in symbols
    ]
    engine = make_engine(url, application_name="tests")
    with transaction(engine) as connection:
        for gone in ((), (DELISTED,)):
            for venue in BAR_VENUES:
                listed = [one.security for one in prices.listing() if one.symbol in symbols.difference(gone)]
                save_list(connection, venue, [one for one in listed if one.venue is venue], at=AT)
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=AT)
        write_actions(connection, actions, period=(START, END), source="test", run_id=None, at=AT)
    engine.dispose()
    return symbols


def from_sql(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bars and actions as plain SQL has them."""
    held: dict[str, dict[date, dict[str, int | None]]] = {}
    actions: dict[str, list[tuple[date, Fraction]]] = {}
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT symbol, session, open, high, low, close, change, volume, turnover "
            "FROM bars JOIN securities ON id = security_id"
        )
        for symbol, session, *values in rows:
            names = ("open", "high", "low", "close", "change", "volume", "turnover")
            held.setdefault(symbol, {})[session] = dict(zip(names, values, strict=True))
        found = connection.execute(
            "SELECT symbol, ex_date, reference_price, previous_close "
            "FROM corporate_actions JOIN securities ON id = security_id"
        )
        for symbol, ex_date, reference, previous in found:
            actions.setdefault(symbol, []).append((ex_date, Fraction(reference, previous)))
    return held, actions


@pytest.fixture(scope="module")
def read(postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Read:
    if not QLIB.exists():
        pytest.skip("the real Qlib is not installed: python3 tools/install.py --qlib")
    folder = tmp_path_factory.mktemp("qlib")
    with fresh_database(postgres_server, TEMPLATE) as url:
        fill(url)
        engine = make_engine(url, application_name="tests")
        nothing: dict[str, Any] = dict.fromkeys(("redis", "client"))  # the export asks neither
        context = Context(engine=engine, clock=lambda: AT, universes={"popular": POPULAR}, data_dir=folder, **nothing)
        assert export_qlib(context, keep=1).state == "SUCCESS"
        engine.dispose()
        held, actions = from_sql(url)
    out = folder / "read.npz"
    done = subprocess.run(
        [QLIB, Path(__file__).with_name("read_with_qlib.py"), folder / "exports/qlib/current", out, PAGE],
        cwd=folder,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = np.load(out)
    facts = json.loads(str(loaded["facts"]))
    values: dict[str, dict[date, dict[str, float]]] = {}
    alpha: dict[str, dict[date, dict[str, float]]] = {}
    columns = zip(loaded["symbols"], loaded["days"].tolist(), loaded["values"], loaded["alpha"], strict=True)
    for symbol, day, row, alphas in columns:
        values.setdefault(str(symbol), {})[day] = dict(zip(facts["columns"], row.tolist(), strict=True))
        alpha.setdefault(str(symbol), {})[day] = dict(zip(facts["alphas"], alphas.tolist(), strict=True))
    return Read(facts, values, alpha, held, actions)


def near(found: float, expected: float | None, *, relative: float = 3e-7) -> bool:
    if expected is None:
        return math.isnan(found)
    return math.isclose(found, expected, rel_tol=relative, abs_tol=1e-9)


def is_trade(row: dict[str, int | None]) -> bool:
    return bool(row["volume"]) or any(row[name] is not None for name in ("open", "high", "low", "close"))


def test_the_market_is_worth_reading(read: Read) -> None:
    """Else what follows could pass on nothing."""
    assert len(read.held) >= 15
    assert "0050" in read.held
    assert len({session for rows in read.held.values() for session in rows}) >= 290
    assert sum(len(found) for found in read.actions.values()) >= 15
    assert any(not is_trade(row) for rows in read.held.values() for row in rows.values())
    assert min(read.factor(symbol, min(rows)) for symbol, rows in read.held.items()) < Fraction(1, 2)


def test_calendar_and_universes(read: Read) -> None:
    sessions = sorted({session for rows in read.held.values() for session in rows})
    assert read.facts["calendar"] == [str(session) for session in sessions]
    ranges = {symbol: [str(min(rows)), str(max(rows))] for symbol, rows in read.held.items()}
    assert read.facts["universes"]["all"] == ranges
    assert read.facts["universes"]["all"][DELISTED][1] == str(DELISTED_ON)
    assert read.facts["universes"]["popular"] == {symbol: ranges[symbol] for symbol in POPULAR}
    kinds = {one.symbol: one.security for one in SyntheticPrices().listing()}
    for name in ("twse", "tpex", "stock", "etf"):
        members = {s for s in ranges if name in (kinds[s].venue.lower(), kinds[s].kind)}
        assert members
        assert read.facts["universes"][name] == {symbol: ranges[symbol] for symbol in members}
    assert DELISTED in read.facts["universes"]["stock"]


def test_every_field_of_every_session(read: Read) -> None:
    cells = 0
    assert read.values.keys() == read.held.keys()
    for symbol, rows in read.held.items():
        calendar = [date.fromisoformat(day) for day in read.facts["calendar"]]
        assert sorted(read.values[symbol]) == [day for day in calendar if min(rows) <= day <= max(rows)]
        for session, row in rows.items():
            found, factor = read.values[symbol][session], read.factor(symbol, session)
            expected: dict[str, float | None] = dict.fromkeys(found)
            if is_trade(row):
                for name in ("open", "high", "low", "close"):
                    expected[f"${name}"] = None if row[name] is None else float(row[name] * factor / 10_000)  # type: ignore[operator]
                expected["$factor"] = float(factor)
                if row["volume"] is not None:
                    expected["$volume"] = float(row["volume"] / factor)
                if row["volume"] and row["turnover"] is not None:
                    expected["$vwap"] = float(row["turnover"] * factor / row["volume"])
                if row["close"] is not None and row["change"] is not None:
                    expected["$change"] = row["close"] / (row["close"] - row["change"]) - 1
            for name in ("$open", "$high", "$low", "$close", "$volume", "$factor", "$vwap"):
                assert near(found[name], expected[name]), (symbol, session, name, found[name], expected[name])
            change = expected["$change"]
            assert near(found["$change"], change, relative=1e-6), (symbol, session, found["$change"], change)
            cells += 8
    assert cells > 30_000


def test_expressions(read: Read) -> None:
    """Those that a strategy begins with, against plain Python on the fields of the same window."""
    compared = 0
    for rows in read.values.values():
        days = sorted(rows)
        for at, day in enumerate(days):
            found = rows[day]
            before = rows[days[at - 1]]["$close"] if at else math.nan
            assert near(found["Ref($close, 1)"], None if math.isnan(before) else before)
            window = [rows[one] for one in days[max(0, at - 4) : at + 1]]
            there = [one["$close"] for one in window if not math.isnan(one["$close"])]
            assert near(found["Mean($close, 5)"], statistics.fmean(there) if there else None, relative=1e-5)
            pairs = [(rows[one]["$close"], rows[one]["$volume"]) for one in days[max(0, at - 9) : at + 1]]
            if len(pairs) == 10 and not any(map(math.isnan, (value for pair in pairs for value in pair))):
                closes, volumes = zip(*pairs, strict=True)
                if len(set(closes)) > 3:
                    expected = statistics.correlation(closes, volumes)
                    assert math.isclose(found["Corr($close, $volume, 10)"], expected, rel_tol=1e-3, abs_tol=1e-3)
                    compared += 1
    assert compared > 2_000


def test_raw_is_adjusted_divided_by_the_factor(read: Read) -> None:
    for symbol, rows in read.held.items():
        for session, row in rows.items():
            found = read.values[symbol][session]["$close / $factor"]
            assert near(found, None if row["close"] is None else row["close"] / 10_000, relative=5e-7)


def test_alpha158(read: Read) -> None:
    """All 158 features have values; some of them recomputed."""
    assert len(read.facts["alphas"]) == 158
    share = {
        name: statistics.fmean(not math.isnan(row[name]) for rows in read.alpha.values() for row in rows.values())
        for name in read.facts["alphas"]
    }
    assert min(share.values()) > 0.5, min(share, key=lambda name: share[name])
    for symbol, rows in read.values.items():
        days = sorted(rows)
        for at, day in enumerate(days):
            now, alpha = rows[day], read.alpha[symbol][day]
            if at < 20 or any(math.isnan(rows[one]["$close"]) for one in days[at - 20 : at + 1]):
                continue
            closes = [rows[one]["$close"] for one in days[at - 19 : at + 1]]
            expected = {
                "KMID": (now["$close"] - now["$open"]) / now["$open"],
                "VWAP0": now["$vwap"] / now["$close"],
                "ROC5": closes[-6] / closes[-1],
                "MA10": statistics.fmean(closes[-10:]) / closes[-1],
                "STD20": statistics.stdev(closes) / closes[-1],
                "MAX20": max(rows[one]["$high"] for one in days[at - 19 : at + 1]) / closes[-1],
            }
            for name, value in expected.items():
                assert math.isclose(alpha[name], value, rel_tol=1e-4, abs_tol=2e-6), (symbol, day, name)


def test_data_health(read: Read) -> None:
    """Qlib's own conditions (scripts/check_data_health.py, its thresholds).

    A session without trade is NaN on purpose where that script wants no value to be missing: they are counted instead,
    against SQL. What it says of volume, that three times the day before is too much, no real market keeps.
    """
    assert read.facts["health"].keys() == read.held.keys()
    raw_steps = []
    for symbol, found in read.facts["health"].items():
        rows = read.held[symbol].values()
        quiet = sum(not is_trade(row) for row in rows)
        for name in ("open", "high", "low", "close", "volume"):
            assert found["missing"][f"${name}"] == sum(row[name] is None or not is_trade(row) for row in rows), symbol
        assert found["missing"]["$factor"] == quiet
        assert not found["no_factor"]
        for steps in (found["steps"], found["over_gaps"]):
            assert all(steps[f"${name}"] <= 0.5 for name in ("open", "high", "low", "close")), (symbol, steps)
        raw_steps.append(found["raw_step"])
    assert max(raw_steps) > 0.5  # raw prices do break the condition: it is the factors that mend them


def test_the_lines_of_the_how_to(read: Read) -> None:
    page = json.loads(read.facts["page"])
    rows = sum(len(rows) for symbol, rows in read.values.items() if symbol in read.facts["universes"]["stock"])
    assert page == {"alpha": [rows, 158], "close": [2 * len(read.facts["calendar"]), 3]}
