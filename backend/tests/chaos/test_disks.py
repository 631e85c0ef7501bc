"""A full disk: work waits for room and then goes on; nothing is stored by half."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.chaos.disk import full, small_disk
from tests.chaos.ordeal import bring_up, most_fetches, tell, wait_for_units
from tests.chaos.prepare import Prepared, end_of
from tests.chaos.verdict import judge, start_sync

pytestmark = pytest.mark.chaos
FULL_FOR = 12.0


@pytest.mark.parametrize(
    ("part", "megabytes"),
    [("home/sandbox/archive", 8), ("home", 8), ("postgres", 120), (".", 200)],
    ids=["archive", "home", "PostgreSQL", "everything"],
)
def test_a_disk_is_full_for_a_while(part: str, megabytes: int, chaos: Prepared, request: pytest.FixtureRequest) -> None:
    folder = chaos.folder / f"small-{megabytes}-{part.rpartition('/')[2]}"
    folder.mkdir()
    folder.chmod(0o711)
    name = request.node.callspec.id
    with small_disk(folder / part, megabytes=megabytes):
        stage = chaos.new_stage(folder)
        try:
            bring_up(stage, ["w1", "beat1"])
            run_id = start_sync(stage)
            wait_for_units(stage, run_id, round(0.5 * len(chaos.reference.units)))
            with full(folder / part):
                time.sleep(FULL_FOR)
            # What a supervisor does when a server gave up.
            stage.postgres.start()
            stage.valkey.start()
            healed_at = datetime.now(UTC)
            end_of(stage, run_id, within=150)
            verdict = judge(stage, run_id, chaos.reference, since=healed_at)
        finally:
            stage.close()
    tell(f"disk full for {FULL_FOR:.0f} s: {name}", verdict)
    # Each try asked for one unit that could not be kept.
    assert verdict.complaints(most_fetches=most_fetches(verdict)) == []
