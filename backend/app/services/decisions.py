"""What becomes of quarantined rows: a person says that one is right or wrong, or today's parsers read it again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from app.errors import AlreadyDecided, InvalidParameter, InvalidRow, NotStorable, UnknownRow
from app.market.bar import BAR_DATASETS, BAR_FIELDS, Bar
from app.market.quality import RULES, Severity
from app.market.sayings import say
from app.services.context import Context
from app.services.replay import Waiting, replay_archive
from app.services.report import Report
from app.store import bars, coverage, quarantine, quarantine_reads
from app.store.bar_precedence import recorded_at
from app.store.engine import Connection, transaction
from app.store.quarantine_reads import Decision, Filter, HeldRow

LONGEST_NOTE = 1_000


def release(context: Context, ids: Collection[int], *, by: str, note: str) -> list[HeldRow]:
    """Say that rows are right: their values are stored as bars, and the very same rows are accepted from now on.

    All of them or none. A value that was held under it goes to ``revisions``. A row with a warning is stored already
    and is only closed. Whatever else the same row broke is closed with it.

    Raises:
        UnknownRow, AlreadyDecided: see ``errors``.
        NotStorable: the values could not be read, are no bar's, lie in the future, or a newer bar is held by now.
        InvalidParameter: nobody is named, or no reason is given.
    """
    return _decide(context, ids, "stored", by=by, note=note)


def dismiss(context: Context, ids: Collection[int], *, by: str, note: str) -> list[HeldRow]:
    """Say that rows are wrong, or of no use: the very same rows do not come back. Raises as ``release`` does."""
    return _decide(context, ids, "dismissed", by=by, note=note)


def reparse(context: Context, *, start: date, end: date, rule: str | None = None) -> Report:
    """Read the archived replies of the sessions of which rows wait again, by today's parsers and rules.

    What is good now is stored, and its row is mended. Nothing waits: SKIPPED.
    """
    if rule is not None and rule not in RULES:
        raise InvalidParameter(f"There is no rule {rule!r}; there are {', '.join(RULES)}.")
    which = Filter(rule=rule, start=start, end=end)
    with transaction(context.engine) as connection:
        waiting = quarantine_reads.list_rows(connection, which, limit=None)
    wanted: set[Waiting] = {(row.dataset, row.venue, row.session) for row in waiting if row.session is not None}
    if not wanted:
        return Report("SKIPPED", say("none_waits_of" if rule else "none_waits", rule=rule, start=start, end=end))
    days = [day for _, _, day in wanted]
    report = replay_archive(context, start=min(days), end=max(days), only=wanted)
    with transaction(context.engine) as connection:
        after = {row.id: row for one in waiting if (row := quarantine_reads.get(connection, one.id))}
    mended = sum(row.decision == "mended" for row in after.values())
    left = sum(row.decision is None for row in after.values())
    told = f"{mended} of {len(waiting)} rows are mended, {left} still wait."
    reason = f"{told} {report.reason}" if report.reason else told
    return replace(report, reason=reason, details={**report.details, "waiting": len(waiting), "mended": mended})


def _decide(context: Context, ids: Collection[int], decision: Decision, *, by: str, note: str) -> list[HeldRow]:
    by, note = by.strip(), note.strip()
    if not by:
        raise InvalidParameter("Say who decides it.")
    if not note:
        raise InvalidParameter("Say why, in a note: who reads it later cannot ask you.")
    now = context.clock()
    with context.writing() as connection:
        # Rows before bars, as in a sync: who takes them in another order waits for one that waits for him.
        held, closed = _open_rows(connection, ids)
        quarantine.decide(connection, closed, decision, by=by[:100], note=note[:LONGEST_NOTE], at=now)
        bad = [row for row in held if row.severity == Severity.BLOCKING]
        if decision == "stored":
            for row in bad:
                _require_storable(connection, context, row)
            for row in bad:
                _store(connection, context, row)
        for dataset, venue, session in {(_covered(row), row.venue, row.session) for row in held}:
            if session is not None:
                coverage.account_set_aside(connection, dataset, venue, session, at=now)
        rows = (quarantine_reads.get(connection, row_id) for row_id in sorted(set(closed)))
        return [row for row in rows if row is not None]


def _open_rows(connection: Connection, ids: Collection[int]) -> tuple[list[HeldRow], list[int]]:
    """The rows, and the ids of all that is decided with them; nobody else can until the transaction ends.

    Raises:
        UnknownRow, AlreadyDecided.
    """
    together = set[int]()
    for row_id in sorted(set(ids)):
        held = quarantine_reads.get(connection, row_id)
        if held is None:
            raise UnknownRow(f"There is no quarantined row {row_id}; `quantlab quarantine list` shows those that wait.")
        together.update(_same_row(connection, held) if held.severity == Severity.BLOCKING else [row_id])
    # All at once and in one order: two people on two entries of one row would else wait for each other.
    locked = quarantine_reads.lock(connection, together)
    for row_id in sorted(set(ids)):
        if (held := locked[row_id]).decision is not None:
            who = f" by {held.decided_by}" if held.decided_by else ""
            raise AlreadyDecided(f"The row {row_id} is not open any more: {held.decision}{who} at {held.released_at}.")
    return [locked[row_id] for row_id in sorted(set(ids))], sorted(together)


def _same_row(connection: Connection, held: HeldRow) -> list[int]:
    """The open blocking entries of the row that *held* is about: it may break several rules."""
    which = Filter(
        severity=Severity.BLOCKING,
        venue=held.venue,
        dataset=held.dataset,
        symbol=held.symbol,
        start=held.session,
        end=held.session,
    )
    found = quarantine_reads.list_rows(connection, which, limit=None)
    alike = {row.id for row in found if (row.raw, row.symbol, row.session) == (held.raw, held.symbol, held.session)}
    return sorted({held.id, *alike})


def _require_storable(connection: Connection, context: Context, held: HeldRow) -> None:
    if held.dataset not in BAR_DATASETS or held.parsed is None or held.session is None or held.symbol is None:
        raise NotStorable(
            f"The row {held.id} broke the rule {held.rule} before it had values that could be stored. If a parser was "
            "wrong, mend it and run `quantlab quarantine reparse`; if the row is, dismiss it."
        )
    if held.session > context.today():
        raise NotStorable(f"The row {held.id} is for {held.session}, which lies in the future.")
    since = recorded_at(connection, held.symbol, held.session)
    if since is not None and since > held.last_seen_at:
        raise NotStorable(
            f"The row {held.id} was last seen at {held.last_seen_at}, and the bar of {held.symbol} of {held.session} "
            f"that is held was told later, at {since}: the row is out of date. Dismiss it."
        )


def _store(connection: Connection, context: Context, held: HeldRow) -> None:
    if held.parsed is None or held.session is None or held.symbol is None:
        raise ValueError(f"The row {held.id} was not looked at before it was stored.")
    values: dict[str, Any] = {name: value for name, value in held.parsed.items() if name in BAR_FIELDS}
    rounded: Mapping[str, int] = held.parsed.get("rounded", {})
    try:
        bars.write_bars(
            connection,
            [Bar(held.symbol, held.session, **values)],
            fields=values,
            rounded=rounded,
            source=f"{held.venue}.{held.dataset} released",
            run_id=context.run_id,
            at=context.clock(),
        )
    except InvalidRow as error:
        raise NotStorable(f"The store cannot hold the row {held.id}: {error}") from error


def _covered(held: HeldRow) -> str:
    """The dataset in whose coverage the row counts."""
    return coverage.BARS if held.dataset in BAR_DATASETS else held.dataset
