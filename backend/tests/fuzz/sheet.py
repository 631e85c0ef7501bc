"""A reply taken apart into columns and lines, and packed again after somebody changed them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

from tests.fuzz.seeds import Seed


class Absent:
    """The cell of an object that lacks the key."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


@dataclass(frozen=True)
class Heading:
    """A row of the securities list that names a section."""

    text: str


@dataclass(frozen=True)
class Literal:
    """Text that goes into JSON as it is: ``NaN``, ``1e400``, ten thousand brackets."""

    text: str


@dataclass
class Sheet:
    """``lines`` are lists of cells as long as ``columns``, until a mutator makes them something else."""

    shape: str
    columns: list[Any]
    lines: list[Any]
    document: Any
    """The JSON around the lines, or the text before and after the rows of a page."""
    place: tuple[Any, ...] = ()
    suffix: str = ""

    def packed(self) -> Any:
        """The JSON document, or the text of the page."""
        if self.shape == "page":
            rows = [self._page_row(line) for line in (self.columns, *self.lines)]
            return self.document[0] + "\n".join(rows) + self.document[1]
        document = copy.deepcopy(self.document)
        if self.shape == "objects":
            lines = [self._object(line) for line in self.lines]
            if not self.place:
                return lines
            document[self.place[0]] = lines
            return document
        holder = document
        for key in self.place:
            holder = holder[key]
        holder["fields" + self.suffix], holder["data" + self.suffix] = self.columns, self.lines
        return document

    def _object(self, line: Any) -> Any:
        if not isinstance(line, list):
            return line
        pairs = zip(self.columns, line, strict=False)
        return {name if isinstance(name, str) else repr(name): cell for name, cell in pairs if cell is not ABSENT}

    @staticmethod
    def _page_row(line: Any) -> str:
        if isinstance(line, Heading):
            return f"<tr><td bgcolor=#FAFAD2 colspan=7 ><B> {escape(line.text)} <B> </td></tr>"
        cells = line if isinstance(line, list) else [line]
        return "<tr>" + "".join(f"<td bgcolor=#FAFAD2>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


def take_apart(seed: Seed) -> Sheet:
    """The rows that the seed's dataset reads."""
    if seed.shape == "page":
        return _page(seed.body.decode("cp950"))
    document = json.loads(seed.body)
    if seed.shape == "objects":
        place = () if isinstance(document, list) else ("msgArray",) if "msgArray" in document else ("data",)
        objects = document[place[0]] if place else document
        columns = list(dict.fromkeys(key for one in objects for key in one))
        lines = [[one.get(key, ABSENT) for key in columns] for one in objects]
        return Sheet("objects", columns, lines, document, place)
    for place, holder, suffix in tables(document):
        lines = holder["data" + suffix]
        if lines and is_ours(seed, holder, suffix):
            return Sheet("table", list(holder["fields" + suffix]), [*map(list, lines)], document, place, suffix)
    raise AssertionError(f"{seed.name} has no table")


def is_ours(seed: Seed, holder: dict[str, Any], suffix: str) -> bool:
    """Whether a table is the one that the seed's dataset reads."""
    names = {"".join(str(one).split()) for one in holder["fields" + suffix]}
    if seed.contract is not None:
        return seed.contract.mark in names and seed.contract.title in str(holder.get("title", ""))
    return bool({"證券代號", "代號", "股票代號", "ETF代號", "日期"} & names)


def tables(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], str]]:
    """Every object with fields and data inside a document: its place, itself, and the number in its keys."""
    if isinstance(node, dict):
        for key in node:
            found = re.fullmatch(r"fields(\d*)", str(key))
            if found and isinstance(node[key], list) and isinstance(node.get("data" + found[1]), list):
                yield place, node, found[1]
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from tables(value, (*place, key))


def _page(page: str) -> Sheet:
    start, end = page.index("<tr"), page.rindex("</tr>") + len("</tr>")
    grid: list[Any] = []
    for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL):
        cells = [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        grid.append(cells if len(cells) > 1 else Heading(re.sub(r"<[^>]*>", "", cells[0]).strip()))
    return Sheet("page", grid[0], grid[1:], (page[:start], page[end:]))
