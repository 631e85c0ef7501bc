"""A quarantined row as a person reads it: the cells and values that its reason speaks of first."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from rich.table import Table
from rich.text import Text

from app.cli.output import table
from app.market.bar import PRICE_FIELDS, to_decimal
from app.store.quarantine_reads import HeldRow

_WORD = re.compile(r"[^\s'\"…]+")
_LONG = 4
"""Digits of a count that is hardly in a sentence by chance."""


def cells_of(row: HeldRow) -> Table:
    """Its cells as they came beside its values as they were read; what is in question stands first and is marked."""
    said = _Said(row.reason)
    cells = _in_question_first([(name, str(text)) for name, text in row.raw.items()], said.speaks_of_cell)
    values = _in_question_first([_value(*one) for one in (row.parsed or {}).items()], said.speaks_of_value)
    made = table("cell", "as it came", "", "field", ">as it was read", "")
    for place in range(max(len(cells), len(values))):
        made.add_row(*_columns(cells, place), *_columns(values, place))
    return made


class _Said:
    """What a reason speaks of: it names fields and columns, and quotes what stands in them."""

    def __init__(self, reason: str) -> None:
        self._words = {word.strip(".,;:()") for word in _WORD.findall(reason)}
        self._numbers = {number for word in self._words if (number := _number(word)) is not None}

    def speaks_of_cell(self, name: str, text: str) -> bool:
        quoted = text.strip() in self._words and not (text.isdigit() and len(text) < _LONG)
        return name in self._words or quoted or self._quotes_price(text)

    def speaks_of_value(self, name: str, text: str) -> bool:
        return name in self._words or (name in PRICE_FIELDS and _number(text) in self._numbers)

    def _quotes_price(self, text: str) -> bool:
        return "." in text and _number(text) in self._numbers


def _in_question_first(
    pairs: Sequence[tuple[str, str]], speaks_of: Callable[[str, str], bool]
) -> list[tuple[str, str, bool]]:
    marked = [(name, text, bool(text) and speaks_of(name, text)) for name, text in pairs]
    return sorted(marked, key=lambda one: not one[2])


def _columns(marked: Sequence[tuple[str, str, bool]], place: int) -> tuple[Text, Text, Text]:
    if place >= len(marked):
        return Text(), Text(), Text()
    name, text, in_question = marked[place]
    style = "bold" if in_question else ""
    return Text(name, style), Text(text, style), Text("←" if in_question else "", "red")


def _value(field: str, value: object) -> tuple[str, str]:
    if field in PRICE_FIELDS and isinstance(value, int):
        return field, str(to_decimal(value))
    return field, f"{value:,}" if isinstance(value, int) else "absent" if value is None else str(value)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        return None
