"""The questions by which KEDA grows workers (deploy/kubernetes/keda), asked of a real ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sqlalchemy import Connection, text

from app.store import leases, pausing, runs

FILE = Path(__file__).resolve().parents[4] / "deploy/kubernetes/keda/scale.yaml"
SCALED = {
    one["metadata"]["name"].removeprefix("worker-").replace("-", "_"): one["spec"]["triggers"][0]["metadata"]["query"]
    for one in YAML(typ="safe").load_all(FILE)
    if one["kind"] == "ScaledObject"
}


@pytest.mark.parametrize("queue", SCALED)
def test_what_is_due_or_under_way_counts_and_what_waits_for_a_person_or_its_time_does_not(
    connection: Connection, queue: str
) -> None:
    now = datetime.now(UTC)

    def wish(run_id: str, **more: Any) -> None:
        given = {"task": "t", "parameters": {"n": run_id}, "trigger": "manual", "at": now, "queue": queue} | more
        runs.queue(connection, run_id, **given)

    for run_id in ("due", "at work", "paused", "pauses soon"):
        wish(run_id)
    wish("later", run_after=now + timedelta(hours=1))
    wish("elsewhere", queue="another")
    for run_id in ("at work", "pauses soon"):
        assert leases.take(connection, run_id, worker="w", at=now, repeatable=True)
    for run_id in ("paused", "pauses soon"):  # the second goes on to its next pause, and has its worker until then
        assert pausing.pause(connection, run_id, by="mei")
    assert connection.scalar(text(SCALED[queue])) == 3
