"""The feed behind the live socket: one look a second for all pages together, and each page is told what changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from loguru import logger

from app.errors import QuantLabError
from app.services.identity import Identity

EVERY = 1.0
"""Seconds between two looks."""
SOON = 0.05
"""Seconds from a page's wish for a topic that nobody had to the look for it: several pages open at once."""
BACKLOG = 32
"""Messages that may wait for a page; one with more is closed and comes back to fresh snapshots."""
MOST_PAGES = 200
MOST_OF_ONE = 50
"""Pages of one person or token, however often he logged in: nobody shuts all others out."""

NO_SESSION, TRY_AGAIN, NOT_UNDERSTOOD = 4401, 1013, 1008

Read = Callable[[], Any]
"""The snapshot of a topic, as JSON values; equal while nothing changed."""


@dataclass(eq=False)
class Page:
    """One open socket: who is behind it, what it wants, what waits for it, and with which code it is to be closed."""

    who: Identity
    topics: set[str] = field(default_factory=set)
    waiting: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(BACKLOG))
    closing: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def tell(self, message: str) -> None:
        """Let it be sent; never by leaving one out."""
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.close(TRY_AGAIN)

    def close(self, code: int) -> None:
        """Let whoever serves it close it."""
        if not self.closing.done():
            self.closing.set_result(code)


class Feed:
    """For one event loop. It looks only while a page is open, and only at what one wants."""

    def __init__(self, topics: Mapping[str, Read], *, still_there: Callable[[Collection[Identity]], set[Identity]]):
        """*topics* and *still_there* are called in a thread and may raise QuantLabError: then all stays as it is."""
        self.topics = topics
        self._still_there = still_there
        self._pages: set[Page] = set()
        self._last: dict[str, tuple[str, str]] = {}
        self._wake = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def join(self, who: Identity) -> Page | None:
        """A new page, or None when there are too many."""
        theirs = sum((page.who.via, page.who.name) == (who.via, who.name) for page in self._pages)
        if len(self._pages) >= MOST_PAGES or theirs >= MOST_OF_ONE:
            return None
        page = Page(who)
        self._pages.add(page)
        if self._looking is None or self._looking.done():
            self._wake = asyncio.Event()  # of this loop
            self._looking = asyncio.create_task(self._look_again_and_again())
        return page

    def leave(self, page: Page) -> None:
        """It is closed."""
        self._pages.discard(page)
        if not self._pages:
            self._last.clear()
            self._wake.set()

    def subscribe(self, page: Page, topics: Collection[str]) -> None:
        """Tell the page of these topics from now on, beginning with what is known."""
        for topic in topics:
            if topic in page.topics:
                continue
            page.topics.add(topic)
            if topic in self._last:
                page.tell(self._last[topic][1])
            else:
                self._wake.set()

    async def _look_again_and_again(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pages:
            due = loop.time() + EVERY
            topics = {topic for page in self._pages for topic in page.topics}
            for gone in self._last.keys() - topics:
                del self._last[gone]
            # Who joins meanwhile was let in a moment ago, and is not among those looked at.
            pages = frozenset(self._pages)
            found, living = await asyncio.to_thread(self._look, topics, {page.who for page in pages})
            self._tell(found)
            for page in pages:
                if living is not None and page.who not in living:
                    page.close(NO_SESSION)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(due - loop.time(), 0))
                await asyncio.sleep(SOON)
            self._wake.clear()

    def _look(
        self, topics: Collection[str], people: Collection[Identity]
    ) -> tuple[dict[str, str], Collection[Identity] | None]:
        """The topics' snapshots as text, and who may still look; what cannot be told now is left out."""
        found: dict[str, str] = {}
        for topic in sorted(topics):
            try:
                found[topic] = json.dumps(self.topics[topic](), ensure_ascii=False, separators=(",", ":"))
            except QuantLabError as error:
                logger.debug("Nothing new of {}: {}", topic, error)
            except Exception as error:
                logger.opt(exception=error).error("The live topic {} cannot be read", topic)
        try:
            return found, self._still_there(people)
        except QuantLabError as error:
            logger.debug("Sessions cannot be looked at: {}", error)
            return found, None

    def _tell(self, found: Mapping[str, str]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        for topic, data in found.items():
            known = self._last.get(topic)
            if known is not None and known[0] == data:
                continue
            message = f'{{"topic":"{topic}","at":"{at}","data":{data}}}'
            self._last[topic] = (data, message)
            for page in self._pages:
                if topic in page.topics:
                    page.tell(message)
