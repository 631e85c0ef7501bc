"""What an operator tells a worker: drain, resume, so many slots, restart."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, cast

from loguru import logger

from app.cache.client import redis_errors
from app.cache.keys import RESTARTING
from app.core.celery_app import app
from app.core.sending import BROKER_AWAY
from app.core.wiring import get_platform, now
from app.errors import AlreadyRunning, InvalidParameter, QuantLabError, StoreUnavailable, UnknownOutcome, UnknownWorker
from app.market.sayings import say
from app.market.written import in_taipei
from app.ops.liveness import LIVING, tell
from app.store import heartbeats
from app.store.engine import transaction
from app.store.heartbeats import Heartbeat

ANSWER_WITHIN = 3.0
"""Seconds that a worker has for its answer."""
RESIZED_WITHIN = 15.0
"""Seconds that it has for its answer when it makes processes first."""
OBEYED_WITHIN = 30.0
"""Seconds after which a worker does not obey any more: one that was frozen must not drain an hour later."""
MOST_SLOTS = 64
"""Of any worker; each knows how many its own machine bears (``ops.worker_control``)."""
BACK_WITHIN = 900.0
"""Seconds that a worker may take to finish what it has in hand and to serve again."""
RESTART_ALL = "restart all workers"
"""The name of the thread that does so."""
_LOOK_EVERY = 0.5


def drain(name: str) -> str:
    """Let it take nothing more from its queues; what it has in hand it finishes. A restart ends that.

    Here and below, the answer is the worker's own sentence.

    Raises:
        UnknownWorker: no worker of that name answers; it was told nothing.
        UnknownOutcome: it was told, and has not answered yet.
        StoreUnavailable: the broker does not answer.
        InvalidParameter: it answers that it cannot.
    """
    return _tell(name, "drain")


def resume(name: str) -> str:
    """Let it take again from the queues that it left. Raises as ``drain``."""
    return _tell(name, "resume")


def resize(name: str, slots: int) -> str:
    """Give it so many slots until it restarts; none that works is taken from it. Raises as ``drain``."""
    if not 1 <= slots <= MOST_SLOTS:
        raise InvalidParameter(f"slots is {slots}: a worker has 1 to {MOST_SLOTS}.")
    return _tell(name, "resize", within=RESIZED_WITHIN, slots=slots)


def restart(name: str) -> str:
    """Let it end when its tasks have; who supervises it starts it again, with the newest code. Raises as ``drain``."""
    return _tell(name, "restart")


def list_living() -> list[Heartbeat]:
    """The workers that live, by name. Raises StoreUnavailable when PostgreSQL does not answer."""
    with transaction(get_platform().engine) as connection:
        seen = heartbeats.look(connection)
    return [one for one in seen.programs if one.kind == "worker" and tell(one, seen) in LIVING]


@contextmanager
def sole_restart_of_all(by: str) -> Iterator[Callable[[], None]]:
    """Nobody else restarts all workers within the block: each of two would take the other's restarts for lost workers.

    Call what it gives at least every RESTARTING.ttl seconds; who was killed holds it no longer than that.

    Raises:
        AlreadyRunning: somebody does, since when; from the call: somebody else began, for this one slept too long.
        StoreUnavailable: Redis does not answer.
    """
    redis, key = get_platform().redis, RESTARTING.of()
    mine = json.dumps({"by": by, "since": now().isoformat(timespec="seconds"), "token": uuid.uuid4().hex})

    def hold() -> None:
        with redis_errors():
            held = cast("bytes | None", redis.get(key)) or b""
            if held.decode() == mine:
                redis.expire(key, RESTARTING.ttl)
            elif not redis.set(key, mine, ex=RESTARTING.ttl, nx=True):
                raise _under_way(held)

    hold()
    try:
        yield hold
    finally:
        with suppress(StoreUnavailable), redis_errors():
            if (cast("bytes | None", redis.get(key)) or b"").decode() == mine:
                redis.delete(key)


def begin_restart_of_all(by: str) -> list[str]:
    """Restart all that live in a thread of this process, one after the other; their names, in that order.

    It ends with the process; what was not told then goes on as it is.

    Raises:
        AlreadyRunning: somebody does so.
        UnknownWorker: none lives.
        StoreUnavailable: PostgreSQL or Redis does not answer.
    """
    with ExitStack() as at_end:
        hold = at_end.enter_context(sole_restart_of_all(by))
        found = some_living()
        arguments = (found, hold, at_end.pop_all())
        threading.Thread(target=_restart_unseen, args=arguments, name=RESTART_ALL, daemon=True).start()
    return [one.name for one in found]


def some_living() -> list[Heartbeat]:
    """The workers that live. Raises UnknownWorker where none does, else as ``list_living``."""
    if found := list_living():
        return found
    raise UnknownWorker("No worker lives. Start one: `make up`")


def restart_each(
    found: Sequence[Heartbeat], hold: Callable[[], None], tell_to: Callable[[str], object], *, within: float
) -> Iterator[Heartbeat]:
    """Tell each in turn by *tell_to*; its successor, once that is back, before the next is told.

    Raises as ``restart``, ``wait_until_back`` and the *hold* of ``sole_restart_of_all`` do; the rest is not told then.
    """
    for one in found:
        hold()
        # Those before it took minutes: it may have been started anew meanwhile, and is then not the one that was found.
        before = next((seen for seen in list_living() if seen.name == one.name), one)
        tell_to(one.name)
        yield wait_until_back(before, within=within, meanwhile=hold)


def _restart_unseen(found: Sequence[Heartbeat], hold: Callable[[], None], at_end: ExitStack) -> None:
    with at_end:
        try:
            for back in restart_each(found, hold, restart, within=BACK_WITHIN):
                logger.info("{} is back", back.name)
        except QuantLabError as error:
            logger.warning("Not all workers are restarted: {}", error)


def _under_way(held: bytes) -> AlreadyRunning:
    """Who holds it; nothing where he let go meanwhile."""
    by, since = "somebody", in_taipei(now().isoformat(timespec="seconds"))
    with suppress(ValueError, KeyError):
        said = json.loads(held)
        by, since = said["by"], in_taipei(said["since"])
    return AlreadyRunning(say("all_restarting", by=by, since=since))


def wait_until_back(
    before: Heartbeat, *, within: float = BACK_WITHIN, meanwhile: Callable[[], None] = lambda: None
) -> Heartbeat:
    """Wait for the successor of a worker that was told to restart, by its name; returns its first sign of life.

    *meanwhile* is called at each look.

    Raises:
        UnknownWorker: it has not come in time; its supervisor, if it has one, did not start it.
        StoreUnavailable: PostgreSQL does not answer.
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        for one in list_living():
            if one.name == before.name and (one.pid, one.started_at) != (before.pid, before.started_at):
                return one
        meanwhile()
        time.sleep(_LOOK_EVERY)
    raise UnknownWorker(
        f"{before.name} has not come back within {within:g} s: start it, or see why its supervisor does not. "
        "The workers after it were not told anything."
    )


def _tell(name: str, command: str, *, within: float = ANSWER_WITHIN, **arguments: Any) -> str:
    # Asked first, for what is sent to one that does not answer would be obeyed by whoever wakes up under that name.
    if _ask(name, "ping", within=ANSWER_WITHIN) is None:
        raise UnknownWorker(
            f"No worker {name!r} answers within {ANSWER_WITHIN:g} s; `quantlab workers` lists those that live."
        )
    said = _ask(name, command, within=within, until=time.time() + OBEYED_WITHIN, **arguments)
    if said is None:
        raise UnknownOutcome(
            f"{name} was told to {command} and has not answered within {within:g} s; it may still obey until "
            f"{OBEYED_WITHIN:g} s after it was told: see `quantlab workers`."
        )
    if "error" in said:
        raise InvalidParameter(f"{name} cannot: {said['error']}")
    return str(said["ok"])


def _ask(name: str, command: str, *, within: float, **arguments: Any) -> dict[str, Any] | None:
    try:
        replies = app.control.broadcast(
            command, arguments=arguments, destination=[name], reply=True, timeout=within, limit=1
        )
    except BROKER_AWAY as error:
        raise _away(error) from error
    return next((reply[name] for reply in replies or () if name in reply), None)


def _away(error: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"The broker does not answer, so no worker can be told anything: {error}")
