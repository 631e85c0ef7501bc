"""``quantlab logs``: what every program of every host wrote, searched and followed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Literal

import typer
from rich.text import Text

from app.cli.output import console, local
from app.core import queue
from app.core.config import get_settings
from app.core.wiring import get_platform, now
from app.errors import InvalidParameter, StoreUnavailable, UnknownRun
from app.market.calendar import TAIPEI
from app.services.keep_logs import newest_in_files
from app.store import log_lines, runs
from app.store.engine import snapshot, transaction
from app.store.log_lines import LEVELS, KeptLine, LogLine, Wanted, level_name

EVERY = 1.0
AT_ONCE = 500
_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}
_AGES = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def logs(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with what comes, until Ctrl-C")] = False,
    count: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="the newest so many")] = 50,
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None, typer.Option(case_sensitive=False, help="at least")
    ] = None,
    task: Annotated[str | None, typer.Option(help="of runs of this task")] = None,
    run: Annotated[str | None, typer.Option(help="of this run, by its id or the beginning of it")] = None,
    program: Annotated[str | None, typer.Option(help="worker, beat or web")] = None,
    host: Annotated[str | None, typer.Option(help="of this host")] = None,
    symbol: Annotated[str | None, typer.Option(help="that name this symbol")] = None,
    text: Annotated[str | None, typer.Option(help="that hold these words, whatever the case")] = None,
    since: Annotated[str | None, typer.Option(help="30m, 2h, 1d, or an instant such as 2026-11-20T21:00")] = None,
    until: Annotated[str | None, typer.Option(help="likewise")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON object a line, for scripts")] = False,
) -> None:
    """Lines of the logs of all programs and hosts, oldest first; in place of `docker compose logs`.

    Without PostgreSQL it reads the files of this host, and says so.

    Examples: `quantlab logs -f`, `quantlab logs --level WARNING --since 2h`, `quantlab logs --run ID`,
    `quantlab logs --symbol 2330 --task sync_daily_prices`.
    """
    if symbol is not None and not re.fullmatch("[0-9A-Z]{4,6}", symbol):
        raise InvalidParameter(f"{symbol!r} is no symbol: four to six digits or capital letters, such as 2330.")
    wanted = Wanted(
        level=LEVELS[level] if level else None,
        task=queue.full_name(task) if task else None,
        run_id=run and _whole(run),
        program=program,
        host=host,
        symbol=symbol,
        words=text,
        since=_instant(since),
        until=_instant(until),
    )
    try:
        lines, last = _ask(wanted, limit=count)
        _show(lines, as_json=as_json)
        if not (lines or follow):  # an empty answer might be a mistyped word, or nothing asked
            typer.echo("No line is kept that fits.", err=True)
        while follow:
            lines, last = _ask(wanted, limit=AT_ONCE, after=last)
            _show(lines, as_json=as_json)
            if not lines:
                time.sleep(EVERY)
    except StoreUnavailable as error:
        if follow:
            raise
        typer.echo(f"{error} These are the lines of this host's files.", err=True)
        _show(newest_in_files(get_settings().log_folder, wanted, limit=count)[::-1], as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit from None


def _whole(beginning: str) -> str:
    """The id of the run that begins so; as it was given where the ledger knows none, or cannot be asked."""
    try:
        with transaction(get_platform().engine) as connection:
            return runs.find(connection, beginning).id
    except (UnknownRun, StoreUnavailable):
        return beginning


def _ask(wanted: Wanted, *, limit: int, after: int | None = None) -> tuple[list[KeptLine], int]:
    """Lines, oldest first, and the number after which to go on."""
    with snapshot(get_platform().engine) as connection:  # what comes in between would be shown now and once more
        last = log_lines.last_id(connection)
        lines = log_lines.list_lines(connection, wanted, limit=limit, after=after)[::-1]
    return lines, lines[-1].id if after is not None and len(lines) == limit else last


def _show(lines: Sequence[LogLine], *, as_json: bool) -> None:
    out = console()
    for line in lines:
        if as_json:
            typer.echo(_json(line))
        else:
            out.print(_drawn(line), soft_wrap=True)


def _json(line: LogLine) -> str:
    return json.dumps({**asdict(line), "level": level_name(line.level)}, ensure_ascii=False, default=str)


def _drawn(line: LogLine) -> Text:
    name = level_name(line.level)
    drawn = Text.assemble(
        (local(line.at)[5:], "dim"),
        " ",
        (f"{name:<7}", _COLOURS.get(name, "")),
        " ",
        (f"{line.program:<6}", "cyan"),
        " ",
    )
    if line.run_id:
        drawn.append(f"{(line.task or '').removeprefix('app.tasks.')} {line.run_id[:8]} ", "magenta")
    drawn.append(line.message)
    if line.traceback:
        drawn.append(f"\n{line.traceback}", "dim")
    return drawn


def _instant(text: str | None) -> datetime | None:
    """An age before now, or an instant, Taipei's where it says no zone."""
    if text is None:
        return None
    try:
        if age := re.fullmatch(r"([0-9]{1,6})([smhd])", text):
            return now() - timedelta(**{_AGES[age[2]]: int(age[1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidParameter(f"{text!r} is neither an age (30m, 2h, 1d) nor an instant (2026-11-20T21:00).") from None
    return found if found.tzinfo else found.replace(tzinfo=TAIPEI)
