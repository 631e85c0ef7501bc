"""From the lines of a reply to values: each is read, left out on purpose, or rejected with a reason."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import date
from typing import NoReturn, TypeVar

from app.errors import InvalidRow
from app.market.security import is_symbol
from app.sources.base import RejectedRow
from app.sources.parsing import columns, field_name

T = TypeVar("T")


class Row(dict[str, str]):
    """One line's cells by column name. A line of another width than the header's is invalid (``row-width``).

    Nobody can say which of its cells belongs to which column.
    """

    fault: str | None = None

    def __missing__(self, column: str) -> NoReturn:
        raise InvalidRow(f"the row has no cell for {column}", rule="row-width")

    def require_width(self) -> None:
        """Raise InvalidRow for a line that is longer than the header."""
        if self.fault:
            raise InvalidRow(self.fault, rule="row-width")


def table_rows(
    fields: Sequence[object], lines: Iterable[object], required: Iterable[str], *, site: str
) -> Iterator[Row]:
    """The lines of a table whose cells stand in the order of ``fields``. Raises SourceChanged as ``columns`` does."""
    names = [field_name(field) for field in fields]
    columns(fields, required, site=site)
    return (_table_row(names, line) for line in lines)


def _table_row(names: Sequence[str], line: object) -> Row:
    if not isinstance(line, list):
        return Row({"row": cell(line)})
    row = Row((name, cell(value)) for name, value in zip(names, line, strict=False))
    for place in range(len(names), len(line)):
        row[f"#{place + 1}"] = cell(line[place])
    if len(line) > len(names):
        row.fault = "the row has more cells than the table has columns"
    return row


def object_rows(lines: Sequence[object], required: Iterable[str], *, site: str) -> Iterator[Row]:
    """The lines of a list of objects. A key that no line has is a missing column: SourceChanged."""
    keys = dict.fromkeys(key for line in lines if isinstance(line, dict) for key in line)
    columns(keys, required, site=site)
    for line in lines:
        if isinstance(line, dict):
            yield Row((field_name(key), cell(value)) for key, value in line.items())
        else:
            yield Row({"row": cell(line)})


def cell(value: object) -> str:
    """A JSON value as a cell's text, fit for the store: PostgreSQL takes neither NUL nor half a surrogate pair."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def read_rows(
    rows: Iterable[Row],
    read: Callable[[Row], T | None],
    *,
    key: Callable[[T], Hashable],
    symbol: str | None = None,
    session: date | Callable[[Row], date] | None = None,
) -> tuple[tuple[T, ...], tuple[RejectedRow, ...]]:
    """Read each row; ``read`` gives a value, None to leave the row out on purpose, or raises InvalidRow to reject it.

    Of two rows with one ``key`` the second is rejected (``duplicate-row``), and the first as well where they differ:
    nobody could say which is right. ``symbol`` names the column that tells whose a rejected row is; ``session`` is
    its day, or reads it from the row.
    """
    values: dict[Hashable, tuple[T, Row]] = {}
    torn: set[Hashable] = set()
    rejected: list[RejectedRow] = []

    def reject(row: Row, rule: str, reason: str) -> None:
        first = next(iter(row.get(symbol, "").split()), "") if symbol else ""
        whose = first if is_symbol(first) else None
        rejected.append(RejectedRow(rule=rule, reason=reason, raw=dict(row), symbol=whose, session=_day(row, session)))

    for row in rows:
        try:
            row.require_width()
            value = read(row)
        except InvalidRow as error:
            reject(row, error.rule, str(error))
            continue
        if value is None:
            continue
        identity = key(value)
        if identity in torn:
            reject(row, "duplicate-row", "the reply has this row more than once, with different values")
        elif identity not in values:
            values[identity] = (value, row)
        elif values[identity][0] == value:
            reject(row, "duplicate-row", "the reply has this row twice; the first is kept")
        else:
            torn.add(identity)
            for one in (values.pop(identity)[1], row):
                reject(one, "duplicate-row", "the reply has this row more than once, with different values")
    return tuple(value for value, _ in values.values()), tuple(rejected)


def _day(row: Row, session: date | Callable[[Row], date] | None) -> date | None:
    if not callable(session):
        return session
    try:
        return session(row)
    except InvalidRow:
        return None
