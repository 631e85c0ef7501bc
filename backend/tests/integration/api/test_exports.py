"""GET /api/v1/exports: every snapshot that is kept."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.wiring import Platform
from app.export.archive import tar_of
from app.export.snapshots import list_snapshots
from app.services.export_parquet import export_parquet
from app.services.export_qlib import export_qlib
from app.store import audit
from app.store.engine import transaction
from tests.conftest import wait_until
from tests.integration.api.conftest import Web
from tests.integration.api.logins import person
from tests.integration.api.served import served
from tests.integration.conftest import NOW


def test_snapshots_are_listed_by_kind(web: Web, seeded: Platform) -> None:
    told = web.get("/api/v1/exports").json()
    # Where the settings put the data, whatever that is: the console's lines for pandas and Qlib begin with it.
    assert Path(told.pop("folder")) == seeded.settings.data_dir.resolve() / "exports"
    assert {line["kind"] for line in told.pop("lines")} == {"qlib", "parquet"}
    assert told == {"source": "sandbox", "exports": []}
    context = replace(seeded.context(), clock=lambda: NOW)
    export_qlib(context, keep=3)
    export_parquet(context, keep=3)
    parquet, qlib = web.get("/api/v1/exports").json()["exports"]
    assert (parquet["kind"], qlib["kind"]) == ("parquet", "qlib")
    sizes = {name: qlib.pop(name) for name in ("files", "bytes")}
    assert qlib == {
        "kind": "qlib",
        "name": "snapshot-20261123T070000.000000Z",
        "current": True,
        "rolled_back_to": False,
        "whole": True,
        "exported_at": "2026-11-23T07:00:00Z",
        "source": "sandbox",
        "bars": 3,
        "securities": 1,
        "first_session": "2026-11-19",
        "last_session": "2026-11-23",
        "sessions_not_held": 0,
    }
    tree = seeded.settings.data_dir / "exports/qlib/current"
    found = [path.stat().st_size for path in tree.rglob("*") if path.is_file() and path.name != "manifest.json"]
    assert sizes == {"files": len(found), "bytes": sum(found)}


@pytest.mark.parametrize("reader", ["polars", "DuckDB", "pandas"])
def test_a_line_of_the_reply_reads_what_was_exported(web: Web, seeded: Platform, reader: str) -> None:
    export_parquet(replace(seeded.context(), clock=lambda: NOW), keep=3)
    lines = web.get("/api/v1/exports").json()["lines"]
    brought, _, expression = next(one["text"] for one in lines if one["reader"] == reader).partition("; ")
    names: dict[str, Any] = {}
    exec(brought, names)
    read = eval(expression, names)
    rows = {
        "polars": lambda: read.collect().to_dicts(),
        "DuckDB": lambda: [dict(zip(read.columns, row, strict=True)) for row in read.fetchall()],
        "pandas": lambda: read.to_dict("records"),
    }[reader]()
    assert [(row["symbol"], str(row["session"])[:10], int(row["year"])) for row in rows] == [
        ("2330", day, 2026) for day in ("2026-11-19", "2026-11-20", "2026-11-23")
    ]


TOKEN = {"Authorization": "Bearer correct-horse-battery"}


def export_twice(seeded: Platform) -> tuple[str, str]:
    for hour in (1, 2):
        export_qlib(replace(seeded.context(), clock=lambda hour=hour: NOW + timedelta(hours=hour)), keep=3, force=True)
    newer, older = list_snapshots(seeded.settings.data_dir / "exports")
    return older.name, newer.name


def test_a_snapshot_is_downloaded_whole(web: Web, seeded: Platform) -> None:
    name, _ = export_twice(seeded)
    assert web.get(f"/api/v1/exports/qlib/{name}/download").status_code == 401
    reply = web.get(f"/api/v1/exports/qlib/{name}/download", headers=TOKEN)
    assert reply.status_code == 200
    assert int(reply.headers["Content-Length"]) == len(reply.content)
    assert f"qlib-{name}.tar" in reply.headers["Content-Disposition"]
    folder = seeded.settings.data_dir / "exports/qlib" / name
    with tarfile.open(fileobj=io.BytesIO(reply.content)) as tar:
        held = {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar.getmembers()}
    there = {f"{name}/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert held == there


def test_small_files_travel_together(tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    for number in range(1_000):
        (folder / f"{number:04}.bin").write_bytes(bytes([number % 256]) * 700)
    tar = tar_of(folder)
    parts = list(tar.parts())
    assert sum(map(len, parts)) == tar.length
    assert len(parts) <= tar.length // 262_144 + 1
    with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as read:
        assert len(read.getmembers()) == 1_000


def test_whoever_does_not_read_his_downloads_holds_up_nobody(
    web: Web, seeded: Platform, free_port: Callable[[], int]
) -> None:
    """Two of one person are served, and their places are free again when he is gone."""
    name, _ = export_twice(seeded)
    big = seeded.settings.data_dir / "exports/qlib" / name / "big.bin"
    with big.open("wb") as file:
        file.truncate(50_000_000)
    mei, ann = person(web, seeded, "mei", "viewer"), person(web, seeded, "ann", "viewer")
    path = f"/api/v1/exports/qlib/{name}/download"
    with served(free_port()) as real, httpx.Client(base_url=f"http://localhost:{real.port}", trust_env=False) as client:
        with client.stream("GET", path, headers=mei.headers) as one, client.stream("GET", path, headers=mei.headers):
            assert one.status_code == 200
            third = client.get(path, headers=mei.headers)
            assert (third.status_code, third.json()["error"]) == (429, "TooManyDownloads")
            assert int(third.headers["Retry-After"]) > 0
            with client.stream("GET", path, headers=ann.headers) as another:
                assert another.status_code == 200
            assert client.get("/api/v1/tasks").status_code == 200

        def is_served() -> bool:
            with client.stream("GET", path, headers=mei.headers) as again:
                return again.status_code == 200

        wait_until(is_served, what="a free place")


def test_a_damaged_snapshot_is_named(web: Web, seeded: Platform) -> None:
    name, _ = export_twice(seeded)
    asked = f"/api/v1/exports/qlib/{name}/verify"
    assert web.post(asked, headers=TOKEN).json()["files"] > 8
    file = seeded.settings.data_dir / "exports/qlib" / name / "features/2330/close.day.bin"
    body = bytearray(file.read_bytes())
    body[-1] ^= 1
    file.chmod(0o644)
    file.write_bytes(body)
    reply = web.post(asked, headers=TOKEN)
    assert reply.status_code == 500
    assert "2330" in reply.json()["message"]


def told_meanwhile(web: Web, path: str) -> tuple[int, list[dict[str, Any]]]:
    reply = web.post(path, headers={**TOKEN, "Accept": "application/x-ndjson"})
    return reply.status_code, [json.loads(line) for line in reply.text.splitlines()]


@pytest.mark.parametrize("kind", ["qlib", "parquet"])
def test_verifying_says_how_far_it_is(web: Web, seeded: Platform, kind: str) -> None:
    {"qlib": export_qlib, "parquet": export_parquet}[kind](replace(seeded.context(), clock=lambda: NOW), keep=3)
    (one,) = web.get("/api/v1/exports").json()["exports"]
    path = f"/api/v1/exports/{kind}/{one['name']}/verify"
    status, (*steps, last) = told_meanwhile(web, path)
    assert status == 200
    assert last == web.post(path, headers=TOKEN).json()
    assert {step["total"] for step in steps} == {one["files"]}
    done = [step["done"] for step in steps]
    assert done == sorted(set(done))
    assert (done[0], len(done) > 1, done[-1] <= one["files"]) == (0, True, True)
    # What was found only after the first line was sent is the last one; what is known before has its status.
    tree = seeded.settings.data_dir / f"exports/{kind}/current"
    file = max(
        (path for path in tree.rglob("*") if path.is_file() and path.name.endswith((".day.bin", ".parquet"))),
        key=lambda path: path.stat().st_size,
    )
    body = bytearray(file.read_bytes())
    body[-1] ^= 1
    file.chmod(0o644)
    file.write_bytes(body)
    status, (first, *_, last) = told_meanwhile(web, path)
    assert (status, first["done"], last["error"]) == (200, 0, "ExportError")
    file.write_bytes(body[:-1])
    assert told_meanwhile(web, path)[0] == 500
    assert told_meanwhile(web, f"/api/v1/exports/{kind}/none/verify")[0] == 422
    with transaction(seeded.engine) as connection:
        rows = audit.list_rows(connection, limit=9, action="export.verify")
    assert [row.outcome for row in rows] == ["failed", "failed", "done", "done"]


def test_going_back_and_what_cannot_be(web: Web, seeded: Platform) -> None:
    older, newer = export_twice(seeded)
    told = web.post(f"/api/v1/exports/qlib/{older}/rollback", headers=TOKEN).json()
    assert (told["name"], told["before"]) == (older, newer)
    with transaction(seeded.engine) as connection:
        (row,) = audit.list_rows(connection, limit=5, action="export.rollback")
    assert (row.before, row.after, row.outcome) == ({"snapshot": newer}, {"snapshot": older}, "done")
    current = [one["name"] for one in web.get("/api/v1/exports").json()["exports"] if one["current"]]
    assert current == [older]
    for path in (f"qlib/{older}/rollback", "qlib/none/rollback", "excel/x/rollback", "qlib/..%2F..%2F/rollback"):
        reply = web.post(f"/api/v1/exports/{path}", headers=TOKEN)
        assert reply.status_code in (404, 422), path
        assert reply.json()["message"]
