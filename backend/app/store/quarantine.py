"""Quarantine: rows that break a rule, with their raw cells and the reason; never dropped, never coerced."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, select, text, update

from app.market.bar import BAR_DATASETS, Bar
from app.market.bar_table import sessions_of
from app.market.security import Venue
from app.store.quarantine_reads import Decision
from app.store.tables import quarantine


class Rejected(Protocol):
    """What a source hands over: a row, the rule that it breaks, and a sentence."""

    @property
    def rule(self) -> str:
        """The rule's id."""

    @property
    def reason(self) -> str:
        """A sentence."""

    @property
    def raw(self) -> Mapping[str, str]:
        """The cells as published, by field."""

    @property
    def symbol(self) -> str | None:
        """The security, where it could be read."""

    @property
    def session(self) -> date | None:
        """The session, where it could be read."""

    @property
    def parsed(self) -> Mapping[str, Any] | None:
        """The values, where they could be read."""

    @property
    def severity(self) -> str:
        """``blocking``: it is held nowhere else; ``warning``: it is among the data all the same."""


_ADD = text("""
INSERT INTO quarantine AS q (venue, dataset, session, symbol, rule, reason, raw, parsed, severity, run_id,
    seen_at, last_seen_at)
SELECT :venue, :dataset, new.session, new.symbol, new.rule, new.reason, new.raw, new.parsed, new.severity, :run_id,
    :at, :at
FROM (
    SELECT DISTINCT ON (session, symbol, rule, md5(raw::text)) *
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row(
        session date, symbol text, rule text, reason text, raw jsonb, parsed jsonb, severity text)
) AS new
WHERE NOT EXISTS (
    SELECT FROM quarantine old
    WHERE (old.decision IN ('stored', 'dismissed') OR old.decision = 'mended' AND old.released_at > :at)
        AND old.venue = :venue AND old.dataset = :dataset
        AND old.session IS NOT DISTINCT FROM new.session AND old.symbol IS NOT DISTINCT FROM new.symbol
        AND old.rule = new.rule AND old.raw = new.raw)
ON CONFLICT (venue, dataset, session, symbol, rule, md5(raw::text)) WHERE released_at IS NULL
DO UPDATE SET last_seen_at = greatest(q.last_seen_at, excluded.last_seen_at), reason = excluded.reason,
    parsed = excluded.parsed, severity = excluded.severity
RETURNING id
""")


def add(
    connection: Connection,
    rejected: Iterable[Rejected],
    *,
    venue: Venue,
    dataset: str,
    run_id: str | None,
    at: datetime,
) -> list[int]:
    """Set *rejected* aside; returns the ids under which they are open.

    One that stands there already is only seen again. On one that a person has decided the decision holds: it is not
    opened anew; nor is one that came right later than *at*, which is when the row came.
    """
    rows = [
        {
            "session": row.session and row.session.isoformat(),
            "symbol": row.symbol,
            "rule": row.rule,
            "reason": row.reason,
            "raw": dict(row.raw),
            "parsed": None if row.parsed is None else dict(row.parsed),
            "severity": row.severity,
        }
        for row in rejected
    ]
    if not rows:
        return []
    given = {"venue": venue.value, "dataset": dataset, "run_id": run_id, "at": at, "rows": json.dumps(rows)}
    return list(connection.scalars(_ADD, given))


def mend(
    connection: Connection,
    venue: Venue,
    dataset: str,
    start: date,
    end: date,
    *,
    symbol: str | None,
    but: Collection[int],
    at: datetime,
) -> int:
    """Close the open rows from *start* to *end* (of *symbol*, if given), *but* those that were seen again."""
    given = {"venue": venue.value, "dataset": dataset, "start": start, "end": end, "symbol": symbol, "at": at}
    return connection.execute(_MEND, given | {"but": list(but)}).rowcount


_MEND = text("""
UPDATE quarantine SET released_at = :at, decision = 'mended'
WHERE released_at IS NULL AND venue = :venue AND dataset = :dataset AND session BETWEEN :start AND :end
    AND (CAST(:symbol AS text) IS NULL OR symbol = :symbol) AND id <> ALL(CAST(:but AS bigint[]))
""")


def mend_bars(
    connection: Connection, venue: Venue, good: Sequence[Bar], *, but: str, told_at: datetime | None, at: datetime
) -> int:
    """Close what waits of the bars in *good* from any dataset *but* the one that told them well.

    They are of one session or of one security. With *told_at* only what was seen before: nothing newer is closed.
    """
    if not good:
        return 0
    days = sessions_of(good)
    others = [name for name in BAR_DATASETS if name != but]
    given = {"venue": venue.value, "datasets": others, "start": min(days), "end": max(days), "told_at": told_at}
    # Nearly always nothing waits: one look at those days, before whole markets are gone through.
    if not (waiting := connection.execute(_WAITING, given).all()):
        return 0
    told_well = {(bar.symbol, bar.session) for bar in good}
    ids = [row.id for row in waiting if (row.symbol, row.session) in told_well]
    if not ids:
        return 0
    mended = (
        update(quarantine)
        .where(quarantine.c.id.in_(ids), quarantine.c.released_at.is_(None))
        .values(released_at=at, decision="mended")
    )
    if told_at is not None:  # somebody may have seen it again meanwhile
        mended = mended.where(quarantine.c.last_seen_at < told_at)
    return connection.execute(mended).rowcount


_WAITING = text("""
SELECT id, session, symbol FROM quarantine
WHERE released_at IS NULL AND severity = 'blocking' AND venue = :venue AND dataset = ANY(CAST(:datasets AS text[]))
    AND session BETWEEN :start AND :end
    AND (CAST(:told_at AS timestamptz) IS NULL OR last_seen_at < :told_at)
""")


def called_right(connection: Connection, rows: Sequence[Rejected], *, venue: Venue, dataset: str) -> frozenset[int]:
    """The places among *rows* of those that a person has released: the very same row under the same rule."""
    symbols = {row.symbol for row in rows if row.symbol is not None}
    days = [row.session for row in rows if row.session is not None]
    if not symbols or not days:
        return frozenset()
    found = connection.execute(
        select(quarantine.c.session, quarantine.c.symbol, quarantine.c.rule, quarantine.c.raw).where(
            quarantine.c.decision == "stored",
            quarantine.c.venue == venue,
            quarantine.c.dataset == dataset,
            quarantine.c.session.between(min(days), max(days)),
            quarantine.c.symbol.in_(symbols),
        )
    ).all()
    right = [(row.session, row.symbol, row.rule, row.raw) for row in found]
    return frozenset(
        place for place, row in enumerate(rows) if (row.session, row.symbol, row.rule, dict(row.raw)) in right
    )


def decide(
    connection: Connection, ids: Collection[int], decision: Decision, *, by: str, note: str | None, at: datetime
) -> int:
    """Close open rows by a person's word; returns how many were open."""
    closed = (
        update(quarantine)
        .where(quarantine.c.id.in_(ids), quarantine.c.released_at.is_(None))
        .values(released_at=at, decision=decision, decided_by=by, note=note)
    )
    return connection.execute(closed).rowcount
