"""Publishing is one step; what fails leaves the previous export and nothing else."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.errors import AlreadyRunning, ExportError
from app.export import publish
from app.export.qlib.layout import feature_file

AT = datetime(2024, 1, 2, 15, 0, tzinfo=UTC)


def export(root: Path, *, content: bytes = b"\0" * 8, name: str = "one") -> Path:
    with publish.exclusive(root), publish.building(root, name, size=8) as folder:
        path = folder / feature_file("2330", "close")
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return publish.publish(root, folder, {"fingerprint": content.hex()}, at=AT)


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != ".lock")


def test_the_link_is_relative_so_that_the_folder_can_be_moved(tmp_path: Path) -> None:
    snapshot = export(tmp_path)
    assert (tmp_path / "current").readlink() == Path(snapshot.name)
    assert names(tmp_path) == ["current", "snapshot-20240102T150000.000000Z"]
    assert publish.read_manifest(tmp_path) == {"fingerprint": "00" * 8, "files": 1, "bytes": 8}


def test_two_snapshots_of_one_instant_have_two_names(tmp_path: Path) -> None:
    first, second = export(tmp_path), export(tmp_path, content=b"\1" * 8)
    assert first != second
    assert (tmp_path / "current").resolve() == second
    assert (first / feature_file("2330", "close")).read_bytes() == b"\0" * 8


def test_a_failure_leaves_the_previous_export_and_nothing_else(tmp_path: Path) -> None:
    export(tmp_path)
    before = names(tmp_path)
    with pytest.raises(ZeroDivisionError), publish.building(tmp_path, "two", size=8) as folder:
        (folder / "half").write_bytes(bytes(1 // 0))
    assert names(tmp_path) == before


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 93, 7))
    with pytest.raises(ExportError, match=r"needs .* are free: make room"), publish.building(tmp_path, "a", size=8):
        pytest.fail("it must not begin")
    assert not names(tmp_path)


@pytest.fixture
def tiny_files() -> Iterator[None]:
    """No file may grow beyond a kilobyte: the system refuses the write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_system_refuses_is_an_export_error(tmp_path: Path, tiny_files: None) -> None:
    export(tmp_path)
    before = names(tmp_path)
    with pytest.raises(ExportError, match=r"could not be written .*: File too large\. The previous export stays"):
        export(tmp_path, content=b"\1" * 4096, name="two")
    assert names(tmp_path) == before
    assert (tmp_path / "current" / feature_file("2330", "close")).read_bytes() == b"\0" * 8


def test_one_export_at_a_time_and_leftovers_of_dead_ones_go(tmp_path: Path) -> None:
    (tmp_path / ".building-dead/features").mkdir(parents=True)
    (tmp_path / ".current-dead").symlink_to("snapshot-dead")
    with publish.exclusive(tmp_path):
        assert not names(tmp_path)
        with pytest.raises(AlreadyRunning, match="Another export"), publish.exclusive(tmp_path):
            pytest.fail("two at once")


def test_the_newest_snapshots_are_kept(tmp_path: Path) -> None:
    snapshots = [export(tmp_path, content=bytes([number]) * 8) for number in range(5)]
    assert publish.remove_old(tmp_path, keep=2) == 3
    assert names(tmp_path) == ["current", *sorted(path.name for path in snapshots[3:])]
    assert publish.remove_old(tmp_path, keep=2) == 0


def test_the_current_snapshot_stays_even_when_it_is_old(tmp_path: Path) -> None:
    first = export(tmp_path)
    export(tmp_path, content=b"\1" * 8)
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to(first.name)
    assert publish.remove_old(tmp_path, keep=1) == 0
    assert first.exists()


@pytest.mark.parametrize("damage", ["gone", "cut", "no manifest", "no json", "no features"])
def test_a_damaged_export_does_not_count_as_current(tmp_path: Path, damage: str) -> None:
    snapshot = export(tmp_path)
    path = snapshot / feature_file("2330", "close")
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(b"\0" * 4)
    elif damage == "no manifest":
        (snapshot / "manifest.json").unlink()
    elif damage == "no json":
        (snapshot / "manifest.json").write_text("{")
    else:
        shutil.rmtree(snapshot / "features")
    assert publish.read_manifest(tmp_path) is None


def test_no_export_has_no_manifest(tmp_path: Path) -> None:
    assert publish.read_manifest(tmp_path) is None


def test_the_manifest_is_readable_text(tmp_path: Path) -> None:
    text = (export(tmp_path) / "manifest.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert json.loads(text)["files"] == 1
