"""The guarantee: after any series of comparisons the table holds what a dictionary would, and counts as it would."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from app.market.comparison import Difference
from app.store.differences import count_differences, list_differences, settle, tally
from app.store.securities import ids_for
from tests.integration.store.samples import list_them

SOURCES, SYMBOLS, FIELDS = ("finmind", "finlab"), ("2330", "6488"), ("close", "volume")
DAYS = [date(2026, 11, 19), date(2026, 11, 20)]
AT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
value = st.none() | st.sampled_from([1, 2, 2**40])
pair = st.tuples(value, value).filter(lambda both: both[0] != both[1])


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, str, list[date], list[str], list[Difference]]:
    source, symbol = draw(st.sampled_from(SOURCES)), draw(st.sampled_from(SYMBOLS))
    sessions, fields = (
        draw(st.lists(st.sampled_from(DAYS), unique=True)),
        draw(st.lists(st.sampled_from(FIELDS), unique=True)),
    )
    cells = [(day, field) for day in sessions for field in fields]
    found = [Difference(symbol, day, field, *draw(pair)) for day, field in cells if draw(st.booleans())]
    return source, symbol, sessions, fields, found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(comparisons(), max_size=6))
def test_any_series_of_comparisons(
    connection: Connection, series: list[tuple[str, str, list[date], list[str], list[Difference]]]
) -> None:
    savepoint = connection.begin_nested()
    list_them(connection, *SYMBOLS)
    ids = ids_for(connection, SYMBOLS)
    model: dict[tuple[str, str, date, str], tuple[int | None, int | None, str]] = {}
    for number, (source, symbol, sessions, fields, found) in enumerate(series):
        told = {(source, symbol, one.session, one.field): (one.ours, one.theirs) for one in found}
        judged = {(source, symbol, day, field) for day in sessions for field in fields}
        gone = [key for key in judged if key in model and key not in told]
        same = [key for key in told if key in model and model[key][:2] == told[key]]
        settled = settle(
            connection,
            source,
            ids[symbol],
            sessions=sessions,
            fields=fields,
            found=found,
            run_id=f"run-{number}",
            at=AT + timedelta(hours=number),
        )
        assert (settled.stored, settled.unchanged, settled.gone) == (len(told) - len(same), len(same), len(gone))
        for key in gone:
            del model[key]
        model |= {key: (*both, f"run-{number}") for key, both in told.items()}
        seen = tally(connection, source, run_id=f"run-{number}", since=AT)
        assert seen.different == sum(None not in both for both in told.values())
        assert seen.absent_there == sum(theirs is None for _, theirs in told.values())
        assert seen.absent_here == sum(ours is None for ours, _ in told.values())
    held = list_differences(connection)
    assert {(x.source, x.symbol, x.session, x.field): (x.ours, x.theirs, x.run_id) for x in held} == model
    assert all(x.seen_at == AT + timedelta(hours=int(str(x.run_id).removeprefix("run-"))) for x in held)
    assert count_differences(connection) == len(held) == len(model)
    assert [(x.session, x.symbol) for x in held] == sorted(
        ((x.session, x.symbol) for x in held), key=lambda key: (-key[0].toordinal(), key[1])
    )
    savepoint.rollback()


def test_equal_values_are_no_difference_even_to_the_table(connection: Connection) -> None:
    with pytest.raises(IntegrityError, match="a_difference"):
        connection.execute(
            text(
                "INSERT INTO differences (source, security_id, session, field, ours, theirs, seen_at) "
                "VALUES ('finmind', 1, '2026-11-20', 'close', 5, 5, now())"
            )
        )
