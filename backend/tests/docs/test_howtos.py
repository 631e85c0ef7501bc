"""Each how-to is there in both languages, and they say the same: headings, blocks, tables, names and links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import PROJECT

HOWTO = PROJECT / "docs/howto"
ENDING = ".zh-TW.md"
ENGLISH = sorted(page for page in HOWTO.glob("*.md") if not page.name.endswith(ENDING))
FENCED = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
IN_ENGLISH = {"CELERY_TASKS_GUIDE.md": "CELERY_TASKS_GUIDE.en.md"}
"""Of the pages that have no ending for Chinese: what they are called in English."""


def chinese(page: Path) -> Path:
    return page.with_name(page.name.removesuffix(".md") + ENDING)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text; of a comment behind a command only that there is one, for it is translated."""
    found = FENCED.finditer(page.read_text(encoding="utf-8"))
    return [(one["language"], re.sub(r" +# .*", " #", one["text"])) for one in found]


def prose(page: Path) -> str:
    """The page without its blocks."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def tables(page: Path) -> list[list[int]]:
    """The cells of each row of each table."""
    runs = re.findall(r"(?:^\|.*\n)+", prose(page), re.MULTILINE)
    return [[len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()] for table in runs]


def links(page: Path) -> list[str]:
    """Where a page leads, other than to itself in the other language; a Chinese page by its English name."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    other = {chinese(page).name, page.name.replace(ENDING, ".md")}
    english = (link.replace(ENDING, ".md") for link in found if link not in other)
    return sorted("/".join(IN_ENGLISH.get(part, part) for part in link.split("/")) for link in english)


both = pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.stem)


def test_each_page_has_one_in_chinese_and_none_is_left_over() -> None:
    assert ENGLISH
    assert {chinese(page) for page in ENGLISH} == set(HOWTO.glob(f"*{ENDING}"))


@both
def test_the_headings_are_as_many_in_the_same_order(page: Path) -> None:
    levels = [re.findall(r"^#+(?= )", prose(one), re.MULTILINE) for one in (page, chinese(page))]
    assert levels[0] == levels[1]


@both
def test_the_blocks_are_the_same_apart_from_comments(page: Path) -> None:
    assert blocks(page) == blocks(chinese(page))


@both
def test_the_tables_have_the_same_rows(page: Path) -> None:
    assert tables(page) == tables(chinese(page))


@both
def test_the_same_names_are_named(page: Path) -> None:
    """Commands, settings, files and addresses in code."""
    names = [set(re.findall(r"`([^`\n]+)`", prose(one))) for one in (page, chinese(page))]
    assert names[0] == names[1]


@both
def test_they_lead_to_the_same_pages_in_their_own_language(page: Path) -> None:
    assert links(page) == links(chinese(page))
    here = re.findall(r"\]\(([\w-]+\.md)(?:#[^)]*)?\)", prose(chinese(page)))
    assert here == [page.name], "a link to an English page that is there in Chinese"
    assert f"]({chinese(page).name})" in prose(page)


def test_a_block_and_a_row_more_are_seen(tmp_path: Path) -> None:
    """What the comparisons go by, of a page and of the same page grown; a comment is in no comparison."""
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```console\n$ a  # why\n```\n\n| A | B |\n|---|---|\n| 1 | 2 |\n", encoding="utf-8")
    assert blocks(page) == [("console", "$ a #\n")]
    assert tables(page) == [[3, 3, 3]]
    more = "| 3 | 4 |\n\n1. One\n\n    ```python\n    a()\n    ```\n"
    page.write_text(page.read_text(encoding="utf-8") + more, encoding="utf-8")
    assert blocks(page) == [("console", "$ a #\n"), ("python", "    a()\n")]
    assert tables(page) == [[3, 3, 3, 3]]
