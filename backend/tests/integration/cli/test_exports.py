"""``quantlab export list | verify | rollback`` and ``GET /api/v1/exports`` say the same of what was exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from typer.testing import Result

from app.core.wiring import Platform
from app.errors import InvalidParameter
from app.export.snapshots import list_snapshots
from app.market.bar import BAR_FIELDS, Bar
from app.services.export_parquet import export_parquet
from app.services.export_qlib import export_qlib
from app.store import audit
from app.store.bars import write_bars
from app.store.engine import transaction
from tests.integration.conftest import NOW

Run = Callable[..., Result]


def change(platform: Platform, volume: int) -> None:
    bar = Bar("2330", NOW.date(), 9_990_000, 9_995_000, 9_000_050, 9_990_000, 50, volume, 1_998_000, 5)
    with transaction(platform.engine) as connection:
        write_bars(connection, [bar], fields=BAR_FIELDS, source="test", run_id=None, at=NOW)


def test_what_was_exported(run: Run, seeded: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Nothing was exported yet: quantlab export qlib" in run("export", "list").output
    assert json.loads(run("export", "list", "--json").output) == []
    for volume in (1, 2):
        change(seeded, volume)
        export_qlib(seeded.context(), keep=3)
    export_parquet(replace(seeded.context(), clock=lambda: NOW), keep=3)

    newest, older = [one for one in list_snapshots(seeded.settings.data_dir / "exports") if one.kind == "qlib"]
    monkeypatch.setenv("COLUMNS", "80")
    rows = [line.split() for line in run("export", "list").output.splitlines() if line.startswith(("parquet", "qlib"))]
    short = [one.name.removeprefix("snapshot-") for one in (newest, older)]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("parquet", "20261123T070000.000000Z", "current"),
        ("qlib", short[0], "current"),
        ("qlib", short[1], "whole"),
    ]
    assert rows[0][2:4] == ["2026-11-23", "3"]
    told = json.loads(run("export", "list", "--json").output)
    assert [one["name"] for one in told] == ["snapshot-20261123T070000.000000Z", newest.name, older.name]

    assert "is well" in run("export", "verify").output
    assert ", 3 bars. It is what the database holds now" in run("export", "verify").output
    assert run("export", "verify", "parquet").output.startswith("parquet snapshot-20261123T070000.000000Z is well: ")
    assert "It is what the database holds now." in run("export", "verify", "parquet").output
    older_one = run("export", "verify", short[1]).output
    assert older_one.startswith(f"qlib {older.name} is well: ")
    assert "Its bytes are those that were verified" in older_one
    assert "The database has changed since: `quantlab export qlib`" in older_one
    assert json.loads(run("export", "verify", "--json").output)["bars"] == 3
    change(seeded, 3)
    for kind in ("qlib", "parquet"):
        assert f"The database has changed since: `quantlab export {kind}`" in run("export", "verify", kind).output

    assert (
        f"{older.name} is current, and stays so until: quantlab export qlib --force" in run("export", "rollback").output
    )
    with transaction(seeded.engine) as connection:
        (row,) = audit.list_rows(connection, limit=5, action="export.rollback")
    assert (row.subject, row.outcome) == ("qlib", "done")
    assert (row.before, row.after) == ({"snapshot": newest.name}, {"snapshot": older.name})
    again = run("export", "rollback")
    assert isinstance(again.exception, InvalidParameter)
    assert "nothing to go back to" in str(again.exception)
    listed = [line for line in run("export", "list").output.splitlines() if "rolled back" in line]
    assert [short[1] in line for line in listed] == [True]
    assert isinstance(run("export", "verify", "--kind", "orc").exception, InvalidParameter)


def test_holes_are_said_wherever_an_export_is(run: Run, seeded: Platform) -> None:
    bar = Bar("2330", date(2026, 11, 16), 9_990_000, 9_995_000, 9_000_050, 9_990_000, 50, 1, 1, 1)
    with transaction(seeded.engine) as connection:
        write_bars(connection, [bar], fields=BAR_FIELDS, source="test", run_id=None, at=NOW)
    hole = (
        "2 sessions of the trading calendar in between are not held: `quantlab gaps --from 2026-11-16 --to 2026-11-23`."
    )
    for export in (export_qlib, export_parquet):
        assert export(seeded.context(), keep=3).reason == hole
    listed = run("export", "list").output.splitlines()
    assert listed[-2:] == [f"parquet: {hole}", f"qlib: {hole}"]
    for kind in ("qlib", "parquet"):
        assert run("export", "verify", kind).output.strip().endswith(hole)


def test_an_export_is_queued_by_its_task(run: Run, seeded: Platform) -> None:
    queued = json.loads(run("export", "qlib", "--force", "--no-wait", "--json").output)
    assert queued["task"] == "app.tasks.sync_qlib"
    shown = json.loads(run("runs", "show", queued["id"], "--json").output)
    assert shown["parameters"] == {"force": True}
