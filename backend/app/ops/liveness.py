"""Are workers, beats and webs alive: told by their heartbeats; what a worker does beyond that, it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from app.errors import StoreUnavailable
from app.market.sayings import say
from app.ops.health import Finding, Level
from app.ops.identity import machine, runs_here
from app.store.heartbeats import Heartbeat, Seen

DEAD_AFTER = 30.0
"""Seconds without a heartbeat, of which there is one every five."""
WEDGED_AFTER = 60.0
"""Seconds that a main loop may stand still, and that a canary may wait for a worker with nothing to do."""
SILENT_AFTER = 300.0
"""Seconds after which a canary should have followed the last one."""


class Condition(StrEnum):
    """How a program is. UNKNOWN: there is no evidence either way."""

    ALIVE = "alive"
    IDLE = "idle"
    BUSY = "busy"
    WEDGED = "wedged"
    DEAD = "dead"
    UNKNOWN = "unknown"


LIVING = frozenset({Condition.ALIVE, Condition.IDLE, Condition.BUSY})
_NONE = {"worker": Level.ERROR, "beat": Level.ERROR, "web": Level.UNKNOWN}
_WITHOUT = {"worker": say("no_worker"), "beat": say("no_beat"), "web": say("no_web")}
_REMEDIES = {
    "worker": "Start one: `make up`, or `celery -A app.core.celery_app worker`.",
    "beat": "Start one: `make up`, or `celery -A app.core.celery_app beat`.",
    "web": "Start it: `make up`.",
}
_FEW_TRIES = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker that answered: what it does now, how many tasks it finished since it started, its pool size."""

    name: str
    active: tuple[dict[str, Any], ...]
    finished: dict[str, int]
    concurrency: int | None
    pid: int | None


def ping_workers(app: Celery, *, timeout: float = 1.0) -> list[str]:
    """Names of the workers that answer within *timeout* seconds. Raises StoreUnavailable without a broker."""
    return sorted(_ask(app, "ping", timeout))


def inspect_workers(app: Celery, *, timeout: float = 1.0) -> list[WorkerState]:
    """What each worker that answers within *timeout* seconds a question says. Raises StoreUnavailable as above."""
    stats, active = _ask(app, "stats", timeout), _ask(app, "active", timeout)
    return [
        WorkerState(
            name=name,
            active=tuple(active.get(name) or ()),
            finished=dict(facts.get("total") or {}),
            concurrency=(facts.get("pool") or {}).get("max-concurrency"),
            pid=facts.get("pid"),
        )
        for name, facts in sorted(stats.items())
    ]


def registered_tasks(app: Celery, *, timeout: float = 1.0) -> dict[str, list[str]]:
    """Worker → names of the tasks that it knows."""
    return {name: list(tasks) for name, tasks in _ask(app, "registered", timeout).items()}


def tell(one: Heartbeat, seen: Seen) -> Condition:
    """How the program *one* is, as of the look *seen*."""
    facts = one.facts
    if facts.get("machine") == machine() and not runs_here(one.pid, born=float(facts.get("born", 0))):
        return Condition.DEAD
    if one.age > DEAD_AFTER:
        # While PostgreSQL was away nobody could renew anything.
        return Condition.DEAD if seen.server_age > DEAD_AFTER else Condition.UNKNOWN
    busy, slots = facts.get("busy"), facts.get("slots")
    if facts.get("stuck") or float(facts.get("loop_age", 0)) > WEDGED_AFTER:
        return Condition.WEDGED
    if busy is None or not slots:
        return Condition.ALIVE
    if busy == 0:
        return Condition.WEDGED if _ignores_canary(facts, seen) else Condition.IDLE
    return Condition.BUSY if busy >= slots else Condition.ALIVE


def _ignores_canary(facts: Mapping[str, Any], seen: Seen) -> bool:
    """Whether a canary waits in one of its queues all this while, and it has nothing else to do."""
    late = [one.queue for one in seen.canaries if not one.answered and (one.sent_age or 0.0) > WEDGED_AFTER]
    return bool(facts.get("waiting")) and any(queue in facts.get("queues", ()) for queue in late)


def check_programs(look: Callable[[], Seen], kind: str) -> Finding:
    """The workers, beats or webs (*kind*) that there are, each told apart by its heartbeat."""
    try:
        seen = look()
    except StoreUnavailable:
        return Finding(kind, Level.UNKNOWN, say("heartbeats_unread"), facts={"programs": (), "names": ""})
    told = [(one, tell(one, seen)) for one in seen.programs if one.kind == kind]
    programs = tuple((one.name, condition.value) for one, condition in told)
    facts = {"programs": programs, "count": len(told), "names": ", ".join(f"{name} {word}" for name, word in programs)}
    if not told:
        return Finding(kind, _NONE[kind], _WITHOUT[kind], _REMEDIES[kind], facts)
    detail = "; ".join(_in_words(one, condition) for one, condition in told) + "."
    conditions = {condition for _, condition in told}
    if kind == "beat" and len(told) > 1 and conditions <= LIVING:
        detail = f"{len(told)} run, which is as good as one: {detail}"
    if conditions <= LIVING:
        return Finding(kind, Level.OK, detail, facts=facts)
    if conditions & LIVING:
        return Finding(kind, Level.WARNING, detail, "See what happened to it in its log.", facts)
    if Condition.UNKNOWN in conditions:
        return Finding(kind, Level.UNKNOWN, detail, "Look again in half a minute.", facts)
    return Finding(kind, Level.ERROR, f"{detail} {_WITHOUT[kind]}", _REMEDIES[kind], facts)


def check_canary(look: Callable[[], Seen]) -> Finding:
    """Messages get from beat through every queue to a worker and its answer into PostgreSQL."""
    name = "canary"
    try:
        seen = look()
    except StoreUnavailable:
        return Finding(name, Level.UNKNOWN, say("canaries_unread"))
    sent = [one for one in seen.canaries if one.sent_age is not None]
    if not sent:
        return Finding(name, Level.UNKNOWN, say("canary_not_sent"))
    late = [one for one in sent if not one.answered and (one.sent_age or 0.0) > WEDGED_AFTER]
    if late:
        seconds = round(max(one.sent_age or 0.0 for one in late))
        queues = ", ".join(one.queue for one in late)
        facts = {"queues": queues, "seconds": seconds}
        workers = [one for one in seen.programs if one.kind == "worker"]
        if any(tell(one, seen) is Condition.BUSY for one in workers):
            detail = say("canary_busy", seconds=seconds, queues=queues)
            return Finding(name, Level.WARNING, detail, "It waits its turn; `quantlab monitor` shows for what.", facts)
        detail = say("canary_lost", seconds=seconds, queues=queues)
        remedy = "See that a worker lives and consumes that queue: `quantlab status`, and its log."
        return Finding(name, Level.ERROR, detail, remedy, facts)
    if max(one.sent_age or 0.0 for one in sent) > SILENT_AFTER:
        detail = say("canary_silent")
        return Finding(name, Level.WARNING, detail, _REMEDIES["beat"], {"queues": "", "seconds": round(SILENT_AFTER)})
    slowest = max((one.latency or 0.0 for one in sent), default=0.0)
    age = min(one.sent_age or 0.0 for one in sent)
    detail = f"Through {len(sent)} queues and back, the slowest in {slowest:.2f} s, {age:.0f} s ago."
    return Finding(name, Level.OK, detail, facts={"count": len(sent), "latency": f"{slowest:.2f}"})


def _in_words(one: Heartbeat, condition: Condition) -> str:
    facts = one.facts
    if condition is Condition.DEAD:
        return f"{one.name} is dead, last seen {one.age:.0f} s ago"
    if condition is Condition.UNKNOWN:
        return f"of {one.name} nothing is known yet, for PostgreSQL has only just started"
    if condition is Condition.WEDGED:
        if facts.get("stuck") or float(facts.get("loop_age", 0)) <= WEDGED_AFTER:
            return f"{one.name} is wedged: it takes nothing, and {facts.get('waiting')} wait in its queues"
        return f"{one.name} is wedged: its main loop stands still for {float(facts['loop_age']):.0f} s"
    if facts.get("slots"):
        return f"{one.name} is {condition}, {facts.get('busy')} of {facts['slots']} slots taken"
    return f"{one.name} is {condition}"


def _ask(app: Celery, question: str, timeout: float) -> dict[str, Any]:
    try:
        with app.connection_for_write() as connection:
            # Kombu's own default is to try for ever.
            connection.transport_options = {**connection.transport_options, **_FEW_TRIES}
            answers = getattr(app.control.inspect(timeout=timeout, connection=connection), question)()
    except (OperationalError, redis.RedisError, OSError) as error:
        raise StoreUnavailable(f"The broker does not answer, so no worker can be asked: {error}") from error
    return dict(answers or {})
