"""How the commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from app.core.config import get_settings
from app.market.calendar import TAIPEI
from app.store.counts import Counts

AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]

_NO_WIDTH = 1_000
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that turn the direction of what follows."""

COLOURS = {
    "SUCCESS": "green",
    "PARTIAL": "yellow",
    "FAILED": "red",
    "SKIPPED": "dim",
    "CANCELLED": "dim",
    "LOST": "red",
    "RETRY": "magenta",
    "STARTED": "cyan",
    "QUEUED": "blue",
    "ok": "green",
    "warning": "yellow",
    "error": "red",
    "unknown": "dim",
    "alive": "green",
    "idle": "green",
    "busy": "cyan",
    "wedged": "red",
    "dead": "red",
}


class _Console(Console):
    """Shows what others wrote, and never obeys it: a log line may quote what commands a terminal, or turns a line."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or not _COMMANDS.search(segment.text):
                yield segment
            else:
                yield Segment(_COMMANDS.sub("\N{REPLACEMENT CHARACTER}", segment.text), segment.style)


def console() -> Console:
    """The terminal, or whatever stands in its place now: a file or a pipe has no width, and nothing is cut there."""
    made = _Console(highlight=False)
    return made if made.is_terminal or "COLUMNS" in os.environ else _Console(highlight=False, width=_NO_WIDTH)


def print_json(value: Any) -> None:
    """One JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def table(*columns: str, title: str | None = None) -> Table:
    """A plain table whose columns starting with ``>`` are numbers.

    On a narrow terminal a text goes on below and is never cut; the first column, by which a row is known, stays whole.
    """
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        justify: JustifyMethod = "right" if column.startswith(">") else "left"
        made.add_column(column.removeprefix(">"), justify=justify, overflow="fold", no_wrap=number == 0)
    return made


def coloured(word: str) -> Text:
    """A state or level in its colour."""
    return Text(word, style=COLOURS.get(word, ""))


def local(instant: datetime | None) -> str:
    """An instant in Taipei time, to the second."""
    return "" if instant is None else f"{instant.astimezone(TAIPEI):%Y-%m-%d %H:%M:%S}"


def took(start: datetime | None, end: datetime | None) -> str:
    """The time between, as a person reads it; until now while there is no end."""
    if start is None:
        return ""
    seconds = ((end or datetime.now(UTC)) - start).total_seconds()
    return f"{seconds:.1f} s" if seconds < 100 else f"{int(seconds // 60)}m {int(seconds % 60):02}s"


def in_words(counts: Counts) -> str:
    """The counts that somebody took."""
    return " · ".join(f"{name} {value:,}" for name, value in counts.as_dict().items() if value is not None)


def print_source() -> None:
    """Say so whenever prices are not the market's."""
    settings = get_settings()
    if settings.prices != "real":
        text = f"{settings.prices.upper()} PRICES from the sandbox exchange: not the market's."
        console().print(Text(text, style="black on yellow"))
