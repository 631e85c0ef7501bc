"""``quantlab doctor``: what is wrong, why, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.checklist import CHECKS, all_checks, waits
from app.cli.output import AsJson, console, print_json, print_source, table
from app.cli.status import findings_table
from app.core.wiring import get_platform
from app.errors import InvalidParameter
from app.ops.declared import unknown
from app.ops.health import SERVERS, Finding, Level, find_within

PATIENCE = 8.0
"""Seconds for all checks together."""


def doctor(
    *,
    only: Annotated[
        list[str] | None, typer.Option("--check", metavar="NAME", help="only this one; may be given again")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="list the checks, and what each looks for")] = False,
    as_json: AsJson = False,
) -> None:
    """Check everything the platform needs; exit code 1 when something is wrong.

    Each finding says what is the case and, where it is not well, what to do.

    Examples: `quantlab doctor`, `quantlab doctor --check "task modules" --check code`.
    """
    if listed:
        _list(as_json=as_json)
        return
    checks = all_checks(get_platform())
    for name in only or ():
        if name not in checks:
            raise InvalidParameter(f"{unknown(name, checks, 'check')} `quantlab doctor --list` lists them.")
    findings = _one_cause(find_within(PATIENCE, {name: checks[name] for name in only or checks}))
    wrong = [finding for finding in findings if finding.level is Level.ERROR]
    if as_json:
        print_json({"well": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        print_source()
        culprits = [f"`{finding.name}`" for finding in wrong if finding.name in SERVERS]
        waiting = [finding.name for finding in findings if culprits and finding.facts.get("waits")]
        console().print(findings_table([finding for finding in findings if finding.name not in waiting]))
        if waiting:
            typer.echo(f"\nNot checked until {', '.join(culprits)} can be asked: {', '.join(waiting)}.")
        typer.echo(f"\n{_verdict(findings)}")
    if wrong:
        raise typer.Exit(1)


def _one_cause(findings: list[Finding]) -> list[Finding]:
    """Where a server hangs, what waited for it in vain knows nothing itself: one cause is told once."""
    if not any(finding.name in SERVERS and finding.facts.get("slow") for finding in findings):
        return findings
    return [
        waits(finding.name, f"Nobody knows: {finding.detail}")
        if finding.facts.get("slow") and finding.name not in SERVERS
        else finding
        for finding in findings
    ]


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json(CHECKS)
        return
    made = table("check", "looks for")
    for name, what in CHECKS.items():
        made.add_row(name, what)
    console().print(made)


def _verdict(findings: Sequence[Finding]) -> str:
    numbers = Counter(finding.level for finding in findings)
    doubts = numbers[Level.WARNING] + numbers[Level.UNKNOWN]
    if wrong := numbers[Level.ERROR]:
        first = next(finding.name for finding in findings if finding.level is Level.ERROR)
        begin = f"; begin with `{first}`" if wrong > 1 and first in ("settings", *SERVERS) else ""
        return f"{wrong} of {len(findings)} checks found something wrong{begin}."
    return f"Nothing is wrong, but {doubts} of {len(findings)} checks warn: see above." if doubts else "All is well."
