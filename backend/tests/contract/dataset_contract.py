"""What every dataset must do with its exchange's replies. A new one subclasses and gives a recording; that is all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from app.errors import NoData, QuantLabError, SourceChanged, SourceRefused, SourceUnavailable, WrongDate
from app.sources.base import Dataset, Parsed, RejectedRow, Request
from app.sources.parsing import field_name
from tests.contract import layouts

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
BLOCK_PAGES = [
    b"<html><head><title>THE PAGE CANNOT BE ACCESSED</title></head><body>THE PAGE CANNOT BE ACCESSED</body></html>",
    "<!DOCTYPE html>\n<html><body>因為安全性考量，您所執行的頁面無法呈現。</body></html>".encode(),
]


class DatasetContract:
    """Subclass as ``Test…`` and fill in the class variables."""

    dataset: ClassVar[Dataset[Any, Any]]
    recording: ClassVar[str]
    """Below tests/recorded."""
    query: ClassVar[Any]
    """What the recording answers."""
    expected: ClassVar[Sequence[Any]]
    """Some of its values, taken by hand from the recording."""
    count: ClassVar[int]
    """How many values it holds."""
    required: ClassVar[Sequence[str]]
    """The columns without which nothing can be read."""
    path: ClassVar[str]
    """The address that is asked, with its parameters."""
    other: ClassVar[Any] = None
    """A query for another date; None where the dataset knows no dates."""
    empty: ClassVar[tuple[Any, bytes] | None] = None
    """A query and the reply that says that there is nothing."""
    layout: ClassVar[Callable[[bytes, layouts.Attack], bytes]] = staticmethod(layouts.json_tables)

    @property
    def body(self) -> bytes:
        return (RECORDED / self.recording).read_bytes()

    def parse(self, body: bytes) -> Parsed[Any]:
        return self.dataset.parse(body, self.query)

    def attacked(self, attack: layouts.Attack) -> bytes:
        return type(self).layout(self.body, attack)

    def test_it_asks_for_what_was_asked(self) -> None:
        request: Request = self.dataset.request(self.query)
        assert (
            request.path + "?" * bool(request.params) + "&".join("=".join(pair) for pair in request.params) == self.path
        )

    def test_the_recording_gives_the_published_values(self) -> None:
        parsed = self.parse(self.body)
        assert parsed.rejected == ()
        assert len(parsed.rows) == self.count
        for value in self.expected:
            assert value in parsed.rows

    def test_only_published_fields_carry_values(self) -> None:
        parsed = self.parse(self.body)
        assert parsed.fields
        assert set(parsed.rounded) <= parsed.fields
        for row in parsed.rows:
            assert all(hasattr(row, field) for field in parsed.fields)

    def test_parsing_again_gives_the_same(self) -> None:
        assert self.parse(self.body) == self.parse(self.body)

    def test_a_reply_for_another_date_is_rejected(self) -> None:
        if self.other is not None:
            with pytest.raises(WrongDate):
                self.dataset.parse(self.body, self.other)

    def test_an_added_column_is_tolerated(self) -> None:
        added = self.attacked(lambda columns, lines: (["新欄", *columns], [["?", *line] for line in lines]))
        assert self.parse(added).rows == self.parse(self.body).rows

    def test_shuffled_columns_give_the_same_values(self) -> None:
        shuffled = self.attacked(lambda columns, lines: (columns[::-1], [line[::-1] for line in lines]))
        assert self.parse(shuffled) == self.parse(self.body)

    def test_each_missing_column_is_named(self) -> None:
        for column in self.required:

            def without(columns: layouts.Columns, lines: layouts.Lines) -> tuple[layouts.Columns, layouts.Lines]:
                kept = [place for place, name in enumerate(columns) if field_name(name) != column]  # noqa: B023
                return [columns[place] for place in kept], [[line[place] for place in kept] for line in lines]

            body = self.attacked(without)
            with pytest.raises(SourceChanged, match=r".+") as caught:
                self.parse(body)
            assert column in str(caught.value)
            assert not isinstance(caught.value, WrongDate)

    def test_a_short_row_is_quarantined_alone(self) -> None:
        if type(self).layout in (layouts.json_objects, layouts.mis_objects, layouts.data_objects):
            return  # such rows carry their own keys
        whole = self.parse(self.body)
        short = self.parse(
            self.attacked(lambda columns, lines: (columns, [line[:1] for line in lines[:1]] + lines[1:]))
        )
        assert [row.rule for row in short.rejected] == ["row-width"]
        assert set(short.rows) < set(whole.rows) or len(whole.rows) == 1

    def test_a_row_twice_is_kept_once(self) -> None:
        twice = self.parse(self.attacked(lambda columns, lines: (columns, [*lines, *lines[-1:]])))
        assert set(twice.rows) == set(self.parse(self.body).rows)
        assert [row.rule for row in twice.rejected] == ["duplicate-row"]

    @pytest.mark.parametrize("page", BLOCK_PAGES)
    def test_a_block_page_is_a_refusal(self, page: bytes) -> None:
        with pytest.raises(SourceRefused):
            self.parse(page)

    def test_a_reply_cut_off_anywhere_is_never_read(self) -> None:
        body = self.body.rstrip()
        end = body.lower().rfind(b"</table") if body.startswith(b"<") else len(body) - 1
        for size in {*range(0, end, max(1, end // 97)), end}:
            with pytest.raises((SourceUnavailable, SourceChanged, SourceRefused)) as caught:
                self.parse(body[:size])
            assert size == 0 or not isinstance(caught.value, SourceRefused) or body.startswith(b"<")

    def test_something_else_is_no_reply(self) -> None:
        for junk in (
            b"null",
            b"[[]]",
            b'{"stat":"OK"}',
            b'{"stat":"\xe5"}',
            b"Service busy",
            b'"x"',
            b"12",
            b"\xff\xfe",
        ):
            with pytest.raises(QuantLabError):
                self.parse(junk)

    def test_nothing_published_is_no_data(self) -> None:
        if self.empty is not None:
            with pytest.raises(NoData):
                self.dataset.parse(self.empty[1], self.empty[0])

    def test_rejected_rows_keep_their_cells(self) -> None:
        broken: Sequence[RejectedRow] = self.parse(
            self.attacked(lambda columns, lines: (columns, [["?" for _ in line] for line in lines]))
        ).rejected
        assert broken
        for row in broken:
            assert row.rule
            assert row.reason
            assert all(isinstance(text, str) for text in row.raw.values())
