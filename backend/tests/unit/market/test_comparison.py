"""Two sources side by side: what is a difference, and what is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.market.bar import BAR_FIELDS, Bar
from app.market.comparison import EXACT, Difference, Tolerance, compare

DAY, NEXT = date(2026, 11, 19), date(2026, 11, 20)
BAR = Bar("2330", DAY, 9_900_000, 10_000_000, 9_850_000, 9_985_000, -5_000, 1000, 998_500, 3)
ALL = dict.fromkeys(BAR_FIELDS, EXACT)


def of(ours: Bar | None, theirs: Bar | None, **tolerances: Tolerance) -> Any:
    mine, their = ({} if one is None else {DAY: one} for one in (ours, theirs))
    return compare("2330", [DAY, NEXT], ours=mine, theirs=their, tolerances=tolerances or ALL)


def test_the_same_bar_is_eight_equal_cells() -> None:
    found = of(BAR, BAR)
    assert (found.compared, found.equal, found.differences) == (8, 8, ())


def test_a_cell_beyond_the_tolerance_is_told_with_both_values() -> None:
    found = of(BAR, replace(BAR, close=9_980_000, volume=1001))
    told = {(one.field, one.ours, one.theirs) for one in found.differences}
    assert told == {("close", 9_985_000, 9_980_000), ("volume", 1000, 1001)}
    assert (found.compared, found.different, found.equal) == (8, 2, 6)


def test_within_the_tolerance_is_equal() -> None:
    some = {"close": Tolerance(50, "it rounds")}
    assert of(BAR, replace(BAR, close=9_985_050), **some).differences == ()
    assert of(BAR, replace(BAR, close=9_984_949), **some).different == 1


@pytest.mark.parametrize(("ours", "theirs", "same"), [(5000, 5999, True), (5000, 4001, True), (5000, 6000, False)])
def test_what_may_be_rounded_here_is_the_same_as_what_it_rounds(ours: int, theirs: int, same: bool) -> None:
    for mine, equal in ((ours, same), (ours + 1, False)):
        found = compare(
            "6488",
            [DAY],
            ours={DAY: replace(BAR, volume=mine)},
            theirs={DAY: replace(BAR, volume=theirs)},
            tolerances=ALL,
            rounded={"volume": 1000},
        )
        assert (found.differences == ()) == equal, "a value that is no multiple was not rounded"


@pytest.mark.parametrize(
    ("ours", "theirs", "differ"),
    [
        ((0, 0), (900, 900), ["volume", "turnover"]),  # nothing is no lot
        ((5000, 0), (5900, 900), ["turnover"]),
        ((5000, 2_000_000), (5900, 2_000_900), []),
        ((5000, 2_000_001), (5900, 2_000_001), ["volume"]),  # a turnover in TWD: not from a month in thousands
        ((5001, 2_000_000), (5001, 2_000_900), ["turnover"]),
    ],
)
def test_only_a_bar_of_whole_lots_above_zero_may_be_rounded(
    ours: tuple[int, int], theirs: tuple[int, int], differ: list[str]
) -> None:
    found = compare(
        "6488",
        [DAY],
        ours={DAY: replace(BAR, volume=ours[0], turnover=ours[1])},
        theirs={DAY: replace(BAR, volume=theirs[0], turnover=theirs[1])},
        tolerances=ALL,
        rounded={"volume": 1000, "turnover": 1000},
    )
    assert [one.field for one in found.differences] == differ


def test_a_bar_that_one_side_lacks_is_one_difference_of_the_close() -> None:
    silent = Bar("2330", DAY, volume=1000)
    for nothing in (None, silent):
        assert of(BAR, nothing).differences == (Difference("2330", DAY, "close", 9_985_000, None),)
        assert of(nothing, BAR).differences == (Difference("2330", DAY, "close", None, 9_985_000),)
    assert of(None, None).compared == of(None, silent).compared == 0
    assert of(None, silent).differences == ()


def test_what_one_side_does_not_publish_is_not_compared() -> None:
    found = of(replace(BAR, change=None), BAR)
    assert (found.compared, found.differences) == (7, ())
    assert of(BAR, replace(BAR, volume=7), close=EXACT).differences == (), "only fields with a tolerance"


def test_only_the_given_sessions_count() -> None:
    later = replace(BAR, session=date(2026, 11, 21), close=1)
    found = compare("2330", [DAY], ours={DAY: BAR, later.session: later}, theirs={DAY: BAR}, tolerances=ALL)
    assert (found.compared, found.differences) == (8, ())


cell = st.none() | st.integers(1, 5)
bars = st.builds(
    lambda values: Bar("2330", DAY, **dict(zip(BAR_FIELDS, values, strict=True))), st.tuples(*[cell] * len(BAR_FIELDS))
)


@given(bars | st.none(), bars | st.none(), st.integers(0, 2))
def test_the_referee_takes_no_side(ours: Bar | None, theirs: Bar | None, units: int) -> None:
    tolerances = dict.fromkeys(BAR_FIELDS, Tolerance(units, "so wide"))
    one, other = (
        compare("2330", [DAY], ours=mine, theirs=their, tolerances=tolerances)
        for mine, their in (
            ({DAY: ours} if ours else {}, {DAY: theirs} if theirs else {}),
            ({DAY: theirs} if theirs else {}, {DAY: ours} if ours else {}),
        )
    )
    assert one.compared == other.compared
    assert [(x.field, x.ours, x.theirs) for x in one.differences] == [
        (x.field, x.theirs, x.ours) for x in other.differences
    ]
    both = [
        (name, a, b)
        for name in BAR_FIELDS
        if ours and theirs and None not in ((a := getattr(ours, name)), (b := getattr(theirs, name)))
    ]
    assert one.compared == len(both)
    assert one.different == sum(abs(a - b) > units for _, a, b in both)
