"""The corporate action: what makes two prices of a security not comparable, with the exchange's reference price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction


class ActionKind(StrEnum):
    """What happened, as the exchanges publish it."""

    DIVIDEND = "dividend"  # 除息
    RIGHTS = "rights"  # 除權: free shares, or a rights issue
    DIVIDEND_AND_RIGHTS = "dividend_and_rights"  # 除權息
    REDUCTION = "reduction"  # 減資
    PAR_CHANGE = "par_change"  # 變更面額
    SPLIT = "split"  # of an ETF
    REVERSE_SPLIT = "reverse_split"  # of an ETF


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """One action of one security. Prices in 1/10,000 TWD, as published.

    ``ex_date`` is the first session at the new price: ex-date, or the day on which trading resumes.
    ``previous_close`` is the last close before it, ``reference_price`` what the venue made of it. ``cash_reference``
    is the previous close less the cash dividend alone, where the venue tells it. (減除股利參考價 is that only where no
    free shares come along: it is divided by them too. So TWSE does not tell it for 除權息, TPEx does.)
    """

    symbol: str
    ex_date: date
    kind: ActionKind
    previous_close: int
    reference_price: int
    cash_reference: int | None = None
    note: str | None = None

    @property
    def ratio(self) -> Fraction:
        """Reference price ÷ previous close: what one TWD of before is worth in prices of after. Exact."""
        return Fraction(self.reference_price, self.previous_close)

    @property
    def split_ratio(self) -> Fraction:
        """The part of ``ratio`` that a change of the number of shares makes, without what was paid out in cash."""
        if self.kind is ActionKind.DIVIDEND:
            return Fraction(1)
        if self.kind is ActionKind.DIVIDEND_AND_RIGHTS and self.cash_reference:
            return Fraction(self.reference_price, self.cash_reference)
        return self.ratio
