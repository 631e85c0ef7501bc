"""How the commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TextIO, cast

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from app.core.config import get_settings
from app.market.calendar import TAIPEI
from app.shown import harmless
from app.store.counts import Counts

AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]

_NO_WIDTH = 1_000
_GAP = 2
"""Between two columns, and before what stands below the first."""
_FOLDED = 16
"""Cells to which a column of sentences may shrink; a number, a time or a state is never folded within."""
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
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)


def console() -> Console:
    """The terminal, or whatever stands in its place now: a file or a pipe has no width, and nothing is cut there."""
    made = _Console(highlight=False)
    if made.is_terminal or "COLUMNS" in os.environ:
        return made
    return _Console(highlight=False, width=_NO_WIDTH, file=cast("TextIO", _Trimmed(sys.stdout)))


class _Trimmed:
    """A file of lines without blanks at their ends: Rich fills each up to the longest, which mails and logs keep."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """What Rich prints in one go: whole lines."""
        self._file.write(re.sub(r" +$", "", text, flags=re.MULTILINE))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def print_json(value: Any) -> None:
    """One JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


class _Table(Table):
    """A table that is a list where its columns have no room: a row's first cell, and the others with their names below.

    That is so below *roomy* cells, and wherever a number or a word that is not long would be folded.
    """

    def __init__(self, *, roomy: int, title: str | None) -> None:
        super().__init__(
            title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim"
        )
        self._roomy = roomy

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Any]:
        if max(self._roomy, self._least(console, options)) <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield Text(str(self.title), "bold")
        for row in zip(*(column.cells for column in self.columns), strict=True):
            yield from self._listed(console, options.max_width - _GAP, row)

    def _least(self, console: Console, options: ConsoleOptions) -> int:
        """Cells that it takes."""
        wide = options.update_width(_NO_WIDTH)
        least = _GAP * (len(self.columns) - 1)
        for number, column in enumerate(self.columns):
            sizes = [Measurement.get(console, wide, cell) for cell in (column.header, *column.cells)]
            if number == 0:
                least += max(one.maximum for one in sizes)
            else:
                least += min(_FOLDED, max(one.minimum for one in sizes))
        return least

    def _listed(self, console: Console, width: int, row: Sequence[RenderableType]) -> Iterable[RenderableType]:
        first, *others = row
        yield first
        line = Text()
        for column, cell in zip(self.columns[1:], others, strict=True):
            value = console.render_str(cell) if isinstance(cell, str) else cell
            if not isinstance(value, Text) or not value.plain:
                continue  # a bar says in a picture what the next cell says in numbers
            piece = Text.assemble((f"{column.header} " if column.header else "", "dim"), value)
            if line.plain and cell_len(line.plain) + _GAP + cell_len(piece.plain) > width:
                yield Padding(line, (0, 0, 0, _GAP))
                line = Text()
            line = Text.assemble(line, " " * _GAP if line.plain else "", piece)
        if line.plain:
            yield Padding(line, (0, 0, 0, _GAP))


def table(*columns: str, title: str | None = None, roomy: int = 0) -> Table:
    """A plain table whose columns starting with ``>`` are numbers.

    On a narrow terminal a text goes on below and is never cut; the first column, by which a row is known, stays whole.
    Where that would fold numbers, or on less than *roomy* cells, it is a list.
    """
    made = _Table(roomy=roomy, title=title)
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


def lasting(seconds: float) -> str:
    """As a person says it; a start takes a second, so that nothing takes less."""
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min")) if number)


def in_words(counts: Counts) -> str:
    """The counts that somebody took."""
    return " · ".join(f"{name} {value:,}" for name, value in counts.as_dict().items() if value is not None)


def print_source() -> None:
    """Say so whenever prices are not the market's."""
    settings = get_settings()
    if settings.prices != "real":
        text = f"{settings.prices.upper()} PRICES from the sandbox exchange: not the market's."
        console().print(Text(text, style="black on yellow"))
