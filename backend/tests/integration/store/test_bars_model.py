"""The guarantee: after any series of writes the store holds what a dictionary would, and counts as it would."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from app.market.bar import BAR_FIELDS, Bar
from app.store.bar_reads import read_bars
from app.store.bars import Written
from app.store.engine import transaction
from app.store.revisions import list_revisions
from tests.integration.store.samples import list_them, write

SYMBOLS = ("2330", "0050", "6488", "00878")
DAYS = [date(1999, 12, 31) + timedelta(offset) for offset in range(4)]  # on both sides of PostgreSQL's day 0

_price = st.none() | st.sampled_from([1, 2, 10_000, 2**31 - 1])
_amount = st.none() | st.sampled_from([0, 1, 999, 1_000, 1_999, 2**40])
_values = dict.fromkeys(("open", "high", "low", "close"), _price) | {
    "change": st.none() | st.sampled_from([0, 1, -1, -(2**31) + 1]),
    "volume": _amount,
    "turnover": _amount,
    "trades": st.none() | st.sampled_from([0, 7]),
}
_keys = st.lists(st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(DAYS)), unique=True, max_size=10)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Bar], frozenset[str], dict[str, int]]:
    bars = [Bar(symbol, day, **{name: draw(value) for name, value in _values.items()}) for symbol, day in draw(_keys)]
    fields = draw(st.frozensets(st.sampled_from(BAR_FIELDS), min_size=1))
    rounded = {"volume": 1_000} if "volume" in fields and draw(st.booleans()) else {}
    return bars, fields, rounded


class Model:
    def __init__(self) -> None:
        self.held: dict[tuple[str, date], dict[str, int | None]] = {}
        self.revisions: list[tuple[str, date, str, int, int | None]] = []

    def write(self, bars: list[Bar], fields: frozenset[str], rounded: dict[str, int]) -> Written:
        inserted = updated = unchanged = revised = 0
        for bar in bars:
            key = (bar.symbol, bar.session)
            if key not in self.held:
                self.held[key] = {name: getattr(bar, name) if name in fields else None for name in BAR_FIELDS}
                inserted += 1
                continue
            changed = False
            for name in fields:
                old, new = self.held[key][name], getattr(bar, name)
                close = old is not None and new is not None and abs(old - new) < rounded.get(name, 1)
                if old == new or close:
                    continue
                changed = True
                if old is not None:
                    self.revisions.append((*key, name, old, new))
                    revised += 1
                self.held[key][name] = new
            updated, unchanged = updated + changed, unchanged + (not changed)
        return Written(inserted, updated, unchanged, revised)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(series=st.lists(batches(), min_size=1, max_size=6))
def test_the_store_is_a_dictionary(
    engine: Engine, series: list[tuple[list[Bar], frozenset[str], dict[str, int]]]
) -> None:
    with transaction(engine) as connection:
        connection.execute(text("TRUNCATE bars, revisions, securities"))
        list_them(connection, *SYMBOLS)
    model = Model()
    for bars, fields, rounded in series:
        with transaction(engine) as connection:
            assert write(connection, *bars, fields=fields, rounded=rounded) == model.write(bars, fields, rounded)
        with transaction(engine) as connection:
            again = write(connection, *bars, fields=fields, rounded=rounded)
            assert again == Written(unchanged=len(bars))
    with transaction(engine) as connection:
        held = {(bar.symbol, bar.session): bar for symbol in SYMBOLS for bar in read_bars(connection, symbol)}
        assert held == {key: Bar(*key, **values) for key, values in model.held.items()}
        revisions = [
            (one.symbol, one.session, one.field, one.old, one.new) for one in list_revisions(connection, limit=10_000)
        ]
        assert sorted(revisions, key=repr) == sorted(model.revisions, key=repr)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.floats() | st.integers().filter(lambda n: not 0 < n < 2**31), field=st.sampled_from(("open", "close")))
def test_nothing_that_is_no_price_becomes_one(engine: Engine, value: float, field: str) -> None:
    from app.errors import InvalidRow

    with transaction(engine) as connection:
        list_them(connection, "2330")
        try:
            write(connection, Bar("2330", DAYS[0], **{field: value}))  # type: ignore[arg-type]
        except InvalidRow:
            assert read_bars(connection, "2330") == []
        else:
            raise AssertionError(f"{value!r} was taken for a price")
