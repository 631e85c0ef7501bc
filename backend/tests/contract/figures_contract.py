"""What every dataset of figures must do, besides the contract of all; ``cells`` is for a second reading of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from app.errors import SourceChanged
from app.market.figures import Figures
from app.sources.parsing import field_name
from tests.contract.dataset_contract import DatasetContract

Reader = Callable[..., Any]


class FiguresContract(DatasetContract):
    """``required`` follows from ``cells``. Readers are those of ``tests.fuzz.cells``, not of the code under test."""

    mark: ClassVar[str]
    """The column that says whose a row is, or, where ``whose`` is given, any that tells the table from others."""
    cells: ClassVar[Mapping[str, tuple[Any, ...]]]
    """Field → reader and columns; the second column of one name is ``name#2``."""
    order: ClassVar[tuple[str, ...]] = ()
    """All columns of a table in which some names repeat."""
    title: ClassVar[str] = ""
    whose: ClassVar[Callable[[Any], Any] | None] = None
    """Mark's text → symbol, BAD, or None for rows that are left out on purpose."""

    @property
    def required(self) -> tuple[str, ...]:  # type: ignore[override]
        columns = [column.partition("#")[0] for _, *columns in type(self).cells.values() for column in columns]
        return tuple(dict.fromkeys([self.mark, *columns, *self.order]))

    def test_only_published_fields_carry_values(self) -> None:
        parsed = self.parse(self.body)
        assert parsed.fields == set(self.cells)
        for row in parsed.rows:
            assert isinstance(row, Figures)
            assert set(row.values) == parsed.fields
            assert all(value is None or type(value) is int for value in row.values.values())

    def test_it_declares_a_unit_for_each_field(self) -> None:
        assert set(self.cells) <= set(self.dataset.units())  # type: ignore[attr-defined]

    def test_shuffled_columns_give_the_same_values(self) -> None:
        if not self.order:
            super().test_shuffled_columns_give_the_same_values()
            return
        # Where only the place tells two columns apart, another order must not be read at all.
        with pytest.raises(SourceChanged):
            self.parse(self.attacked(lambda columns, lines: (columns[::-1], [line[::-1] for line in lines])))

    def test_a_repeated_column_more_or_less_is_no_table_of_ours(self) -> None:
        for column in dict.fromkeys(self.order):
            for times in (0, 2):
                with pytest.raises(SourceChanged):
                    self.parse(self.attacked(lambda columns, lines: _last(columns, lines, column, times)))  # noqa: B023


def _last(columns: list[str], lines: list[list[str]], column: str, times: int) -> tuple[list[str], list[list[str]]]:
    """The table with the last of the columns of that name so many times."""
    places = [place for place, name in enumerate(columns) if field_name(name) == column]
    kept = [place for place in range(len(columns)) for _ in range(times if place in places[-1:] else 1)]
    return [columns[place] for place in kept], [[line[place] for place in kept] for line in lines]
