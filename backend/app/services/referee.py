"""The referee: compare what is held with what another source says, and write down where the two differ.

What is held came from the exchanges and stays: bars are only read here. A unit is a security over the range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256

from app.market.comparison import compare
from app.market.gaps import FEWEST_EXPECTED, promised_at
from app.market.security import Venue, lot_size
from app.services.backfill import for_a_while
from app.services.context import Context
from app.services.other_sources import OtherSource, Theirs
from app.services.report import Report
from app.services.units import Stored, Unit, UnitWork, do_units
from app.store import differences
from app.store.bar_reads import read_bars
from app.store.counts import Counts
from app.store.coverage import BARS, read_coverage
from app.store.engine import Connection, transaction
from app.store.securities import HeldSecurity


@dataclass(slots=True)
class _Aside:
    """What has no place in a unit's counts; of this attempt alone.

    Sessions of a security of which the other source says nothing, and its bars of sessions that are a gap here.
    """

    gone: int = 0
    not_there: int = 0
    not_here: int = 0


def draw(securities: Sequence[HeldSecurity], number: int, *, seed: int) -> list[HeldSecurity]:
    """*number* of the securities, or all if there are no more: of each venue by its share, and one at the least.

    The same seed draws the same ones, on any machine; who is listed later changes one of them at most.
    """
    if number >= len(securities):
        return list(securities)
    by_venue: dict[str, list[HeldSecurity]] = {}
    for one in sorted(securities, key=lambda one: sha256(f"{seed} {one.symbol}".encode()).digest()):
        by_venue.setdefault(one.venue, []).append(one)
    drawn: list[HeldSecurity] = []
    venues = sorted(by_venue.values(), key=len)
    for place, some in enumerate(venues, start=1):
        fair = max(1, round(number * len(some) / len(securities)))
        drawn += some[: number - len(drawn) if place == len(venues) else min(fair, number - len(drawn))]
    return sorted(drawn, key=lambda one: one.symbol)


def compare_bars(
    context: Context, other: OtherSource, securities: Sequence[HeldSecurity], *, start: date, end: date
) -> Report:
    """Compare the bars of *securities* from *start* to *end* (both included) with those of the *other* source.

    Counts are in cells: expected are those that either side publishes, fetched those that both do; stored are the
    differences that are new or have changed, unchanged the equal cells and the differences that were known.
    """
    began, calendar = context.clock(), context.calendar()
    last = min(end, context.today())
    # Until its bars are promised, a session that one side lacks says nothing.
    due = [day for day in calendar.sessions_between(start, last) if day < context.today() or promised_at(day) <= began]
    whole = _whole_sessions(context, start, last)
    by_scope = {f"{one.symbol} {start}…{end}": one for one in securities}
    aside = _Aside()

    def fetch(unit: Unit) -> Theirs:
        return other.ask(by_scope[unit.scope].symbol, start, end)

    def store(connection: Connection, unit: Unit, theirs: Theirs) -> Stored:
        security = by_scope[unit.scope]
        ours = {bar.session: bar for bar in read_bars(connection, security.symbol, start=start, end=end)}
        told = [day for day in due if theirs.known and theirs.known[0] <= day <= theirs.known[1]]
        aside.not_there += len(due) - len(told)
        # Before its listing there are prices of the emerging board, which are not kept.
        told = [day for day in told if day in ours or day >= (security.listed_on or day)]
        here = [day for day in told if day in ours or (security.venue, day) in whole]
        judged = [day for day in here if _is_readable(day, theirs)]
        tolerances = {name: one for name, one in other.tolerances.items() if name in theirs.fields}
        found = compare(
            security.symbol,
            judged,
            ours=ours,
            theirs=theirs.bars,
            tolerances=tolerances,
            rounded=_rounded(security),
        )
        settled = differences.settle(
            connection,
            other.name,
            security.id,
            sessions=judged,
            fields=list(tolerances),
            found=found.differences,
            run_id=context.run_id,
            at=context.clock(),
        )
        aside.gone += settled.gone
        aside.not_here += sum(day in theirs.bars for day in told) - sum(day in theirs.bars for day in here)
        one_sided = len(found.differences) - found.different
        counts = Counts(
            expected=found.compared + one_sided,
            fetched=found.compared,
            stored=settled.stored,
            unchanged=found.equal + settled.unchanged,
        )
        return Stored(counts, _shortfall(other, theirs))

    patient = replace(context, give_back=for_a_while(context))
    units = [Unit(f"{other.name}.daily_bars", one.venue, scope) for scope, one in by_scope.items()]
    report = do_units(units, UnitWork(fetch, store), patient)
    with transaction(context.engine) as connection:
        seen = differences.tally(connection, other.name, run_id=context.run_id, since=began)
    return _with_result(report, other, seen, aside, days=(start, last))


def _rounded(security: HeldSecurity) -> Mapping[str, int]:
    """What TPEx's month histories, from which some bars come, round to: whole lots, and thousands of TWD."""
    if security.venue is not Venue.TPEX:
        return {}
    return {"volume": lot_size(security.symbol), "turnover": 1_000}


def _whole_sessions(context: Context, start: date, end: date) -> set[tuple[Venue, date]]:
    """Those whose market is held as good as whole: in others a bar that is not here is a gap, and no difference."""
    with transaction(context.engine) as connection:
        covered = read_coverage(connection, start=start, end=end, dataset=BARS)
    return {
        (one.venue, one.session)
        for one in covered
        if one.expected and one.expected - one.missing >= FEWEST_EXPECTED * one.expected
    }


def _is_readable(day: date, theirs: Theirs) -> bool:
    """Whether it is known what the other source says of that day, be it that there is no bar."""
    return day not in theirs.unread and (day in theirs.bars or None not in theirs.unread)


def _shortfall(other: OtherSource, theirs: Theirs) -> str | None:
    if not theirs.unread:
        return None
    first = next(iter(theirs.unread.values()))
    return f"{len(theirs.unread)} days of {other.name} could not be read; the first: {first}"


def _with_result(
    report: Report, other: OtherSource, seen: differences.Tally, aside: _Aside, *, days: tuple[date, date]
) -> Report:
    compared = report.counts.fetched or 0
    result = {
        "compared": compared,
        "equal": compared - seen.different,
        "different": seen.different,
        "absent_there": seen.absent_there,
        "absent_here": seen.absent_here,
        "gone": aside.gone,
        "not_there": aside.not_there,
        "not_here": aside.not_here,
    }
    sentence = (
        f"{compared:,} cells compared with {other.name}: {compared - seen.different:,} equal, {seen.different:,} "
        f"different; {seen.absent_there:,} bars absent there, {seen.absent_here:,} absent here."
    )
    if aside.not_here:
        command = f"quantlab gaps --from {days[0]} --to {days[1]}"
        sentence += f" It has {aside.not_here:,} bars of sessions that are a gap here: {command}"
    reason = f"{sentence} {report.reason}" if report.reason else sentence
    return replace(report, reason=reason, details={**report.details, "source": other.name, **result})
