"""``quantlab up`` whose supervisor is killed amid a sync: the next ``quantlab up`` goes on with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.acceptance.conftest import Platform
from tests.acceptance.up import Up
from tests.chaos.ordeal import tell
from tests.chaos.prepare import AUDIT
from tests.chaos.verdict import END, judge, reference_of
from tests.conftest import wait_until

pytestmark = pytest.mark.chaos
DAYS = 14


class UpSite(Platform):
    """A platform as a verdict wants to see it."""

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.up.environment()["DATABASE_URL"]) as connection:
            cursor = connection.execute(query, parameters)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def requests(self) -> dict[str, dict[str, int]]:
        url = self.up.environment()["TWSE_URL"].removesuffix("/twse")
        counts: dict[str, dict[str, int]] = httpx.get(f"{url}/_requests").json()["counts"]
        return counts

    def sync(self) -> str:
        return self.call("app.tasks.sync_daily_prices", days=DAYS, end_date=END)

    def ended(self, run_id: str) -> bool:
        return bool(self.rows("SELECT 1 FROM runs WHERE id = %s AND finished_at IS NOT NULL", [run_id]))


def test_the_supervisor_is_killed(server_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_SECONDS_PER_REQUEST", "0.05")
    home = server_folder / "chaos-up"
    up = Up(home, tmp_path / "first.log")
    try:
        up.wait_until_ready()
        site = UpSite(up)
        site.rows("UPDATE schedules SET enabled = false")
        site.rows(AUDIT.read_text())
        assert site.run_of(site.call("app.tasks.sync_stock_list"))["state"] == "SUCCESS"

        def emptied() -> None:
            site.rows("TRUNCATE bars, units, runs, sessions, chaos_audit, revisions")

        emptied()
        run_id = site.sync()
        wait_until(lambda: site.ended(run_id), within=120, what="the reference run")
        reference = reference_of(site, run_id, 0)
        emptied()
        run_id = site.sync()
        count = "SELECT count(*) FROM units WHERE run_id = %s"
        half = len(reference.units) // 2
        wait_until(lambda: site.rows(count, [run_id])[0][0] >= half, within=60, what="half of the units")
        processes = up.everything()
        up.process.kill()
        up.process.wait(20)
        psutil.wait_procs(processes, timeout=30)
        dead_at = datetime.now(UTC)
        up = site.up = Up(home, tmp_path / "second.log")
        up.wait_until_ready()
        ready_at = datetime.now(UTC)
        wait_until(lambda: site.ended(run_id), within=120, what="the end of the run")
        before = site.rows("SELECT count(*) FROM chaos_audit WHERE kind = 'unit' AND at <= %s", [dead_at])[0][0]
        assert half <= before < len(reference.units)
        # The first start's exchange is gone with its log: it was asked for what was stored, and one unit in hand.
        verdict = judge(site, run_id, reference, since=ready_at, asked_before=before + 1)
        tell("kill -9 the supervisor", verdict)
        assert verdict.complaints(most_fetches=verdict.units + 1) == [], up.said()[-3000:]
        assert (verdict.recovery or 0) <= 45
    finally:
        up.stop()
