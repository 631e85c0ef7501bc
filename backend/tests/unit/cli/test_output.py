"""What others wrote is shown, and never obeyed."""

import io

import pytest
from rich.text import Text

from app.cli.logs import _instant
from app.cli.output import _Console, table
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


@pytest.mark.parametrize("age", ["999999d", "yesterday", ""])
def test_an_age_beyond_the_calendar_is_none(age: str) -> None:
    with pytest.raises(InvalidParameter, match="neither an age"):
        _instant(age)
