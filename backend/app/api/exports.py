"""Exports: the snapshots of every kind."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from app.api.access import Changer, TheChanger, TheUser
from app.api.errors import body_of
from app.api.replies import Reply, ThePlatform, TheSettings, failures
from app.core.wiring import Platform
from app.errors import QuantLabError, TooManyDownloads
from app.export import reading
from app.export.archive import tar_of
from app.export.snapshots import find_snapshot, list_snapshots
from app.services import exports

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


class ReadingLine(BaseModel):
    """Python that reads what is current, on the host of the web."""

    kind: str = Field(examples=["parquet"])
    reader: str = Field(examples=["polars"])
    text: str


class ExportsReply(Reply):
    """By kind, the newest first."""

    folder: str = Field(description="where they are, on the host of the web: <folder>/<kind>/<name>")
    lines: list[ReadingLine] = Field(description="how they are read there, by kind and reader")
    exports: list[SnapshotRow]


class VerifiedReply(Reply):
    """A snapshot whose files have the checksums with which they were published."""

    kind: str
    name: str
    files: int
    sentence: str


class RolledBackReply(Reply):
    """What is current now."""

    kind: str
    name: str
    before: str = Field(description="what was current before")


_LINES = "application/x-ndjson"
Kind = Annotated[str, Path(max_length=50, examples=["qlib"])]
Name = Annotated[str, Path(max_length=100, description="a snapshot's name, as the list has it")]


AT_ONCE, AT_ONCE_OF_ONE = 8, 2
"""Downloads that may be under way: each takes a second of work and more, and as long as its reader takes."""
_downloads: Counter[tuple[str, str]] = Counter()
_counting = threading.Lock()


def _place(who: TheUser) -> Iterator[None]:
    """Among the downloads, until the last byte is sent or the reader is gone."""
    one = (who.via, who.name)
    with _counting:
        if _downloads.total() >= AT_ONCE or _downloads[one] >= AT_ONCE_OF_ONE:
            raise TooManyDownloads(
                f"{AT_ONCE} downloads are served at once, {AT_ONCE_OF_ONE} to one person or token; try again later.",
                retry_after=30,
            )
        _downloads[one] += 1
    try:
        yield
    finally:
        with _counting:
            _downloads[one] -= 1


@router.get("", summary="List exports")
def list_exports(settings: TheSettings) -> ExportsReply:
    """Every snapshot that is kept. To export now: `POST /api/v1/tasks/sync_qlib/runs`."""
    folder = (settings.data_dir / "exports").absolute()
    rows = [SnapshotRow(**asdict(one)) for one in list_snapshots(folder)]
    lines = [ReadingLine(**one._asdict()) for one in reading.lines(folder)]
    return ExportsReply(source=settings.quantlab_source, folder=str(folder), lines=lines, exports=rows)


@router.get(
    "/{kind}/{name}/download",
    summary="Download a snapshot",
    responses={**failures(401, 422, 429), 200: {"content": {"application/x-tar": {}}, "description": "a tar archive"}},
    response_class=StreamingResponse,
    dependencies=[Depends(_place)],
)
def download(platform: ThePlatform, kind: Kind, name: Name, _: TheUser) -> StreamingResponse:
    """The whole snapshot as one tar archive; its length is told beforehand."""
    tar = tar_of(find_snapshot(exports.folder_of(platform.context(), kind), name))
    headers = {
        "Content-Length": str(tar.length),
        "Content-Disposition": f'attachment; filename="{kind}-{tar.folder.name}.tar"',
    }
    return StreamingResponse(tar.parts(), media_type="application/x-tar", headers=headers)


@router.post(
    "/{kind}/{name}/verify",
    summary="Verify a snapshot",
    response_model=VerifiedReply,
    responses=failures(401, 403, 422, 500),
)
def verify(
    request: Request, platform: ThePlatform, kind: Kind, name: Name, changer: TheChanger
) -> VerifiedReply | StreamingResponse:
    """Read its files back against their checksums. 500 names the file that is not what was published.

    With `Accept: application/x-ndjson` it says meanwhile how far it is: a line `{"done": files, "total": files}` after
    each hundredth, and last the reply, or the error that came after the first line.
    """
    steps = _verified(platform, kind, name, changer)
    if _LINES not in request.headers.get("accept", ""):
        *_, last = steps
        return VerifiedReply(**last)
    return StreamingResponse(_as_lines(next(steps), steps), media_type=_LINES)


def _verified(platform: Platform, kind: str, name: str, changer: Changer) -> Iterator[dict[str, Any]]:
    """How far it is, at each hundredth, and last the reply."""
    with changer.change("export.verify", f"{kind} {name}") as row:
        steps = exports.verify_files(platform.context(), kind, name)
        told = -1
        while True:
            try:
                read = next(steps)
            except StopIteration as end:
                verified: exports.Verified = end.value
                break
            if (hundredth := read.done * 100 // max(read.total, 1)) > told:
                told = hundredth
                yield read._asdict()
        row.after = {"files": verified.files}
    yield VerifiedReply(
        source=platform.settings.quantlab_source,
        kind=kind,
        name=verified.snapshot.name,
        files=verified.files,
        sentence=verified.sentence,
    ).model_dump()


def _as_lines(first: dict[str, Any], steps: Iterator[dict[str, Any]]) -> Iterator[str]:
    """A JSON object a line. The status is sent with the first one, so that a later error can only be a line itself."""
    yield f"{json.dumps(first)}\n"
    try:
        for step in steps:
            yield f"{json.dumps(step)}\n"
    except QuantLabError as error:
        yield f"{json.dumps(body_of(error))}\n"


@router.post("/{kind}/{name}/rollback", summary="Go back to a snapshot", responses=failures(401, 403, 422, 500))
def rollback(platform: ThePlatform, kind: Kind, name: Name, changer: TheChanger) -> RolledBackReply:
    """Make it current, in one step; it stays so until an export of that kind is forced."""
    context = platform.context()
    before = find_snapshot(exports.folder_of(context, kind), None).name
    with changer.change("export.rollback", kind) as row:
        row.before = {"snapshot": before}
        chosen = exports.roll_back(context, kind, name, by=changer.by())
        row.after = {"snapshot": chosen.name}
    return RolledBackReply(source=platform.settings.quantlab_source, kind=kind, name=chosen.name, before=before)
