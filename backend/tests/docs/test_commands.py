"""Every `quantlab …` that a document names exists, with the options that it is given there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli.lazily import COMMANDS, load
from tests.docs.test_pages import PAGES, PROJECT

HISTORY = {PROJECT / "CHANGELOG.md"}


def named(page: Path) -> Iterator[str]:
    """The commands in code: lines of blocks, and what stands between backticks."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^[ ]*```(?:bash|console|sh)\n(.*?)^[ ]*```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield from re.findall(r"(?:^|\$ |; |&& |\| |\()(quantlab [a-z].*)", line)
    for span in re.findall(r"`([^`\n]+)`", re.sub(r"^[ ]*```.*?^[ ]*```", "", text, flags=re.MULTILINE | re.DOTALL)):
        yield from re.findall(r"(?:^|&& |\()(quantlab [a-z].*)", span)


def wrong_in(command: str) -> str | None:
    """What of it does not exist."""
    cut = re.split(r" #| \||&&|;| > |\)|…", command)[0]
    try:
        words = shlex.split(cut)[1:]
    except ValueError:
        words = cut.split()[1:]
    if words[0].startswith("-"):
        return None
    if words[0] not in COMMANDS:
        return f"no command {words[0]}"
    found: Any = load(words[0])
    options = set(_options(found))
    for word in words[1:]:
        inner = getattr(found, "commands", None) or {}
        if not word.startswith("-") and word in inner:
            found = inner[word]
            options |= _options(found)
        elif word.startswith("--") and word.partition("=")[0] not in options:
            return f"no option {word} in {command!r}"
        elif inner and not word.startswith("-") and not found.invoke_without_command:
            return f"no command {word!r} in {command!r}" if re.fullmatch(r"[a-z-]+", word) else None
    return None


def _options(command: Any) -> set[str]:
    return {"--help", *(option for one in command.params for option in (*one.opts, *one.secondary_opts))}


@pytest.mark.parametrize("page", sorted(set(PAGES) - HISTORY), ids=lambda page: str(page.relative_to(PROJECT)))
def test_the_commands_that_a_page_names_exist(page: Path) -> None:
    assert [wrong for wrong in map(wrong_in, named(page)) if wrong] == []


def test_a_command_that_does_not_exist_is_seen() -> None:
    assert wrong_in("quantlab backfil bars") == "no command backfil"
    assert wrong_in("quantlab backfill bars --start 2004-02-11") is not None
    assert wrong_in("quantlab backfill bars --from 2004-02-11 --plan  # what it costs") is None
    assert wrong_in("quantlab schedule pauze catch-up") is not None
