"""Each rule fires where it should and is silent where it should; the folder and RULES are the same."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.errors import StoreUnavailable
from app.market.security import SecurityKind, Venue
from app.ops.alerts import RULES, Rule, rules
from app.ops.alerts.facts import Facts
from app.ops.alerts.rules import missing_heartbeat
from app.ops.alerts.watch import look_at
from app.store.heartbeats import Seen
from app.store.steps import Step
from app.store.watched import Backlog, CanaryState, Ending, SetAside
from tests.unit.ops.alerts.conftest import MONDAY_NIGHT, FactsMaker, alive

BY_NAME = {rule.name: rule for rule in RULES}


def ending(state: str, sentence: str | None = "twse gave no answer.") -> Ending:
    return Ending("run-0001-xyz", state, MONDAY_NIGHT, sentence)


def endings(*states: str) -> Any:
    return lambda: {"app.tasks.sync_qlib": [ending(state) for state in states]}


def seen(*programs: Any, server_age: float = 10_000.0) -> Any:
    return lambda: Seen(programs, (), server_age)


def aside(rows: int, held: int, *symbols: str) -> Any:
    return lambda: [SetAside(Venue.TWSE, "daily_bars", date(2026, 11, 23), rows, held, frozenset(symbols))]


def stepped(symbol: str = "0050", kind: SecurityKind = SecurityKind.ETF, **more: Any) -> Any:
    """0050's split of 2025-06-18 with no action held: 188.65, and 47.57 on the session after the halt."""
    given = {"session": MONDAY_NIGHT.date(), "change": None, "previous": 1_886_500, "close": 475_700} | more
    given = {"expected": float(given["previous"]), "listed_on": date(2003, 6, 30)} | given
    step = Step(symbol=symbol, venue=Venue.TWSE, kind=kind, before=date(2026, 11, 20), **given)
    return lambda: [step]


STOCK = SecurityKind.STOCK

FIRING: dict[str, list[tuple[dict[str, Any], str, str]]] = {
    "freshness": [({"quotes_saved": lambda: None, "at": MONDAY_NIGHT.replace(hour=11)}, "quotes", "none is held")],
    "failing_task": [
        ({"endings": endings("FAILED", "SUCCESS")}, "app.tasks.sync_qlib", "is FAILED: twse gave no answer. `quantlab"),
        ({"endings": endings("LOST")}, "app.tasks.sync_qlib", "is LOST"),
        ({"endings": endings("PARTIAL", "PARTIAL", "PARTIAL")}, "app.tasks.sync_qlib", "PARTIAL 3 times in a row"),
    ],
    "missing_heartbeat": [
        ({"seen": seen(alive("beat"), alive("worker", 61.0))}, "worker", "No worker has been alive for 61 s"),
        ({"seen": seen(alive("beat"), alive("worker"), alive("web", 3700.0))}, "web", "for 62 min"),
        ({"seen": seen(alive("beat"))}, "worker", "No worker is there"),
    ],
    "wedged_canary": [
        ({"canaries": lambda: [CanaryState("export", 301.0, 1)]}, "export", "sent 301 s ago"),
        ({"canaries": lambda: [CanaryState("export", 31.0, 2)]}, "export", "canary of the queue export"),
    ],
    "queue_growing": [
        ({"backlogs": lambda: [Backlog("data_sync", 101, 16 * 60)]}, "data_sync", "101 fresh runs wait"),
        ({"backlogs": lambda: [Backlog("export", 1, 61 * 60)]}, "export", "the first for 61 min"),
    ],
    "breaker_open": [
        (
            {
                "breakers": lambda: {
                    "tpex": {
                        "since": "2026-11-23T02:00:00+00:00",
                        "until": "2026-11-23T02:30:00+00:00",
                        "reason": "a ban page.",
                        "refused": True,
                    }
                }
            },
            "tpex",
            "since 10:00: a ban page. The next try is at 10:30.",
        )
    ],
    "quarantine_above": [
        ({"set_aside": aside(21, 900)}, "daily_bars of TWSE", "21 rows of daily_bars"),
        ({"set_aside": aside(101, 10_000)}, "daily_bars of TWSE", "101 rows"),
        ({"set_aside": aside(2, 1340, "1101", "2330")}, "daily_bars of TWSE", "in quarantine, 2330 among them"),
    ],
    "unexplained_step": [
        ({"large_steps": stepped()}, "2026-11-23", "1 closes are further"),
        ({"large_steps": stepped()}, "2026-11-23", "explains it: 0050 188.65 → 47.57. Fetch the actions"),
        (
            {"large_steps": stepped("2330", STOCK, previous=1_000_000, close=1_112_000)},
            "2026-11-23",
            "100 → 111.2",
        ),
        # The action that is held does not make of the price what the market did.
        ({"large_steps": stepped(previous=100_000, close=100_000, expected=25_000.0)}, "2026-11-23", "0050 10 → 10"),
        # Yesterday's actions were never asked for; a day later nobody waits any more.
        ({"large_steps": stepped(session=date(2026, 11, 20)), "actions_asked": dict}, "2026-11-20", "On 2026-11-20"),
    ],
    "disk_low": [({"free_bytes": lambda: 4 * 2**30}, "/data on here", "Only 4.0 GiB")],
    "alert_address": [({"wrong_addresses": lambda: ["The one at position 2 …"]}, "addresses", "position 2")],
}

SILENT: dict[str, list[dict[str, Any]]] = {
    "freshness": [{}],
    "failing_task": [
        {"endings": endings("SUCCESS", "FAILED", "FAILED")},
        {"endings": endings("PARTIAL", "PARTIAL", "SUCCESS")},
        {"endings": endings("PARTIAL", "PARTIAL")},
    ],
    "missing_heartbeat": [
        {},
        {"seen": seen(alive("beat"), alive("worker", 500.0), alive("worker", 59.0, name="two"))},
        {"seen": seen(alive("beat"), alive("worker"))},  # a web that ended in good order, or was never started
        {"seen": seen(alive("worker", 900.0), server_age=30.0)},  # PostgreSQL was away: nobody could renew
        {"seen": seen(), "watching_since": MONDAY_NIGHT - timedelta(seconds=60)},
    ],
    "wedged_canary": [
        {"canaries": lambda: [CanaryState("export", 299.0, 1)]},
        {"canaries": lambda: [CanaryState("export", 500.0, 0)]},
        {"canaries": lambda: [CanaryState("export", None, 3)]},  # it could not be sent: Redis is away
        {
            "canaries": lambda: [CanaryState("export", 400.0, 1)],
            "watching_since": MONDAY_NIGHT - timedelta(seconds=60),
        },
    ],
    "queue_growing": [
        {"backlogs": lambda: [Backlog("data_sync", 5_000, 14 * 60)]},
        {"backlogs": lambda: [Backlog("export", 100, 59 * 60)]},
    ],
    "breaker_open": [{}],
    "quarantine_above": [{"set_aside": aside(20, 0)}, {"set_aside": aside(100, 10_000, "1101")}],
    "unexplained_step": [
        {},
        {"large_steps": stepped("2330", STOCK, previous=1_000_000, close=1_110_000)},
        {"large_steps": stepped(), "actions_asked": dict},  # this evening's have not been asked for yet
        {"large_steps": stepped(), "actions_asked": lambda: {Venue.TWSE: MONDAY_NIGHT.replace(hour=13, minute=0)}},
        # Installed less than a day ago: there was no evening yet in which they could have been asked for.
        {
            "large_steps": stepped(session=date(2026, 11, 20)),
            "actions_asked": dict,
            "installed_at": lambda: MONDAY_NIGHT - timedelta(hours=23),
        },
        {"large_steps": stepped(previous=1_000_000, close=1_200_000, change=200_000)},  # a fund of a foreign underlying
        {"large_steps": stepped("00679B")},  # a bond fund
        {"large_steps": stepped("00631L", previous=1_000_000, close=1_205_000)},  # twice the index, twice the limit
        {"large_steps": stepped("6999", STOCK, listed_on=date(2026, 11, 17))},  # the fifth session
        {"large_steps": stepped("1234", STOCK, previous=500, close=700)},  # two ticks of a penny stock
    ],
    "disk_low": [{"free_bytes": lambda: 5 * 2**30}],
    "alert_address": [{}],
}


@pytest.mark.parametrize(
    ("rule", "changed", "subject", "sentence"),
    [(name, *case) for name, cases in FIRING.items() for case in cases],
)
def test_it_fires(facts: FactsMaker, *, rule: str, changed: dict[str, Any], subject: str, sentence: str) -> None:
    (breach,) = BY_NAME[rule].find(facts(**changed))
    assert breach.subject == subject
    assert sentence in breach.sentence
    assert breach.sentence.endswith((".", "…"))


@pytest.mark.parametrize(("rule", "changed"), [(name, case) for name, cases in SILENT.items() for case in cases])
def test_it_is_silent(facts: FactsMaker, rule: str, changed: dict[str, Any]) -> None:
    assert BY_NAME[rule].find(facts(**changed)) == []


def test_the_folder_is_the_list() -> None:
    files = {path.stem for path in Path(rules.__path__[0]).glob("*.py")} - {"__init__"}
    assert {rule.name for rule in RULES} == files == set(FIRING) == set(SILENT)
    assert len(RULES) == len(files)
    assert all(rule.words and not rule.words.endswith(".") for rule in RULES)


def test_the_grace_ends(facts: FactsMaker) -> None:
    late = facts(seen=seen(), watching_since=MONDAY_NIGHT - missing_heartbeat.GRACE)
    assert {one.subject for one in missing_heartbeat.find(late)} == {"beat", "worker"}


def test_a_rule_that_raises_holds_up_no_other(facts: FactsMaker) -> None:
    def away(_: Facts) -> list[Any]:
        raise StoreUnavailable("Redis does not answer.")

    def broken(_: Facts) -> list[Any]:
        raise ZeroDivisionError("a slip")

    three = [Rule("away", "", away), Rule("broken", "", broken), BY_NAME["disk_low"]]
    looked = look_at(three, facts(free_bytes=lambda: 0))
    assert looked.unchecked == {"away": "Redis does not answer.", "broken": "ZeroDivisionError: a slip"}
    assert [one.subject for one in looked.found["disk_low"]] == ["/data on here"]
