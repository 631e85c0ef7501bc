"""What each security's files were made of: it lies in a snapshot, so that another can go on from its bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

RECORD = Path("record.json")


@dataclass(frozen=True, slots=True)
class Made:
    """Of one security: the range of its files, what the database held of it, and a checksum.

    ``first`` and ``last`` are places in the calendar; ``digest`` is of its bars' content, ``factors`` tells every step
    of its factors; ``crc`` is the CRC-32 of its eight files, one after the other.
    """

    first: int
    last: int
    bars: int
    digest: int
    factors: str
    crc: int


def write_record(folder: Path, form: str, made: Mapping[str, Made]) -> None:
    """Symbol → what was made; *form* names how, so that nobody goes on from files of another kind."""
    values = attrgetter(*Made.__slots__)
    rows = {symbol: values(one) for symbol, one in made.items()}
    (folder / RECORD).write_text(json.dumps({"form": form, "made": rows}), encoding="utf-8")


def read_record(folder: Path) -> tuple[str, dict[str, Made]] | None:
    """The form and what was made; None where there is no record that can be read."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return str(found["form"]), {symbol: Made(*row) for symbol, row in found["made"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
