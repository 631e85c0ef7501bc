"""From the lines of a reply to values: each is read, left out on purpose, or rejected with a reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import date
from itertools import chain, islice
from typing import Any, NoReturn, TypeGuard, TypeVar

from app.errors import InvalidRow
from app.market.security import is_symbol
from app.sources.base import RejectedRow
from app.sources.parsing import UNREADABLE, columns, field_name

T = TypeVar("T")

MAX_RAW_CELLS, MAX_RAW_TEXT = 100, 500
"""What is kept of a rejected row: so many cells of so many characters. No true row has more."""
MAX_REASON = 1_000
_LOST = re.compile("[\0\ud800-\udfff]")


class Row(dict[str, str]):
    """One line's cells by column name.

    ``fault`` is set for a line that is invalid whatever its cells say: of another width than the header (nobody can
    say which cell belongs to which column), or with something other than text where a column is read.
    """

    fault: InvalidRow | None = None

    def __missing__(self, column: str) -> NoReturn:
        raise InvalidRow(f"the row has no cell for {column}", rule="row-width")

    def require_sound(self) -> None:
        """Raise InvalidRow for a line with a fault."""
        if self.fault:
            raise self.fault


def table_rows(
    fields: Sequence[object], lines: Iterable[object], required: Iterable[str], *, site: str
) -> Iterator[Row]:
    """The lines of a table whose cells stand in the order of ``fields``. Raises SourceChanged as ``columns`` does."""
    return iter(Table(fields, list(lines), required, site=site))


class Table(Sequence[Row]):
    """The lines of a table whose cells stand in the order of ``fields``; each becomes a row when it is looked at."""

    def __init__(self, fields: Sequence[object], lines: Sequence[object], required: Iterable[str], *, site: str):
        """Raises SourceChanged as ``columns`` does."""
        self.lines = lines
        self._names = [field_name(field) for field in fields]
        self._read = frozenset(required)
        self._places = columns(fields, self._read, site=site)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, place: Any) -> Any:
        """The row of a line."""
        return self.row(self.lines[place])

    def row(self, line: object) -> Row:
        """*line* as a row."""
        return _table_row(self._names, line, self._read)

    def texts(self, names: Iterable[str]) -> list[list[str]] | None:
        """The cells of the columns *names*; None unless all lines are as wide as the header and have text there."""
        lines = [line for line in self.lines if isinstance(line, list) and len(line) == len(self._names)]
        if len(lines) < len(self.lines):
            return None
        found = [[line[place] for line in lines] for place in map(self._places.__getitem__, names)]
        return found if set(map(type, chain.from_iterable(found))) <= {str} else None


class LateRows(Sequence[Row]):
    """Rows of tables that are made when somebody looks at one, as a gate does at those few that break a rule."""

    def __init__(self, lines: Sequence[tuple[Table, object]]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, place: Any) -> Any:
        """A row, or those of a slice."""
        if isinstance(place, slice):
            return LateRows(self._lines[place])
        table, line = self._lines[place]
        return table.row(line)


def _table_row(names: Sequence[str], line: object, read: Set[str]) -> Row:
    if not isinstance(line, list):
        return Row({"row": cell(line)})
    row = row_of(names, line, read)
    if len(line) != len(names):
        for place in range(len(names), min(len(line), MAX_RAW_CELLS)):
            row[f"#{place + 1}"] = cell(line[place])
        sentence = f"the row has {len(line)} cells, and the table {len(names)} columns"
        row.fault = InvalidRow(sentence, rule="row-width")
    return row


def row_of(names: Iterable[str], values: Collection[object], read: Set[str]) -> Row:
    """A row of the columns *names*. Anything but text or null in one of the columns ``read`` is a fault.

    ``envelope`` leaves JSON's numbers as text, so that this is about truth values, NaN, lists and objects.
    """
    if _is_plain(values):
        return Row(zip(names, values, strict=False))
    row = Row()
    for name, value in zip(names, values, strict=False):
        row[name] = cell(value)
        if not isinstance(value, str | None) and name in read:
            row.fault = InvalidRow(f"{row[name][:80]} stands where text should, in {name}", rule=UNREADABLE)
    return row


def _is_plain(values: Collection[object]) -> TypeGuard[Collection[str]]:
    """Whether all are text as ``cell`` leaves it, as they are in nearly every row: one look at them all together."""
    try:
        return _LOST.search("".join(values)) is None  # type: ignore[arg-type]
    except TypeError:
        return False


def object_rows(lines: Sequence[object], required: Iterable[str], *, site: str) -> Iterator[Row]:
    """The lines of a list of objects. A key that no line has is a missing column: SourceChanged."""
    keys = dict.fromkeys(key for line in lines if isinstance(line, dict) for key in line)
    read = frozenset(required)
    columns(keys, read, site=site)
    for line in lines:
        if isinstance(line, dict):
            yield row_of([field_name(key) for key in line], line.values(), read)
        else:
            yield Row({"row": cell(line)})


def cell(value: object) -> str:
    """A JSON value as a cell's text, fit for the store: PostgreSQL takes neither NUL nor half a surrogate pair."""
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else str(value)
    except (RecursionError, ValueError):  # lists a thousand deep, numbers of thousands of digits
        return f"<{type(value).__name__}>"
    if text.isascii() and "\0" not in text:
        return text
    return _LOST.sub("\ufffd", text)


def read_rows(
    rows: Iterable[Row],
    read: Callable[[Row], T | None],
    *,
    key: Callable[[T], Hashable],
    symbol: str | None = None,
    session: date | Callable[[Row], date] | None = None,
) -> tuple[tuple[T, ...], tuple[RejectedRow, ...]]:
    """``read_with_cells`` for whoever has no use for the cells of good rows."""
    values, _, rejected = read_with_cells(rows, read, key=key, symbol=symbol, session=session)
    return values, rejected


def read_with_cells(
    rows: Iterable[Row],
    read: Callable[[Row], T | None],
    *,
    key: Callable[[T], Hashable],
    symbol: str | None = None,
    session: date | Callable[[Row], date] | None = None,
) -> tuple[tuple[T, ...], tuple[Row, ...], tuple[RejectedRow, ...]]:
    """Read each row; ``read`` gives a value, None to leave the row out on purpose, or raises InvalidRow to reject it.

    The answer: the values, the row that each was read from, and those that were rejected.

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
        reason, raw = reason[:MAX_REASON], kept(row)
        rejected.append(RejectedRow(rule=rule, reason=reason, raw=raw, symbol=whose, session=_day(row, session)))

    for row in rows:
        try:
            row.require_sound()
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
    found = values.values()
    return tuple(value for value, _ in found), tuple(row for _, row in found), tuple(rejected)


def kept(row: Mapping[str, str]) -> dict[str, str]:
    """What quarantine keeps of a row's cells."""
    return {cell(column)[:80]: text[:MAX_RAW_TEXT] for column, text in islice(row.items(), MAX_RAW_CELLS)}


def _day(row: Row, session: date | Callable[[Row], date] | None) -> date | None:
    if not callable(session):
        return session
    try:
        return session(row)
    except InvalidRow:
        return None
