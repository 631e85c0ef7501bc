"""What every kind of export says when there is nothing for it to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.export.snapshots import holes
from app.market.sayings import say
from app.market.written import in_taipei
from app.services.report import Report
from app.store.counts import Counts


def nothing_held() -> Report:
    """No bar is held."""
    return Report("SKIPPED", say("no_bars_yet"))


def unchanged(bars: int, previous: Mapping[str, Any], details: Mapping[str, Any]) -> Report:
    """The *bars* that are held are those of the *previous* export, whose manifest that is."""
    counts = Counts(expected=bars, fetched=0, stored=0, unchanged=bars)
    lacks = holes(details)
    time = in_taipei(str(previous["exported_at"]))
    return Report("SKIPPED", say("export_unchanged", time=time, holes=f" {lacks}" if lacks else ""), counts, details)
