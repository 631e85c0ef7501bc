"""Replay: rebuild the lists and the daily bars from the archive of raw replies, without one request."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from app.market.gaps import Cell
from app.market.security import BAR_VENUES
from app.services.catch_up import site_of
from app.services.context import Context
from app.services.report import Report
from app.services.sync_daily_bars import DATASET, session_unit, session_work
from app.services.sync_securities import sync_securities
from app.services.units import do_units
from app.sources.replayed import ArchivedClient, sessions_of


def replay_archive(context: Context, *, start: date, end: date) -> Report:
    """Store again what the archive holds of the sessions from *start* to *end* (both included), oldest first.

    The newest answer to each question counts, read by today's parsers: after a parser was mended, what it had set
    aside or read wrongly is put right. What is not archived stays as it is held. Nothing archived: SKIPPED.
    """
    client = ArchivedClient(context.data_dir / "archive")
    offline = replace(context, client=client)
    if any(True for _ in client.questions("securities")):
        sync_securities(offline)
    asked = {(site, query.session) for site, query in sessions_of(client, DATASET) if start <= query.session <= end}
    cells = sorted(
        cell
        for session in {session for _, session in asked}
        for cell in (Cell(session, venue) for venue in BAR_VENUES)
        if (site_of(cell), session) in asked
    )
    if not cells:
        return Report("SKIPPED", f"The archive holds no session from {start} to {end}.")
    return do_units([session_unit(cell) for cell in cells], session_work(offline), offline)
