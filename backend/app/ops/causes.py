"""What the guide's chapter on troubleshooting names, found in programs, code and runs: each cause with its remedy."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from pkgutil import iter_modules

from app.ops.health import Finding, Level
from app.ops.liveness import LIVING, tell
from app.store.heartbeats import Heartbeat, Seen
from app.store.runs import Run

PROGRAM_MEMORY = 2**30
"""Bytes that beat or the web may hold; of a worker its own settings say."""
_SHOWN = 3


def check_task_modules(package: str, scheduled: Mapping[str, str], known: Callable[[], Collection[str]]) -> Finding:
    """Every module of tasks can be imported, and every schedule (name → task) names a task that one of them has."""
    name = "task modules"
    try:
        folder = import_module(package).__path__
        modules = [one.name for one in iter_modules(folder)]
        for module in modules:
            import_module(f"{package}.{module}")
        missing = {schedule: task for schedule, task in scheduled.items() if task not in known()}
    except BaseException as error:  # a module may do anything as it is imported
        detail = f"{type(error).__name__}: {error}\n" + "".join(traceback.format_exception(error)).strip()
        remedy = "Mend what the last lines of the traceback name, then restart worker and beat."
        return Finding(name, Level.ERROR, f"A task module cannot be imported: {detail}", remedy)
    if missing:
        said = ", ".join(f"{schedule} names {task}" for schedule, task in missing.items())
        detail = f"A schedule names a task that no module has: {said}."
        remedy = "Export the task in app/tasks/__init__.py, or correct its name in BEAT_SCHEDULE; then restart beat."
        return Finding(name, Level.ERROR, detail, remedy)
    return Finding(name, Level.OK, f"All {len(modules)} modules are imported, and every schedule's task is there.")


def check_code(look: Callable[[], Seen], *, own: str) -> Finding:
    """Worker, beat and web run the code that lies here."""
    name = "code"
    programs = _living(look())
    other = [one.name for one in programs if one.facts.get("code") != own]
    if other:
        detail = f"Other code than what lies here ({own}) runs in {', '.join(other)}, since before that changed."
        remedy = (
            "Restart workers by `quantlab workers restart --all`; beat and web by ending `make up` and starting it "
            "again, or with their container."
        )
        return Finding(name, Level.ERROR, detail, remedy)
    if not programs:
        return Finding(name, Level.UNKNOWN, "No program lives that could say which code it runs.")
    return Finding(name, Level.OK, f"All {len(programs)} programs run what lies here ({own}).")


def check_consumers(look: Callable[[], Seen], queues: Sequence[str]) -> Finding:
    """Every queue has a worker that takes from it."""
    name = "consumers"
    workers = [one for one in _living(look()) if one.kind == "worker"]
    if not workers:
        return Finding(name, Level.UNKNOWN, "No worker lives, so nobody takes from any queue.")
    taken = {queue for one in workers for queue in one.facts.get("queues") or ()}
    if left := [queue for queue in queues if queue not in taken]:
        draining = [one.name for one in workers if one.facts.get("draining")]
        detail = f"Nobody takes from {', '.join(left)}: what is sent there waits."
        remedy = (
            f"`quantlab workers resume {draining[0]}`, which was told to drain."
            if draining
            else f"Start a worker with `-Q {','.join(left)}`, or leave its `-Q` out: then it takes from all."
        )
        return Finding(name, Level.ERROR, detail, remedy)
    return Finding(name, Level.OK, f"Each of {len(queues)} queues has a worker.")


def check_memory(look: Callable[[], Seen], *, each: int) -> Finding:
    """No program has grown beyond what it may hold: a worker *each* bytes for itself and for each of its processes."""
    name, grown = "memory", []
    programs = _living(look())
    for one in programs:
        may = (int(one.facts.get("slots") or 1) + 1) * each if one.kind == "worker" else PROGRAM_MEMORY
        if (held := int(one.facts.get("memory") or 0)) > may:
            grown.append((one, held, may))
    if grown:
        said = ", ".join(f"{one.name} holds {held / 2**20:,.0f} MB of {may / 2**20:,.0f}" for one, held, may in grown)
        first = grown[0][0]
        renew = f"`quantlab workers restart {first.name}`" if first.kind == "worker" else f"Restart {first.name}"
        remedy = f"{renew}; a lower CELERYD_MAX_TASKS_PER_CHILD renews a worker's processes sooner."
        return Finding(name, Level.WARNING, f"More memory than meant: {said}.", remedy)
    if not programs:
        return Finding(name, Level.UNKNOWN, "No program lives that could say what it holds.")
    return Finding(name, Level.OK, f"None of {len(programs)} programs holds more than it may.")


def check_time_limits(hits: Callable[[], Sequence[Run]]) -> Finding:
    """No task hit its time limit lately; *hits* are the runs that did, the newest first."""
    name, found = "time limits", hits()
    if not found:
        return Finding(name, Level.OK, "No task hit its time limit within a day, or it has succeeded since.")
    told = ", ".join(f"{one.task.removeprefix('app.tasks.')} {one.id[:8]}" for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    detail = f"Within a day a time limit ended {told}{more}."
    remedy = (
        "Ask for fewer days or a smaller universe, or raise that task's soft_time_limit and time_limit; then "
        f"`quantlab runs retry {found[0].id[:8]}`."
    )
    return Finding(name, Level.WARNING, detail, remedy)


def check_quarantine(waiting: Callable[[], Mapping[str, int]]) -> Finding:
    """No row is kept out of the data because it breaks a rule; *waiting* are those that are, by rule."""
    name, rules = "quarantine", waiting()
    if not rules:
        return Finding(name, Level.OK, "No row is kept out of the data.")
    said = ", ".join(f"{rule} {count}" for rule, count in list(rules.items())[:_SHOWN])
    detail = f"{sum(rules.values())} rows are kept out of the data because they break a rule: {said}."
    return Finding(name, Level.WARNING, detail, "`quantlab quarantine list`, then `release`, `dismiss` or `reparse`.")


def check_schedules(paused: Callable[[], Sequence[str]]) -> Finding:
    """Nobody has paused a schedule."""
    name, names = "schedules", paused()
    if not names:
        return Finding(name, Level.OK, "None is paused.")
    detail = f"Paused, so that they do not fire: {', '.join(names)}."
    return Finding(name, Level.WARNING, detail, f"`quantlab schedule resume {names[0]}`, when it is wanted again.")


def _living(seen: Seen) -> list[Heartbeat]:
    return [one for one in seen.programs if tell(one, seen) in LIVING]
