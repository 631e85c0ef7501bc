from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from app.market.sayings import SAYINGS, Said, fields, read, say
from tests.conftest import PROJECT

APP = PROJECT / "backend" / "app"
FORMS = {
    **dict.fromkeys(("day", "start", "end"), "2026-11-20"),
    **dict.fromkeys(("clock", "until", "trusted"), "21:30"),
    "time": "2026-11-20 13:45",
    "venue": "TPEX",
    "dataset": "daily_bars",
    "scope": "2026-11-20",
    "share": "97.3%",
    "why": "It did not answer: a time-out, after 30 s.",
    "among": ", 2330 among them",
    "others": ", 60 without a trade and 3 halted",
    "subject": "Daily bars of TWSE",
}


@pytest.mark.parametrize("code", SAYINGS)
def test_every_sentence_is_read_back_as_what_was_said(code: str) -> None:
    given = {name: 12_345 if whole else FORMS.get(name, "some") for name, whole in fields(code)}
    assert read(say(code, **given)) == Said(code, dict(given))


def test_sentences_of_yesterday_are_read() -> None:
    """Copied from ledgers: what is kept must stay readable when a template is changed."""
    found = read(
        "Daily bars of TWSE: of 2026-11-19 0 are held (1,343 securities were listed); of 2026-11-20 7 are held "
        "(1,343 securities were listed). Promised by 21:30 of each session."
    )
    assert found is not None
    assert (found.code, found.facts["subject"]) == ("promise_broken", "Daily bars of TWSE")
    assert found.facts["lacks"] == [
        Said("few_bars", {"day": "2026-11-19", "held": 0, "listed": 1343}),
        Said("few_bars", {"day": "2026-11-20", "held": 7, "listed": 1343}),
    ]
    assert found.facts["when"] == [Said("by_session", {"clock": "21:30"})]
    unit = read("daily_bars TPEX 2026-11-20: There is no trading session from 2026-11-21 to 2026-11-22 that has begun.")
    assert unit is not None
    assert unit.facts["why"] == [Said("no_session_begun", {"start": "2026-11-21", "end": "2026-11-22"})]
    assert read("Something that nobody has a code for.") is None


def coded() -> Iterator[tuple[str, ast.expr]]:
    """What is given, in the whole program, as the reason of a skipped run and as the sentence of an alert."""
    for path in APP.rglob("*.py"):
        if path.name == "dumps.py":
            continue  # of a restore, which is a command and no run
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not call.args:
                continue
            name, first = call.func.id, call.args[0]
            if name in ("NotASession", "AlreadyRunning"):
                yield f"{path.name}:{call.lineno}", first
            elif (
                name == "Report" and isinstance(first, ast.Constant) and first.value == "SKIPPED"
            ) or name == "Breach":
                yield f"{path.name}:{call.lineno}", call.args[1]


def test_no_reason_and_no_alert_is_written_without_its_code() -> None:
    found = dict(coded())
    assert len(found) > 20
    assert [place for place, one in found.items() if isinstance(one, (ast.JoinedStr, ast.Constant, ast.BinOp))] == []


def test_every_code_is_said_somewhere() -> None:
    """A template that nobody uses would be read, and never be said."""
    source = "\n".join(path.read_text() for path in APP.rglob("*.py") if path.name != "sayings.py")
    assert [code for code in SAYINGS if not re.search(rf"[\"']{code}[\"']", source)] == []
