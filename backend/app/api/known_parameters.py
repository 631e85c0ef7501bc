"""A parameter that an endpoint does not have is refused, not ignored.

Who writes ``adjust=back`` for ``adjusted=back`` would get raw prices and take them for adjusted ones.
"""

from __future__ import annotations

import difflib

from fastapi import Depends, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.requests import HTTPConnection
from fastapi.routing import APIRoute

from app.errors import InvalidParameter

PREFIX = "/api/"
"""Of the addresses that are asked by programs; pages may have what they like behind a question mark."""


async def _only_known(connection: HTTPConnection) -> None:
    route = connection.scope.get("route")
    if not connection.query_params or not isinstance(route, APIRoute) or not route.path.startswith(PREFIX):
        return
    known = query_parameters(route)
    for name in connection.query_params:
        if name not in known:
            raise InvalidParameter(f"There is no parameter {name[:60]!r} here{_instead(name, known)}.")


def query_parameters(route: APIRoute) -> list[str]:
    """The names that may stand in the query of *route*, those of its dependencies too."""
    return [field.alias for field in get_flat_params(route.dependant) if isinstance(field.field_info, params.Query)]


def _instead(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    meant = f": do you mean {near[0]}" if near else ""
    return f"{meant}; there are {', '.join(known) or 'none'}"


KnownParameters = Depends(_only_known)
"""For the whole application: no endpoint needs to think of it."""
