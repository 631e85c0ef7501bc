"""What rules look at: each fact is a question that is asked only when a rule wants its answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from app.market.calendar import TradingCalendar
from app.market.security import Venue
from app.store.heartbeats import Seen
from app.store.steps import Step
from app.store.watched import Backlog, CanaryState, Coverage, Ending, SetAside


@dataclass(frozen=True, slots=True)
class Breach:
    """Something is wrong with *subject*: a sentence for a person."""

    subject: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The questions. Any of them may raise a QuantLabError: then the rule that asked cannot be checked now."""

    at: datetime
    """The present instant, aware."""
    watching_since: datetime | None
    """When this watch began; None: nobody was off before, everything can be judged at once."""
    host: str
    """Where this watch runs; of each host the disk is another one."""
    data_dir: Path
    installed_at: Callable[[], datetime | None]
    """Nothing was promised for a time before."""
    calendar: Callable[[], TradingCalendar]
    """With what operators said of days."""
    coverage: Callable[[Venue, Collection[date]], Mapping[date, Coverage]]
    figures_held: Callable[[str, Venue, Collection[date]], Mapping[date, int]]
    """Of a dataset of figures: session → rows held; a session without any is not in it."""
    lists_committed: Callable[[], Mapping[Venue, datetime]]
    quotes_saved: Callable[[], datetime | None]
    endings: Callable[[], Mapping[str, Sequence[Ending]]]
    seen: Callable[[], Seen]
    canaries: Callable[[], Sequence[CanaryState]]
    backlogs: Callable[[], Sequence[Backlog]]
    breakers: Callable[[], Mapping[str, Mapping[str, Any]]]
    """Site → why and until when it is not asked; only sites whose breaker is open."""
    free_bytes: Callable[[], int]
    """On the disk of *data_dir*."""
    set_aside: Callable[[], Sequence[SetAside]]
    popular: Collection[str]
    """The universe whose every bar matters."""
    large_steps: Callable[[], Sequence[Step]]
    """Closes of the last sessions that are far from the ones before, corporate actions considered."""
    actions_asked: Callable[[], Mapping[Venue, datetime]]
    """Venue → when it last said which corporate actions there are."""
    wrong_addresses: Callable[[], Sequence[str]]
    """A sentence for each address for alerts that cannot be used."""
