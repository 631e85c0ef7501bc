"""The archive and the exports in a bucket: moto's S3 on loopback, spoken to over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from app.errors import ConfigurationError, ExportError, StoreError, StoreUnavailable
from app.export import shipping
from app.export.publish import CURRENT, building, exclusive, publish, remove_old
from app.files import LocalFiles, ObjectFiles, open_files
from app.market.security import Venue
from app.services.exports import shipped
from app.services.report import Report
from app.sources import registry
from app.sources.archive import Archive
from app.sources.base import Reply, SessionQuery, Site
from app.sources.replayed import ArchivedClient
from tests.contract.dataset_contract import RECORDED

QUERY = SessionQuery(datetime(2023, 1, 30, tzinfo=UTC).date())
BARS = registry.daily_bars(Venue.TWSE)
BODY = (RECORDED / "twse/daily_bars.json").read_bytes()
NOON = datetime(2026, 9, 30, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def address(s3: ThreadedMotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A new prefix of a bucket that is there."""
    host, port = s3.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    storage = ObjectFiles("s3://quantlab").storage
    if not storage.exists("quantlab"):
        storage.mkdir("quantlab")
    return f"s3://quantlab/{tmp_path.name}"


def reply(body: bytes = BODY, at: datetime = NOON) -> Reply:
    return Reply(BARS.request(QUERY), body, "application/json", at)


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")


def test_replies_in_a_bucket_are_those_of_a_folder(address: str, tmp_path: Path) -> None:
    kept: list[dict[str, bytes]] = []
    for files in (ObjectFiles(address), LocalFiles(tmp_path / "archive")):
        archive = Archive(files)
        for body, at in ((BODY, NOON), (b"[1]", NOON + timedelta(hours=1)), (BODY, NOON + timedelta(hours=2))):
            archive.keep(reply(body, at), dataset=BARS.name, query=QUERY)
        assert [one.reply().body for one in archive.entries()] == [b"[1]", BODY]
        assert list(archive.entries(site=Site.MIS)) == []
        found = files.find("*/*/*/*/*")
        kept.append({str(path.relative_to(files.root)): files.read(path) for path in found})
    assert kept[0] == kept[1]
    assert len(kept[0]) == 4


def test_what_one_machine_archived_another_replays(address: str) -> None:
    Archive(open_files(address)).keep(reply(), dataset=BARS.name, query=QUERY)
    assert len(ArchivedClient(open_files(address)).fetch(BARS, QUERY).rows) == 12


def test_a_damaged_note_and_a_body_that_is_gone_are_named(address: str) -> None:
    files = ObjectFiles(address)
    archive = Archive(files)
    body = archive.keep(reply(), dataset=BARS.name, query=QUERY)
    (one,) = archive.entries()
    files.remove([body])
    with pytest.raises(StoreError, match="cannot be read"):
        one.reply()
    files.write(body.with_suffix(".json"), b"{")
    damaged: list[str] = []
    assert list(archive.entries(damaged=damaged)) == []
    assert len(damaged) == 1
    archive.keep(reply(), dataset=BARS.name, query=QUERY)  # mends both
    assert [one.reply().body for one in archive.entries()] == [BODY]


def test_storage_that_is_away_is_no_damage(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Archive(open_files(address)).keep(reply(), dataset=BARS.name, query=QUERY)
    away(monkeypatch)
    archive = Archive(open_files(address))
    with pytest.raises(StoreUnavailable, match="does not answer"):
        archive.keep(reply(), dataset=BARS.name, query=QUERY)
    damaged: list[str] = []
    with pytest.raises(StoreUnavailable):
        list(archive.entries(damaged=damaged))
    assert damaged == []


def test_a_bucket_that_is_not_there_is_told(address: str) -> None:
    with pytest.raises(StoreError, match="cannot be archived"):
        Archive(open_files("s3://nobody-made-this/x")).keep(reply(), dataset=BARS.name, query=QUERY)


def test_a_scheme_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_files("nothing://bucket/prefix")


def test_old_replies_of_one_site_are_removed(address: str) -> None:
    files = ObjectFiles(address)
    for name in ("mis/quotes/2026/09/a.gz", "twse/daily_bars/2026/09/a.gz"):
        files.write(files.root / name, b"x")
    assert files.written_before("mis", datetime.now(UTC) - timedelta(hours=1)) == []
    (old,) = files.written_before("mis", datetime.now(UTC) + timedelta(hours=1))
    assert (old.path.name, old.bytes) == ("a.gz", 1)
    files.remove([old.path])
    assert [path.name for path in files.find("*/*/*/*/*.gz")] == ["a.gz"]


def export(root: Path, content: str, *, hour: int) -> Path:
    with exclusive(root), building(root, "x", size=1) as folder:
        (folder / "bars").mkdir()
        (folder / "bars" / "2330.bin").write_text(content)
        (folder / "calendar.txt").write_text("2026-09-30\n")
        return publish(root, folder, {"bars": 1}, at=NOON.replace(hour=hour))


def test_an_export_goes_to_the_bucket_and_comes_back_elsewhere(address: str, tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here/qlib", tmp_path / "elsewhere/qlib"
    files = ObjectFiles(address)
    first = export(here, "first", hour=1)
    report = shipped(Report(), here, address)
    assert report.details["shipped"] == f"{address}/qlib/{first.name}"
    assert shipped(Report(), here, address).details == {}  # it is there
    assert shipping.fetch(elsewhere, files).name == first.name
    second = export(here, "second", hour=2)
    remove_old(here, keep=1)
    shipped(Report(), here, address)
    assert shipping.fetch(elsewhere, files).name == second.name
    assert (elsewhere / CURRENT / "bars/2330.bin").read_text() == "second"
    assert not any(first.name in str(path) for path in files.sizes(files.root))  # not kept here, nor there


def test_an_export_that_did_not_arrive_leaves_the_pointer(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, files = tmp_path / "qlib", ObjectFiles(address)
    first = export(root, "first", hour=1)
    shipping.ship(root, files)
    second = export(root, "second", hour=2)

    def some(chosen: dict[Path, object]) -> None:
        few = {path: there for path, there in chosen.items() if path.name != "2330.bin"}
        ObjectFiles.upload(files, few)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(files, "upload", some)
        with pytest.raises(ExportError, match=r"2330\.bin of .* did not arrive"):
            shipping.ship(root, files)
    with monkeypatch.context() as patched:
        away(patched)
        with pytest.raises(StoreUnavailable):
            shipped(Report("SKIPPED", "unchanged"), root, address)
    assert shipping.pointer_of("qlib", files) == {**shipping.pointer_of("qlib", files), "snapshot": first.name}  # type: ignore[dict-item]
    assert shipping.ship(root, files) == second.name


def test_what_was_changed_in_the_bucket_is_not_taken(address: str, tmp_path: Path) -> None:
    here, elsewhere, files = tmp_path / "here/qlib", tmp_path / "elsewhere/qlib", ObjectFiles(address)
    with pytest.raises(ExportError, match="No export of the kind qlib"):
        shipping.fetch(elsewhere, files)
    first = export(here, "first", hour=1)
    shipping.ship(here, files)
    files.write(files.root / "qlib" / first.name / "bars/2330.bin", b"cut")
    with pytest.raises(ExportError, match="is not what was published"):
        shipping.fetch(elsewhere, files)
    assert not (elsewhere / CURRENT).exists()
    files.write(files.root / "qlib/current.json", json.dumps({"snapshot": "../x", "manifest": ""}).encode())
    with pytest.raises(ExportError, match="is damaged"):
        shipping.fetch(elsewhere, files)
