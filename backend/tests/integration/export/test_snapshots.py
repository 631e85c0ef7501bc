"""Going back to an earlier export, and looking again whether one still is what was published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Thread

import pytest

from app.errors import AlreadyRunning, ExportError, InvalidParameter
from app.export.publish import exclusive
from app.export.snapshots import list_snapshots
from app.services.context import Context
from app.services.export_parquet import export_parquet
from app.services.export_qlib import export_qlib
from app.services.exports import roll_back, verify
from app.services.report import Report
from tests.integration.export.test_export_qlib import AT, BARS, TSMC, context, files, root, store

__all__ = ["context", "root"]  # fixtures

Export = Callable[..., Report]
BOTH = pytest.mark.parametrize("export", [export_qlib, export_parquet])


@pytest.fixture
def three(context: Context) -> Context:
    """Three exports of each kind: the first of volume 1, the newest of volume 3."""
    seconds = count()
    context = replace(context, clock=lambda: AT + timedelta(seconds=next(seconds)))
    store(context, BARS)
    for volume in (1, 2, 3):
        store(context, [replace(TSMC, volume=volume)])
        export_qlib(context, keep=3)
        export_parquet(context, keep=3)
    return context


def kind_of(export: Export) -> str:
    return export.__name__.removeprefix("export_")


def current(context: Context, export: Export) -> str:
    return (context.data_dir / "exports" / kind_of(export) / "current").resolve().name


def names(context: Context, export: Export) -> list[str]:
    return [one.name for one in list_snapshots(context.data_dir / "exports") if one.kind == kind_of(export)]


def test_an_export_waits_for_the_moment_of_a_rollback(three: Context) -> None:
    """Else a forced one would end as SKIPPED, for what is no other export."""
    done: list[Report] = []
    exporter = Thread(target=lambda: done.append(export_qlib(three, keep=3, force=True)))
    with exclusive(three.data_dir / "exports" / "qlib"):
        exporter.start()
        exporter.join(0.3)
    exporter.join(30)
    assert [one.state for one in done] == ["SUCCESS"]


@BOTH
def test_going_back_is_one_step_to_the_one_before(three: Context, export: Export) -> None:
    newest, second, first = names(three, export)
    assert current(three, export) == newest
    assert roll_back(three, kind_of(export), None, by="eve").name == second
    assert current(three, export) == second
    assert roll_back(three, kind_of(export), None, by="eve").name == first
    with pytest.raises(InvalidParameter, match=f"no snapshot before {first}"):
        roll_back(three, kind_of(export), None, by="eve")
    assert roll_back(three, kind_of(export), newest, by="eve").name == newest
    assert names(three, export) == [newest, second, first]  # nothing is lost by it


@BOTH
def test_what_somebody_went_back_to_stays_until_an_export_is_forced(three: Context, export: Export) -> None:
    """Whether or not the database has changed since: both would undo it behind his back."""
    _, second, _ = names(three, export)
    roll_back(three, kind_of(export), None, by="eve")
    for volume in (3, 4):
        store(three, [replace(TSMC, volume=volume)])
        report = export(three, keep=1)
        assert report.state == "SKIPPED"
        assert f"eve went back to {second} at 2024-01-05 22:30 (Taipei)" in str(report.reason)
        assert f"`quantlab export {kind_of(export)} --force`" in str(report.reason)
        assert current(three, export) == second
    assert [one.rolled_back_to for one in list_snapshots(three.data_dir / "exports")].count(True) == 1

    assert export(three, keep=3, force=True).state == "SUCCESS"
    assert current(three, export) > second
    assert not any(one.rolled_back_to for one in list_snapshots(three.data_dir / "exports"))
    assert export(three, keep=3).reason.startswith("Nothing has changed")  # type: ignore[union-attr]


@BOTH
def test_force_exports_what_has_not_changed(three: Context, export: Export) -> None:
    before = current(three, export)
    assert export(three, keep=3, force=True).state == "SUCCESS"
    assert current(three, export) > before


@BOTH
def test_what_cannot_be_gone_back_to_is_said_and_nothing_moves(three: Context, export: Export) -> None:
    kind, newest = kind_of(export), current(three, export)
    second = names(three, export)[1]
    with pytest.raises(InvalidParameter, match="no snapshot 'snapshot-x'"):
        roll_back(three, kind, "snapshot-x", by="eve")
    with pytest.raises(InvalidParameter, match="is the current one already"):
        roll_back(three, kind, newest, by="eve")
    with pytest.raises(InvalidParameter, match="no export of the kind 'orc'; there are parquet, qlib"):
        roll_back(three, "orc", None, by="eve")
    with exclusive(three.data_dir / "exports" / kind), pytest.raises(AlreadyRunning):
        roll_back(three, kind, None, by="eve")
    path = next((three.data_dir / "exports" / kind / second).rglob("*.[bp]*"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ExportError, match="are gone or cut"):
        roll_back(three, kind, None, by="eve")
    assert current(three, export) == newest
    assert export(three, keep=3).reason.startswith("Nothing has changed")  # type: ignore[union-attr]


def test_nothing_exported_nothing_to_go_back_to(context: Context) -> None:
    with pytest.raises(InvalidParameter, match="there are none yet"):
        roll_back(context, "qlib", None, by="eve")
    assert list_snapshots(context.data_dir / "exports") == []


def test_a_snapshot_is_compared_with_the_database_while_that_is_what_it_was_made_of(three: Context) -> None:
    newest, second, _ = names(three, export_qlib)
    assert verify(three, "qlib", None).bars == 6
    assert verify(three, "qlib", newest).bars == 6
    assert verify(three, "qlib", second).bars is None
    assert verify(three, "parquet", None).files > 3


@pytest.mark.parametrize(("kind", "pattern"), [("qlib", "features/2330/close.day.bin"), ("parquet", "bars/*/*")])
def test_a_changed_byte_is_found(three: Context, kind: str, pattern: str) -> None:
    """In the current one and in those before, which no database can be compared with any more."""
    for name in names(three, export_qlib if kind == "qlib" else export_parquet)[:2]:
        path = next((three.data_dir / "exports" / kind / name).glob(pattern))
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(ExportError, match=f"{name} .*(is|are) not what was|in {name} are not those"):
            verify(three, kind, name)


def test_a_snapshot_that_lost_a_file_is_listed_as_damaged(three: Context, root: Path) -> None:
    newest, second, _ = names(three, export_qlib)
    (root / second / "features/0050/open.day.bin").unlink()
    whole = {one.name: one.whole for one in list_snapshots(three.data_dir / "exports") if one.kind == "qlib"}
    assert (whole[newest], whole[second]) == (True, False)
    with pytest.raises(ExportError, match="gone or cut"):
        verify(three, "qlib", second)


def test_the_list_says_what_each_is(three: Context, root: Path) -> None:
    one = list_snapshots(three.data_dir / "exports")[-3]
    assert (one.kind, one.current, one.bars, one.securities) == ("qlib", True, 6, 3)
    assert (one.first_session, one.last_session, one.source) == ("2024-01-02", "2024-01-05", "sandbox")
    found = files(root / "current")
    assert one.files == len(found) - 1
    assert one.bytes == sum(len(content) for name, content in found.items() if name != "manifest.json")
