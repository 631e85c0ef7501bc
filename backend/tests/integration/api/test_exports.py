"""GET /api/v1/exports: every snapshot that is kept."""

from __future__ import annotations

from dataclasses import replace

from app.core.wiring import Platform
from app.services.export_parquet import export_parquet
from app.services.export_qlib import export_qlib
from tests.integration.api.conftest import Web
from tests.integration.conftest import NOW


def test_snapshots_are_listed_by_kind(web: Web, seeded: Platform) -> None:
    assert web.get("/api/v1/exports").json() == {"source": "sandbox", "exports": []}
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
