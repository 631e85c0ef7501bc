"""What a sentence says, beside it: a code and typed facts, for a page in another language."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from app.market.sayings import Said, read


class SaidRow(BaseModel):
    """A sentence as a code and its facts."""

    code: str = Field(examples=["few_bars"], description="stable; app/market/sayings.py has the sentence of each")
    facts: dict[str, int | str | list[SaidRow | str]] = Field(
        description="a list: a fact that is sentences itself", examples=[{"day": "2026-11-20", "held": 0}]
    )


SaidField = Annotated[SaidRow | None, Field(description="the same for programs; null: a sentence without a code")]


def said(sentence: str | None) -> SaidRow | None:
    """The row of *sentence*; None for one that has no code."""
    found = read(sentence) if sentence else None
    return None if found is None else _row(found)


def _row(found: Said) -> SaidRow:
    return SaidRow(code=found.code, facts={name: _fact(fact) for name, fact in found.facts.items()})


def _fact(fact: int | str | list[Said | str]) -> int | str | list[SaidRow | str]:
    if not isinstance(fact, list):
        return fact
    return [_row(part) if isinstance(part, Said) else part for part in fact]
