"""The live socket: what changes, told to every open page without its asking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from app.api.access import check_origin, who_asks
from app.api.alerts import IncidentRow
from app.api.live_feed import NO_SESSION, NOT_UNDERSTOOD, TRY_AGAIN, Feed, Page
from app.api.runs import as_row
from app.core.backlog import queue_lengths
from app.core.config import get_settings
from app.core.wiring import get_platform
from app.errors import NotAllowed, QuantLabError, StoreUnavailable
from app.ops.liveness import tell
from app.services.identity import Identity, still_there
from app.store import heartbeats, incidents, log_lines, runs
from app.store.engine import transaction

router = APIRouter()

NEWEST = 50
LAST_WORD = 10.0
"""Seconds for a page that reads slowly to take the message that it is closed."""
_LONGEST_WISH = 1_000


def make_feed() -> Feed:
    """The feed of one web application."""
    topics = {"runs": _runs, "programs": _programs, "alerts": _alerts, "queues": _queues, "logs": _logs}
    return Feed(topics, still_there=_still_there)


@router.websocket("/api/v1/live")
async def live(socket: WebSocket) -> None:
    """Send ``{"subscribe": ["runs", "programs", "alerts", "queues", "logs"]}``, get ``{"topic", "at", "data"}``.

    ``logs`` is the number of the newest line, for whoever wants to ask for what is after theirs.

    The first message of a topic is what is so now; whenever that changed there is another, the whole again. Closed
    with 4401 when there is no session (any more), with 1013 when the page reads too slowly or too many are open:
    connect again, and nothing is missed.
    """
    try:
        check_origin(socket)
    except NotAllowed:
        await socket.close()  # before it is accepted: 403
        return
    await socket.accept()
    try:
        who = await asyncio.to_thread(_who, socket)
    except StoreUnavailable:
        await socket.close(TRY_AGAIN)
        return
    except QuantLabError:
        who = None
    if who is None:
        await socket.close(NO_SESSION)
        return
    feed: Feed = socket.app.state.live
    page = feed.join(who)
    if page is None:
        await socket.close(TRY_AGAIN)
        return
    try:
        code = await _serve(socket, feed, page)
    finally:
        feed.leave(page)
    if code is not None:
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):  # it is gone, or takes nothing more
            await asyncio.wait_for(socket.close(code), LAST_WORD)


async def _serve(socket: WebSocket, feed: Feed, page: Page) -> int | None:
    """Until it is to be closed, with that code; or None: it is gone."""
    sending = asyncio.create_task(_send(socket, page))
    hearing = asyncio.create_task(_hear(socket, feed, page))
    try:
        ends: set[asyncio.Future[Any]] = {sending, hearing, page.closing}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, hearing):
            task.cancel()
        await asyncio.gather(sending, hearing, return_exceptions=True)
    return page.closing.result() if page.closing.done() else None


async def _send(socket: WebSocket, page: Page) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_text(await page.waiting.get())


async def _hear(socket: WebSocket, feed: Feed, page: Page) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            wanted = _wish(message.get("text") or "", feed.topics)
            if wanted is None:
                page.close(NOT_UNDERSTOOD)
                return
            feed.subscribe(page, wanted)


def _wish(text: str, topics: Collection[str]) -> list[str] | None:
    """The topics that a message asks for; None: it is no such message."""
    try:
        wish = json.loads(text) if len(text) <= _LONGEST_WISH else None
    except (ValueError, RecursionError):
        return None
    wanted = wish.get("subscribe") if isinstance(wish, dict) else None
    if not isinstance(wanted, list) or not all(isinstance(one, str) and one in topics for one in wanted):
        return None
    return wanted


def _who(socket: WebSocket) -> Identity | None:
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    return who_asks(socket, get_platform(), get_settings(), token if scheme.lower() == "bearer" else None)


def _still_there(people: Collection[Identity]) -> set[Identity]:
    with transaction(get_platform().engine) as connection:
        return still_there(connection, people)


def _runs() -> list[dict[str, Any]]:
    with transaction(get_platform().engine) as connection:
        found = runs.list_runs(connection, limit=NEWEST)
    return [as_row(run).model_dump(mode="json") for run in found]


def _programs() -> list[dict[str, Any]]:
    with transaction(get_platform().engine) as connection:
        seen = heartbeats.look(connection)
    return [
        {
            "kind": one.kind,
            "name": one.name,
            "state": tell(one, seen).value,
            "busy": one.facts.get("busy"),
            "slots": one.facts.get("slots"),
            "draining": one.facts.get("draining"),
            "pool": one.facts.get("pool"),
        }
        for one in seen.programs
    ]


def _alerts() -> list[dict[str, Any]]:
    with transaction(get_platform().engine) as connection:
        found = incidents.list_open(connection)
    # When it was last seen changes with each look, and is no news.
    return [IncidentRow.model_validate(asdict(one)).model_dump(mode="json", exclude={"seen_at"}) for one in found]


def _queues() -> Mapping[str, Mapping[int | str, int]]:
    lengths = queue_lengths(get_platform().redis)
    return {
        queue: {"unknown" if priority is None else priority: count for priority, count in by_priority.items()}
        for queue, by_priority in lengths.items()
    }


def _logs() -> int:
    with transaction(get_platform().engine) as connection:
        return log_lines.last_id(connection)
