"""Bodies spoilt on purpose: a column more, a column less, cells that cannot be true."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from app.sandbox.cells import to_json


def _tables(value: Any) -> list[tuple[list[str], list[list[str]]]]:
    """Every (fields, rows) in a reply of either exchange."""
    if not isinstance(value, dict):
        return []
    found = [(value["fields"], value["data"])] if "fields" in value and "data" in value else []
    return found + [pair for table in value.get("tables", ()) for pair in _tables(table)]


def _records(value: Any) -> list[dict[str, Any]]:
    """The records of a reply that is a list of them, or of quotes."""
    rows = value if isinstance(value, list) else value.get("msgArray") or value.get("data") or []
    return [row for row in rows if isinstance(row, dict)]


_CLOSES = ("收盤價", "收盤", "收盤指數", "日期")
_CLOSE_KEYS = ("ClosingPrice", "Close", "close", "z", "Date")


def _edit(body: bytes, table: Callable[..., None], record: Callable[[list[dict[str, Any]]], None]) -> bytes:
    value = json.loads(body)
    for fields, rows in _tables(value):
        table(fields, rows)
    record(_records(value))
    blank = body[: len(body) - len(body.lstrip())]
    return blank + to_json(value)


def extra_column(body: bytes) -> bytes:
    """*body* with one more column than it has, in each table or record."""
    if body.lstrip()[:1] == b"<":
        # Not the headings of sections: those are one cell across the table, however wide it is.
        return re.sub(rb"(<tr(?:(?!colspan|</tr>).)*)</tr>", rb"\1<td>1</td></tr>", body, flags=re.DOTALL)

    def table(fields: list[str], rows: list[list[str]]) -> None:
        fields.insert(1, "新增欄位")
        for row in rows:
            row.insert(1, "1")

    def record(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["NewColumn"] = "1"

    return _edit(body, table, record)


def missing_column(body: bytes) -> bytes:
    """*body* without its close, or without its first column where it has none."""
    if body.lstrip()[:1] == b"<":
        return re.sub(rb"(<tr[^>]*>)<td[^>]*>[^<]*</td>", rb"\1", body)

    def table(fields: list[str], rows: list[list[str]]) -> None:
        at = next((fields.index(name) for name in _CLOSES if name in fields), 0)
        del fields[at]
        for row in rows:
            del row[at]

    def record(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row.pop(next((key for key in _CLOSE_KEYS if key in row), ""), None)

    return _edit(body, table, record)


_NAMES = {"high": ("最高價", "最高", "HighestPrice", "High", "max", "h")}
_NAMES |= {"low": ("最低價", "最低", "LowestPrice", "Low", "min", "l")}
_NAMES |= {"close": ("收盤價", "收盤", "ClosingPrice", "Close", "close", "z")}


def bad_cells(body: bytes) -> bytes:
    """The first three priced rows: a zero close, a high below the low, text in a price."""

    def soil(rows: list[Any], places: dict[str, Any]) -> None:
        for number, row in enumerate(rows[:3]):
            if number == 0:
                row[places["close"]] = "0.00"
            elif number == 1:
                row[places["high"]], row[places["low"]] = row[places["low"]], "999,999.00"
            else:
                row[places["close"]] = "N/A"

    return _edit_priced(body, soil)


def bad_order(body: bytes) -> bytes:
    """Three rows with high and low exchanged: cells that can be read, and that a person may release."""

    def soil(rows: list[Any], places: dict[str, Any]) -> None:
        high, low = places["high"], places["low"]
        for row in [row for row in rows if row[high] != row[low]][:3]:
            row[high], row[low] = row[low], row[high]

    return _edit_priced(body, soil)


def _edit_priced(body: bytes, soil: Callable[[list[Any], dict[str, Any]], None]) -> bytes:
    """*body* after *soil* had the rows of prices, and where in them high, low and close stand."""

    def priced(rows: list[Any], places: dict[str, Any]) -> None:
        soil([row for row in rows if all(_is_price(row[place]) for place in places.values())], places)

    def places(names: Any) -> dict[str, Any] | None:
        found = {key: next((name for name in known if name in names), None) for key, known in _NAMES.items()}
        return None if None in found.values() else found

    def table(fields: list[str], rows: list[list[str]]) -> None:
        found = places(fields)
        if found:
            priced(rows, {key: fields.index(name) for key, name in found.items()})

    def record(rows: list[dict[str, Any]]) -> None:
        found = places(rows[0]) if rows else None
        if found:
            priced([row for row in rows if all(name in row for name in found.values())], found)

    return body if body.lstrip()[:1] == b"<" else _edit(body, table, record)


def _is_price(cell: object) -> bool:
    return re.fullmatch(r"[\d,]+\.\d+", str(cell)) is not None
