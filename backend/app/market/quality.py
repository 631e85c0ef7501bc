"""Every rule that a row or a reply must obey, as data: its id, how much it weighs, and a sentence.

A row that breaks a blocking rule is held in quarantine only; one with a warning is stored all the same, and listed. A
rule is blocking where it condemned no good row: of the 306,232 bars of TWSE from 2023-03 to 2024-07, nor of the 2,090
of either venue on 2023-01-30, all kinds of securities. The rules on bars are in ``bar_rules.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What becomes of the row."""

    BLOCKING = "blocking"
    WARNING = "warning"


class Subject(StrEnum):
    """What a rule is about, and with it who looks."""

    CELL = "cell"  # the parser, as it reads
    ROW = "row"  # the parser, or the gate between parser and store
    REPLY = "reply"  # the whole answer, which is refused or said to be short
    LIST = "list"  # rows handed to the store: one wrong one refuses all


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule; ``sentence`` says what must hold."""

    id: str
    severity: Severity
    subject: Subject
    sentence: str


_BLOCKING, _WARNING = Severity
_CELL, _ROW, _REPLY, _LIST = Subject

_TABLE = (
    # Cells.
    Rule("unreadable-cell", _BLOCKING, _CELL, "A cell is what its column promises: a number, a date, a name."),
    Rule("not-a-symbol", _BLOCKING, _CELL, "A symbol is four to six digits or capital letters."),
    Rule("zero-price", _BLOCKING, _CELL, "No price and no index is zero; where nothing traded it is absent."),
    Rule("negative-value", _BLOCKING, _CELL, "Prices, counts and ratios are not negative."),
    Rule("price-too-large", _BLOCKING, _CELL, "A price is at most 214,748.3647 TWD, which the store can hold."),
    Rule("value-too-large", _BLOCKING, _CELL, "A count fits the store's whole numbers."),
    Rule("missing-price", _BLOCKING, _CELL, "A corporate action has a previous close and a reference price."),
    # Rows of any dataset.
    Rule("row-width", _BLOCKING, _ROW, "A row has as many cells as the table has columns."),
    Rule("duplicate-row", _BLOCKING, _ROW, "A reply has a row once; of two that differ neither is believed."),
    # Bars. Evidence beside each rule in bar_rules.py.
    Rule("partial-prices", _BLOCKING, _ROW, "Open, high, low and close are all there or all absent."),
    Rule("ohlc-order", _BLOCKING, _ROW, "Low is the lowest and high the highest of open, high, low and close."),
    Rule("tick-size", _BLOCKING, _ROW, "A price is a whole number of ticks of its price band and kind of security."),
    Rule("volume-unit", _BLOCKING, _ROW, "Turnover is volume × price: shares and TWD, not lots or thousands."),
    Rule("session-bounds", _BLOCKING, _ROW, "A row is for a day that was a session, and that has begun."),
    Rule("price-limit", _WARNING, _ROW, "No price is further from the reference price than the daily limit."),
    Rule("previous-close", _WARNING, _ROW, "Close − change is the close of the session before, but on an ex-date."),
    Rule("turnover-range", _WARNING, _ROW, "Turnover ÷ volume lies between low and high, give or take a fifth."),
    # Answers to a question about one or some securities.
    Rule("other-symbol", _BLOCKING, _ROW, "A history is of the security that was asked for."),
    Rule("not-asked", _BLOCKING, _ROW, "A quote is of a security that was asked for."),
    # Quotes.
    Rule("book-order", _BLOCKING, _ROW, "Bids fall and asks rise, best first."),
    # Figures.
    Rule("sum", _BLOCKING, _ROW, "What the table adds up, adds up."),
    # Corporate actions.
    Rule("unknown-kind", _BLOCKING, _ROW, "The kind of a corporate action is one that we know."),
    Rule("contradictory-kind", _BLOCKING, _ROW, "A split makes a price lower, a reverse split higher."),
    Rule("cash-exceeds-price", _BLOCKING, _ROW, "A cash dividend is less than the previous close."),
    Rule("outside-period", _BLOCKING, _ROW, "An ex-date lies in the period that was asked for."),
    # Lists of securities, and holidays.
    Rule("no-section", _BLOCKING, _ROW, "A security stands in a section, which tells its kind."),
    Rule("wrong-section", _BLOCKING, _ROW, "A security's classification fits the section in which it stands."),
    Rule("wrong-venue", _BLOCKING, _ROW, "A venue's list names that venue."),
    Rule("wrong-isin", _BLOCKING, _ROW, "The ISIN is the symbol's own."),
    Rule("other-year", _BLOCKING, _ROW, "A holiday lies in the year that was asked for."),
    # Replies.
    Rule("date-echo", _BLOCKING, _REPLY, "A reply is for the day, month or period that was asked for."),
    Rule("row-count", _WARNING, _REPLY, "A whole market has about as many rows as in the session beside it."),
    # What the store refuses, whoever hands it over.
    Rule("not-a-date", _BLOCKING, _LIST, "The session of a bar is a date."),
    Rule("not-an-integer", _BLOCKING, _LIST, "The values of a bar are whole numbers or absent."),
    Rule("out-of-range", _BLOCKING, _LIST, "The values of a bar lie in the range of their column."),
    Rule("duplicate-key", _BLOCKING, _LIST, "A batch has one row a security and session."),
    Rule("duplicate-symbol", _BLOCKING, _LIST, "A list of securities has each symbol once."),
    Rule("other-venue", _BLOCKING, _LIST, "A list of securities is of one venue."),
    Rule("warrant", _BLOCKING, _LIST, "Warrants are not kept."),
)

RULES: Mapping[str, Rule] = {rule.id: rule for rule in _TABLE}

FAR = 0.05
"""The number of rows may differ by so much from the session beside it. In the 326 sessions of TWSE from 2023-03 to
2024-07 it never did by more than 0.54 %."""
FEW = 10
"""Below it a share says nothing."""


def row_count_fault(rows: int, beside: int | None) -> str | None:
    """What is wrong with a whole market of so many *rows*, where the session *beside* it had so many."""
    if not beside or abs(rows - beside) <= max(FEW, FAR * beside):
        return None
    return f"{rows:,} rows came, where the session beside it had {beside:,} ({rows / beside - 1:+.1%})."
