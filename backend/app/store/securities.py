"""Securities: one row a symbol, for ever; ids never change and rows are never deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Select, func, insert, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.errors import InvalidRow, TooManyInvalidRows
from app.market.calendar import TAIPEI
from app.market.security import Security, SecurityKind, Venue
from app.store.engine import driver
from app.store.in_order import descends, place, turn
from app.store.tables import securities

Order = Literal[
    "symbol", "-symbol", "name", "-name", "venue", "-venue", "kind", "-kind", "industry", "-industry", "listed_on",
    "-listed_on",
]  # fmt: skip
"""By which column; with a minus from the last to the first. Those without a value come before all others."""

_KEYS = {name: securities.c[name] for name in ("symbol", "name", "venue", "kind")} | {
    "industry": func.coalesce(securities.c.industry, ""),
    "listed_on": func.coalesce(securities.c.listed_on, literal(date.min)),
}
_LOCK = 0x51_4C_03
SHRINK_LIMIT = 0.20
"""The largest share of a venue's securities that may leave its list at once; the worst real day saw under 1 %."""
_FEW_GONE = 5  # below this a share says nothing
_MANY = 500


@dataclass(frozen=True, slots=True)
class HeldSecurity:
    """A security as it is held. ``on_list``: its venue's newest list has it; ``delisted_on`` None: unknown or not."""

    id: int
    symbol: str
    name: str
    venue: Venue
    kind: SecurityKind
    isin: str | None
    listed_on: date | None
    delisted_on: date | None
    on_list: bool
    industry: str | None
    cfi: str | None
    first_seen_at: datetime
    updated_at: datetime


class Listed(NamedTuple):
    """Of a security as it is held, what its bars are counted and judged by."""

    id: int
    symbol: str
    venue: Venue
    kind: SecurityKind
    listed_on: date | None
    delisted_on: date | None
    on_list: bool


@dataclass(frozen=True, slots=True)
class ListChanges:
    """What a new list changed: symbols, each in order; ``unchanged`` is a count.

    ``moved`` are those among the changed that were another venue's before.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    delisted: tuple[str, ...]
    unchanged: int
    moved: tuple[str, ...] = ()


def save_list(connection: Connection, venue: Venue, listed: Sequence[Security], *, at: datetime) -> ListChanges:
    """Make *listed* the newest list of *venue*.

    Values that the list lacks (None) keep what is held. Who is no longer on it is delisted as of *at*'s date in Taipei.
    A symbol that moved here from another venue keeps its id; one that the other venue's list still shows stays where
    it was listed later.

    Raises:
        InvalidRow: a symbol twice, a security of another venue, or a warrant (those are not kept).
        TooManyInvalidRows: the list is empty or has lost more than a fifth of the venue's securities: nothing changed.
    """
    _refuse_wrong(venue, listed)
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    rows = connection.execute(
        select(securities).where(
            or_(securities.c.venue == venue, securities.c.symbol.in_([security.symbol for security in listed]))
        )
    )
    held = {row.symbol: _held(row) for row in rows}
    symbols = {security.symbol for security in listed}
    active = [one.symbol for one in held.values() if one.on_list and one.venue is venue]
    gone = sorted(symbol for symbol in active if symbol not in symbols)
    if not listed or len(gone) > max(_FEW_GONE, SHRINK_LIMIT * len(active)):
        raise TooManyInvalidRows(
            f"The list of {venue} has {len(listed)} securities and lacks {len(gone)} of the {len(active)} held ones, "
            f"more than {SHRINK_LIMIT:.0%}: it is not believed, and nothing was changed.",
            gone=len(gone),
            active=len(active),
        )
    new = [security for security in listed if security.symbol not in held]
    changed = [
        (held[security.symbol].id, values)
        for security in listed
        if security.symbol in held and (values := _news(held[security.symbol], security))
    ]
    if new:
        connection.execute(insert(securities), [_row(security, at) for security in new])
    for security_id, values in changed:
        connection.execute(update(securities).where(securities.c.id == security_id).values(**values, updated_at=at))
    if gone:
        connection.execute(
            update(securities)
            .where(securities.c.symbol.in_(gone))
            .values(on_list=False, delisted_on=at.astimezone(TAIPEI).date(), updated_at=at)
        )
    by_id = {one.id: one.symbol for one in held.values()}
    return ListChanges(
        new=tuple(sorted(security.symbol for security in new)),
        changed=tuple(sorted(by_id[security_id] for security_id, _ in changed)),
        delisted=tuple(gone),
        unchanged=len(listed) - len(new) - len(changed),
        moved=tuple(sorted(by_id[security_id] for security_id, values in changed if "venue" in values)),
    )


def register_unlisted(
    connection: Connection, venue: Venue, names: Mapping[str, str], *, at: datetime
) -> tuple[str, ...]:
    """Give an id to symbols that appear in bars but on no list (delisted since), and return those that are new.

    Kind ``other``, the day of leaving unknown. What is held is never overwritten. *names* maps symbol → name.
    """
    if not names:
        return ()
    rows = [
        {
            "symbol": symbol,
            "name": name or symbol,
            "venue": venue,
            "kind": SecurityKind.OTHER,
            "on_list": False,
            "first_seen_at": at,
            "updated_at": at,
        }
        for symbol, name in sorted(names.items())
    ]
    added = connection.scalars(
        upsert(securities).on_conflict_do_nothing(index_elements=["symbol"]).returning(securities.c.symbol), rows
    )
    return tuple(sorted(added))


def ids_for(connection: Connection, symbols: Iterable[str]) -> dict[str, int]:
    """Symbol → id of those that are held; the others are not in the answer."""
    wanted = set(symbols)
    if not wanted:
        return {}
    if len(wanted) > _MANY:  # then reading them all costs less than looking each up
        found = connection.execute(text("SELECT symbol, id FROM securities")).all()
        return {symbol: security_id for symbol, security_id in found if symbol in wanted}
    query = text("SELECT symbol, id FROM securities WHERE symbol = ANY(:symbols)")
    rows = connection.execute(query, {"symbols": sorted(wanted)})
    return {symbol: security_id for symbol, security_id in rows}  # noqa: C416 - rows are not pairs to mypy


def known_symbols(connection: Connection, *, venue: Venue | None = None, on_list: bool | None = None) -> set[str]:
    """The symbols that are held; of one venue, or only those on (or off) the newest lists, if asked."""
    return set(connection.scalars(_select(securities.c.symbol, venue=venue, on_list=on_list)))


def find(connection: Connection, symbol: str) -> HeldSecurity | None:
    """The security with that symbol, or None."""
    row = connection.execute(select(securities).where(securities.c.symbol == symbol)).one_or_none()
    return None if row is None else _held(row)


def find_many(connection: Connection, symbols: Collection[str]) -> dict[str, HeldSecurity]:
    """Symbol → security, of those that are held."""
    rows = connection.execute(select(securities).where(securities.c.symbol.in_(symbols)))
    return {row.symbol: _held(row) for row in rows}


def list_securities(
    connection: Connection,
    *,
    venue: Venue | None = None,
    kind: SecurityKind | None = None,
    on_list: bool | None = None,
    search: str | None = None,
    order: Order = "symbol",
    after: str = "",
    limit: int | None = None,
) -> list[HeldSecurity]:
    """Securities in *order*, from the one *after* the given symbol (keyset paging).

    ``search`` matches the beginning of a symbol or any part of a name.
    """
    query = _select(securities, venue=venue, kind=kind, on_list=on_list, search=search)
    down, symbol = descends(order), securities.c.symbol
    key = _KEYS[order.removeprefix("-")]
    if key is symbol:  # its value is the one that was given, whether it is held or not
        query = turn(query, [(symbol, down)], after=(after,) if after else None, limit=limit)
    else:
        by = [(key, down), (symbol, down)]
        query = turn(query, by, after=place(connection, by, symbol == after) if after else None, limit=limit)
    return [_held(row) for row in connection.execute(query).all()]


def list_for_bars(connection: Connection, venues: Collection[Venue]) -> dict[Venue, list[Listed]]:
    """All securities of *venues*, as each whole market needs them: a fifth of the time of ``list_securities``."""
    found: dict[Venue, list[Listed]] = {venue: [] for venue in venues}
    rows: list[tuple[Any, ...]] = driver(connection).execute(_FOR_BARS, [[*found]], prepare=True).fetchall()
    for number, symbol, venue, kind, *rest in rows:
        found[_VENUES[venue]].append(Listed(number, symbol, _VENUES[venue], _KINDS[kind], *rest))
    return found


_FOR_BARS = f"SELECT {', '.join(Listed._fields)} FROM securities WHERE venue = ANY(%s)"


def have_lists(connection: Connection, venues: Collection[Venue]) -> bool:
    """Whether a list is held of each of *venues*."""
    return bool(connection.scalar(_HAVE_LISTS, {"venues": [venue.value for venue in venues]}))


_HAVE_LISTS = text(
    "SELECT bool_and(EXISTS (SELECT FROM securities own WHERE own.venue = asked.venue AND own.on_list)) "
    "FROM unnest(CAST(:venues AS text[])) AS asked(venue)"
)


def count_securities(
    connection: Connection,
    *,
    venue: Venue | None = None,
    kind: SecurityKind | None = None,
    on_list: bool | None = None,
    search: str | None = None,
) -> int:
    """How many securities the same filters of ``list_securities`` select."""
    query = _select(func.count(), venue=venue, kind=kind, on_list=on_list, search=search)
    return connection.scalar(query.select_from(securities)) or 0


def _select(
    what: object,
    *,
    venue: Venue | None = None,
    kind: SecurityKind | None = None,
    on_list: bool | None = None,
    search: str | None = None,
) -> Select[tuple[object, ...]]:
    query: Select[tuple[object, ...]] = select(what)  # type: ignore[call-overload]
    if venue is not None:
        query = query.where(securities.c.venue == venue)
    if kind is not None:
        query = query.where(securities.c.kind == kind)
    if on_list is not None:
        query = query.where(securities.c.on_list == on_list)
    if search:
        query = query.where(
            or_(
                securities.c.symbol.startswith(search.upper(), autoescape=True),
                securities.c.name.contains(search, autoescape=True),
            )
        )
    return query


def _refuse_wrong(venue: Venue, listed: Sequence[Security]) -> None:
    seen: set[str] = set()
    for security in listed:
        if security.symbol in seen:
            raise InvalidRow(f"The list of {venue} has {security.symbol} twice.", rule="duplicate-symbol")
        if security.venue is not venue:
            raise InvalidRow(f"{security.symbol} of {security.venue} is on a list of {venue}.", rule="other-venue")
        if security.kind is SecurityKind.WARRANT:
            raise InvalidRow(f"{security.symbol} is a warrant; those are not kept.", rule="warrant")
        seen.add(security.symbol)


_VENUES = {one.value: one for one in Venue}
_KINDS = {one.value: one for one in SecurityKind}
"""A look into these takes a tenth of an enumeration's call, and lists have thousands of rows."""
_OWN_COLUMNS = ("name", "venue", "kind", "isin", "listed_on", "industry", "cfi")


def _news(held: HeldSecurity, security: Security) -> dict[str, object]:
    """The columns in which the list says something new of a held security."""
    if (
        held.on_list
        and held.venue is not security.venue
        and held.listed_on is not None
        and (security.listed_on is None or security.listed_on < held.listed_on)
    ):
        return {}  # its former venue has not taken it off its list yet
    said = {name: value for name in _OWN_COLUMNS if (value := getattr(security, name)) is not None}
    said |= {"on_list": True, "delisted_on": None}
    return {name: value for name, value in said.items() if getattr(held, name) != value}


def _row(security: Security, at: datetime) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(security, name) for name in ("symbol", *_OWN_COLUMNS)}
    return row | {"on_list": True, "first_seen_at": at, "updated_at": at}


def _held(row: Sequence[Any]) -> HeldSecurity:
    security_id, symbol, name, venue, kind, *rest = row  # in the order of the table, which is the class's own
    return HeldSecurity(security_id, symbol, name, _VENUES[venue], _KINDS[kind], *rest)
