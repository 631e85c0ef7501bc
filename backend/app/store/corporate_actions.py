"""The ledger of corporate actions: only ever appended to, so that it can be read as it stood at any time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from app.errors import InvalidRow, TooManyInvalidRows, UnknownSymbol
from app.market.corporate_action import ActionKind, CorporateAction
from app.store.securities import ids_for
from app.store.tables import corporate_actions as ledger
from app.store.tables import securities

_LOCK = 0x51_4C_08
WITHDRAWN_SHARE = 0.2
"""The largest share of what is held of a period that its source may take back at once."""
_FEW_WITHDRAWN = 2  # below this a share says nothing

_VALUES = ("previous_close", "reference_price", "cash_reference", "note")
_READ = ("symbol", "ex_date", "kind", *_VALUES, "security_id", "source", "recorded_at")
_KINDS = {kind.value: kind for kind in ActionKind}
_KEY = (ledger.c.security_id, ledger.c.ex_date, ledger.c.kind)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: rows appended for new or changed actions and for those taken back, and what stayed."""

    stored: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    doubted: int = 0  # they stand although the reply lacks them, for it had none at all


@dataclass(frozen=True, slots=True)
class HeldAction:
    """An action as the ledger has it: who said so (``TWSE.dividends``), and since when we know."""

    action: CorporateAction
    security_id: int
    source: str
    recorded_at: datetime


def write_actions(
    connection: Connection,
    actions: Iterable[CorporateAction],
    *,
    period: tuple[date, date],
    source: str,
    run_id: str | None,
    at: datetime,
    unreadable: Collection[str | None] = (),
) -> Written:
    """Append what is new or differs, and take back what *source* no longer publishes of *period* (both ends included).

    The same actions again append nothing. No actions at all take nothing back: that is also what a site says which has
    lost its table, and one split that is gone puts a whole history of adjusted prices off. Of *unreadable* symbols,
    whose rows went to quarantine, nothing is taken back; None among them stands for a row whose symbol could not be
    read, and then nothing is at all.

    Raises:
        UnknownSymbol: a symbol that ``securities`` lacks.
        InvalidRow: one action of a security, day and kind twice, with different values.
        TooManyInvalidRows: of more than a fifth of what is held of the period the reply has nothing, not even another
            day: it is in doubt.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    fresh = _by_key(connection, actions)
    days = [*period, *(ex_date for _, ex_date, _ in fresh)]
    newest = _newest().where(ledger.c.ex_date.between(min(days), max(days)))
    held = {(row.security_id, row.ex_date, row.kind): row for row in connection.execute(newest)}
    standing = [row for row in held.values() if not row.withdrawn and _within(row, period) and row.source == source]
    gone = [
        row
        for row in standing
        if (row.security_id, row.ex_date, row.kind) not in fresh
        and not (None in unreadable or row.symbol in unreadable)
    ]
    if not fresh:
        return Written(doubted=len(gone))
    named = {security_id for security_id, _, _ in fresh}
    lost = [row for row in gone if row.security_id not in named]  # the others were moved, as by a typhoon
    if len(lost) > max(_FEW_WITHDRAWN, WITHDRAWN_SHARE * len(standing)):
        raise TooManyInvalidRows(
            f"{source} publishes {len(fresh)} actions from {period[0]} to {period[1]} and lacks {len(lost)} of the "
            f"{len(standing)} held ones, more than {WITHDRAWN_SHARE:.0%}: it is not believed, and nothing was changed."
        )
    changed = {key: action for key, action in fresh.items() if _differs(held.get(key), action)}
    rows = [_row(key, action, held.get(key), at) for key, action in changed.items()]
    rows += [{**row._mapping, "withdrawn": True, "recorded_at": _after(row, at)} for row in gone]  # noqa: SLF001
    if rows:
        own = {"source": source, "run_id": run_id}
        names = ("security_id", "ex_date", "kind", "recorded_at", "withdrawn", *_VALUES)
        connection.execute(insert(ledger), [{name: row[name] for name in names} | own for row in rows])
    return Written(len(changed), len(gone), len(fresh) - len(changed))


def list_actions(
    connection: Connection,
    *,
    symbol: str | None = None,
    ids: Collection[int] | None = None,
    start: date | None = None,
    end: date | None = None,
    as_of: datetime | None = None,
    limit: int | None = None,
) -> list[HeldAction]:
    """The actions that hold, newest ex-date first and by symbol.

    Of *symbol*, of the securities *ids*, and from *start* to *end*, if given.

    With *as_of* (aware) the ledger as it stood at that instant. No such symbol: an empty list.
    """
    query = _newest(as_of)
    if symbol is not None:
        query = query.where(securities.c.symbol == symbol)
    if ids is not None:
        query = query.where(ledger.c.security_id.in_(sorted(ids)))
    if start is not None:
        query = query.where(ledger.c.ex_date >= start)
    if end is not None:
        query = query.where(ledger.c.ex_date <= end)
    newest = query.subquery()
    standing = (
        select(*(newest.c[name] for name in _READ))
        .where(~newest.c.withdrawn)
        .order_by(newest.c.ex_date.desc(), newest.c.symbol, newest.c.kind)
        .limit(limit)
    )
    return [_held(row) for row in connection.execute(standing)]


def reference_prices(connection: Connection, *, start: date, end: date) -> list[tuple[str, date, int]]:
    """Symbol, ex-date and reference price of each action that holds from *start* to *end*."""
    rows = connection.execute(_REFERENCES, {"start": start, "end": end})
    return [(symbol, ex_date, price) for symbol, ex_date, price in rows]


# In plain words: every whole market asks, and building `_newest` takes longer than its answer.
_REFERENCES = text("""
SELECT symbol, ex_date, reference_price FROM (
    SELECT DISTINCT ON (security_id, ex_date, kind) security_id, ex_date, reference_price, withdrawn
    FROM corporate_actions WHERE ex_date BETWEEN :start AND :end
    ORDER BY security_id, ex_date, kind, recorded_at DESC) AS newest
JOIN securities ON securities.id = newest.security_id
WHERE NOT withdrawn
""")


def actions_by_security(
    connection: Connection, *, ids: Collection[int] | None = None, as_of: datetime | None = None
) -> dict[int, list[CorporateAction]]:
    """Every action that holds, by the id of its security; securities without any are not in it.

    Of the securities *ids*, if given.
    """
    by_id: defaultdict[int, list[CorporateAction]] = defaultdict(list)
    for held in list_actions(connection, ids=ids, as_of=as_of):
        by_id[held.security_id].append(held.action)
    return dict(by_id)


def _newest(as_of: datetime | None = None) -> Select[Any]:
    """The newest row of each key, withdrawn or not."""
    query = (
        select(ledger, securities.c.symbol)
        .join(securities, securities.c.id == ledger.c.security_id)
        .ext(distinct_on(*_KEY))
        .order_by(*_KEY, ledger.c.recorded_at.desc())
    )
    return query if as_of is None else query.where(ledger.c.recorded_at <= as_of)


def _by_key(connection: Connection, actions: Iterable[CorporateAction]) -> dict[tuple[int, date, str], CorporateAction]:
    given = list(actions)
    ids = ids_for(connection, {action.symbol for action in given})
    by_key: dict[tuple[int, date, str], CorporateAction] = {}
    for action in given:
        if action.symbol not in ids:
            raise UnknownSymbol(f"No securities list holds the symbol {action.symbol!r}.")
        key = (ids[action.symbol], action.ex_date, action.kind.value)
        if by_key.setdefault(key, action) != action:
            message = f"{action.symbol} has two different actions {action.kind} on {action.ex_date}."
            raise InvalidRow(message, rule="duplicate-key", symbol=action.symbol, session=action.ex_date)
    return by_key


def _differs(held: Row[Any] | None, action: CorporateAction) -> bool:
    return held is None or held.withdrawn or any(getattr(held, name) != getattr(action, name) for name in _VALUES)


def _row(key: tuple[int, date, str], action: CorporateAction, held: Row[Any] | None, at: datetime) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(action, name) for name in _VALUES}
    names = dict(zip(("security_id", "ex_date", "kind"), key, strict=True))
    return {**names, **values, "withdrawn": False, "recorded_at": at if held is None else _after(held, at)}


def _after(held: Row[Any], at: datetime) -> datetime:
    """A newer row must be the newest, even where a clock was put back."""
    since: datetime = held.recorded_at
    return max(at, since + _TICK)


def _within(row: Row[Any], period: tuple[date, date]) -> bool:
    ex_date: date = row.ex_date
    return period[0] <= ex_date <= period[1]


def _held(row: Sequence[Any]) -> HeldAction:
    # By place: by name it takes twice as long, of which an export of the whole market has thousands.
    symbol, ex_date, kind, *values, security_id, source, recorded_at = row
    return HeldAction(CorporateAction(symbol, ex_date, _KINDS[kind], *values), security_id, source, recorded_at)
