"""``quantlab doctor``: what is wrong, why, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.checklist import CHECKS, all_checks
from app.cli.output import AsJson, console, print_json, print_source, table
from app.cli.status import findings_table
from app.core.wiring import get_platform
from app.errors import InvalidParameter
from app.ops.declared import unknown
from app.ops.health import Finding, Level, find_within

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
    findings = find_within(PATIENCE, {name: checks[name] for name in only or checks})
    wrong = [finding for finding in findings if finding.level is Level.ERROR]
    if as_json:
        print_json({"well": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        print_source()
        console().print(findings_table(findings))
        typer.echo(f"\n{_verdict(findings)}")
    if wrong:
        raise typer.Exit(1)


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
        return f"{wrong} of {len(findings)} checks found something wrong."
    return f"Nothing is wrong, but {doubts} of {len(findings)} checks warn: see above." if doubts else "All is well."
