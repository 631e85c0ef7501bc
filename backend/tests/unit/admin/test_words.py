"""The console's words: both languages have the same, and whatever the server may name has one."""

from __future__ import annotations

import json
import re

import pytest

from app import errors
from app.api.errors import every_code
from app.core import queue
from app.market import quality
from app.market.corporate_action import ActionKind
from app.market.sayings import SAYINGS
from app.market.security import SecurityKind, Venue
from app.ops.alerts import RULES
from app.ops.alerts.promises import PROMISES
from app.ops.alerts.watch import WATCH
from app.ops.liveness import Condition
from app.sources import registry
from app.store.coverage import REASONS
from app.store.tables import FINAL_STATES, WAITING_STATES
from tests.conftest import PROJECT

FOLDER = PROJECT / "frontend" / "src" / "words"
WORDS: dict[str, dict[str, str]] = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in ("zh", "en")}


def test_both_languages_have_the_same_words() -> None:
    chinese, english = WORDS["zh"], WORDS["en"]
    assert list(chinese) == list(english)
    for name in chinese:
        assert chinese[name].strip(), name
        assert english[name].strip(), name
        assert sorted(re.findall(r"{\w+}", chinese[name])) == sorted(re.findall(r"{\w+}", english[name])), name


def named_by_the_server() -> set[str]:
    wanted = {*FINAL_STATES, *WAITING_STATES, "STARTED"}
    for task in queue.list_tasks():
        wanted.add(f"n_{task.name.removeprefix('app.tasks.')}")
        wanted |= {f"{letter}_{name}" for name in task.parameters["properties"] for letter in "ph"}
    wanted |= {f"a_{kind}" for kind in ActionKind}
    wanted |= {f"v_{kind}" for kind in SecurityKind if kind is not SecurityKind.WARRANT}  # none is ever stored
    wanted |= {f"v_{venue}" for venue in Venue}
    wanted |= {f"s_{condition}" for condition in Condition}
    wanted |= {f"u_{reason}" for reason in (*REASONS, "missing", "quarantined")}
    wanted |= {f"d_{dataset}" for dataset in ("daily_bars", *registry.figures())}
    wanted |= {f"t_{trigger}" for trigger in ("schedule", "manual", "api", "retry")}
    wanted |= {f"r_{name}" for name in (WATCH, *(rule.name for rule in RULES))}
    for promise in PROMISES:
        what, of, _ = promise.subject.partition(" of ")
        wanted.add(f"d_{what.removesuffix(' figures').replace(' ', '_')}" if of else f"k_{what}")
    wanted |= {f"why_{error}" for error in errors_that_end_a_run()}
    wanted |= {f"e_{code}" for code in every_code()}
    wanted |= {f"say_{code}" for code in SAYINGS}
    wanted |= {f"rule_{rule}" for rule in quality.RULES}
    return wanted


def errors_that_end_a_run() -> set[str]:
    """What the page says how to mend; bases of others, and what is about a row, never end one."""
    kinds = (errors.SourceError, errors.DataError, errors.StoreError, errors.ExportError, errors.ConfigurationError)
    never = {errors.SourceError, errors.RetriableSourceError, errors.DataError, errors.StoreError, errors.InvalidRow}
    named = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, kinds)} - never
    return {kind.__name__ for kind in named} | {"WorkerLost", "SoftTimeLimitExceeded", "other"}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_whatever_the_server_names_has_a_word(language: str) -> None:
    assert sorted(named_by_the_server() - set(WORDS[language])) == []


def test_the_rules_are_said_as_they_are() -> None:
    assert {rule.id: WORDS["en"][f"rule_{rule.id}"] for rule in quality.RULES.values()} == {
        rule.id: rule.sentence for rule in quality.RULES.values()
    }


def test_every_word_is_used() -> None:
    source = "\n".join(
        path.read_text() for path in (FOLDER.parent).rglob("*") if path.suffix in (".ts", ".vue") and path.is_file()
    )
    made = re.compile(r"(n|p|h|a|v|s|u|d|t|k|l|q|m|r|shade|misfire|theme|role|scope|order|why|e|say|rule)_")
    unused = [word for word in WORDS["zh"] if not re.search(rf"\b{re.escape(word)}\b", source) and not made.match(word)]
    assert unused == []
