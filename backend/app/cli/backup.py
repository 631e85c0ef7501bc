"""``quantlab backup`` and ``quantlab restore``: everything that cannot be had again, in one file and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from app.cli.output import AsJson, local, print_json
from app.core.config import Settings, get_settings, load_settings, read_home, read_running
from app.core.version import VERSION
from app.core.wiring import now
from app.files import open_files
from app.runtime.own_postgres import own_postgres
from app.runtime.pg_tools import pg_tool
from app.services import backup_file
from app.services import restore as service
from app.services.back_up import Origin, back_up
from app.services.backup_file import Manifest, Told
from app.services.identity import local_user, operator
from app.services.restore import Destination
from app.store.engine import make_engine


def backup(
    file: Annotated[Path, typer.Argument(help="the file to write; there must be none of that name")],
    *,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="also the admin token, alert addresses and secret settings")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the database and the raw replies into one file, while the platform works.

    The database is that of one instant, whatever is written meanwhile; the file has a checksum and is there whole or
    not at all. Not in it: exports, which are made again; logs in files; Redis, whose content the ledger sends again;
    raw replies that lie in object storage. Of secrets it holds the hashes of passwords and tokens, that is why only its
    owner can read it, and the secrets themselves with --with-secrets only.

    Examples: `quantlab backup /backups/quantlab-2026-11-26.backup`.
    """
    with _server(None) as (settings, url), _bar(hidden=as_json) as told:
        engine = make_engine(url, application_name="quantlab backup", pool_size=2, statement_timeout=3600)
        origin = Origin(
            engine=engine,
            url=url,
            archive=None if _is_remote(settings) else open_files(settings.archive_address),
            settings=_changed(settings, with_secrets=with_secrets),
            secrets=_secret_files(settings) if with_secrets else {},
            version=VERSION,
            pg_dump=pg_tool("pg_dump"),
        )
        try:
            made = back_up(origin, file, at=now(), told=told)
        finally:
            engine.dispose()
    if as_json:
        print_json({"file": str(made.path), "bytes": made.bytes, "sha256": made.sha256, **asdict(made.manifest)})
        return
    typer.echo(f"{made.path}: {made.bytes:,} bytes, SHA-256 {made.sha256}")
    _say(made.manifest)


def restore(
    file: Annotated[Path, typer.Argument(help="what `quantlab backup` wrote")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="also where the platform holds something, which goes for good")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check the file, say what it holds, do nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of what this platform holds: whole or not at all.

    Each byte is checked first. Then it is loaded aside, each table counted, brought to this version's tables, and takes
    the place of the database and of the raw replies at once. A platform may run meanwhile; better it does not. Without
    one, and without DATABASE_URL, the embedded PostgreSQL is started for it. What settings were changed stands in the
    file's settings.json (`tar xf FILE settings.json`) and is not put in force.

    Examples: `quantlab restore FILE --dry-run`, `quantlab restore FILE`, `quantlab restore FILE --replace`.
    """
    with _bar(hidden=as_json) as told:
        manifest = backup_file.checked(file, told)
        if not dry_run:
            with _server(manifest.source) as (settings, url):
                destination = Destination(
                    url=url,
                    source=settings.quantlab_source,
                    data_dir=settings.data_dir,
                    archive=None if _is_remote(settings) else Path(settings.archive_address),
                    own_server="DATABASE_URL" not in os.environ,
                )
                by = operator(local_user())
                service.restore(file, destination, pg_restore=pg_tool("pg_restore"), replace=replace, by=by, told=told)
    if as_json:
        print_json({"file": str(file), "restored": not dry_run, **asdict(manifest)})
        return
    typer.echo(
        f"{file} is whole{'' if dry_run else ', and restored'}: "
        f"made {_when(manifest.made_at)} by QuantLab {manifest.version}"
    )
    _say(manifest)


@contextmanager
def _server(source: str | None) -> Iterator[tuple[Settings, str]]:
    """The settings, and PostgreSQL: the given one, the running platform's, or the embedded one for this while."""
    home = read_home()
    running = read_running(home)
    if "DATABASE_URL" in os.environ or psutil.pid_exists(int(running.get("pid", -1))):
        settings = get_settings()
        yield settings, settings.database_url.get_secret_value()
        return
    given: dict[str, object] = {"quantlab_home": home} | ({"quantlab_source": source} if source else {})
    settings = load_settings(**given)
    with own_postgres(home, settings.quantlab_source) as url:
        yield settings, url


@contextmanager
def _bar(*, hidden: bool) -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    shown = Console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=hidden or not sys.stderr.isatty()) as progress:
        tasks = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield told


def _when(written: str) -> str:
    """As any other instant that a person reads: Taipei's."""
    try:
        return f"{local(datetime.fromisoformat(written))} (Taipei)"
    except ValueError:  # a file that somebody else made
        return written


def _say(manifest: Manifest) -> None:
    typer.echo(
        f"source {manifest.source}, tables of revision {manifest.revision}, {sum(manifest.rows.values()):,} rows"
    )
    if manifest.replies is None:
        typer.echo("Raw replies lie in object storage and are not in it.")
    else:
        typer.echo(f"{manifest.replies:,} files of raw replies, {manifest.reply_bytes:,} bytes")
    secrets = ", ".join(manifest.secrets)
    typer.echo(f"secrets: {secrets}" if secrets else "Secrets are not in it (but hashes of passwords and tokens are).")


def _is_remote(settings: Settings) -> bool:
    return "://" in str(settings.archive_address)


def _changed(settings: Settings, *, with_secrets: bool) -> dict[str, str]:
    """What is not at its default, for a person to set again; addresses of servers are secrets, too.

    Not what the running platform alone says: it chose the ports in these addresses for this once.
    """
    found = {}
    chosen = read_running(read_home()).get("environment", {}).keys() - os.environ.keys() - {"QUANTLAB_SOURCE"}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if name.upper() in chosen or value is None or value == field.get_default(call_default_factory=True):
            continue
        if not isinstance(value, SecretStr):
            found[name.upper()] = str(value)
        elif with_secrets:
            found[name.upper()] = value.get_secret_value()
    return found


def _secret_files(settings: Settings) -> dict[str, bytes]:
    files = (settings.admin_token_file, settings.alerts_file)
    return {file.name: file.read_bytes() for file in files if file.exists()}
