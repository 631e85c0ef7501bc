"""What only becomes exact: TPEx's month histories give lots and thousands of TWD, its table of the day shares and TWD.

Such a change is kept as any other, so that bars can be read as they stood; but no venue changed what it had published.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, or_

from app.market.bar import ABSENT
from app.market.bar_table import Ints
from app.market.security import Venue
from app.store.tables import revisions

_SOURCES = f"{Venue.TPEX}."
_MULTIPLES: Mapping[str, tuple[int, ...]] = {"volume": (1_000, 100), "turnover": (1_000,)}
"""By field; lots are 1,000 shares, of some funds 100."""


def only_sharper(field: str, old: Ints, new: Ints, *, source: str) -> NDArray[np.bool_]:
    """Of which cells *old* may be *new*, rounded."""
    found = np.zeros(len(old), np.bool_)
    if source.startswith(_SOURCES):
        both = (old != ABSENT) & (new != ABSENT)
        for multiple in _MULTIPLES.get(field, ()):
            found |= both & (old % multiple == 0) & (np.abs(new - old) < multiple)
    return found


def is_only_sharper() -> ColumnElement[bool]:
    """The same of a row of ``revisions``."""
    old, new = revisions.c.old, revisions.c.new
    rounds = [
        and_(revisions.c.field == field, old % multiple == 0, new > old - multiple, new < old + multiple)
        for field, multiples in _MULTIPLES.items()
        for multiple in multiples
    ]
    return and_(revisions.c.source.startswith(_SOURCES), or_(*rounds), new.is_not(None))
