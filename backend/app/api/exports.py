"""Exports: the snapshots of every kind."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.replies import Reply, TheSettings
from app.export.snapshots import list_snapshots

router = APIRouter(prefix="/api/v1/exports", tags=["exports"])


class SnapshotRow(BaseModel):
    """A finished export; what its manifest does not tell is null."""

    kind: str = Field(examples=["qlib", "parquet"])
    name: str = Field(description="its folder below exports/<kind>")
    current: bool = Field(description="what exports/<kind>/current points to")
    rolled_back_to: bool = Field(description="somebody went back to it; it stays current until an export is forced")
    whole: bool = Field(description="as many files and bytes as when it was verified and published")
    exported_at: datetime | None
    source: Literal["sandbox", "exchange"] | None = Field(description="whose bars; sandbox: NOT the market's prices")
    bars: int | None
    securities: int | None
    first_session: date | None
    last_session: date | None
    sessions_not_held: int | None = Field(description="sessions of the trading calendar in between without any bar")
    files: int | None
    bytes: int | None


class ExportsReply(Reply):
    """By kind, the newest first."""

    exports: list[SnapshotRow]


@router.get("", summary="List exports")
def list_exports(settings: TheSettings) -> ExportsReply:
    """Every snapshot that is kept. To export now: `POST /api/v1/tasks/sync_qlib/runs`."""
    rows = [SnapshotRow(**asdict(one)) for one in list_snapshots(settings.data_dir / "exports")]
    return ExportsReply(source=settings.quantlab_source, exports=rows)
