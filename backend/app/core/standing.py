"""How things stand against what was promised: each dataset's promise, and each site that we ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from app.cache.quota import resting
from app.core.alerts import facts_of
from app.core.config import Settings
from app.core.wiring import Platform
from app.errors import QuantLabError
from app.ops.alerts.channels import Channels
from app.ops.alerts.facts import Facts
from app.ops.alerts.promises import PROMISES, Promise
from app.sources.base import Site


@dataclass(frozen=True, slots=True)
class PromiseStanding:
    """A promise: *kept* is None when nothing is due yet, or when that cannot be told now (*lacking* says why)."""

    subject: str
    when: str
    kept: bool | None
    lacking: tuple[str, ...]
    last_due: date | None


@dataclass(frozen=True, slots=True)
class SiteStanding:
    """A site: the seconds between two requests, and why and until when it is not asked at all."""

    site: str
    pace: float
    closed_since: datetime | None = None
    closed_until: datetime | None = None
    closed_because: str | None = None
    rests: str | None = None


def look_at_promises(platform: Platform) -> list[PromiseStanding]:
    """Every promise of ops/alerts/promises.py, at this moment."""
    facts = facts_of(platform, Channels)
    return [_standing(promise, facts) for promise in PROMISES]


def look_at_sites(platform: Platform) -> list[SiteStanding]:
    """Every site that we may ask. Raises StoreUnavailable when Redis does not answer."""
    return [_site_standing(platform, site) for site in Site]


def _site_standing(platform: Platform, site: Site) -> SiteStanding:
    standing = SiteStanding(site, _pace(platform.settings, site))
    if closed := platform.breaker.state(site):
        since, until = (datetime.fromisoformat(closed[name]) for name in ("since", "until"))
        standing = replace(standing, closed_since=since, closed_until=until, closed_because=closed["reason"])
    rest = resting(platform.redis, site)
    return replace(standing, rests=rest[1]) if rest else standing


def _standing(promise: Promise, facts: Facts) -> PromiseStanding:
    def of(kept: bool | None, lacking: list[str], last: date | None) -> PromiseStanding:
        return PromiseStanding(promise.subject, str(promise.when), kept, tuple(lacking), last)

    try:
        dues = promise.when.due(facts)
        lacking = promise.lacking(facts, dues) if dues else []
    except QuantLabError as error:
        return of(None, [str(error)], None)
    return of(None if not dues else not lacking, lacking, dues[-1].day if dues else None)


def _pace(settings: Settings, site: Site) -> float:
    return settings.finmind_pace if site is Site.FINMIND else settings.source_seconds_per_request
