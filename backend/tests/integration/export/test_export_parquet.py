"""The Parquet export over real PostgreSQL: what is held is what a reader finds, and no fault is published."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app.services.export_parquet as service
from app.errors import AlreadyRunning, ExportError
from app.export import parquet
from app.export.publish import exclusive
from app.market.bar import BAR_FIELDS, Bar
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Venue
from app.services.context import Context
from app.services.export_parquet import export_parquet
from app.store.bars import write_bars
from app.store.corporate_actions import write_actions
from app.store.engine import make_engine, transaction
from app.store.securities import register_unlisted

AT = datetime(2024, 1, 5, 14, 30, tzinfo=UTC)
OLD, DAY1, DAY2 = date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 4)  # 2024-01-03 is a session that is not held
TSMC = Bar("2330", DAY1, 590_0000, 593_0500, 589_0000, 593_0001, None, 26_059_058, 15_417_834_048, 22_518)
BARS = [
    TSMC,
    replace(TSMC, session=OLD, close=588_0000, change=-15_0000),
    replace(TSMC, session=DAY2, close=300_0000, volume=0, trades=None),
    Bar("0050", DAY1, 2**31 - 1, 1, 1, 1, -(2**31) + 1, 2**62, 2**62, 2**31 - 1),
    Bar("00687C", DAY2),
]
SPLIT = CorporateAction("2330", DAY2, ActionKind.SPLIT, 593_0000, 296_5000)
DIVIDEND = CorporateAction("2330", DAY1, ActionKind.DIVIDEND, 588_0000, 582_1200, note="現金 5.88 元")


def store(context: Context, bars: list[Bar]) -> None:
    with transaction(context.engine) as connection:
        register_unlisted(connection, Venue.TWSE, {bar.symbol: bar.symbol for bar in bars}, at=AT)
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=AT)


def act(context: Context, *actions: CorporateAction) -> None:
    with transaction(context.engine) as connection:
        write_actions(connection, actions, period=(OLD, DAY2), source="test", run_id=None, at=AT)


@pytest.fixture
def context(database_url: str, tmp_path: Path) -> Iterator[Context]:
    engine = make_engine(database_url, application_name="tests")
    nothing: dict[str, object] = dict.fromkeys(("redis", "client"))  # the export asks neither
    yield Context(engine=engine, clock=lambda: AT, universes={}, data_dir=tmp_path, **nothing)  # type: ignore[arg-type]
    engine.dispose()


@pytest.fixture
def root(context: Context) -> Path:
    return context.data_dir / "exports/parquet"


def read(root: Path) -> list[dict[str, object]]:
    return (
        pl.read_parquet(root / "current/bars/**/*.parquet", hive_partitioning=False)
        .sort("symbol", "session")
        .to_dicts()
    )


def test_what_is_held_is_exported(context: Context, root: Path) -> None:
    store(context, BARS)
    act(context, SPLIT, DIVIDEND)
    report = export_parquet(context, keep=3)
    assert (report.state, report.counts.expected, report.counts.stored) == ("SUCCESS", 5, 5)
    files = {str(path.relative_to(root / "current")) for path in (root / "current").rglob("*.*") if path.is_file()}
    assert files == {
        "bars/year=2023/bars.parquet",
        "bars/year=2024/bars.parquet",
        "securities.parquet",
        "corporate_actions.parquet",
        "calendar.parquet",
        "manifest.json",
    }
    rows = read(root)
    assert [(row["symbol"], row["session"]) for row in rows] == [
        ("0050", DAY1), ("00687C", DAY2), ("2330", OLD), ("2330", DAY1), ("2330", DAY2)
    ]  # fmt: skip
    # By hand: the dividend makes 0.99 of a price, the split half of it.
    assert [row["factor"] for row in rows] == pytest.approx([1, 1, 0.99 * 0.5, 0.5, 1], rel=1e-15)
    assert [row["factor_split"] for row in rows] == [1, 1, 0.5, 0.5, 1]
    assert rows[3] | {"factor": None} == {
        "symbol": "2330", "session": DAY1, "open": 590.0, "high": 593.05, "low": 589.0, "close": 593.0001,
        "change": None, "volume": 26_059_058, "turnover": 15_417_834_048, "trades": 22_518, "factor": None,
        "factor_split": 0.5,
    }  # fmt: skip
    assert (rows[0]["open"], rows[0]["change"], rows[0]["volume"]) == (214_748.3647, -214_748.3647, 2**62)
    assert {rows[1][name] for name in BAR_FIELDS} == {None}
    assert (rows[4]["volume"], rows[4]["trades"]) == (0, None)


def test_the_tables_beside_the_bars(context: Context, root: Path) -> None:
    store(context, BARS)
    act(context, SPLIT, DIVIDEND)
    export_parquet(context, keep=3)
    current = root / "current"
    securities = pl.read_parquet(current / "securities.parquet")
    assert securities["symbol"].to_list() == ["0050", "00687C", "2330"]
    assert securities.schema["symbol"] == pl.String
    actions = pl.read_parquet(current / "corporate_actions.parquet").to_dicts()
    assert [(row["ex_date"], row["kind"], row["previous_close"], row["ratio"]) for row in actions] == [
        (DAY1, "dividend", 588.0, 0.99), (DAY2, "split", 593.0, 0.5)
    ]  # fmt: skip
    assert (actions[0]["note"], actions[0]["cash_reference"]) == ("現金 5.88 元", None)
    calendar = pl.read_parquet(current / "calendar.parquet")
    # 2023-12-29, then the sessions of 2024: 1 January is a holiday.
    assert calendar.rows() == [(OLD, 1), (DAY1, 2), (date(2024, 1, 3), 0), (DAY2, 2)]


def test_the_manifest_tells_what_it_is(context: Context, root: Path) -> None:
    store(context, BARS)
    export_parquet(context, keep=3)
    manifest = json.loads((root / "current/manifest.json").read_text())
    assert (manifest["source"], manifest["bars"], manifest["securities"]) == ("sandbox", 5, 3)
    assert manifest["warning"].startswith("SYNTHETIC")
    assert (manifest["first_session"], manifest["last_session"]) == ("2023-12-29", "2024-01-04")
    assert manifest["columns"]["session"] == "Date"
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((root / "current" / name).read_bytes()).hexdigest() == digest
    assert len(manifest["sha256"]) == 5


def test_an_empty_database_is_skipped(context: Context, root: Path) -> None:
    assert export_parquet(context, keep=3).state == "SKIPPED"
    assert not (root / "current").exists()


def test_unchanged_data_are_not_exported_again_and_any_change_is(context: Context, root: Path) -> None:
    store(context, BARS)
    export_parquet(context, keep=9)
    first = (root / "current").readlink()
    report = export_parquet(context, keep=9)
    assert report.state == "SKIPPED"
    assert str(report.reason).startswith("Nothing has changed since the export of 2024-01-05 22:30 (Taipei).")
    assert (root / "current").readlink() == first
    for name in BAR_FIELDS:
        store(context, [replace(TSMC, **{name: (getattr(TSMC, name) or 0) + 100})])
        assert export_parquet(context, keep=9).state == "SUCCESS", name
    act(context, SPLIT)
    assert export_parquet(context, keep=9).state == "SUCCESS"
    with transaction(context.engine) as connection:
        register_unlisted(connection, Venue.TPEX, {"6488": "環球晶"}, at=AT)
    assert export_parquet(context, keep=9).state == "SUCCESS"
    assert export_parquet(context, keep=9).state == "SKIPPED"


def test_old_snapshots_go(context: Context, root: Path) -> None:
    for number in range(4):
        store(context, [replace(TSMC, volume=number)])
        export_parquet(replace(context, clock=lambda n=number: AT + timedelta(seconds=n)), keep=2)
    kept = [path.name for path in sorted(root.glob("snapshot-*"))]
    assert kept == ["snapshot-20240105T143002.000000Z", "snapshot-20240105T143003.000000Z"]


def test_what_is_written_meanwhile_is_not_seen(context: Context, root: Path) -> None:
    store(context, BARS)

    def write_meanwhile(done: int, total: int, what: str) -> None:
        if what.startswith("bars of"):
            store(context, [replace(TSMC, close=done + 1), replace(TSMC, symbol="2317", session=OLD)])
            act(context, SPLIT)

    assert export_parquet(replace(context, show_progress=write_meanwhile), keep=3).counts.fetched == 5
    rows = read(root)
    assert {row["symbol"] for row in rows} == {"0050", "00687C", "2330"}
    assert (rows[3]["close"], rows[3]["factor"]) == (593.0001, 1)


@pytest.mark.parametrize("fault", ["disk full", "wrong cell", "lost row", "database disagrees"])
def test_what_goes_wrong_leaves_the_previous_export(
    context: Context, root: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    store(context, BARS)
    export_parquet(context, keep=3)
    before, names = read(root), sorted(root.iterdir())
    store(context, [replace(TSMC, close=600_0000)])
    real = pl.DataFrame.write_parquet

    def wrong(frame: pl.DataFrame, path: Path, **options: object) -> None:
        if "bars" in str(path):
            if fault == "disk full":
                raise OSError(28, "No space left on device")
            if fault == "wrong cell":
                frame = frame.with_columns(
                    pl.when(pl.col("volume") == 0).then(1).otherwise(pl.col("volume")).alias("volume")
                )
            if fault == "lost row":
                frame = frame.head(-1)
        real(frame, path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pl.DataFrame, "write_parquet", wrong)
    if fault == "database disagrees":
        monkeypatch.setattr(service, "as_numbers", _halved)
    sentence = {
        "disk full": "No space left on device. The previous export stays",
        "wrong cell": "volume in row 3 of bars/year=2024/bars.parquet reads back as 1, not 0",
        "lost row": "symbol of bars/year=2023/bars.parquet reads back as 0 values of String, not as 1 of String",
        "database disagrees": r"close of 2023 has 1 values with the sum 2940000 in the file, and 1 with 5880000",
    }[fault]
    with pytest.raises(ExportError, match=sentence):
        export_parquet(context, keep=3)
    assert read(root) == before
    assert sorted(root.iterdir()) == names


def _halved(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("open", "high", "low", "close", "change") / 1_000_000).with_columns(
        pl.col("close") / 2
    )


def test_one_at_a_time(context: Context, root: Path) -> None:
    with exclusive(root), pytest.raises(AlreadyRunning):
        export_parquet(context, keep=3)


def test_a_reader_never_sees_a_half(context: Context, root: Path) -> None:
    """It resolves `current` once, then reads every file: each time all of one export, whatever comes meanwhile."""
    # Each export has one volume in all of its bars.
    bars = [replace(TSMC, session=OLD - timedelta(days=n)) for n in range(400)]
    store(context, [replace(bar, volume=0) for bar in bars])
    export_parquet(context, keep=9)
    seen, wrong, stop = set[int](), list[object](), threading.Event()

    def look() -> None:
        while not stop.is_set():
            volumes = pl.read_parquet((root / "current").resolve() / "bars/**/*.parquet")["volume"]
            if len(volumes) != 400 or volumes.n_unique() != 1:
                wrong.append(volumes)
            seen.add(volumes[0])

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(1, 6):
            store(context, [replace(bar, volume=number) for bar in bars])
            assert (
                export_parquet(replace(context, clock=lambda n=number: AT + timedelta(seconds=n)), keep=9).state
                == "SUCCESS"
            )
    finally:
        stop.set()
        reader.join(30)
    assert not wrong
    assert len(seen) > 1


price = st.one_of(st.none(), st.integers(1, 2**31 - 1))
change = st.one_of(st.none(), st.integers(-(2**31) + 1, 2**31 - 1))
amount = st.one_of(st.none(), st.integers(0, 2**63 - 1))
count = st.one_of(st.none(), st.integers(0, 2**31 - 1))
held = st.dictionaries(
    st.tuples(st.sampled_from(["0050", "1101", "2330", "00687C"]), st.dates(date(2022, 12, 20), date(2024, 1, 10))),
    st.tuples(price, price, price, price, change, amount, amount, count),
    min_size=1,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=held)
def test_whatever_is_held_survives_the_journey(
    context: Context, root: Path, held: dict[tuple[str, date], tuple[int | None, ...]]
) -> None:
    """From bars through PostgreSQL and files back to exact decimals, and nothing else is there."""
    with psycopg.connect(context.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as wipe:
        wipe.execute("TRUNCATE bars, revisions")
    store(context, [Bar(symbol, session, *values) for (symbol, session), values in held.items()])
    export_parquet(context, keep=1)
    found = {}
    for row in read(root):
        prices = (row[name] for name in BAR_FIELDS[:5])
        exact = [None if one is None else round(Decimal(str(one)), 4) for one in prices]
        found[row["symbol"], row["session"]] = (*exact, *(row[name] for name in BAR_FIELDS[5:]))
    assert found == {
        key: (*(None if one is None else Decimal(one) / 10_000 for one in values[:5]), *values[5:])
        for key, values in held.items()
    }
    assert set(parquet.BAR_SCHEMA) == {*BAR_FIELDS, "symbol", "session", "factor", "factor_split"}
