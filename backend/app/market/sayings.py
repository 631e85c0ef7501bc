"""Sentences that the console words in its reader's language, each with a code and typed facts.

A sentence is told, mailed and kept whole, in English. Its template reads it back: so what was kept years ago has words
in every language, too, and nothing kept beside a sentence can ever disagree with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

SAYINGS: Mapping[str, str] = {
    # What a promise lacks.
    "few_bars": "of {day} {held:,} are held ({listed:,} securities were listed)",
    "none_of_day": "of {day} none are held",
    "never_asked": "it was never asked for them",
    "last_asked": "it was last asked {time}",
    "none_held": "none is held",
    "newest_is": "the newest is of {time}",
    "by_session": "by {clock} of each session",
    "by_day": "by {clock} each day",
    "while_trading": "no older than {minutes:,} min while the market trades",
    # Whether a day is complete.
    "no_session": "{day} is no trading session.",
    "complete": "{dataset} of {day} is complete: {held}.",
    "complete_but": "{dataset} of {day} is complete but for {lacks}. Held are {held}.",
    "complete_symbols": "{dataset} of {day} of them are complete: {held}.",
    "not_whole": "{dataset} of {day} is not whole: {lacks}. See quantlab gaps --from {day} --to {day}",
    "not_ready": "{dataset} of {day}: {lacks}.",
    "accounted": "{share} of {venue} is accounted for",
    "nothing_of": "nothing of {venue} is held",
    "was_closed": "{venue} was closed",
    "rows_of": "{count:,} rows of {venue}",
    "traded_at": "{count:,} traded{others} at {venue}",
    "traded": "{count:,} traded{others}",
    "missing": "{count:,} missing: {symbols}",
    "in_quarantine": "{count:,} in quarantine: {symbols}",
    "not_listed": "{count:,} not listed that day: {symbols}",
    # Why a run, or a unit of it, was skipped or fell short.
    "superseded": "Superseded by the run of {time}.",
    "superseded_waiting": "Superseded by the run of {time}: nobody had begun it.",
    "missed": "Missed: no scheduler was there in time, and its policy is to skip then.",
    "too_late": "Too late: nobody could begin it within {span} of its time.",
    "not_begun": "It did not begin within the time that its schedule allows: no worker was free, or none ran.",
    "older_too": "{first} So did all older ticks, too many to list one by one.",
    "ignored": "The task itself chose to be ignored.",
    "market_closed": "The market is closed at {time} Taipei.",
    "no_session_begun": "There is no trading session from {start} to {end} that has begun.",
    "unknown_open": "{venue} publishes no {dataset} of {day}; nobody knows that it was open.",
    "publishes_by": "{venue} publishes {dataset} of {day} by {clock} Taipei.",
    "nothing_yet": (
        "{venue} has nothing of {day} yet. It publishes from about {clock} Taipei on; "
        "from {trusted} on the same answer means that there was no session."
    ),
    "removed": "Removed {count:,}: {kinds}.",
    "nothing_old": "Nothing is older than its setting says.",
    "asked_meanwhile": "another run has asked for it meanwhile.",
    "older_run": "The run {run} of {time} UTC has not ended and does the same.",
    "all_restarting": (
        "All workers are being restarted by {by}, since {since} (Taipei): `quantlab workers` shows how far that is."
    ),
    "export_under_way": "Another export is being built in {folder}.",
    "no_bars_yet": "There are no daily bars to export yet: run app.tasks.sync_daily_prices first.",
    "export_unchanged": "Nothing has changed since the export of {time} (Taipei).{holes}",
    "went_back": (
        "{by} went back to {snapshot} at {time} (Taipei), and it stays: `quantlab export {kind} --force` "
        "exports what is held now."
    ),
    "none_missing": "No session since {day} is missing.",
    "none_missing_but": "No session since {day} is missing; {count:,} were tried lately and wait.",
    "all_held": "All {count:,} sessions of a venue from {start} to {end} are held.",
    "no_actions": "No venue publishes corporate actions from {start} to {end}.",
    "archive_empty": "The archive holds nothing of the days from {start} to {end}.",
    "none_waits": "No row from {start} to {end} waits in quarantine.",
    "none_waits_of": "No row of the rule {rule} from {start} to {end} waits in quarantine.",
    "units_failed": "{failed:,} of {total:,} units failed, {short:,} fell short. First: {first}",
    "left": "{count:,} sessions of a venue are left for the next run.",
    # What is wrong.
    "site_not_asked": "{site} is not asked since {clock}: {why} The next try is at {until}.",
    "disk_low": "Only {free} GiB are free on the disk of {folder} on {host}: make room there.",
    "last_failed": "The last run of {task} is {state}: {why} `quantlab runs show {run}` tells more.",
    "often_partial": (
        "{task} was PARTIAL {count:,} times in a row, the last time: {why} `quantlab runs show {run}` tells more."
    ),
    "long_silent": "No {program} has been alive for {span}: {so}.",
    "not_there": "No {program} is there: {so}.",
    "many_set_aside": (
        "{count:,} rows of {dataset} of {venue} of {day} wait in quarantine{among}, beside {held:,} bars that are "
        "held. `quantlab quarantine list --from {day}` shows them."
    ),
    "queue_waits": (
        "{count:,} fresh runs wait in the queue {queue}, the first for {minutes:,} min: "
        "see what the workers do (`quantlab monitor`), or add one."
    ),
    "steps": (
        "On {day} {count:,} closes are further from the one before than a day's limit allows, and no "
        "corporate action explains it: {named}. Fetch the actions (`quantlab sync actions`) or look at the bars."
    ),
    "canary_late": (
        "Nobody has answered the canary of the queue {queue}, sent {seconds:,} s ago: its workers are "
        "wedged, busy for long, or away. `quantlab doctor` tells more."
    ),
    # How servers and programs are.
    "no_worker": "No worker runs: what is queued waits.",
    "no_beat": "No beat runs: no schedule fires.",
    "no_web": "No web runs: there is no page and no API.",
    "heartbeats_unread": "Nobody knows: heartbeats are kept in PostgreSQL, which does not answer.",
    "slow_answer": "No answer within {length} s.",
    "read_only": "PostgreSQL {version} is read-only: nothing can be stored, and nobody can log in.",
    "other_source": "The database holds data of the source {source}, but {asked} is asked for.",
    "canaries_unread": "Answers are kept in PostgreSQL, which does not answer.",
    "canary_not_sent": "None is on its way yet; beat sends one a minute through each queue.",
    "canary_busy": "For {seconds:,} s none came through {queues}: every slot of the workers is taken.",
    "canary_lost": "For {seconds:,} s none came through {queues}, though it was sent.",
    "canary_silent": "No canary is sent any more: beat, which sends one a minute, does nothing.",
    # The least particular ones last: they hold others.
    "cannot_check": "{subject} cannot be checked: {why}",
    "promise_broken": "{subject}: {lacks}. Promised {when}.",
    "of_unit": "{dataset} {venue} {scope}: {why}",
    # What a run does at this moment.
    "lists_first": "securities lists, for none is held yet",
    "export_looks": "looking at what is held",
    "export_publishes": "publishing",
    "bars_of": "bars of {year}",
    "sessions_from": "sessions from {day}",
    "unit": "{dataset} {venue} {scope}",
}

_DAY, _CLOCK, _COUNT = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d", r"-?[\d,]+"
_FORMS = {
    **dict.fromkeys(("day", "start", "end"), _DAY),
    **dict.fromkeys(("clock", "until", "trusted"), _CLOCK),
    "time": f"{_DAY} {_CLOCK}",
    "venue": "[A-Z]+",
    "dataset": "[a-z_]+",
    "scope": r"\S+",
    "share": r"[\d.]+%",
    "others": ".*?",
    "holes": ".*?",
    "among": ".*?",
}
_PLAIN = (
    "among",
    "asked",
    "by",
    "folder",
    "holes",
    "host",
    "kinds",
    "length",
    "named",
    "others",
    "queues",
    "rule",
    "source",
)
_WHOLE = frozenset((*_FORMS, *_PLAIN, "symbols", "version", "year"))
"""Facts of such a name are no sentences."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence that was read back. A fact that is sentences itself, joined by ``; ``, is a list of these."""

    code: str
    facts: dict[str, int | str | list[Said | str]]


def say(code: str, **facts: object) -> str:
    """The sentence of *code*; its template is given every fact it names."""
    return SAYINGS[code].format(**facts)


@lru_cache(maxsize=4_096)
def read(sentence: str) -> Said | None:
    """What *sentence* says, by the first template that it fits; None: it is none of ours."""
    for code, form in _READERS.items():
        if found := form.fullmatch(sentence):
            return Said(code, {name: _fact(code, name, text) for name, text in found.groupdict().items()})
    return None


def _fact(code: str, name: str, text: str) -> int | str | list[Said | str]:
    if name in _COUNTS[code]:
        return int(text.replace(",", ""))
    if name in _WHOLE:
        return text
    parts = [read(part) or part for part in text.split("; ")]
    return parts if any(isinstance(part, Said) for part in parts) else text


def fields(code: str) -> Iterator[tuple[str, bool]]:
    """The facts that a template names, and whether each is a whole number."""
    return ((name, bool(form)) for _, name, form, _ in Formatter().parse(SAYINGS[code]) if name)


def _form(code: str) -> re.Pattern[str]:
    seen: set[str] = set()
    pattern = ""
    for text, name, form, _ in Formatter().parse(SAYINGS[code]):
        pattern += re.escape(text)
        if name in seen:
            pattern += f"(?P={name})"
        elif name:
            seen.add(name)
            pattern += f"(?P<{name}>{_COUNT if form else _FORMS.get(name, '.+?')})"
    return re.compile(pattern, re.DOTALL)


_READERS = {code: _form(code) for code in SAYINGS}
_COUNTS = {code: {name for name, whole in fields(code) if whole} for code in SAYINGS}
