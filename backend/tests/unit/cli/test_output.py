"""What others wrote is shown, and never obeyed."""

import io
from typing import Any

import pytest
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.cli.logs import _instant
from app.cli.output import _Console, console, lasting, table
from app.errors import InvalidParameter


def test_what_commands_a_terminal_is_shown_as_one_sign() -> None:
    """A log line quotes what an exchange or a client sent: it may neither colour, clear nor turn a line."""
    evil = "title \x1b]0;x\x07 clear \x1b[2J c1 \x9b31m turned \u202e\u2066 end\ttab\nline"
    out = io.StringIO()
    console = _Console(file=out, force_terminal=True, color_system="truecolor", width=200, highlight=False)
    console.print(Text(evil, "red"), soft_wrap=True)
    rows = table("error")
    rows.add_row(Text(evil.partition("\t")[0]))
    console.print(rows)
    said = out.getvalue()
    for command in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e", "\u2066"):
        assert command not in said
    assert "\x1b[31m" in said  # our own colour
    assert "line" in said


def drawn(rows: Table, width: int) -> str:
    out = io.StringIO()
    _Console(file=out, width=width, highlight=False).print(rows)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_a_table_without_room_for_its_numbers_is_a_list() -> None:
    rows = table("task", ">runs", ">failed", "", ">mean", "last", title="Last 24 h")
    rows.add_row("sync_daily_prices", "1,204", "0", ProgressBar(width=16), "13.9 s", Text("11-27 05:40:46"))
    assert drawn(rows, 100).count("\n") == 2
    assert drawn(rows, 40) == (
        "Last 24 h\nsync_daily_prices\n  runs 1,204  failed 0  mean 13.9 s\n  last 11-27 05:40:46"
    )
    sentences = table("what", "found")
    sentences.add_row("redis", "Redis answers, from a place with averylongnamewithoutaspace.example")
    assert drawn(sentences, 40).startswith("what   found\nredis  Redis answers"), "a sentence may be folded"


@pytest.mark.parametrize("age", ["999999d", "yesterday", ""])
def test_an_age_beyond_the_calendar_is_none(age: str) -> None:
    with pytest.raises(InvalidParameter, match="neither an age"):
        _instant(age)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "1 s"), (62.5, "62 s"), (150, "2 min"), (3_600, "1 h"), (7_680, "2 h 8 min"), (43_200, "12 h")],
)
def test_how_long_something_takes(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def test_a_pipe_gets_no_blanks_at_the_ends_of_lines(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    shown = table("check", "found")
    shown.add_row("worker", "ok")
    shown.add_row("beat", "a sentence of many words")
    console().print(shown)
    assert capsys.readouterr().out == "check   found\nworker  ok\nbeat    a sentence of many words\n"
