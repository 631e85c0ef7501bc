"""What is held of each security, in one scan: its range, how many bars, and a digest that changes with any value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import BigInteger, Connection, func, literal, select, text, tuple_

from app.store.tables import bars, securities


@dataclass(frozen=True, slots=True)
class HeldRange:
    """The bars of one security; *digest* is of the content of the asked fields, not of when it was written."""

    id: int
    symbol: str
    first: date
    last: date
    bars: int
    digest: int


def held_ranges(connection: Connection, *, fields: Sequence[str], after: date | None = None) -> list[HeldRange]:
    """One entry a security with bars (*after* a session, if given), in order of symbol.

    The digest of all bars is that of the bars up to a session, exclusive-or that of the bars after it.
    """
    # PostgreSQL hashes whole rows, NULLs included, with a 64-bit hash that it also partitions by. Each row contains
    # its session and rows are unique by it, so no two of them cancel out.
    row = func.hash_record_extended(
        tuple_(bars.c.session, *(bars.c[name] for name in fields)), literal(0, BigInteger), type_=BigInteger
    )
    rows = select(
        bars.c.security_id,
        func.min(bars.c.session).label("first"),
        func.max(bars.c.session).label("last"),
        func.count().label("bars"),
        func.bit_xor(row).label("digest"),
    ).group_by(bars.c.security_id)
    held = (rows if after is None else rows.where(bars.c.session > after)).subquery()
    query = (
        select(securities.c.id, securities.c.symbol, held.c.first, held.c.last, held.c.bars, held.c.digest)
        .join_from(held, securities, securities.c.id == held.c.security_id)
        .order_by(securities.c.symbol)
    )
    return [HeldRange(*found) for found in connection.execute(query)]


def held_sessions(connection: Connection) -> list[date]:
    """Every session of which a bar is held, in order: a step in the key each, not a look at every bar."""
    query = text(
        "WITH RECURSIVE held(session) AS (SELECT min(session) FROM bars UNION ALL "
        "SELECT (SELECT min(session) FROM bars WHERE session > held.session) FROM held WHERE held.session IS NOT NULL) "
        "SELECT session FROM held WHERE session IS NOT NULL ORDER BY session"
    )
    return list(connection.scalars(query))


def totals(connection: Connection, *, start: date, end: date, fields: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Field → how many values there are from *start* to *end*, and their sum: what a copy can be checked against."""
    columns = [bars.c[name] for name in fields]
    query = select(*map(func.count, columns), *(func.coalesce(func.sum(one), 0) for one in columns))
    row = connection.execute(query.where(bars.c.session.between(start, end))).one()
    return {name: (row[at], int(row[at + len(fields)])) for at, name in enumerate(fields)}
