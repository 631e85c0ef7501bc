"""``quantlab export list | verify | rollback``: what was exported, whether it still is so, and going back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from app.cli.changes import change
from app.cli.output import AsJson, console, print_json, print_source, table
from app.core.wiring import get_platform
from app.errors import ConfigurationError, InvalidParameter
from app.export import shipping
from app.export.snapshots import PREFIX, Snapshot, find_snapshot, holes, list_snapshots
from app.files import ObjectFiles
from app.services import exports
from app.services.identity import local_user

_Name = Annotated[
    str | None,
    typer.Argument(metavar="SNAPSHOT", help="its name, as `quantlab export list` shows it; a kind: its current one"),
]
KINDS = ("qlib", "parquet")
_Kind = Annotated[str, typer.Option(help="qlib or parquet")]


def list_exports(as_json: AsJson = False) -> None:
    """List the snapshots of every kind, the newest first: what they hold, which is current, and whether it is whole.

    Each was read back and compared with the database before it could be seen. `whole`: it has as many files and bytes
    as then; `quantlab export verify` reads them. More of each with --json.

    Example: `quantlab export list`.
    """
    found = list_snapshots(get_platform().settings.data_dir / "exports")
    if as_json:
        print_json([asdict(one) for one in found])
        return
    print_source()
    if not found:
        typer.echo("Nothing was exported yet: quantlab export qlib")
        return
    made = table("kind", "snapshot, UTC", "up to", ">bars", ">MB", "is")
    for one in found:
        size = f"{one.bytes / 1e6:,.1f}" if one.bytes is not None else ""
        bars = "" if one.bars is None else f"{one.bars:,}"
        made.add_row(one.kind, one.name.removeprefix(PREFIX), one.last_session or "", bars, size, _state(one))
    console().print(made)
    for one in found:
        if one.current and (said := holes(asdict(one))):
            typer.echo(f"{one.kind}: {said}")


def verify(name: _Name = None, *, kind: _Kind = "qlib", as_json: AsJson = False) -> None:
    """Read a snapshot back, the current one when none is named, and say whether it still is what was published.

    Checksums of all files; and bar by bar against the database while that is what the snapshot was made of.
    Exit code 1 when something is wrong, with the file or the cell.

    Example: `quantlab export verify`.
    """
    kind, name = _which(kind, name)
    verified = exports.verify(get_platform().context(), kind, name)
    if as_json:
        facts = {"kind": verified.kind, "snapshot": verified.snapshot.name, "files": verified.files}
        print_json({**facts, "bars": verified.bars, "sentence": verified.sentence})
        return
    bars = "" if verified.bars is None else f", {verified.bars:,} bars"
    typer.echo(f"{verified.kind} {verified.snapshot.name} is well: {verified.files:,} files{bars}. {verified.sentence}")


def rollback(name: _Name = None, *, kind: _Kind = "qlib") -> None:
    """Make an earlier snapshot current, in one step: the one before the current one, when none is named.

    It stays: runs of the task end as SKIPPED and say so, until `quantlab export qlib --force` exports what is held.

    Example: `quantlab export rollback`.
    """
    kind, name = _which(kind, name)
    context = get_platform().context()
    with change("export.rollback", kind) as row:
        row.before = {"snapshot": find_snapshot(exports.folder_of(context, kind), None).name}
        chosen = exports.roll_back(context, kind, name, by=local_user())
        row.after = {"snapshot": chosen.name}
    typer.echo(f"{kind} {chosen.name} is current, and stays so until: quantlab export {kind} --force")


def fetch(kind: Annotated[str, typer.Argument(metavar="KIND", help="qlib or parquet")] = "qlib") -> None:
    """Bring the export that is current in object storage (QUANTLAB_EXPORTS) to this machine, and make it current here.

    Every byte of the files with a checksum is compared before it can be seen. It asks no database.

    Example: `quantlab export fetch qlib`.
    """
    settings = get_platform().settings
    if settings.exports_address is None:
        raise ConfigurationError("Set QUANTLAB_EXPORTS to the address of the exports, like s3://bucket/prefix.")
    if kind not in KINDS:
        raise InvalidParameter(f"There is no export of the kind {kind!r}; there are {', '.join(KINDS)}.")
    snapshot = shipping.fetch(settings.data_dir / "exports" / kind, ObjectFiles(settings.exports_address))
    typer.echo(f"{kind} {snapshot.name} is current here: {snapshot.parent / 'current'}")


def _which(kind: str, name: str | None) -> tuple[str, str | None]:
    """`export verify parquet` means that kind, not a snapshot of such a name."""
    return (name, None) if name in KINDS else (kind, name)


def _state(one: Snapshot) -> Text:
    if not one.whole:
        return Text("damaged", "red")
    if one.rolled_back_to:
        return Text("current, rolled back to", "yellow")
    return Text("current", "green") if one.current else Text("whole", "dim")
