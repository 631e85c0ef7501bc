"""What every kind of export says when there is nothing for it to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.export.snapshots import holes
from app.market.written import in_taipei
from app.services.report import Report
from app.store.counts import Counts


def nothing_held() -> Report:
    """No bar is held."""
    return Report("SKIPPED", "There are no daily bars to export yet: run app.tasks.sync_daily_prices first.")


def unchanged(bars: int, previous: Mapping[str, Any], details: Mapping[str, Any]) -> Report:
    """The *bars* that are held are those of the *previous* export, whose manifest that is."""
    counts = Counts(expected=bars, fetched=0, stored=0, unchanged=bars)
    reason = f"Nothing has changed since the export of {in_taipei(str(previous['exported_at']))} (Taipei)."
    return Report("SKIPPED", " ".join(filter(None, (reason, holes(details)))), counts, details)
