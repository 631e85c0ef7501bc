"""The export, over real PostgreSQL: what is held is what is read back, and nothing that goes wrong is published."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app.services.export_qlib as service
import app.services.qlib_tree as tree_service
from app.errors import RETRIABLE, AlreadyRunning, ExportBusy, ExportError, StoreUnavailable
from app.export.publish import exclusive
from app.export.qlib.reader import TreeReader
from app.market.bar import BAR_FIELDS, Bar
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Security, SecurityKind, Venue
from app.services.context import Context, Lease
from app.services.export_qlib import export_qlib
from app.services.exports import verify
from app.store.bars import write_bars
from app.store.corporate_actions import write_actions
from app.store.engine import make_engine, transaction
from app.store.securities import register_unlisted, save_list

BACKEND = Path(__file__).resolve().parents[3]
AT = datetime(2024, 1, 5, 14, 30, tzinfo=UTC)
DAY1, DAY2, DAY3 = date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 5)  # the 4th is a session that is not held
TSMC = Bar("2330", DAY1, 590_0000, 593_0000, 589_0000, 593_0000, 0, 26_059_058, 15_417_834_048, 22_518)
BARS = [
    TSMC,
    replace(TSMC, session=DAY2, close=578_0000, change=-15_0000, volume=1_000, turnover=578_500),
    replace(TSMC, session=DAY3, close=576_0000, change=None),
    Bar("0050", DAY2, 132_5000, 132_7500, 131_0000, 131_2500, -2_7500, 3, 396, 1),
    Bar("3064", DAY1, None, None, None, None, None, 0, 0, 0),
    Bar("3064", DAY3, 30_0000, 30_0000, 30_0000, 30_0000, 100, 2_000, 60_000, 1),
]


def store(context: Context, bars: list[Bar]) -> None:
    with transaction(context.engine) as connection:
        register_unlisted(connection, Venue.TWSE, {bar.symbol: bar.symbol for bar in bars}, at=AT)
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=AT)


@pytest.fixture
def context(database_url: str, tmp_path: Path) -> Iterator[Context]:
    engine = make_engine(database_url, application_name="tests")
    nothing: dict[str, object] = dict.fromkeys(("redis", "client"))  # the export asks neither
    yield Context(engine=engine, clock=lambda: AT, universes={}, data_dir=tmp_path, **nothing)  # type: ignore[arg-type]
    engine.dispose()


@pytest.fixture
def root(context: Context) -> Path:
    return context.data_dir / "exports/qlib"


def files(folder: Path) -> dict[str, bytes]:
    tree = folder.resolve()
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*.*") if path.is_file()}


def test_what_is_held_is_exported(context: Context, root: Path) -> None:
    store(context, BARS)
    seen: list[tuple[int, int]] = []
    report = export_qlib(replace(context, show_progress=lambda done, total, _: seen.append((done, total))), keep=3)

    assert report.state == "SUCCESS"
    assert report.counts.as_dict() == {
        "expected": 6, "fetched": 6, "stored": 6, "unchanged": None, "quarantined": None
    }  # fmt: skip
    assert report.details["securities"] == 3
    assert report.details["sessions_not_held"] == 1
    hole = (
        "1 session of the trading calendar in between is not held: `quantlab gaps --from 2024-01-02 --to 2024-01-05`."
    )
    assert report.reason == hole
    again = export_qlib(context, keep=3)
    assert (again.state, (again.reason or "").endswith(f"(Taipei). {hole}")) == ("SKIPPED", True)
    assert verify(context, "qlib", None).sentence == f"It is what the database holds now, bar by bar. {hole}"
    assert seen[-1] == (6, 6)
    current = root / "current"
    assert (current / "calendars/day.txt").read_text() == "2024-01-02\n2024-01-03\n2024-01-05\n"
    assert (current / "instruments/all.txt").read_text() == (
        "0050\t2024-01-03\t2024-01-03\n2330\t2024-01-02\t2024-01-05\n3064\t2024-01-02\t2024-01-05\n"
    )
    expected = {
        "2330/close": (0, 593, 578, 576),
        "2330/change": (0, 0, 578 / 593 - 1, np.nan),
        "2330/vwap": (0, 15_417_834_048 / 26_059_058, 578.5, 15_417_834_048 / 26_059_058),
        "2330/factor": (0, 1, 1, 1),
        "0050/volume": (1, 3),
        "0050/vwap": (1, 132),
        "3064/close": (0, np.nan, np.nan, 30),
        "3064/volume": (0, np.nan, np.nan, 2000),
    }
    for name, numbers in expected.items():
        content = (current / f"features/{name}.day.bin").read_bytes()
        assert content == struct.pack(f"<{len(numbers)}f", *numbers), name


def test_the_manifest_tells_what_it_is(context: Context, root: Path) -> None:
    store(context, BARS)
    export_qlib(context, keep=3)
    manifest = service.manifest_of(root / "current")
    assert manifest is not None
    assert manifest["source"] == "sandbox"
    assert manifest["exported_at"] == "2024-01-05T14:30:00+00:00"
    assert manifest["notes"]["adjustment"].startswith("back, total_return")
    assert manifest["adjusted_securities"] == 0


def act(context: Context, *actions: CorporateAction) -> None:
    with transaction(context.engine) as connection:
        write_actions(connection, actions, period=(DAY1, DAY3), source="test", run_id=None, at=AT)


SPLIT = CorporateAction("2330", DAY2, ActionKind.SPLIT, 593_0000, 148_2500)
DIVIDEND = CorporateAction("2330", DAY3, ActionKind.DIVIDEND, 578_0000, 575_1100)


def test_prices_are_adjusted_to_the_newest(context: Context, root: Path) -> None:
    """A split 1:4 and a dividend of half a percent: 0.25 x 0.995, and 0.995, and 1."""
    store(context, BARS)
    announced = CorporateAction("2330", DAY3 + timedelta(days=3), ActionKind.DIVIDEND, 576_0000, 1)
    with transaction(context.engine) as connection:
        write_actions(connection, [announced], period=(DAY3, DAY3), source="test", run_id=None, at=AT)
    act(context, SPLIT, DIVIDEND)
    assert export_qlib(context, keep=3).details["adjusted_securities"] == 1
    tree = TreeReader(root / "current")
    factors = np.array([0.25 * 0.995, 0.995, 1])
    expected = {
        "factor": factors,
        "close": np.array([593, 578, 576]) * factors,
        "volume": np.array([26_059_058, 1_000, 26_059_058]) / factors,
        "vwap": np.array([15_417_834_048 / 26_059_058, 578.5, 15_417_834_048 / 26_059_058]) * factors,
        "change": np.array([0, 578 / 593 - 1, np.nan]),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(tree.feature("2330", name)[1], values, rtol=1e-7)
    raw = tree.feature("2330", "close")[1].astype(float) / tree.feature("2330", "factor")[1]
    assert np.round(raw, 2).tolist() == [593, 578, 576]
    assert tree.feature("0050", "factor")[1].tolist() == [1]


def test_a_new_action_makes_a_new_export(context: Context) -> None:
    store(context, BARS)
    export_qlib(context, keep=3)
    act(context, SPLIT, DIVIDEND)
    assert export_qlib(context, keep=3).state == "SUCCESS"
    assert export_qlib(context, keep=3).state == "SKIPPED"
    act(context, SPLIT)  # the dividend is withdrawn
    assert export_qlib(context, keep=3).state == "SUCCESS"


def listed(context: Context, venue: Venue, **kinds: SecurityKind) -> None:
    rows = [Security(symbol.removeprefix("s"), symbol, venue, kind) for symbol, kind in kinds.items()]
    with transaction(context.engine) as connection:
        save_list(connection, venue, rows, at=AT)


def test_universes_follow_from_the_lists_and_the_named_sets(context: Context, root: Path) -> None:
    stock, etf = SecurityKind.STOCK, SecurityKind.ETF
    listed(context, Venue.TWSE, s2330=stock, s0050=etf, s1101=stock)
    listed(context, Venue.TPEX, s3064=stock)
    store(context, BARS)
    named = replace(context, universes={"popular": ["2330", "1101"], "few": ["1101"]})
    export_qlib(named, keep=3)
    tree = TreeReader(root / "current")
    assert {name: sorted(tree.instruments(name)) for name in tree.universes()} == {
        "all": ["0050", "2330", "3064"],
        "twse": ["0050", "2330"],
        "tpex": ["3064"],
        "stock": ["2330", "3064"],
        "etf": ["0050"],
        "popular": ["2330"],  # of 1101, and so of the few, no bar is held; Qlib cannot read an empty list
    }
    assert tree.instruments("popular")["2330"] == (DAY1, DAY3)
    assert export_qlib(named, keep=3).state == "SKIPPED"
    assert export_qlib(replace(named, universes={"popular": ["0050"]}), keep=3).state == "SUCCESS"
    listed(context, Venue.TWSE, s2330=stock, s0050=stock, s1101=stock)
    assert export_qlib(replace(named, universes={"popular": ["0050"]}), keep=3).state == "SUCCESS"


def test_a_range_ends_where_the_bars_do(context: Context, root: Path) -> None:
    """A delisted share at its last session; a halted one at its last row without prices."""
    listed(context, Venue.TWSE, **dict.fromkeys(("s2330", "s1101", "s1102"), SecurityKind.STOCK))
    day = replace(TSMC, symbol="1101")
    halted = Bar("1102", DAY1, None, None, None, None, None, 0, 0, 0)
    store(
        context,
        [*BARS, day, replace(day, session=DAY2), replace(TSMC, symbol="1102")]
        + [replace(halted, session=session) for session in (DAY2, DAY3)],
    )
    listed(context, Venue.TWSE, **dict.fromkeys(("s2330", "s1102"), SecurityKind.STOCK))
    export_qlib(context, keep=3)
    tree = TreeReader(root / "current")
    for universe in ("all", "stock", "twse"):
        assert tree.instruments(universe)["1101"] == (DAY1, DAY2)
        assert tree.instruments(universe)["1102"] == (DAY1, DAY3)
    assert np.isnan(tree.feature("1102", "volume")[1]).tolist() == [False, True, True]
    assert len(tree.feature("1101", "close")[1]) == 2


def test_an_empty_database_is_skipped(context: Context, root: Path) -> None:
    report = export_qlib(context, keep=3)
    assert (report.state, report.reason) == (
        "SKIPPED",
        "There are no daily bars to export yet: run app.tasks.sync_daily_prices first.",
    )
    assert not (root / "current").exists()


def test_unchanged_data_are_not_exported_again(context: Context, root: Path) -> None:
    store(context, BARS)
    export_qlib(context, keep=3)
    first = (root / "current").readlink()
    report = export_qlib(context, keep=3)
    assert report.state == "SKIPPED"
    assert str(report.reason).startswith("Nothing has changed since the export of 2024-01-05 22:30 (Taipei).")
    assert (report.counts.stored, report.counts.unchanged) == (0, 6)
    assert (root / "current").readlink() == first


@pytest.mark.parametrize("name", [name for name in BAR_FIELDS if name != "trades"])
def test_any_changed_value_is_noticed(context: Context, root: Path, name: str) -> None:
    """Even one written with the very instant of the first write."""
    store(context, BARS)
    export_qlib(context, keep=3)
    store(context, [replace(TSMC, **{name: getattr(TSMC, name) + 100})])
    assert export_qlib(context, keep=3).state == "SUCCESS"
    assert len(list(root.glob("snapshot-*"))) == 2


def test_a_field_that_is_not_exported_changes_nothing(context: Context) -> None:
    store(context, BARS)
    export_qlib(context, keep=3)
    store(context, [replace(TSMC, trades=1)])
    assert export_qlib(context, keep=3).state == "SKIPPED"


def test_an_export_that_lost_a_file_is_made_again(context: Context, root: Path) -> None:
    store(context, BARS)
    export_qlib(context, keep=3)
    (root / "current/features/2330/open.day.bin").unlink()
    assert export_qlib(context, keep=3).state == "SUCCESS"
    assert (root / "current/features/2330/open.day.bin").exists()


def test_an_increment_equals_a_fresh_export_byte_for_byte(
    context: Context, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store(context, [bar for bar in BARS if bar.session != DAY3])
    export_qlib(context, keep=3)
    store(context, BARS)
    export_qlib(context, keep=3)
    fresh = replace(context, data_dir=tmp_path_factory.mktemp("fresh"))
    export_qlib(fresh, keep=3)
    assert files(root / "current") == files(fresh.data_dir / "exports/qlib/current")


def test_the_same_in_many_small_blocks(context: Context, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(context, BARS)
    export_qlib(context, keep=3)
    whole = files(root / "current")
    (root / "current").unlink()
    monkeypatch.setattr(tree_service, "CELLS", 1)
    export_qlib(context, keep=3)
    assert files(root / "current") == whole


def test_old_snapshots_go(context: Context, root: Path) -> None:
    for number in range(4):
        store(context, [replace(TSMC, volume=number)])
        export_qlib(replace(context, clock=lambda n=number: AT + timedelta(seconds=n)), keep=2)
    kept = [path.name for path in sorted(root.glob("snapshot-*"))]
    assert kept == ["snapshot-20240105T143002.000000Z", "snapshot-20240105T143003.000000Z"]
    assert (root / "current").readlink() == Path(kept[-1])


def test_what_is_written_meanwhile_is_not_seen(context: Context, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges are read first, bars later: both from the one state in which the export began."""
    store(context, BARS)
    monkeypatch.setattr(tree_service, "CELLS", 1)

    def write_meanwhile(done: int, total: int, what: str) -> None:
        if what.startswith("sessions"):
            store(context, [replace(TSMC, close=done + 1), replace(TSMC, symbol="2317", session=DAY3)])

    report = export_qlib(replace(context, show_progress=write_meanwhile), keep=3)
    assert report.counts.fetched == 6
    tree = TreeReader(root / "current")
    assert set(tree.instruments()) == {"0050", "2330", "3064"}
    assert tree.feature("2330", "close")[1].tolist() == [593, 578, 576]


@pytest.mark.parametrize("fault", ["disk full", "wrong cell"])
def test_what_goes_wrong_leaves_the_previous_export(
    context: Context, root: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    store(context, BARS)
    export_qlib(context, keep=3)
    before, names = files(root / "current"), sorted(root.iterdir())
    store(context, [replace(TSMC, close=600_0000)])
    write_at = "app.export.qlib.writer._write_at"
    if fault == "disk full":

        def full(path: str, content: bytes, offset: int, *, size: int | None) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(write_at, full)
        sentence = "No space left on device. The previous export stays"
    else:

        def one_off(path: str, content: bytes, offset: int, *, size: int | None) -> None:
            Path(path).write_bytes(content if "2330" not in path else content[:-1] + b"\1")

        monkeypatch.setattr(write_at, one_off)
        sentence = "of 2330 at place 2 of the calendar reads back as"
    with pytest.raises(ExportError, match=sentence):
        export_qlib(context, keep=3)
    assert files(root / "current") == before
    assert sorted(root.iterdir()) == names


def test_no_database_no_export(context: Context, root: Path) -> None:
    away = replace(context, engine=make_engine("postgresql://nobody@127.0.0.1:1/none", application_name="tests"))
    with pytest.raises(StoreUnavailable):
        export_qlib(away, keep=3)
    assert [path.name for path in root.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made_is_said(context: Context) -> None:
    (context.data_dir / "exports").write_text("in the way")
    with pytest.raises(ExportError, match="cannot be written to"):
        export_qlib(context, keep=3)


def test_one_at_a_time(context: Context, root: Path) -> None:
    with exclusive(root), pytest.raises(AlreadyRunning):
        export_qlib(context, keep=3)


def test_an_attempt_after_a_lost_one_comes_again(context: Context, root: Path) -> None:
    second = replace(context, lease=Lease("run-1", token=2))
    with exclusive(root), pytest.raises(ExportBusy, match="an earlier attempt of this run"):
        export_qlib(second, keep=3)
    assert issubclass(ExportBusy, RETRIABLE)


KILLED = """
import os, sys, time
from datetime import UTC, datetime
from pathlib import Path
import app.services.export_qlib as service
import app.services.qlib_tree as tree_service
from app.services.context import Context, Lease
from app.store.engine import make_engine

tree_service.CELLS = 1
def stop_in_the_middle(done, total, what):
    if done >= 3:
        print("half way", flush=True)
        time.sleep(600)

service.export_qlib(Context(
    engine=make_engine(os.environ["URL"], application_name="killed"), redis=None, client=None, universes={},
    clock=lambda: datetime.now(UTC), data_dir=Path(sys.argv[1]), lease=Lease("killed", 1),
    show_progress=stop_in_the_middle,
), keep=1)
"""


def test_a_crash_in_the_middle_leaves_the_previous_export(context: Context, root: Path, database_url: str) -> None:
    store(context, BARS)
    export_qlib(context, keep=1)
    before = files(root / "current")
    store(context, [replace(TSMC, close=600_0000)])
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(context.data_dir)],
        cwd=BACKEND,
        env={**os.environ, "URL": database_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "half way\n"
        child.send_signal(signal.SIGKILL)
    assert (root / ".building-killed/features/2330/open.day.bin").exists()
    assert files(root / "current") == before

    assert export_qlib(context, keep=1).state == "SUCCESS"
    assert TreeReader(root / "current").feature("2330", "close")[1][0] == 600
    names = [path.name.split("-")[0] for path in root.iterdir()]
    assert sorted(names) == [".lock", ".spare", "current", "snapshot"]


cell = st.one_of(st.none(), st.integers(1, 2**31 - 1))
amount = st.one_of(st.none(), st.integers(0, 2**40))
held = st.dictionaries(
    st.tuples(st.sampled_from(["0050", "1101", "2330", "00687C"]), st.integers(0, 4)),
    st.tuples(cell, cell, cell, cell, st.one_of(st.none(), st.integers(-(10**6), 10**6)), amount, amount),
    min_size=1,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=held, cells=st.sampled_from([1, 3, 1000]))
def test_whatever_is_held_survives_the_journey(
    context: Context, held: dict[tuple[str, int], tuple[int | None, ...]], cells: int
) -> None:
    """From bars through PostgreSQL and files back to prices, against arithmetic on one bar at a time."""
    with psycopg.connect(context.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as wipe:
        wipe.execute("TRUNCATE bars, revisions")
    days = sorted({day for _, day in held})
    bars = [Bar(symbol, DAY1 + timedelta(days=day), *values) for (symbol, day), values in held.items()]
    store(context, bars)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_service, "CELLS", cells)
        export_qlib(context, keep=1)
    tree = TreeReader(context.data_dir / "exports/qlib/current")
    assert set(tree.instruments()) == {symbol for symbol, _ in held}
    for symbol in tree.instruments():
        for name in ("open", "high", "low", "close", "volume"):
            start, values = tree.feature(symbol, name)
            for offset, value in enumerate(values):
                bar = next(
                    (b for b in bars if b.symbol == symbol and b.session == tree.calendar()[start + offset]), None
                )
                raw = None if bar is None else getattr(bar, name)
                if raw is None or not (any((bar.open, bar.high, bar.low, bar.close)) or bar.volume):  # type: ignore[union-attr]
                    assert np.isnan(value)
                else:
                    assert value == np.float32(raw if name == "volume" else raw / 10_000)
    assert len(tree.calendar()) == len(days)


def ticking(context: Context) -> Context:
    """The same with a clock that goes on, so that snapshots have names in order."""
    seconds = count()
    return replace(context, clock=lambda: AT + timedelta(seconds=next(seconds)))


# What may happen between two exports: bars of some securities on some days, with values; an action; nothing.
step = st.fixed_dictionaries(
    {
        "bars": st.lists(
            st.tuples(st.sampled_from(["0050", "1101", "2330", "00687C"]), st.integers(0, 7), st.integers(1, 400)),
            max_size=6,
        ),
        "action": st.none() | st.tuples(st.sampled_from(["0050", "2330"]), st.integers(1, 7), st.integers(40, 99)),
    }
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=3, max_size=7), cells=st.sampled_from([2, 1000]))
def test_whatever_happens_in_between_an_increment_equals_a_fresh_export(
    context: Context, tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, Any]], cells: int
) -> None:
    """New sessions, older ones that come late, revisions, new securities, actions: byte for byte, record included.

    One snapshot is kept, so that from the third export on each is made over the files of the one before the last.
    """
    with psycopg.connect(context.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as wipe:
        wipe.execute("TRUNCATE bars, revisions, corporate_actions")
    grows = ticking(replace(context, data_dir=tmp_path_factory.mktemp("grows")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_service, "CELLS", cells)
        patch.setattr(tree_service, "MOST_ANEW", 0.8)  # so that few securities do not mean that all are read
        for number, one in enumerate(steps):
            # Sessions mostly follow each other, as they do.
            bars = {
                (symbol, day if number % 2 else number): Bar(
                    symbol, DAY1 + timedelta(days=day if number % 2 else number), *[price * 100] * 4, None, price, price
                )
                for symbol, day, price in one["bars"]
            }
            if bars:
                store(context, list(bars.values()))
            if one["action"]:
                symbol, day, percent = one["action"]
                with transaction(context.engine) as connection:
                    register_unlisted(connection, Venue.TWSE, {symbol: symbol}, at=AT)
                    ex_date = DAY1 + timedelta(days=day)
                    action = CorporateAction(symbol, ex_date, ActionKind.DIVIDEND, 100_0000, percent * 1_0000)
                    period = (ex_date, ex_date)
                    write_actions(connection, [action], period=period, source=symbol, run_id=None, at=AT)
            report = export_qlib(grows, keep=1)
            fresh = replace(context, data_dir=tmp_path_factory.mktemp("fresh"))
            export_qlib(fresh, keep=1)
            if report.state == "SUCCESS":
                found, expected = (files(one.data_dir / "exports/qlib/current") for one in (grows, fresh))
                for tree in (found, expected):
                    tree.pop("manifest.json")  # tells when it was made
                assert {name for name in found if found[name] != expected.get(name)} == set()
                assert found.keys() == expected.keys()


def test_a_new_day_is_added_to_an_earlier_tree(context: Context, root: Path) -> None:
    """Only the new bars are read, and those of a security with a new action or a revised bar."""
    context = ticking(context)
    days = [DAY1 + timedelta(days=number) for number in range(6)]
    symbols = ["0050", "2330", "1101", "1102", "1103", "1104", "1105", "1106", "1107"]
    bars = [replace(TSMC, symbol=symbol, session=day) for symbol in symbols for day in days]
    for upto in (3, 4):
        store(context, [bar for bar in bars if bar.session < days[upto]])
        assert export_qlib(context, keep=1).counts.fetched == upto * 9  # there is no tree to go on from yet
    store(context, [bar for bar in bars if bar.session < days[5]])
    report = export_qlib(context, keep=1)
    assert report.counts.as_dict() == {
        "expected": 45, "fetched": 18, "stored": 18, "unchanged": 27, "quarantined": None
    }  # fmt: skip
    store(context, bars)
    store(context, [replace(TSMC, session=days[1], volume=1)])
    assert export_qlib(context, keep=1).counts.fetched == 2 * 9 + 4  # 2330 anew
    act(context, SPLIT)
    assert export_qlib(context, keep=1).counts.fetched == 9 + 5


def test_an_earlier_tree_that_was_damaged_is_not_gone_on_from(context: Context, root: Path) -> None:
    context = ticking(context)
    store(context, BARS)
    for volume in (1, 2):
        store(context, [replace(TSMC, volume=volume)])
        export_qlib(context, keep=1)
    path = root / ".spare/features/0050/close.day.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    store(context, [replace(TSMC, session=DAY3 + timedelta(days=3))])
    report = export_qlib(context, keep=1)
    assert (report.state, report.counts.fetched) == ("SUCCESS", 7)
    assert TreeReader(root / "current").feature("0050", "close")[1].tolist() == [131.25]


def test_what_is_no_longer_kept_cannot_be_found_by_its_name(context: Context, root: Path) -> None:
    context = ticking(context)
    for volume in (1, 2, 3, 4):
        store(context, [replace(TSMC, volume=volume)])
        export_qlib(context, keep=2)
    assert sorted(path.name.split("-")[0] for path in root.iterdir()) == [
        ".lock", ".spare", "current", "snapshot", "snapshot"
    ]  # fmt: skip
