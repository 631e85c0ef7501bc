"""Workers on hosts of their own share one backfill: by environment alone, in the exchange's pace, each unit once."""

from __future__ import annotations

import pytest

from tests.chaos.prepare import Prepared
from tests.chaos.scale import PACE, shared_backfill
from tests.chaos.stage import Stage

pytestmark = pytest.mark.chaos(short=True)


def test_two_hosts_share_a_backfill_within_the_quota_of_one(chaos: Prepared, stage: Stage) -> None:
    seen = shared_backfill(stage, hosts=2)
    assert seen.workers == {"w1", "w2"}  # both took part
    assert seen.units == chaos.reference.units
    assert seen.bars == chaos.reference.bars
    assert (seen.units_twice, seen.rows_twice) == (0, 0)
    assert seen.fetches == len(chaos.reference.units)
    # Each is given its turn in Redis and takes a moment to ask: a window may hold one more at either end.
    for site, most in seen.most_in_two_seconds.items():
        assert most <= 2 / PACE + 2, (site, most)


@pytest.mark.chaos
def test_four_hosts_ask_no_more_often_than_one(chaos: Prepared, stage: Stage) -> None:
    seen = shared_backfill(stage, hosts=4)
    assert len(seen.workers) == 4
    assert (seen.units, seen.bars) == (chaos.reference.units, chaos.reference.bars)
    assert seen.fetches == len(chaos.reference.units)
    assert max(seen.most_in_two_seconds.values()) <= 2 / PACE + 2
