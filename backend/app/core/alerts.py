"""The watch, wired: what beat's caretaker calls each minute, and what CLI and API show and test."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, TypeVar

from app.cache import quotes
from app.core.config import Settings, load_universes
from app.core.wiring import Platform, now
from app.errors import ConfigurationError, StoreUnavailable
from app.ops.alerts import RULES
from app.ops.alerts.channels import Channels, open_channels
from app.ops.alerts.facts import Facts
from app.ops.alerts.rules import missing_heartbeat, unexplained_step
from app.ops.alerts.telling import Teller
from app.ops.alerts.watch import Looked, Watch, look_at
from app.ops.health import Finding, Level
from app.services.sync_corporate_actions import DIVIDENDS
from app.sources.base import Site
from app.store import heartbeats, incidents, provenance, steps, watched
from app.store.engine import Connection, transaction
from app.store.incidents import Incident

EVERY = 60.0
"""Seconds between two looks."""
_SHOWN = 3
_ENDINGS_BACK = timedelta(days=30)

_Answer = TypeVar("_Answer")
_watch: tuple[Platform, Watch] | None = None


def look_and_tell(platform: Platform) -> None:
    """Look at all rules once and tell channels what is new or over. For one thread of a process, every EVERY seconds.

    Raises:
        StoreUnavailable: PostgreSQL does not answer.
    """
    global _watch  # noqa: PLW0603 - one a process: it remembers from look to look
    if _watch is None or _watch[0] is not platform:
        _watch = (platform, make_watch(platform))
    _watch[1].look()


def stand_in_for_beat(platform: Platform) -> None:
    """``look_and_tell``, while no beat has been alive for a while: who tells of that else?"""
    with transaction(platform.engine) as connection:
        seen = heartbeats.look(connection)
    if not any(one.kind == "beat" and one.age <= missing_heartbeat.SILENT_FOR for one in seen.programs):
        look_and_tell(platform)


def make_watch(platform: Platform) -> Watch:
    """A watch of its own memory."""
    since = now()
    settings = platform.settings
    keep = _Keeper(settings)
    teller = Teller(lambda: platform.engine, lambda: keep.channels().usable, sender=sender_of(settings))
    return Watch(lambda: platform.engine, lambda: facts_of(platform, keep.channels, watching_since=since), teller)


def find_now(platform: Platform) -> Looked:
    """What each rule finds at this moment; nothing is opened, closed or told."""
    return look_at(RULES, facts_of(platform, _Keeper(platform.settings).channels))


def channels_of(settings: Settings) -> Channels:
    """Who would be told now, and a sentence for each address that cannot be used; nothing is sent."""
    return _Keeper(settings).channels()


def send_test(settings: Settings) -> list[tuple[str, str | None]]:
    """Send a test message to each channel; returns its name and why it was not taken, None when it was.

    Raises:
        ConfigurationError: no address is set, or one of them cannot be used.
    """
    addresses = settings.alert_addresses()
    if not addresses:
        raise ConfigurationError(
            f"Nobody is told of incidents: set QUANTLAB_ALERTS, or write addresses into {settings.alerts_file} "
            "(docs/howto/alerts.md)."
        )
    channels = open_channels(addresses)
    if channels.wrong:
        raise ConfigurationError(" ".join(channels.wrong))
    title, body = f"{sender_of(settings)}: test", "This is a test: alerts of QuantLab arrive here. Nothing is wrong."
    return [(channel.name, channel.send(title, body, kind="info")) for channel in channels.usable]


def open_incidents(platform: Platform) -> list[Incident]:
    """What is wrong now, the oldest first."""
    with transaction(platform.engine) as connection:
        return incidents.list_open(connection)


def check_incidents(platform: Platform) -> Finding:
    """Nothing is wrong that the rules of alerts look at; the first incidents in their own words."""
    name = "incidents"
    try:
        wrong = open_incidents(platform)
    except StoreUnavailable as error:
        return Finding(name, Level.UNKNOWN, f"They cannot be read: {error}", "Look again when PostgreSQL is back.")
    if not wrong:
        return Finding(name, Level.OK, "None is open.")
    sentences = " · ".join(one.sentence for one in wrong[:_SHOWN]) + (" · …" if len(wrong) > _SHOWN else "")
    facts = {"count": len(wrong), "sentences": sentences}
    return Finding(name, Level.WARNING, f"{len(wrong)} open: {sentences}", "See `quantlab alerts`.", facts)


def sender_of(settings: Settings) -> str:
    """Who signs a message: which machine, and whether its prices are the market's."""
    unreal = "" if settings.prices == "real" else f", {settings.prices} prices"
    return f"QuantLab on {socket.gethostname()}{unreal}"


def facts_of(platform: Platform, channels: Callable[[], Channels], *, watching_since: datetime | None = None) -> Facts:
    """The questions of this moment."""
    at, data_dir = now(), platform.settings.data_dir

    def ask(question: Callable[..., _Answer], *words: Any, **more: Any) -> _Answer:
        with transaction(platform.engine) as connection:
            return question(connection, *words, **more)

    def asker(question: Callable[[Connection], _Answer]) -> Callable[[], _Answer]:
        return lambda: ask(question)

    def free_bytes() -> int:
        there = next(path for path in (data_dir, *data_dir.parents) if path.exists())
        return shutil.disk_usage(there).free

    def coverage(venue: Any, days: Collection[Any]) -> Any:
        return ask(watched.coverage, venue, days)

    return Facts(
        at=at,
        watching_since=watching_since,
        host=socket.gethostname(),
        data_dir=data_dir,
        installed_at=asker(provenance.installed_at),
        calendar=platform.calendar,
        coverage=coverage,
        figures_held=lambda dataset, venue, days: ask(watched.figures_held, dataset, venue, days),
        lists_committed=asker(watched.lists_committed),
        quotes_saved=lambda: quotes.last_saved(platform.redis),
        endings=lambda: ask(watched.last_endings, since=at - _ENDINGS_BACK),
        seen=asker(heartbeats.look),
        canaries=asker(watched.canaries),
        backlogs=asker(watched.backlogs),
        breakers=lambda: {site: state for site in Site if (state := platform.breaker.state(site))},
        free_bytes=free_bytes,
        set_aside=asker(watched.set_aside_of_last_session),
        popular=load_universes()["popular"],
        large_steps=lambda: ask(
            steps.large_steps, share=unexplained_step.SMALLEST_SHARE, sessions=unexplained_step.SESSIONS_BACK
        ),
        actions_asked=lambda: ask(watched.committed, DIVIDENDS),
        wrong_addresses=lambda: channels().wrong,
    )


class _Keeper:
    """Opens the channels of the addresses that are set now; again only when those have changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._addresses: tuple[str, ...] = ()
        self._channels = Channels()

    def channels(self) -> Channels:
        """Never raises: a file that cannot be read is one more thing that is wrong, and the last channels serve."""
        try:
            addresses = self._settings.alert_addresses()
        except ConfigurationError as error:
            return Channels(self._channels.usable, (str(error),))
        if addresses != self._addresses:
            self._addresses, self._channels = addresses, open_channels(addresses)
        return self._channels
