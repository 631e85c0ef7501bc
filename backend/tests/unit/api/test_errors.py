from __future__ import annotations

from collections.abc import Iterator

import pytest

from app import errors
from app.api.errors import status_of
from app.api.guard import host_name


def every(kind: type[errors.QuantLabError]) -> Iterator[type[errors.QuantLabError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from every(below)


@pytest.mark.parametrize("kind", list(every(errors.QuantLabError)))
def test_every_error_has_a_status(kind: type[errors.QuantLabError]) -> None:
    error = kind("It is so.", rule="r") if issubclass(kind, errors.InvalidRow) else kind("It is so.")
    assert 400 <= status_of(error) < 600


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.UnknownSymbol, 404),
        (errors.InvalidParameter, 422),
        (errors.NotAuthorised, 401),
        (errors.StoreUnavailable, 503),
        (errors.RateLimited, 503),
        (errors.SourceChanged, 502),
        (errors.ExportError, 500),
    ],
)
def test_the_narrower_type_decides(kind: type[errors.QuantLabError], status: int) -> None:
    assert status_of(kind("It is so.")) == status


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost:3000", "localhost"),
        ("LocalHost", "localhost"),
        ("[::1]:3000", "::1"),
        ("[::1]", "::1"),
        ("evil.example:80", "evil.example"),
        ("", ""),
        ("localhost:3000@evil.example", ""),
        ("[::1].evil.example", ""),
    ],
)
def test_the_name_in_a_host_header(header: str, name: str) -> None:
    assert host_name(header) == name
