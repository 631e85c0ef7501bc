"""Workers on hosts of their own share one backfill: by environment alone, in the exchange's pace, each unit once."""

from __future__ import annotations

import pytest

from tests.chaos.prepare import Prepared
from tests.chaos.scale import PACE, shared_backfill
from tests.chaos.stage import Stage

pytestmark = pytest.mark.chaos


@pytest.mark.chaos(short=True)
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


@pytest.mark.parametrize("hosts", [1, 2, 4])
@pytest.mark.parametrize("pace", [PACE, 0.01], ids=["in the exchange's pace", "as fast as they can"])
def test_more_hosts_do_the_same_once_and_ask_no_more_often(
    chaos: Prepared, stage: Stage, hosts: int, pace: float
) -> None:
    """``pytest -s`` shows how the time and the requests go with the hosts, for docs/howto/scale.md."""
    seen = shared_backfill(stage, hosts=hosts, pace=pace)
    most = max(seen.most_in_two_seconds.values())
    print(  # noqa: T201
        f"\n{hosts} hosts, {pace} s a request: {len(seen.units)} units in {seen.seconds:.1f} s, "
        f"{seen.fetches} fetches, at most {most} within 2 s of a site"
    )
    assert len(seen.workers) == hosts
    assert (seen.units, seen.bars) == (chaos.reference.units, chaos.reference.bars)
    assert (seen.units_twice, seen.rows_twice, seen.fetches) == (0, 0, len(chaos.reference.units))
    assert most <= 2 / pace + 2
