"""FinLab's wide tables as bars, and its package's words as our errors; the package itself is not installed here."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app.errors import ConfigurationError, RateLimited, SourceChanged, SourceError, SourceRefused, SourceUnavailable
from app.market.bar import Bar
from app.sources.finlab.daily_bars import TABLES, TOLERANCES, fields_of, known_of
from app.sources.finlab.tables import FinLab

DAYS = pd.DatetimeIndex(["2026-11-18", "2026-11-19", "2026-11-20"])
NAN = float("nan")
TOKEN = "user#secret-token"


def table(first: list[float], second: list[float], kind: str = "float64") -> pd.DataFrame:
    return pd.DataFrame({"0050": first, "6488": second}, index=DAYS, dtype=kind)


def tables(kind: str = "float64", **more: pd.DataFrame) -> dict[str, Any]:
    return {
        "open": table([65.05, NAN, NAN], [415.0, 410.5, NAN], kind),
        "high": table([65.5, NAN, NAN], [416.0, 411.0, NAN], kind),
        "low": table([64.95, NAN, NAN], [414.0, 410.0, NAN], kind),
        "close": table([65.15, NAN, NAN], [415.5, 410.5, NAN], kind),
        "volume": table([12_345_678.0, 5.0, NAN], [1000.0, 0.0, NAN]),
        **more,
    }


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_nan_is_absent_and_prices_are_exact(kind: str) -> None:
    known = known_of("0050", tables(kind))
    assert known.bars == {
        date(2026, 11, 18): Bar("0050", date(2026, 11, 18), 650_500, 655_000, 649_500, 651_500, None, 12_345_678),
        date(2026, 11, 19): Bar("0050", date(2026, 11, 19), volume=5),
    }
    assert known_of("6488", tables(kind)).bars[date(2026, 11, 19)].volume == 0, "published, and zero"


def test_prices_of_single_precision_differ_by_less_than_the_tolerance() -> None:
    everything = np.round(np.arange(1, 1_000_000, 7) / 100, 2)
    off = np.abs(np.round(everything.astype("float32").astype("float64") * 10_000) - np.round(everything * 10_000))
    assert off.max() <= TOLERANCES["close"].units < 50, "half of the smallest tick"


def test_nothing_is_known_beyond_the_cutoff() -> None:
    known = known_of("6488", tables())
    assert (known.since, known.until) == (date(2026, 11, 18), date(2026, 11, 19)), "the last day is empty for all"
    assert known_of("2330", tables()) == type(known)({}, None, None), "no column is no statement"


def test_the_turnover_is_there_or_not() -> None:
    assert fields_of(tables()) == set(TABLES)
    more = tables(turnover=table([1.0, NAN, NAN], [2e9, NAN, NAN]), trades=table([1.0, NAN, NAN], [7.0, NAN, NAN]))
    assert fields_of(more) == {*TABLES, "turnover", "trades"}
    assert fields_of(more) == set(TOLERANCES)
    assert known_of("6488", more).bars[date(2026, 11, 18)].trades == 7
    assert known_of("6488", more).bars[date(2026, 11, 18)].turnover == 2_000_000_000


def test_another_layout_is_loud() -> None:
    lacking = tables()
    del lacking["low"]
    with pytest.raises(SourceChanged, match="最低價"):
        known_of("0050", lacking)
    with pytest.raises(SourceChanged, match="instead of days"):
        known_of("0050", {name: one.reset_index(drop=True) for name, one in tables().items()})


class Package:
    """In the package's place: what `importlib.import_module` would give."""

    def __init__(self, *, fails: Exception | None = None, lacks: str = "") -> None:
        self.fails, self.lacks = fails, lacks
        self.asked: list[str] = []
        self.tokens: list[str] = []

        self.package = SimpleNamespace(login=self.tokens.append)

    def __call__(self, name: str) -> Any:
        return {"finlab": self.package, "finlab.data": SimpleNamespace(get=self.get)}[name]

    def get(self, name: str) -> Any:
        self.asked.append(name)
        if self.fails:
            raise self.fails
        if name == self.lacks:
            raise ValueError(f"there is no {name}")
        return name


def finlab(package: Any, token: str | None = TOKEN, hour: int = 13) -> FinLab:
    return FinLab(token, clock=lambda: datetime(2026, 11, 20, hour, tzinfo=UTC), package=package)


def test_each_table_is_asked_for_once() -> None:
    package = Package(lacks="price:成交金額")
    source = finlab(package)
    assert source.tables() is source.tables()
    assert set(source.tables()) == {*TABLES, "trades"}
    assert len(package.asked) == len(TABLES) + 2
    assert package.tokens == [TOKEN]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("Usage exceed 500 MB/day. Daily download quota exceeded; resets daily at 08:00 UTC+8.", RateLimited),
        (f"the login token {TOKEN} is wrong", SourceRefused),
        ("Connection reset by peer", SourceUnavailable),
    ],
)
def test_what_the_package_says_becomes_ours_and_is_said_once(said: str, error: type[SourceError]) -> None:
    package = Package(fails=RuntimeError(said))
    source = finlab(package)
    for _ in range(3):
        with pytest.raises(error) as caught:
            source.tables()
        assert TOKEN not in str(caught.value)
    assert len(package.asked) == 1, "twenty securities are no twenty refusals"


def test_the_package_may_not_ask_a_person() -> None:
    package = Package()

    def fetch(_: str) -> Any:
        package.package.login()  # as finlab 2.2.20 does at a token that is wrong: a browser, or a prompt

    package.get = fetch  # type: ignore[method-assign]
    with pytest.raises(SourceRefused, match="token is not valid"):
        finlab(package).tables()
    package.package.login("again")
    assert package.tokens == [TOKEN, "again"], "the package's own way is back"


@pytest.mark.parametrize(("hour", "left"), [(13, 11 * 3600), (23, 3600), (0, 24 * 3600)])
def test_the_megabytes_come_back_at_eight_in_taipei(hour: int, left: int) -> None:
    with pytest.raises(RateLimited) as caught:
        finlab(Package(fails=RuntimeError("Usage exceed 500 MB/day")), hour=hour).tables()
    assert caught.value.retry_after == left


def test_what_is_not_there_is_told_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="FINLAB_API_TOKEN"):
        finlab(Package(), token=None).tables()

    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    with pytest.raises(ConfigurationError, match="pip install finlab"):
        finlab(absent).tables()
