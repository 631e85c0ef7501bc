"""Faults at random for so many minutes, one platform throughout: ``python -m tests.chaos --minutes 10 --seed 1``."""

# ruff: noqa: T201 - a program that prints its report

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.chaos import faults
from tests.chaos.clocks import false_clock
from tests.chaos.disk import small_disk
from tests.chaos.faults import Fault
from tests.chaos.ordeal import bring_up, endure, most_fetches, table
from tests.chaos.prepare import Prepared, prepared
from tests.chaos.stage import Stage
from tests.chaos.verdict import Verdict, forget

DISK = 1500
"""MB; PostgreSQL keeps up to 1 GB of its log."""
EVERYBODY = ["w1", "w2", "beat1", "beat2", "web"]


def rounds(
    ready: Prepared, new_stage: Callable[[], Stage], kinds: Sequence[Fault], *, minutes: float, chance: random.Random
) -> tuple[dict[str, list[Verdict]], list[str]]:
    """Verdicts by fault, and the promises that were not kept."""
    stage, verdicts, broken = new_stage(), {}, []
    deadline = time.monotonic() + minutes * 60
    left: list[Fault] = []
    try:
        while time.monotonic() < deadline:
            # Each fault comes once before any comes again.
            left = left or chance.sample(kinds, len(kinds))
            fault, share = left.pop(), chance.uniform(0.05, 0.95)
            title = f"{datetime.now(UTC):%H:%M:%S} {fault} at {share:.0%}"
            try:
                bring_up(stage, EVERYBODY)
                forget(stage)
                verdict = endure(stage, fault, ready.reference, share=share, chance=chance)
                verdicts.setdefault(fault.name, []).append(verdict)
                complaints = verdict.complaints(most_fetches=most_fetches(verdict, spoilt=fault.spoilt))
                print(f"{title}: {complaints or 'kept'}, recovery {verdict.recovery or 0:.1f} s", flush=True)
            except (AssertionError, pytest.fail.Exception) as failure:
                complaints = [str(failure).splitlines()[0][:300]]
                print(f"{title}: {complaints}", stage.last_words(), sep="\n", flush=True)
                stage.remove()
                stage = new_stage()
            broken += [f"{title}: {complaint}" for complaint in complaints]
    finally:
        stage.remove()
    return verdicts, broken


@contextlib.contextmanager
def ground(ready: Prepared) -> Iterator[tuple[Callable[[], Stage], Sequence[Fault]]]:
    """What makes stages on a disk of their own and with a clock of their own, and the faults possible there."""
    kinds = list(faults.RANDOM)
    folder: Path | None = ready.folder / "small"
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(small_disk(ready.folder / "small", megabytes=DISK))
        except pytest.skip.Exception as reason:
            print(f"Left out: {faults.FULL_DISK}. {reason}")
            kinds.remove(faults.FULL_DISK)
            folder = None
        try:
            clock = false_clock(ready.folder)
        except pytest.skip.Exception as reason:
            print(f"Left out: {faults.CLOCKS}. {reason}")
            kinds.remove(faults.CLOCKS)
            clock = None

        def new_stage() -> Stage:
            stage = ready.new_stage(folder)
            stage.clock = clock
            if clock:
                clock.set(0)
            return stage

        yield new_stage, kinds


def main() -> int:
    """0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=2330)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="quantlab-chaos-"))
    folder.chmod(0o711)
    try:
        with prepared(folder) as ready:
            print(f"{len(ready.reference.units)} units, {len(ready.reference.bars)} rows a round; seed {asked.seed}")
            chance = random.Random(asked.seed)
            with ground(ready) as (new_stage, kinds):
                verdicts, broken = rounds(ready, new_stage, kinds, minutes=asked.minutes, chance=chance)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(table(sorted(verdicts.items())))
    number = sum(len(of_one) for of_one in verdicts.values())
    print(f"{number} rounds judged, seed {asked.seed}, {datetime.now(UTC):%Y-%m-%d}: {len(broken)} broken promises")
    print("\n".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
