"""The watch: looks at all rules, opens and closes incidents, and lets channels be told. Any number may run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from loguru import logger

from app.errors import QuantLabError, StoreUnavailable
from app.ops.alerts import RULES, Rule
from app.ops.alerts.facts import Breach, Facts
from app.ops.alerts.telling import Teller
from app.store import incidents
from app.store.engine import Engine, transaction

WATCH = "watch"
"""The name under which a rule that cannot be checked is itself an incident."""

LOOKS_BEFORE_SHOUTING = 2
"""So many looks in a row without PostgreSQL, and channels are told without it: nothing of ours works then."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found: rule → breaches, and rule → why it could not be checked."""

    found: Mapping[str, list[Breach]]
    unchecked: Mapping[str, str]


def look_at(rules: Iterable[Rule], facts: Facts) -> Looked:
    """Check every rule; one that raises holds up no other."""
    found: dict[str, list[Breach]] = {}
    unchecked: dict[str, str] = {}
    for rule in rules:
        try:
            found[rule.name] = rule.find(facts)
        except QuantLabError as error:
            unchecked[rule.name] = str(error)
        except Exception as error:
            logger.opt(exception=error).error("The rule {} is broken", rule.name)
            unchecked[rule.name] = f"{type(error).__name__}: {error}"
    return Looked(found, unchecked)


class Watch:
    """Call ``look`` every minute. Between two looks it remembers only what the last one found silent."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        facts: Callable[[], Facts],
        teller: Teller,
        *,
        rules: Iterable[Rule] = RULES,
    ) -> None:
        self._engine = engine
        self._facts = facts
        self._teller = teller
        self._rules = tuple(rules)
        self._silent_since: dict[int, datetime] = {}
        self._away = 0

    def look(self) -> Looked:
        """Look once, and tell.

        Raises:
            StoreUnavailable: PostgreSQL does not answer. At the second time in a row channels are told so directly,
                and again when it is back; each watcher does that by itself, for there is nothing to agree by.
        """
        try:
            with transaction(self._engine()) as connection:
                incidents.clock(connection)
            looked = look_at(self._rules, self._facts())
            self._record(looked)
            self._is_back()
            self._teller.tell()
        except StoreUnavailable as error:
            self._is_away(error)
            raise
        return looked

    def _record(self, looked: Looked) -> None:
        now_wrong = {(rule, one.subject): one.sentence for rule, breaches in looked.found.items() for one in breaches}
        for rule, why in looked.unchecked.items():
            now_wrong[WATCH, rule] = f"The rule {rule} cannot be checked: {why}"
        with transaction(self._engine()) as connection:
            now = incidents.clock(connection)
            for (rule, subject), sentence in sorted(now_wrong.items()):  # in one order: two watchers cannot deadlock
                if incidents.see(connection, rule, subject, sentence):
                    logger.warning("Incident of {}: {}", rule, sentence)
            silent = [
                one
                for one in incidents.list_open(connection)
                # What could not be checked is neither wrong nor well.
                if (one.rule, one.subject) not in now_wrong and one.rule not in looked.unchecked
            ]
            for one in silent:
                # Silent at our last look as well, and no watcher saw it since: a flapping thing stays open.
                since = self._silent_since.get(one.id)
                if since is not None and incidents.close(connection, one.id, unseen_since=since):
                    logger.info("Over: {}", one.sentence)
        self._silent_since = {one.id: now for one in silent}

    def _is_away(self, error: StoreUnavailable) -> None:
        self._away += 1
        if self._away == LOOKS_BEFORE_SHOUTING and not self._teller.shout(f"PostgreSQL is away: {error}"):
            self._away -= 1  # nobody heard it; the next look tries again

    def _is_back(self) -> None:
        if self._away >= LOOKS_BEFORE_SHOUTING:
            self._teller.shout("PostgreSQL is back: the watch goes on.")
        self._away = 0
