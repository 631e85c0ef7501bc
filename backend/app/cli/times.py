"""Days and instants as options and arguments: what cannot be read is answered with an example."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from app.market.written import read_day, read_instant


def day(text: str) -> datetime:
    """The ``parser`` of a day: its midnight, without zone."""
    try:
        return datetime.combine(read_day(text), datetime.min.time())
    except ValueError as error:
        raise typer.BadParameter(f"{text[:60]!r}: {error}.") from None


def instant(text: str) -> datetime:
    """The ``parser`` of an instant, in Taipei time unless it has a zone; aware."""
    try:
        return read_instant(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text[:60]!r}: {error}.") from None


DAY, INSTANT = "YYYY-MM-DD", "YYYY-MM-DD[THH:MM]"
"""What the help shows for them."""

AsOf = Annotated[
    datetime | None,
    typer.Option(parser=instant, metavar=INSTANT, help="as it stood then; Taipei time unless it has a zone"),
]
"""For everything that can be read as it stood."""
