"""The universes that an export names: those of ``universes.toml``, and a few that follow from the securities lists."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from app.market.security import BAR_VENUES, SecurityKind
from app.store.engine import Connection
from app.store.securities import list_securities

KINDS = (SecurityKind.STOCK, SecurityKind.ETF)
"""Kinds with a universe of their own; the others have a few dozen members at most."""


def named_universes(
    connection: Connection, named: Mapping[str, Sequence[str]], *, held: Collection[str]
) -> dict[str, list[str]]:
    """Name → its symbols among those *held*, sorted; without universes of which none is held.

    *named* and, as the lists have it today, ``twse``, ``tpex``, ``stock``, ``etf``: who was delisted stays in them.
    """
    known = set(held)
    listed = [one for one in list_securities(connection) if one.symbol in known]
    found = {str(venue).lower(): [one.symbol for one in listed if one.venue is venue] for venue in BAR_VENUES}
    found |= {str(kind): [one.symbol for one in listed if one.kind is kind] for kind in KINDS}
    found |= {name: [symbol for symbol in symbols if symbol in known] for name, symbols in named.items()}
    return {name: sorted(symbols) for name, symbols in sorted(found.items()) if symbols and name != "all"}
