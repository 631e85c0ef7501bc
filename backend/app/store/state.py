"""What the store as a whole is in: the server, its size, the newest session of each venue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text

from app.market.security import BAR_VENUES, Venue
from app.store.engine import make_engine, transaction


@dataclass(frozen=True, slots=True)
class NewestSession:
    """The last session of which bars of *venue* are held, and how many."""

    venue: Venue
    session: date
    bars: int


def server_version(connection: Connection) -> str:
    """PostgreSQL's version, such as ``18.1``."""
    return str(connection.scalar(text("SHOW server_version"))).split()[0]


def takes_changes(connection: Connection) -> bool:
    """Whether anything can be written now; a standby only reads, and so does a database that was told to."""
    return str(connection.scalar(text("SHOW transaction_read_only"))) == "off"


@dataclass(frozen=True, slots=True)
class ServerClock:
    """PostgreSQL's time, and the zone that it shows to who asks for none, with that zone's offset now in seconds."""

    at: datetime
    zone: str
    offset: int


def server_clock(url: str) -> ServerClock:
    """Asked through a session of its own, for ours have a zone of their own."""
    engine = make_engine(url, application_name="quantlab doctor", pool_size=1, statement_timeout=5, zone=None)
    try:
        with transaction(engine) as connection:
            query = "SELECT clock_timestamp(), current_setting('TimeZone'), extract(timezone FROM now())::int"
            return ServerClock(*connection.execute(text(query)).one())
    finally:
        engine.dispose()


def size_in_bytes(connection: Connection) -> int:
    """What the database takes on disk."""
    return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def newest_sessions(connection: Connection) -> list[NewestSession]:
    """For each venue that publishes bars and of which any is held."""
    # Backwards along the key (session, security_id): a few index entries where the venue has recent bars.
    newest = text(
        "SELECT b.session FROM bars b JOIN securities s ON s.id = b.security_id WHERE s.venue = :venue "
        "ORDER BY b.session DESC LIMIT 1"
    )
    count = text(
        "SELECT count(*) FROM bars b JOIN securities s ON s.id = b.security_id "
        "WHERE s.venue = :venue AND b.session = :session"
    )
    found = []
    for venue in BAR_VENUES:
        session = connection.scalar(newest, {"venue": venue.value})
        if session is not None:
            bars = connection.scalar(count, {"venue": venue.value, "session": session}) or 0
            found.append(NewestSession(venue, session, int(bars)))
    return found
