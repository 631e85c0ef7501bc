"""Do a run over: only what did not succeed, or as it was when nobody can tell the two apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core import queue
from app.core.celery_app import app
from app.core.queue import Started
from app.core.referee import seed_of
from app.core.wiring import get_platform
from app.errors import InvalidParameter
from app.market.calendar import TAIPEI
from app.store import runs, units
from app.store.engine import transaction
from app.store.runs import Run
from app.store.units import HeldUnit


@dataclass(frozen=True, slots=True)
class Remainder:
    """What of an ended run did not succeed. A unit is about one request; what was not begun is not among *units*."""

    run: Run
    parameters: Mapping[str, Any]
    """Of the run that does it over: what the first one took from its moment or its id is said there."""
    units: tuple[HeldUnit, ...]
    succeeded: int

    @property
    def not_begun(self) -> bool:
        """Whether it ended before all was begun, or may have; that is asked for, too."""
        return self.run.state not in ("SUCCESS", "PARTIAL", "SKIPPED")


def remainder_of(run_id: str) -> Remainder:
    """What doing over would do.

    Raises:
        UnknownRun: there is none of that id.
        InvalidParameter: it has not ended, all of it succeeded, or it has no units that could be told apart.
    """
    with transaction(get_platform().engine) as connection:
        run = runs.get(connection, run_id)
        held = units.of_run(connection, run_id)
    if not run.is_final:
        raise InvalidParameter(f"The run {run_id} is {run.state}: it can be done over once it has ended.")
    if not held:
        raise InvalidParameter(
            f"The run {run_id} is not made of units of which some could be left out: start it again as a whole, with "
            f"`quantlab runs retry {run_id} --all` or the button of its page."
        )
    left = tuple(unit for unit in held if unit.state != "SUCCESS")
    if not left and run.state in ("SUCCESS", "PARTIAL"):
        raise InvalidParameter(f"All {len(held)} units of the run {run_id} succeeded: there is nothing to do over.")
    return Remainder(run, _parameters(run), left, len(held) - len(left))


def retry_remainder(run_id: str) -> Started:
    """Queue a run of the same task that leaves out the units which succeeded. Raises as ``remainder_of`` does."""
    left = remainder_of(run_id)
    return queue.start_task(left.run.task, left.parameters, trigger="retry", retry_of=run_id)


def retry_whole(run_id: str) -> Started:
    """Queue a run of the same task with the same parameters, which does everything. Raises as ``start_task`` does."""
    with transaction(get_platform().engine) as connection:
        run = runs.get(connection, run_id)
    return queue.start_task(run.task, run.parameters, trigger="retry")


def _parameters(run: Run) -> Mapping[str, Any]:
    known = app.tasks[queue.full_name(run.task)].parameters.model_fields
    given = dict(run.parameters)
    if "end_date" in known and given.get("end_date") is None:
        # "The last days" were counted from the day on which it ran.
        ran = run.started_at or run.queued_at
        given["end_date"] = ran.astimezone(TAIPEI).date().isoformat()
    if "seed" in known and given.get("seed") is None and given.get("stock_ids") is None:
        given["seed"] = seed_of(run.id)
    return given
