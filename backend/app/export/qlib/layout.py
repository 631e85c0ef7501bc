"""Where things stand in a Qlib tree of daily data, and the words of its files.

::

    calendars/day.txt                    one ISO date a line
    instruments/all.txt                  SYMBOL <tab> first session <tab> last session
    instruments/<universe>.txt           the same of a named set of them, such as twse or popular
    features/<symbol, lower case>/<field>.day.bin
                                         little-endian float32: the start's place in the calendar, then a value a
                                         session up to the last one; NaN where nothing traded
    manifest.json                        ours; Qlib does not look at it

The layout is the one that Qlib's own ``scripts/dump_bin.py`` writes (github.com/microsoft/qlib).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FIELDS = ("open", "high", "low", "close", "volume", "factor", "change", "vwap")
FLOAT = "<f4"
FLOAT_BYTES = 4
CALENDAR = Path("calendars/day.txt")
INSTRUMENTS = Path("instruments")
ALL = "all"
FEATURES = Path("features")


@dataclass(frozen=True, slots=True)
class Instrument:
    """A symbol and its range: the places in the calendar of its first and its last session, both included."""

    symbol: str
    first: int
    last: int

    @property
    def sessions(self) -> int:
        """How many sessions the range spans."""
        return self.last - self.first + 1


def feature_folder(symbol: str) -> Path:
    """Qlib looks for lower-case names only; on Linux it does not find any other."""
    return FEATURES / symbol.lower()


def feature_file(symbol: str, field: str) -> Path:
    """The file of one field of one symbol."""
    return feature_folder(symbol) / f"{field}.day.bin"


def instruments_file(universe: str) -> Path:
    """The list of a universe; ``all`` is the one of every symbol."""
    return INSTRUMENTS / f"{universe}.txt"


def calendar_text(calendar: Sequence[date]) -> str:
    """``calendars/day.txt``."""
    return "".join(f"{session.isoformat()}\n" for session in calendar)


def instruments_text(instruments: Sequence[Instrument], calendar: Sequence[date]) -> str:
    """A list of instruments; symbols stay text, so that 0050 does not become 50."""
    return "".join(f"{one.symbol}\t{calendar[one.first]}\t{calendar[one.last]}\n" for one in instruments)


def size_of(instruments: Sequence[Instrument]) -> int:
    """Bytes of all feature files."""
    return sum((1 + one.sessions) * FLOAT_BYTES * len(FIELDS) for one in instruments)
