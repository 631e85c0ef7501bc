"""Is it well: findings about servers and processes, each with a cause and a remedy, none slower than its bound."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from queue import Empty, Queue
from time import monotonic
from typing import Any, Literal, cast

import redis

from app.cache.client import redis_errors
from app.errors import ConfigurationError, QuantLabError, StoreUnavailable
from app.market.sayings import say
from app.store import provenance, state
from app.store.engine import Engine, transaction


class Level(StrEnum):
    """How good a finding is. UNKNOWN is honest: there is no evidence either way."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing: a sentence, what to do about it, and the facts for who words it otherwise."""

    name: str
    level: Level
    detail: str
    remedy: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


Check = Callable[[], Finding]

SERVERS = ("postgresql", "redis", "broker")
"""The checks of what most others ask: when one of these fails, so do they."""

_HANGS = (
    "It hangs or cannot be reached: restart it, or correct its address. What `make up` started is started anew after a "
    "minute without a sign of life."
)
# A cron job or another terminal does not know the home: then the platform runs, and nothing answers here.
_START = "Start the platform with `make up`, say where its home is (`export QUANTLAB_HOME=…`)"


def find_within(seconds: float, checks: Mapping[str, Check]) -> list[Finding]:
    """Do all *checks* at once; one that has not ended within *seconds*, or raises, is an ERROR. In the given order.

    Of one that has not ended the facts say ``slow``.
    """
    answers: Queue[tuple[str, Finding]] = Queue()

    def run(name: str, check: Check) -> None:
        try:
            answers.put((name, check()))
        except QuantLabError as error:
            answers.put((name, Finding(name, Level.ERROR, str(error))))
        except Exception as error:
            answers.put((name, Finding(name, Level.ERROR, f"{type(error).__name__}: {error}")))

    for name, check in checks.items():
        # Daemons: a check that hangs must hold up neither the answer nor the end of the program.
        threading.Thread(target=run, args=(name, check), name=f"check-{name}", daemon=True).start()
    found: dict[str, Finding] = {}
    deadline = monotonic() + seconds
    while len(found) < len(checks):
        try:
            name, finding = answers.get(timeout=max(deadline - monotonic(), 0.001))
        except Empty:
            break
        found[name] = finding
    return [found.get(name) or _slow(name, seconds) for name in checks]


def _slow(name: str, seconds: float) -> Finding:
    remedy = _HANGS if name in SERVERS else "See whether what it asks hangs or cannot be reached."
    return Finding(name, Level.ERROR, say("slow_answer", length=f"{seconds:g}"), remedy, {"slow": True})


_REFUSED = ("password authentication failed", "no password supplied")
"""PostgreSQL's own words; the driver passes no code on when there is no connection."""


def check_postgresql(make_engine: Callable[[], Engine], *, source: str) -> Finding:
    """PostgreSQL answers and holds this source's data."""
    remedy = f"{_START}, or correct DATABASE_URL."
    try:
        with transaction(make_engine()) as connection:
            version, held = state.server_version(connection), provenance.held_source(connection)
            writable = state.takes_changes(connection)
    except StoreUnavailable as error:
        if any(words in str(error) for words in _REFUSED):
            remedy = "Correct user and password in DATABASE_URL."
        return Finding("postgresql", Level.ERROR, str(error), remedy)
    except ConfigurationError as error:
        return Finding("postgresql", Level.ERROR, str(error), "Correct DATABASE_URL, or start with that source.")
    if held != source:
        detail = say("other_source", source=held, asked=source)
        return Finding("postgresql", Level.ERROR, detail, "Use another database, or start with that source.")
    if not writable:
        # A warning: whoever only reads is served.
        detail = say("read_only", version=version)
        return Finding("postgresql", Level.WARNING, detail, "Let DATABASE_URL lead to the primary; free its disk.")
    detail = f"PostgreSQL {version} answers; its data are of the source {held}."
    return Finding("postgresql", Level.OK, detail, facts={"version": version})


def check_redis(client: redis.Redis) -> Finding:
    """Redis or Valkey answers and lets us in."""
    remedy = f"{_START}, or correct REDIS_URL."
    try:
        with redis_errors():
            server = cast("dict[str, Any]", client.info("server"))
    except StoreUnavailable as error:
        if isinstance(error.__cause__, redis.AuthenticationError):
            detail = f"Redis refuses the password: {str(error.__cause__).rstrip('.')}."
            return Finding("redis", Level.ERROR, detail, "Correct the password in REDIS_URL.")
        return Finding("redis", Level.ERROR, str(error), remedy)
    except redis.RedisError as error:
        return Finding("redis", Level.ERROR, f"Redis answers with an error: {error}", remedy)
    name = "Valkey" if "valkey_version" in server else "Redis"
    version = server.get("valkey_version") or server.get("redis_version")
    return Finding("redis", Level.OK, f"{name} {version} answers.", facts={"server": name, "version": version})


def overall(
    findings: list[Finding], *, vital: tuple[str, ...] = ("postgresql", "redis")
) -> Literal["ok", "degraded", "down"]:
    """``down`` when a vital thing is in error, ``degraded`` when anything is wrong, else ``ok``."""
    if any(finding.level is Level.ERROR and finding.name in vital for finding in findings):
        return "down"
    wrong = any(finding.level in (Level.ERROR, Level.WARNING) for finding in findings)
    return "degraded" if wrong else "ok"
