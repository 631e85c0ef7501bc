"""The tree is the documented one, byte for byte: expected bytes are built here by hand with struct."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import ExportError
from app.export.qlib.fields import RAW_FIELDS, Block, RawBars, qlib_fields
from app.export.qlib.layout import FIELDS, Instrument, size_of
from app.export.qlib.reader import TreeReader
from app.export.qlib.verify import verify_block, verify_lists
from app.export.qlib.writer import TreeWriter, blocks

ABSENT = -(2**31)
NAN = float("nan")
CALENDAR = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]


def raw_bars(rows: list[tuple[int, int, dict[str, int]]], *, factor: float = 1.0) -> RawBars:
    """(instrument, day, values) rows; a value that is not named is absent."""
    return RawBars(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        {name: np.array([row[2].get(name, ABSENT) for row in rows], np.int64) for name in RAW_FIELDS},
        ABSENT,
        np.full(len(rows), factor),
    )


def block_of(sessions: range, bars: RawBars) -> Block:
    block = Block.empty(sessions, len(bars))
    assert block.fill(0, bars) == len(bars)
    return block


def bar(close: int, *, change: int = ABSENT, volume: int = 1000, turnover: int = ABSENT) -> dict[str, int]:
    values = {"open": close, "high": close, "low": close, "close": close, "change": change, "volume": volume}
    return {**values, "turnover": turnover}


def write_tree(folder: Path, instruments: list[Instrument], bars: RawBars, *, cells: int = 1_000_000) -> TreeReader:
    writer = TreeWriter(folder, CALENDAR, instruments, {})
    for sessions in blocks(range(len(CALENDAR)), len(instruments), cells=cells):
        chosen = (bars.days >= sessions.start) & (bars.days < sessions.stop)
        values = {name: column[chosen] for name, column in bars.values.items()}
        part = RawBars(bars.instruments[chosen], bars.days[chosen], values, ABSENT, bars.factors[chosen])
        writer.write(block_of(sessions, part))
    return TreeReader(folder)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


@pytest.mark.parametrize("cells", [1, 2, 4, 1_000_000])
def test_the_files_are_those_of_the_documented_format(tmp_path: Path, cells: int) -> None:
    instruments = [Instrument("0050", 0, 2), Instrument("00687C", 1, 2)]
    bars = raw_bars(
        [
            (0, 0, bar(100_0000, turnover=99_500)),
            # 0050 did not trade in the second session
            (0, 2, bar(102_5000, change=2_5000, volume=3, turnover=307)),
            (1, 1, bar(9_9900, volume=2000, turnover=20_000)),
            (1, 2, bar(10_0000, change=100, volume=0, turnover=0)),
        ]
    )
    write_tree(tmp_path, instruments, bars, cells=cells)

    assert (tmp_path / "calendars/day.txt").read_bytes() == b"2024-01-02\n2024-01-03\n2024-01-04\n"
    assert (
        tmp_path / "instruments/all.txt"
    ).read_bytes() == b"0050\t2024-01-02\t2024-01-04\n00687C\t2024-01-03\t2024-01-04\n"
    expected = {
        "0050/open": floats(0, 100, NAN, 102.5),
        "0050/high": floats(0, 100, NAN, 102.5),
        "0050/low": floats(0, 100, NAN, 102.5),
        "0050/close": floats(0, 100, NAN, 102.5),
        "0050/volume": floats(0, 1000, NAN, 3),
        "0050/factor": floats(0, 1, NAN, 1),
        "0050/change": floats(0, NAN, NAN, 0.025),
        "0050/vwap": floats(0, 99.5, NAN, 307 / 3),
        "00687c/open": floats(1, 9.99, 10),
        "00687c/high": floats(1, 9.99, 10),
        "00687c/low": floats(1, 9.99, 10),
        "00687c/close": floats(1, 9.99, 10),
        "00687c/volume": floats(1, 2000, 0),
        "00687c/factor": floats(1, 1, 1),
        "00687c/change": floats(1, NAN, 10 / 9.99 - 1),
        "00687c/vwap": floats(1, 10, NAN),
    }
    found = {
        str(path.relative_to(tmp_path / "features")).removesuffix(".day.bin"): path.read_bytes()
        for path in (tmp_path / "features").rglob("*.bin")
    }
    assert found == expected
    assert size_of(instruments) == sum(map(len, expected.values()))


def test_change_is_nan_where_the_venue_says_that_it_cannot_be_compared() -> None:
    ex_date = bar(95_0000, change=ABSENT)  # yesterday 100, a dividend of 5: no loss
    assert np.isnan(qlib_fields(raw_bars([(0, 0, ex_date)]))["change"]).all()


def test_change_is_measured_against_the_price_that_the_venue_compares_with() -> None:
    fields = qlib_fields(raw_bars([(0, 0, bar(99_0000, change=-1_0000)), (0, 1, bar(5_0000, change=5_0000))]))
    assert fields["change"][0] == np.float32(-0.01)
    assert np.isnan(fields["change"][1])  # a reference of 0 is none


@pytest.mark.parametrize("amount", [0, ABSENT])
def test_a_bar_without_prices_and_volume_is_nan_in_every_field(amount: int) -> None:
    halted = raw_bars([(0, 0, {"volume": amount, "turnover": amount})])
    assert all(np.isnan(column).all() for column in qlib_fields(halted).values())


def test_volume_without_a_price_stays_volume() -> None:
    """Block and odd-lot trades of a halted share: the venue publishes shares and no prices."""
    fields = qlib_fields(raw_bars([(0, 0, {"volume": 200, "turnover": 5_000})]))
    assert fields["volume"] == [200]
    assert fields["vwap"] == [25]
    assert np.isnan(fields["close"]).all()


def test_adjusted_prices_are_raw_times_the_factor_and_volume_is_divided_by_it() -> None:
    """So turnover stays what it was, and the change is the venue's own whatever the factor."""
    before_a_split = bar(188_5000, change=-1_5000, volume=1_000, turnover=188_000)
    fields = qlib_fields(raw_bars([(0, 0, before_a_split)], factor=0.25))
    assert {name: float(column[0]) for name, column in fields.items()} == {
        **dict.fromkeys(("open", "high", "low", "close"), 47.125),
        "volume": 4_000,
        "factor": 0.25,
        "change": float(np.float32(188.5 / 190 - 1)),
        "vwap": 47,
    }


def test_fields_need_every_raw_field() -> None:
    with pytest.raises(ExportError, match="without turnover"):
        qlib_fields(replace(raw_bars([]), values=dict.fromkeys(RAW_FIELDS[:-1], np.zeros(0, np.int64))))


def test_blocks_are_written_in_order(tmp_path: Path) -> None:
    writer = TreeWriter(tmp_path, CALENDAR, [Instrument("2330", 0, 2)], {})
    with pytest.raises(ExportError, match="expected session 0"):
        writer.write(block_of(range(1, 2), raw_bars([])))


def test_more_bars_than_were_counted_do_not_fit() -> None:
    with pytest.raises(ExportError, match="counts 1 bars in these sessions, and gave at least 2"):
        Block.empty(range(3), 1).fill(0, raw_bars([(0, 0, bar(1)), (0, 1, bar(1))]))


@pytest.fixture
def tree(tmp_path: Path) -> TreeReader:
    bars = raw_bars([(0, 0, bar(100_0000)), (0, 2, bar(101_0000)), (1, 1, bar(50_0000))])
    return write_tree(tmp_path, [Instrument("2330", 0, 2), Instrument("2317", 1, 1)], bars)


def verify(tree: TreeReader, *, second_close: int = 101_0000) -> int:
    bars = raw_bars([(0, 0, bar(100_0000)), (0, 2, bar(second_close)), (1, 1, bar(50_0000))])
    instruments = [Instrument("2330", 0, 2), Instrument("2317", 1, 1)]
    verify_lists(tree, CALENDAR, instruments, {})
    return verify_block(tree, instruments, block_of(range(3), bars)).filled


def test_a_good_tree_is_verified(tree: TreeReader) -> None:
    assert verify(tree) == 3 * 6  # change and vwap are NaN here


def test_a_wrong_value_is_found(tree: TreeReader) -> None:
    with pytest.raises(ExportError, match=r"open of 2330 at place 2 .* reads back as 101.0, not 101.5"):
        verify(tree, second_close=101_5000)


def test_a_value_too_many_is_found(tree: TreeReader) -> None:
    (tree.folder / "features/2330/close.day.bin").write_bytes(floats(0, 100, 7, 101))
    with pytest.raises(ExportError, match=r"close has 4 values .* where the database has 3"):
        verify(tree)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has 0 bytes"),
        (floats(0), "has 4 bytes"),
        (floats(0, 1) + b"x", "has 9 bytes"),
        (floats(-1, 1), "no place"),
    ],
)
def test_a_damaged_file_is_found(tree: TreeReader, content: bytes, sentence: str) -> None:
    (tree.folder / "features/2317/vwap.day.bin").write_bytes(content)
    with pytest.raises(ExportError, match=sentence):
        verify(tree)


def test_a_missing_file_is_found(tree: TreeReader) -> None:
    (tree.folder / "features/2317/vwap.day.bin").unlink()
    with pytest.raises(ExportError, match=r"vwap\.day\.bin cannot be read"):
        verify(tree)


def test_a_universe_has_its_members_with_their_own_ranges(tmp_path: Path) -> None:
    instruments = [Instrument("0050", 0, 1), Instrument("2330", 0, 2)]
    TreeWriter(tmp_path, CALENDAR, instruments, {"etf": ["0050"]})
    assert (tmp_path / "instruments/etf.txt").read_text() == "0050\t2024-01-02\t2024-01-03\n"
    tree = TreeReader(tmp_path)
    verify_lists(tree, CALENDAR, instruments, {"etf": ["0050"]})
    for other in ({}, {"etf": ["2330"]}, {"etf": ["0050"], "stock": ["2330"]}):
        with pytest.raises(ExportError, match=r"instruments of .* do not read back"):
            verify_lists(tree, CALENDAR, instruments, other)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("calendars/day.txt", "2024-01-03\n", ""), ("instruments/all.txt", "2317\t2024-01-03", "2317\t2024-01-02")],
)
def test_damaged_lists_are_found(tree: TreeReader, name: str, old: str, new: str) -> None:
    path = tree.folder / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ExportError, match="read back as"):
        verify(tree)


prices = st.integers(1, 2**31 - 1)
amounts = st.integers(0, 2**50)
one_bar = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("open", "high", "low", "close"), prices)
    | {"change": st.integers(-(2**31) + 1, 2**31 - 1), "volume": amounts, "turnover": amounts},
)
holdings = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 2)), one_bar, min_size=1)


@settings(max_examples=60, deadline=None)
@given(holdings=holdings, cells=st.integers(1, 12))
def test_whatever_is_held_reads_back(
    tmp_path_factory: pytest.TempPathFactory, holdings: dict[tuple[int, int], dict[str, int]], cells: int
) -> None:
    """Each cell against arithmetic on one bar at a time; and what is not held is NaN or outside of the range."""
    present = sorted({instrument for instrument, _ in holdings})
    instruments = [
        Instrument(f"{1000 + i}", min(d for j, d in holdings if j == i), max(d for j, d in holdings if j == i))
        for i in present
    ]
    rows = [(present.index(i), d, values) for (i, d), values in sorted(holdings.items(), key=lambda one: one[0][1])]
    reader = write_tree(tmp_path_factory.mktemp("tree"), instruments, raw_bars(rows), cells=cells)
    for number, one in enumerate(instruments):
        for name in FIELDS:
            start, values = reader.feature(one.symbol, name)
            assert (start, len(values)) == (one.first, one.sessions)
            for offset, value in enumerate(values):
                held = holdings.get((present[number], start + offset), {})
                assert np.float32(expected_value(name, held)).tobytes() == value.tobytes() or (
                    np.isnan(value) and np.isnan(expected_value(name, held))
                )


def expected_value(name: str, held: dict[str, int]) -> float:
    volume, close = held.get("volume", NAN), held.get("close", NAN)
    if not held.get("volume") and not {"open", "high", "low", "close"} & held.keys():
        return NAN
    if name in ("factor", "volume"):
        return {"factor": 1.0, "volume": volume}[name]
    if name == "vwap":
        return held.get("turnover", NAN) / volume if volume else NAN
    if name == "change":
        reference = close - held.get("change", NAN)
        return close / reference - 1 if reference > 0 else NAN
    return held.get(name, NAN) / 10_000
