"""Which securities a piece of work is about: symbols, a named universe, or all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.errors import InvalidParameter, UnknownSymbol
from app.market.security import BAR_VENUES, is_symbol
from app.store.engine import Connection
from app.store.securities import HeldSecurity, find_many, list_securities

ALL = "all"


def choose_securities(
    connection: Connection,
    *,
    symbols: Sequence[str] | None,
    universe: str | None,
    universes: Mapping[str, Sequence[str]],
) -> list[HeldSecurity]:
    """The held securities of *symbols*, or of the named *universe*; in order, each once.

    Securities of the emerging board are left out of `all`: the exchanges publish no daily bars or quotes of them.

    Raises:
        InvalidParameter: both given, an empty list, or no such universe.
        UnknownSymbol: names every symbol that no list holds.
    """
    if symbols is not None and universe is not None:
        raise InvalidParameter("Give stock_ids or a universe, not both.")
    if symbols is None and universe in (None, ALL):
        return [security for venue in BAR_VENUES for security in list_securities(connection, venue=venue, on_list=True)]
    if symbols is None:
        symbols = _members(str(universe), universes)
    if not symbols:
        raise InvalidParameter("stock_ids is empty; leave it out for the default, or name at least one symbol.")
    held = known_securities(connection, symbols)
    emerging = [one.symbol for one in held if one.venue not in BAR_VENUES]
    if emerging:
        message = f"{', '.join(emerging[:10])}: securities of the emerging board have no daily bars or quotes."
        raise InvalidParameter(message)
    return held


def known_securities(connection: Connection, symbols: Sequence[str]) -> list[HeldSecurity]:
    """The held securities of *symbols*; in order, each once. Raises UnknownSymbol for those that no list holds."""
    wanted = list(dict.fromkeys(symbols))
    held = find_many(connection, wanted)
    unknown = [symbol for symbol in wanted if symbol not in held]
    if unknown:
        shown = ", ".join(repr(symbol) for symbol in unknown[:10]) + (" …" if len(unknown) > 10 else "")
        hint = "" if all(is_symbol(symbol) for symbol in unknown) else " A symbol has four to six digits or capitals."
        message = f"No securities list holds {shown}.{hint} If it is new: `quantlab sync securities`."
        raise UnknownSymbol(message, symbols=unknown)
    return [held[symbol] for symbol in wanted]


def _members(universe: str, universes: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if universe not in universes:
        known = ", ".join([ALL, *universes])
        raise InvalidParameter(f"There is no universe {universe!r}; known are {known}.")
    return universes[universe]
