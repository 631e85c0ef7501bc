"""``make fuzz``: malformed replies by the hundred thousand through every parser, and a table of what became of them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.case import Fault, make_case, run, save
from tests.fuzz.seeds import seed_of, seeds

CHUNK = 250
HANGS_AFTER = 60
"""Seconds after which a case counts as hanging."""


@dataclass
class Tally:
    replies: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    rows: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.replies += other.replies
        self.refused += other.refused
        self.rejected += other.rejected
        self.rows += other.rows
        self.faults += other.faults


def _hangs(*_: Any) -> None:
    raise TimeoutError(f"it hangs for {HANGS_AFTER} s")


def chunk(name: str, first: int, count: int) -> Tally:
    """Cases *first* to *first + count* of a seed."""
    tally = Tally()
    seed = seed_of(name)
    signal.signal(signal.SIGALRM, _hangs)
    for number in range(first, first + count):
        tally.replies += 1
        signal.alarm(HANGS_AFTER)
        try:
            outcome = run(make_case(seed, number))
        except Fault as fault:
            tally.faults.append((number, str(fault)[:2_000]))
        except Exception:  # of the fuzzer itself, which must not end the run
            tally.faults.append((number, traceback.format_exc(limit=-3)))
        else:
            tally.rejected += outcome.rejected
            tally.rows += outcome.rows
            if outcome.refused:
                tally.refused[outcome.refused] += 1
        finally:
            signal.alarm(0)
    return tally


def _chunks(replies: int, base: int) -> Iterator[tuple[str, int, int]]:
    names = [one.name for one in seeds()]
    each, rest = divmod(replies, len(names))
    for place, name in enumerate(names):
        wanted = each + (place < rest)
        for first in range(0, wanted, CHUNK):
            yield name, base + first, min(CHUNK, wanted - first)


def fuzz(replies: int, base: int, processes: int) -> dict[str, Tally]:
    """All of them, over several processes, with a line of progress."""
    tallies = {one.name: Tally() for one in seeds()}
    begun = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        waiting = {pool.submit(chunk, *one): one[0] for one in _chunks(replies, base)}
        for done in as_completed(waiting):
            tallies[waiting[done]].add(done.result())
            made = sum(one.replies for one in tallies.values())
            faults = sum(len(one.faults) for one in tallies.values())
            spent = time.monotonic() - begun
            bar = ("█" * (30 * made // replies)).ljust(30, "░")
            if sys.stderr.isatty() or made == replies:
                left = spent / made * (replies - made)
                print(
                    f"\r{bar} {made:,} of {replies:,} · {faults} faults · {left:.0f} s left ", end="", file=sys.stderr
                )
    print(f"\n{replies:,} replies in {time.monotonic() - begun:.0f} s on {processes} processes\n", file=sys.stderr)
    return tallies


def show(tallies: dict[str, Tally]) -> None:
    print(f"{'reply':<32}{'replies':>10}{'refused whole':>15}{'rows rejected':>15}{'rows accepted':>15}{'faults':>8}")
    total = Tally()
    for name, one in (*tallies.items(), ("all", total)):
        refused = f"{one.refused.total():,}"
        print(f"{name:<32}{one.replies:>10,}{refused:>15}{one.rejected:>15,}{one.rows:>15,}{len(one.faults):>8}")
        if one is not total:
            total.add(one)
    print("\nRefused whole as: " + ", ".join(f"{kind} {count:,}" for kind, count in total.refused.most_common()))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=…", description=__doc__)
    parser.add_argument("--replies", type=int, default=100_000, help="how many in all (100,000)")
    parser.add_argument("--base", type=int, default=0, help="number of each seed's first case: other ones, other cases")
    parser.add_argument("--processes", type=int, default=max(2, os.cpu_count() or 2))
    parser.add_argument("--case", metavar="SEED:NUMBER", help="run one case and show it")
    parser.add_argument("--keep", action="store_true", help="keep the first fault of each seed as a regression test")
    asked = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if asked.case:
        name, _, number = asked.case.rpartition(":")
        case = make_case(seed_of(name), int(number))
        print(f"{', '.join(case.how)}; {len(case.body):,} bytes:\n{case.body[:6_000].decode('utf-8', 'replace')}")
        print(run(case))
        return 0
    tallies = fuzz(asked.replies, asked.base, asked.processes)
    show(tallies)
    for name, tally in tallies.items():
        for place, (number, what) in enumerate(sorted(tally.faults)):
            case = make_case(seed_of(name), number)
            if place < 5:
                print(f"\n{name} case {number} ({', '.join(case.how)}): {what}\n  {case.command}")
            if asked.keep and not place:
                print(f"  kept as {save(case, what)}")
    return 1 if any(one.faults for one in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
