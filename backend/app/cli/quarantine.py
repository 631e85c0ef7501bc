"""``quantlab quarantine``: rows that break a rule, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from app.cli.changes import change, start_task
from app.cli.data import follow
from app.cli.output import AsJson, console, local, print_json, print_source, table
from app.cli.quarantined_row import cells_of
from app.cli.times import DAY, day
from app.core.wiring import get_platform
from app.errors import InvalidParameter, UnknownRow
from app.market.calendar import FIRST_DAY
from app.market.quality import RULES
from app.market.security import Venue
from app.services import decisions
from app.services.identity import local_user
from app.store import quarantine_reads as store
from app.store.engine import transaction
from app.store.quarantine_reads import Filter, HeldRow

REPLAY = "app.tasks.replay_archive"

quarantine = typer.Typer(
    help="Rows that break a rule: look at them, say that one is right or wrong, or read them again.",
    no_args_is_help=True,
    epilog=(
        "Examples:\n\n"
        "  quantlab quarantine list --rule ohlc-order       what waits because of one rule\n\n"
        "  quantlab quarantine show 12                      its cells beside its values\n\n"
        "  quantlab quarantine release 12 13 --note '…'     they are right: store them\n\n"
        "  quantlab quarantine dismiss 14 --note '…'        it is wrong: it does not come back\n\n"
        "  quantlab quarantine reparse --from 2026-01-01    after a parser or a rule was mended"
    ),
)

_Ids = Annotated[list[int], typer.Argument(metavar="ID…", help="as `quantlab quarantine list` shows them")]
_Note = Annotated[str, typer.Option(help="why, for those who read it later")]
_Rule = Annotated[str | None, typer.Option(help="only of this rule; `quantlab quarantine rules` lists them")]
_From = Annotated[datetime | None, typer.Option("--from", parser=day, metavar=DAY, help="the first session")]
_To = Annotated[datetime | None, typer.Option("--to", parser=day, metavar=DAY, help="the last session")]


@quarantine.command("list")
def list_rows(
    *,
    rule: _Rule = None,
    start: _From = None,
    end: _To = None,
    symbol: Annotated[str | None, typer.Option(help="only of this security")] = None,
    venue: Annotated[Venue | None, typer.Option(help="only of this venue", case_sensitive=False)] = None,
    dataset: Annotated[str | None, typer.Option(help="only of this dataset: daily_bars, margin, …")] = None,
    severity: Annotated[Literal["blocking", "warning"] | None, typer.Option(help="only such")] = None,
    every: Annotated[bool, typer.Option("--all", help="those that are decided, too")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many, the newest first")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what waits, the newest first, and how many rows break each rule. Warnings are of rows that are stored.

    Examples: `quantlab quarantine list --from 2026-11-01`, `quantlab quarantine list --rule ohlc-order --all`.
    """
    which = Filter(
        rule=_known(rule),
        severity=severity,
        venue=venue,
        dataset=dataset,
        symbol=symbol,
        start=start.date() if start else None,
        end=end.date() if end else None,
        decided=None if every else False,
    )
    with transaction(get_platform().engine) as connection:
        rows = store.list_rows(connection, which, limit=limit)
        total = store.count_rows(connection, which)
        by_rule = store.count_by_rule(connection, which)
    if as_json:
        print_json({"total": total, "by_rule": by_rule, "rows": [asdict(row) for row in rows]})
        return
    print_source()
    if not rows:
        typer.echo("No such row waits." if not every else "There is no such row.")
        return
    made = table(">id", "session", "of", "rule", "state", "reason")
    for row in rows:
        whose = " ".join(filter(None, (row.venue.value, row.dataset, row.symbol)))
        state = row.decision or ("open" if row.severity == "blocking" else row.severity)
        made.add_row(str(row.id), str(row.session or ""), whose, row.rule, state, row.reason)
    made.expand, made.columns[-1].ratio, made.columns[-1].no_wrap = True, 1, True  # the reason alone gives way
    console().print(made)
    counts = ", ".join(f"{name} {number:,}" for name, number in by_rule.items())
    console().print(f"{len(rows):,} of {total:,}: {counts}", markup=False)


@quarantine.command("rules")
def rules(*, as_json: AsJson = False) -> None:
    """List every rule, with how many rows break it now.

    Example: `quantlab quarantine rules`.
    """
    with transaction(get_platform().engine) as connection:
        by_rule = store.count_by_rule(connection)
    if as_json:
        print_json([{**asdict(rule), "open": by_rule.get(rule.id, 0)} for rule in RULES.values()])
        return
    made = table("rule", "severity", "about", ">open", "what must hold")
    for rule in RULES.values():
        made.add_row(rule.id, rule.severity, rule.subject, f"{by_rule.get(rule.id, 0):,}", rule.sentence)
    console().print(made)


@quarantine.command("show")
def show(
    row_id: Annotated[int, typer.Argument(metavar="ID", help="as `quantlab quarantine list` shows it")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one row: its cells as they came and as they were read, those in question first; the rule; who decided what.

    Example: `quantlab quarantine show 12`.
    """
    with transaction(get_platform().engine) as connection:
        row = store.get(connection, row_id)
    if row is None:
        raise UnknownRow(f"There is no quarantined row {row_id}.")
    if as_json:
        print_json(asdict(row))
        return
    print_source()
    out = console()
    out.print(f"{row.id}: {row.rule} ({row.severity})", markup=False)
    out.print(f"  {row.reason}", markup=False)
    if row.rule in RULES:
        out.print(f"  What must hold: {RULES[row.rule].sentence}", markup=False)
    whose = " ".join(str(word) for word in (row.venue.value, row.dataset, row.session, row.symbol) if word)
    out.print(f"  {whose}, seen {local(row.seen_at)}, last {local(row.last_seen_at)}, run {row.run_id}", markup=False)
    if row.decision:
        who = f" by {row.decided_by}" if row.decided_by else ""
        out.print(f"  {row.decision}{who} at {local(row.released_at)}: {row.note or ''}", markup=False)
    out.print(cells_of(row))


@quarantine.command("release")
def release(ids: _Ids, note: _Note, *, as_json: AsJson = False) -> None:
    """Say that rows are right: their values are stored as bars, and the very same rows are accepted from now on.

    Example: `quantlab quarantine release 12 13 --note "as the exchange prints it"`.
    """
    with change("quarantine.release", ", ".join(map(str, ids))) as row:
        rows = decisions.release(get_platform().context(), ids, by=local_user(), note=note)
        row.after = {"rows": [held.id for held in rows], "note": note}
    _tell(rows, as_json=as_json)


@quarantine.command("dismiss")
def dismiss(ids: _Ids, note: _Note, *, as_json: AsJson = False) -> None:
    """Say that rows are wrong or of no use: they are closed, and the very same rows do not come back.

    Example: `quantlab quarantine dismiss 14 --note "a test row"`.
    """
    with change("quarantine.dismiss", ", ".join(map(str, ids))) as row:
        rows = decisions.dismiss(get_platform().context(), ids, by=local_user(), note=note)
        row.after = {"rows": [held.id for held in rows], "note": note}
    _tell(rows, as_json=as_json)


@quarantine.command("reparse")
def reparse(
    *,
    rule: _Rule = None,
    start: _From = None,
    end: _To = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="watch it, or only queue it and print its id")] = True,
    as_json: AsJson = False,
) -> None:
    """Read the archived replies of the sessions of which rows wait again, without one request.

    After a parser or a rule was mended: what is good now is stored, and its row is closed as mended. Month histories
    are not archived by session: `quantlab sync ohlcv --symbols …` asks for them again.

    Example: `quantlab quarantine reparse --from 2026-01-01 --rule tick-size`.
    """
    parameters: dict[str, Any] = {"start": str(start.date() if start else FIRST_DAY), "quarantined": True}
    parameters |= {"end": str(end.date())} if end else {}
    parameters |= {"rule": rule} if _known(rule) else {}
    started = start_task(REPLAY, parameters)
    follow(started, REPLAY, wait=wait, timeout=float("inf"), as_json=as_json)


def _known(rule: str | None) -> str | None:
    if rule is not None and rule not in RULES:
        raise InvalidParameter(f"There is no rule {rule!r}; there are {', '.join(RULES)}.")
    return rule


def _tell(rows: Sequence[HeldRow], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        whose = " ".join(str(word) for word in (row.venue.value, row.session, row.symbol) if word)
        typer.echo(f"{row.id} {row.decision}: {whose} {row.rule}")
