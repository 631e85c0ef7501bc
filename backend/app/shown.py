"""What others wrote, as a terminal shows it and does not obey it."""

from __future__ import annotations

import re

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that turn the direction of what follows."""


def harmless(text: str) -> str:
    """The text with one sign in the place of each that commands a terminal: a log line may quote such."""
    return _COMMANDS.sub("\N{REPLACEMENT CHARACTER}", text)
