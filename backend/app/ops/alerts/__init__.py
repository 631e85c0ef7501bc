"""Alerts: rules that look, incidents that stand until they are over, channels that tell.

To add a rule: a file in ``rules/`` and its line in RULES.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from app.ops.alerts.facts import Breach, Facts
from app.ops.alerts.rules import (
    alert_address,
    breaker_open,
    disk_low,
    failing_task,
    freshness,
    missing_heartbeat,
    quarantine_above,
    queue_growing,
    unexplained_step,
    wedged_canary,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """*words*: what should be so; *find*: where it is not."""

    name: str
    words: str
    find: Callable[[Facts], list[Breach]]


def _rule(module: ModuleType) -> Rule:
    return Rule(module.__name__.rpartition(".")[2], module.WORDS, module.find)


RULES: tuple[Rule, ...] = (
    _rule(freshness),
    _rule(failing_task),
    _rule(missing_heartbeat),
    _rule(wedged_canary),
    _rule(queue_growing),
    _rule(breaker_open),
    _rule(quarantine_above),
    _rule(unexplained_step),
    _rule(disk_low),
    _rule(alert_address),
)
