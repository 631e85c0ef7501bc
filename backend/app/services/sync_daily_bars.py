"""Advance the daily bars of the whole market: two requests a session, one for each venue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from app.errors import InvalidParameter, NoData, NotASession, NotYetPublished
from app.market.bar import Bar
from app.market.bar_table import symbols_of
from app.market.calendar import CLOSURE_TRUSTED_FROM, PUBLISHED_AFTER, closure_trusted_at
from app.market.gaps import FEWEST_EXPECTED, Cell
from app.market.quality import RULES, row_count_fault
from app.market.sayings import say
from app.market.security import BAR_VENUES
from app.services.cache_bars import cache_bars
from app.services.context import Context, no_progress
from app.services.gate import Gate
from app.services.quarantine import set_aside
from app.services.report import Report
from app.services.sync_securities import sync_securities
from app.services.units import Stored, Unit, UnitWork, do_units, unit_of
from app.sources import registry
from app.sources.base import Parsed, RejectedRow, SessionQuery
from app.store import bars as store_bars
from app.store import coverage, sessions
from app.store.bar_columns import columns_of
from app.store.counts import Counts
from app.store.engine import Connection, transaction
from app.store.securities import Listed, have_lists, ids_for, list_for_bars, register_unlisted

DATASET = "daily_bars"


def sync_daily_bars(context: Context, *, start: date, end: date) -> Report:
    """The bars of every session from *start* to *end* (both included), newest first, of TWSE and TPEx."""
    ensure_securities(context)
    units = session_units(context, start=start, end=end)
    if not units:
        raise NotASession(say("no_session_begun", start=start, end=end))
    report = do_units(units, session_work(context), context)
    cached = cache_bars(context, context.universes["popular"], start=start, end=end)
    return replace(report, details={**report.details, "cached": cached})


def session_units(context: Context, *, start: date, end: date) -> list[Unit]:
    """The whole markets of the sessions from *start* to *end* that have begun, newest first."""
    calendar = context.calendar()
    days = calendar.sessions_between(start, min(end, calendar.last_session(context.clock())))
    return [unit_of(Cell(day, venue)) for day in reversed(days) for venue in BAR_VENUES]


def session_work(context: Context) -> UnitWork[Parsed[Bar] | None]:
    """How such units are fetched and stored, whoever wants them."""
    with transaction(context.engine) as connection:
        listed, calendar = list_for_bars(connection, BAR_VENUES), sessions.trading_calendar(connection)
    ids = {one.symbol: one.id for some in listed.values() for one in some}
    gate = Gate([one for some in listed.values() for one in some], calendar)

    def fetch(unit: Unit) -> Parsed[Bar] | None:
        return fetch_session(context, unit)

    def store(connection: Connection, unit: Unit, parsed: Parsed[Bar] | None) -> Stored:
        stored = write(connection, unit, parsed)
        coverage.account(connection, unit.venue, [_day(unit)], at=context.clock())
        return stored

    def write(connection: Connection, unit: Unit, parsed: Parsed[Bar] | None) -> Stored:
        expected = count_listed(listed[unit.venue], _day(unit))
        if parsed is None:
            return store_nothing(connection, context, unit, expected=expected)
        return store_session(connection, context, unit, parsed, expected=expected, ids=ids, gate=gate)

    return UnitWork(fetch, store)


def fetch_session(context: Context, unit: Unit) -> Parsed[Bar] | None:
    """The venue's whole market in one session; None when the venue says that there is nothing.

    Raises:
        NotYetPublished: it says so at a time at which that only means "not yet".
    """
    day = _day(unit)
    try:
        return context.client.fetch(registry.daily_bars(unit.venue), SessionQuery(day))
    except NoData as error:
        if error.facts.get("told_at", context.clock()) < closure_trusted_at(day):
            from_, trusted = f"{PUBLISHED_AFTER:%H:%M}", f"{CLOSURE_TRUSTED_FROM:%H:%M}"
            message = say("nothing_yet", venue=unit.venue, day=day, clock=from_, trusted=trusted)
            raise NotYetPublished(message, site=error.site) from error
        return None


def store_nothing(connection: Connection, context: Context, unit: Unit, *, expected: int) -> Stored:
    """The venue says that there is nothing: a closure that no calendar knows (a typhoon), unless the market traded."""
    nothing = Counts(fetched=0, stored=0, unchanged=0, quarantined=0)
    if sessions.traded(connection, _day(unit)):
        counts = replace(nothing, expected=expected)
        return Stored(counts, "it published nothing of a session on which the market traded.")
    sessions.observe(connection, unit.venue, _day(unit), is_open=False, at=context.clock())
    return Stored(replace(nothing, expected=0))


def store_session(
    connection: Connection,
    context: Context,
    unit: Unit,
    parsed: Parsed[Bar],
    *,
    expected: int,
    ids: Mapping[str, int],
    gate: Gate,
) -> Stored:
    """Write one session's bars and quarantine what breaks a rule; says so when too few came.

    What the gate blocks is not written, but held in quarantine with its values; what it warns of is written and listed.

    *ids* are known before (symbol → id, which never changes); only the others are looked up, or given one.
    """
    now = context.clock()
    if unseen := {symbol for symbol in symbols_of(parsed.rows) if symbol not in ids}:
        found = ids_for(connection, unseen)
        register_unlisted(connection, unit.venue, dict.fromkeys(unseen - found.keys(), ""), at=now)
        ids = {**ids, **ids_for(connection, unseen)}
    day, fetched = _day(unit), len(parsed.rows) + len(parsed.rejected)
    passed = gate.judge(connection, parsed, venue=unit.venue, dataset=DATASET, today=context.today())
    beside = coverage.rows_beside(connection, unit.venue, day)
    far = row_count_fault(fetched, beside)
    more = _too_many(day, fetched, beside, far) if far and fetched > (beside or 0) else ()
    quarantined = set_aside(
        connection,
        passed.blocked,
        of=fetched,
        venue=unit.venue,
        dataset=DATASET,
        run_id=context.run_id,
        at=now,
        warnings=(*passed.warnings, *more),
        whole=(day, day),
        good=passed.rows,
        told_at=parsed.told_at,
    )
    written = store_bars.write_columns(
        connection,
        columns_of(passed.rows, ids, fields=parsed.fields),
        rounded=parsed.rounded,
        source=f"{unit.venue}.{DATASET}",
        run_id=context.run_id,
        at=now,
        told_at=parsed.told_at,
    )
    taken_back = sessions.observe(connection, unit.venue, day, is_open=True, at=now)
    shortfall = None
    if taken_back:
        shortfall = f"{', '.join(taken_back)} answered that there was no session, which is not so and is taken back."
    elif fetched < FEWEST_EXPECTED * expected:
        shortfall = f"{fetched} of {expected} securities listed that day came ({fetched / expected:.1%})."
    elif far and not more:
        shortfall = far
    return Stored(
        Counts(
            expected=expected,
            fetched=fetched,
            stored=written.stored,
            unchanged=written.unchanged,
            quarantined=quarantined,
        ),
        shortfall,
    )


def _too_many(day: date, rows: int, beside: int | None, reason: str) -> tuple[RejectedRow, ...]:
    """More rows than usual are stored; the warning is about the reply, not about one of them."""
    raw = {"rows": str(rows), "rows beside it": str(beside)}
    return (RejectedRow("row-count", reason, raw, session=day, severity=RULES["row-count"].severity),)


def count_listed(securities: Sequence[Listed], session: date) -> int:
    """How many of *securities* were listed on *session*, as far as the list knows."""
    return sum(
        1
        for one in securities
        if (one.on_list or one.delisted_on is not None)
        and (one.listed_on is None or one.listed_on <= session)
        and (one.delisted_on is None or one.delisted_on > session)
    )


def ensure_securities(context: Context) -> None:
    """Fetch the securities lists if none is held: on a new database nothing else could be resolved or expected."""
    if lacks_securities(context):
        context.progress(0, 1, say("lists_first"))
        sync_securities(replace(context, show_progress=no_progress))  # a step of the work, not its units


def lacks_securities(context: Context) -> bool:
    """Whether no list of a venue is held, so that it is asked for before anything else."""
    with transaction(context.engine) as connection:
        return not have_lists(connection, BAR_VENUES)


def last_days(context: Context, days: int, end: date | None) -> tuple[date, date]:
    """The range of *days* calendar days that ends with *end*, or today in Taipei."""
    today = context.today()
    last = end or today
    if last > today:
        raise InvalidParameter(f"end_date {last} lies in the future; today in Taipei is {today}.")
    return last - timedelta(days=days - 1), last


def _day(unit: Unit) -> date:
    if unit.session is None:
        raise ValueError(f"{unit} has no session")
    return unit.session
