"""What a benchmark claims: a value, the bar it is held against, and what was measured on either side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A ratio of two things that were measured in turn in one run, or an amount where there is nothing to divide by."""

    name: str
    """What is divided by what, or of what it is an amount, with its unit."""
    value: float
    least: float | None = None
    most: float | None = None
    """The bar: one of the two."""
    ours: str = ""
    beside: str = ""
    """Both sides, with their unit, for people; they depend on the machine."""

    @property
    def met(self) -> bool:
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def bar(self) -> str:
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"

    def worse_than(self, kept: float) -> float:
        """How many times as bad as the *kept* value; below 1 is better."""
        if not kept or not self.value:
            return 1.0
        return kept / self.value if self.least is not None else self.value / kept

    def __str__(self) -> str:
        return f"  {'met   ' if self.met else 'MISSED'} {self.name:<60}{self.value:>9,.2f}  ({self.bar})"


def ms(seconds: float) -> str:
    """Seconds as people read short ones."""
    return f"{seconds * 1000:,.2f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"
