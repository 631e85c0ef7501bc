"""What worker and beat see to besides their work."""

from __future__ import annotations

import pytest

from app.core.caretaker import beat_duties, ledger_duties, worker_duties
from app.core.wiring import Platform


@pytest.mark.parametrize("of_program", [beat_duties, worker_duties])
def test_a_program_has_each_duty_once(platform: Platform, of_program: object) -> None:
    assert callable(of_program)
    names = [duty.name for duty in (*ledger_duties(platform), *of_program(platform))]
    assert len(names) == len(set(names))
    assert "readings" in names
