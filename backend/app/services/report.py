"""What a piece of work reports: how it ended and what it counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.errors import QuantLabError
from app.store.counts import Counts


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a run that did not fail; a failure is raised, it cannot be reported."""

    state: Literal["SUCCESS", "PARTIAL", "SKIPPED", "CANCELLED"] = "SUCCESS"
    reason: str | None = None
    counts: Counts = field(default_factory=Counts)
    details: Mapping[str, Any] = field(default_factory=dict)
    mendable: QuantLabError | None = None
    """Why some of it failed, when another try may mend just that; the run is then tried again while it may be."""

    def as_json(self) -> dict[str, Any]:
        """As it stands in Redis under celery-task-meta-*."""
        return {"state": self.state, "reason": self.reason, **self.counts.as_dict(), "details": dict(self.details)}
