"""Any damage to any recording gives values, or one of our own errors: no other exception, and no invented zero."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import QuantLabError
from app.market.bar import MAX_PRICE, Bar
from tests.contract import test_datasets
from tests.contract.dataset_contract import DatasetContract

CONTRACTS: list[type[DatasetContract]] = [
    one
    for one in vars(test_datasets).values()
    if isinstance(one, type) and issubclass(one, DatasetContract) and hasattr(one, "recording")
]
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["nan", "NaN", "--", "-1", "0", "0.00", "1e9", "\0", "\ud800", "112/01/31", "2330", "99999999999"]),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just([None]),
    st.just({"fields": 1, "data": 2}),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    document = copy.deepcopy(document)
    node = document
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return document


def examine(contract: DatasetContract, body: bytes) -> None:
    try:
        parsed = contract.parse(body)
    except QuantLabError:
        return
    for row in parsed.rows:
        if isinstance(row, Bar):
            prices = [price for price in (row.open, row.high, row.low, row.close) if price is not None]
            assert len(prices) in (0, 4)
            assert all(type(price) is int and 0 < price <= MAX_PRICE for price in prices)
            assert not any(isinstance(one, float) and math.isnan(one) for one in (row.volume, row.turnover))
    for rejected in parsed.rejected:
        "".join(rejected.raw.values()).encode()
        assert not any("\0" in text for text in rejected.raw.values())


@pytest.mark.parametrize(
    "kind", [one for one in CONTRACTS if one.recording.endswith("json")], ids=lambda one: one.__name__
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_value_replaced_by_junk(kind: type[DatasetContract], data: st.DataObject) -> None:
    contract = kind()
    document = json.loads(contract.body)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(document)))
        document = replaced(document, path, data.draw(JUNK))
    examine(contract, json.dumps(document).encode())


@pytest.mark.parametrize("kind", CONTRACTS, ids=lambda one: one.__name__)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bytes_changed_at_random(kind: type[DatasetContract], data: st.DataObject) -> None:
    contract = kind()
    body = bytearray(contract.body)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    examine(contract, bytes(body))
