"""How a table of figures is laid out: where each field stands, in which unit, and what must add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.errors import InvalidRow
from app.market.figures import Unit
from app.market.security import lot_size
from app.sources import parsing


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a field stands, and how its text becomes a number of its unit: ``read(symbol, *texts)``."""

    unit: Unit
    read: Callable[..., int | None]
    columns: tuple[str, ...]


def shares(column: str) -> Cell:
    """A number of shares."""
    return Cell(Unit.SHARES, lambda _, text: parsing.integer(text), (column,))


def net(column: str) -> Cell:
    """A number of shares that may be negative."""
    return Cell(Unit.SHARES, lambda _, text: parsing.signed_integer(text), (column,))


def lots(column: str) -> Cell:
    """A number of lots, in shares."""
    return Cell(Unit.SHARES, lambda symbol, text: parsing.integer(text, times=lot_size(symbol)), (column,))


def ratio(column: str) -> Cell:
    """A ratio such as ``30.79``."""
    return Cell(Unit.RATIO, lambda _, text: parsing.ratio(text), (column,))


def points(column: str) -> Cell:
    """The level of an index, which is never zero."""

    def read(_: str, text: str) -> int | None:
        level = parsing.ratio(text)
        if level == 0:
            raise InvalidRow(f"an index of {text.strip()} is none", rule="zero-price")
        return level

    return Cell(Unit.POINTS, read, (column,))


def percent(column: str) -> Cell:
    """A ratio in percent such as ``5.41``."""
    return Cell(Unit.RATIO, lambda _, text: parsing.ratio(text, percent=True), (column,))


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which the table was laid out.

    ``symbol`` is the column that says whose a row is; ``""`` where the rows are about the market itself.
    ``order`` is for tables that have one name several times: all their columns, which then must stand exactly so, for
    nothing but the place tells them apart. The second 買進 is called ``買進#2``.
    """

    symbol: str
    cells: Mapping[str, Cell]
    order: tuple[str, ...] = ()

    def columns(self) -> tuple[str, ...]:
        """Every column that is read."""
        own = (self.symbol,) if self.symbol else ()
        return own + tuple(dict.fromkeys(name for cell in self.cells.values() for name in cell.columns))

    def names(self, header: Sequence[str]) -> list[str]:
        """The header's names, told apart where this layout knows that they repeat."""
        return numbered(header) if self.order else list(header)

    def faults(self, header: Sequence[str]) -> list[str]:
        """The columns on account of which *header* is not this layout's."""
        if self.order:
            known = frozenset(self.order)
            found = [name for name in header if name in known]
            wanted = list(self.order)
            if found == wanted:
                return []
            short = [name for name in dict.fromkeys(wanted) if found.count(name) != wanted.count(name)]
            return short or [name for name, there in zip(wanted, found, strict=True) if name != there]
        return [name for name in self.columns() if header.count(name) != 1]


def numbered(header: Sequence[str]) -> list[str]:
    """Column names of which no two are the same: the second ``x`` is ``x#2``."""
    times: Counter[str] = Counter()
    names = []
    for name in header:
        times[name] += 1
        names.append(name if times[name] == 1 else f"{name}#{times[name]}")
    return names


@dataclass(frozen=True, slots=True)
class Sum:
    """``total`` is what ``plus`` come to, less ``minus``; a row for which it does not hold is rejected (``sum``)."""

    total: str
    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()

    def require(self, values: Mapping[str, int | None]) -> None:
        """Raise InvalidRow where all of it is there and does not add up."""
        total = values.get(self.total)
        plus, minus = ([values.get(name) for name in names] for names in (self.plus, self.minus))
        if total is None or None in plus or None in minus:
            return
        came_to = sum(filter(None, plus)) - sum(filter(None, minus))
        if came_to != total:
            terms = " + ".join(self.plus) + "".join(f" - {name}" for name in self.minus)
            raise InvalidRow(f"{self.total} is {total:,}, but {terms} is {came_to:,}", rule="sum")


def traded(*parties: str) -> tuple[Sum, ...]:
    """What each party bought less what it sold is its net."""
    return tuple(Sum(f"{one}_net", (f"{one}_buy",), (f"{one}_sell",)) for one in parties)
