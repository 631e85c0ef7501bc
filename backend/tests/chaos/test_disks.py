"""A full disk: work waits for room and then goes on; nothing is stored by half."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.chaos.disk import full, small_disk
from tests.chaos.ordeal import bring_up, most_fetches, tell, wait_for_units
from tests.chaos.prepare import Prepared, end_of
from tests.chaos.stage import Stage
from tests.chaos.verdict import Verdict, judge, start_sync

pytestmark = pytest.mark.chaos
FULL_FOR = 12.0


def sync_with_full(stage: Stage, chaos: Prepared, folder: Path, *, restart: bool = False) -> Verdict:
    bring_up(stage, ["w1", "beat1"])
    run_id = start_sync(stage)
    wait_for_units(stage, run_id, round(0.5 * len(chaos.reference.units)))
    with full(folder):
        time.sleep(FULL_FOR)
    if restart:
        stage.postgres.start()
    healed_at = datetime.now(UTC)
    end_of(stage, run_id, within=150)
    return judge(stage, run_id, chaos.reference, since=healed_at)


@pytest.mark.parametrize("part", ["sandbox/archive", ""], ids=["archive", "home"])
def test_the_archive_or_all_of_home_is_full(part: str, chaos: Prepared, stage: Stage) -> None:
    with small_disk(stage.home / part, megabytes=8):
        try:
            verdict = sync_with_full(stage, chaos, stage.home / part)
        finally:
            stage.close()
    tell(f"disk full: {part or 'home'}", verdict)
    # Each try asked for one unit that could not be kept.
    assert verdict.complaints(most_fetches=most_fetches(verdict)) == []


def test_postgresqls_disk_is_full(chaos: Prepared) -> None:
    folder = chaos.folder / "small"
    with small_disk(folder, megabytes=160):
        stage = chaos.new_stage(folder / "stage")
        try:
            verdict = sync_with_full(stage, chaos, folder, restart=True)
        finally:
            stage.close()
    tell("disk full: PostgreSQL", verdict)
    assert verdict.complaints(most_fetches=most_fetches(verdict)) == []
