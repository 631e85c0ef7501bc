"""Two sources of the same bars, side by side: which cells agree, which differ, and which only one of them has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from app.market.bar import BAR_FIELDS, Bar


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two values of a field may lie and still be the same, in the field's unit, and why."""

    units: int
    reason: str


EXACT = Tolerance(0, "nothing is rounded")


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell. None: that side has no value; of a bar that a side lacks altogether only the close is told."""

    symbol: str
    session: date
    field: str
    ours: int | None
    theirs: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """In cells. ``compared`` are published by both; of those, the ones not in ``differences`` are equal."""

    compared: int
    differences: tuple[Difference, ...]

    @property
    def different(self) -> int:
        """Cells of which both have a value, and not the same."""
        return sum(one.ours is not None and one.theirs is not None for one in self.differences)

    @property
    def equal(self) -> int:
        """Cells of which both have the same value."""
        return self.compared - self.different


def compare(
    symbol: str,
    sessions: Collection[date],
    *,
    ours: Mapping[date, Bar],
    theirs: Mapping[date, Bar],
    tolerances: Mapping[str, Tolerance],
    rounded: Mapping[str, int] | None = None,
) -> Comparison:
    """Compare *symbol*'s bars of *sessions*, days on which the market was open, in the fields of *tolerances*.

    A cell differs where both publish a value and they lie further apart than the field's tolerance. A session for
    which one side has a close and the other has none is a difference of the close. Any other cell that only one side
    publishes is none: volumes without a price (odd lots), say, are told by some and not by others.

    *rounded* has, by field, the multiple to which values of ours may have been rounded. Of a bar all of whose fields
    are such multiples one above zero is the same as all that lie nearer to it than that; in any other bar something
    is finer, so that nothing of it was rounded.
    """
    compared = 0
    found: list[Difference] = []
    for session in sorted(sessions):
        one, other = ours.get(session), theirs.get(session)
        multiples = _rounded_by(one, rounded or {})
        for field in BAR_FIELDS:
            if field not in tolerances:
                continue
            mine = None if one is None else getattr(one, field)
            their = None if other is None else getattr(other, field)
            if mine is None or their is None:
                if field == "close" and mine != their:
                    found.append(Difference(symbol, session, field, mine, their))
                continue
            compared += 1
            leeway = multiples.get(field, 1) - 1 if mine else 0
            if abs(mine - their) > max(tolerances[field].units, leeway):
                found.append(Difference(symbol, session, field, mine, their))
    return Comparison(compared, tuple(found))


def _rounded_by(bar: Bar | None, rounded: Mapping[str, int]) -> Mapping[str, int]:
    """*rounded*, unless a value of *bar* is finer."""
    if bar is None or any((getattr(bar, field) or 0) % multiple for field, multiple in rounded.items()):
        return {}
    return rounded
