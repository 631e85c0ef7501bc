"""Work cut into units, each fetched, then stored in a transaction of its own: a failed unit fails alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

from loguru import logger

from app.errors import RETRIABLE, Interruption, NotYetPublished, QuantLabError, RunSignal, StoreUnavailable
from app.market.gaps import Cell
from app.market.sayings import say
from app.market.security import Venue
from app.services.context import Context
from app.services.report import Report
from app.store import units as ledger
from app.store.counts import Counts
from app.store.engine import Connection, transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of a run: *scope* tells it from the others of its dataset and venue (a session, a symbol-month)."""

    dataset: str
    venue: Venue
    scope: str
    session: date | None = None

    def __str__(self) -> str:
        return say("unit", dataset=self.dataset, venue=self.venue, scope=self.scope)

    def say(self, why: object) -> str:
        """What became of it, in a sentence of the whole run."""
        return say("of_unit", dataset=self.dataset, venue=self.venue, scope=self.scope, why=why)


def unit_of(cell: Cell) -> Unit:
    """One venue's whole market in one session, as a piece of work."""
    return Unit(cell.dataset, cell.venue, cell.session.isoformat(), session=cell.session)


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a unit came to; with a *shortfall* sentence the unit is PARTIAL."""

    counts: Counts
    shortfall: str | None = None


@dataclass(slots=True)
class _Tally:
    counts: Counts = field(default_factory=Counts)
    states: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def add(self, state: str, reason: str | None = None) -> None:
        self.states[state] = self.states.get(state, 0) + 1
        if reason:
            self.reasons.append(reason)


@dataclass(frozen=True, slots=True)
class UnitWork(Generic[T]):
    """How to do a unit: *fetch* asks a source, outside of any transaction; *store* writes, inside one."""

    fetch: Callable[[Unit], T]
    store: Callable[[Connection, Unit, T], Stored]


def do_units(units: Sequence[Unit], work: UnitWork[T], context: Context) -> Report:
    """Do every unit and report the whole; what an earlier attempt of this run has done is not done again.

    What is not published yet is SKIPPED, neither a gap nor a failure. When every unit failed, an error is raised, one
    that another try may mend before others; when some did, the report is PARTIAL and names them, with such an error.
    StoreUnavailable is raised at once, for without PostgreSQL no unit can be done, and so are interruptions and
    the context's interrupts. A run that does another over leaves out what succeeded there.
    """
    tally = _Tally()
    units = _but_what_succeeded_before(units, context)
    done = _done_before(context)
    for number, unit in enumerate(units):
        context.progress(number, len(units), str(unit))
        if before := done.get((unit.dataset, unit.venue, unit.scope)):
            tally.counts += before.counts
            tally.add(before.state, before.reason and unit.say(before.reason))
        else:
            _do_unit(unit, work, context, tally=tally)
    context.progress(len(units), len(units), "")
    return _report(tally, len(units))


def _but_what_succeeded_before(units: Sequence[Unit], context: Context) -> Sequence[Unit]:
    if context.lease is None:
        return units
    with transaction(context.engine) as connection:
        succeeded = ledger.succeeded_before(connection, context.lease.run_id)
    return [unit for unit in units if (unit.dataset, unit.venue, unit.scope) not in succeeded]


def _done_before(context: Context) -> dict[tuple[str, Venue, str], ledger.HeldUnit]:
    """What earlier attempts of this run stored; what failed or was too early is tried again."""
    if context.lease is None or context.lease.token == 1:
        return {}
    with transaction(context.engine) as connection:
        held = ledger.of_run(connection, context.lease.run_id)
    return {(one.dataset, one.venue, one.scope): one for one in held if one.state in ("SUCCESS", "PARTIAL")}


def _do_unit(unit: Unit, work: UnitWork[T], context: Context, *, tally: _Tally) -> None:
    try:
        fetched = work.fetch(unit)
        with context.writing() as connection:
            stored = work.store(connection, unit, fetched)
            state = "PARTIAL" if stored.shortfall else "SUCCESS"
            _record(connection, context, unit, state, counts=stored.counts, reason=stored.shortfall)
        tally.counts += stored.counts
        tally.add(state, stored.shortfall and unit.say(stored.shortfall))
    except (StoreUnavailable, Interruption):
        raise
    except (NotYetPublished, RunSignal) as signal:
        logger.info("{} skipped: {}", unit, signal)
        tally.add("SKIPPED", unit.say(signal))
        with context.writing() as connection:
            _record(connection, context, unit, "SKIPPED", reason=str(signal), signal=signal)
    except context.interrupts:
        raise
    except Exception as error:
        logger.opt(exception=error).error("{} failed: {}", unit, error)
        tally.errors.append(error)
        tally.add("FAILED", unit.say(error))
        with context.writing() as connection:
            _record(connection, context, unit, "FAILED", error=error)


def _record(
    connection: Connection,
    context: Context,
    unit: Unit,
    state: str,
    *,
    counts: Counts | None = None,
    reason: str | None = None,
    error: BaseException | None = None,
    signal: BaseException | None = None,
) -> None:
    """In the same transaction as the unit's data. Work that is no run (a script, a test) leaves no row."""
    if context.run_id is None:
        return
    ledger.record(
        connection,
        context.run_id,
        dataset=unit.dataset,
        venue=unit.venue,
        scope=unit.scope,
        session=unit.session,
        state=state,
        reason=reason,
        counts=counts or Counts(),
        error_type=type(error or signal).__name__ if error or signal else None,
        error=None if error is None else str(error),
        at=context.clock(),
    )


def _report(tally: _Tally, total: int) -> Report:
    failed, partial, skipped = (tally.states.get(state, 0) for state in ("FAILED", "PARTIAL", "SKIPPED"))
    details: Mapping[str, Any] = {"units": total, "by_state": tally.states, "notes": tally.reasons[:20]}
    if failed and failed + skipped == total:
        raise _mendable(tally) or tally.errors[0]
    if failed or partial:
        reason = say("units_failed", failed=failed, total=total, short=partial, first=tally.reasons[0])
        return Report("PARTIAL", reason, tally.counts, details, _mendable(tally))
    if total and skipped == total:
        return Report("SKIPPED", tally.reasons[0], tally.counts, details)
    return Report("SUCCESS", None, tally.counts, details)


def _mendable(tally: _Tally) -> QuantLabError | None:
    """The error that another try may mend; of several the one that asks for the longest rest, or the try is in vain."""
    mendable = [error for error in tally.errors if isinstance(error, RETRIABLE)]
    return max(mendable, key=lambda error: error.facts.get("retry_after") or 0, default=None)
