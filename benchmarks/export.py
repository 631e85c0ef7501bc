"""The Qlib export: the whole panel and one new day, beside the usual way from the database into Qlib's files.

Both begin with the database and end with the same files, byte for byte; ours is also read back, compared, made
durable and swapped. The usual way is measured in turn with ours, on every tenth stock, and multiplied: its cost is a
stock's.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from loguru import logger
from sqlalchemy import Engine

from app.services.context import Context
from app.services.export_qlib import export_qlib
from benchmarks import dumper
from benchmarks.claim import Claim
from benchmarks.panel import SESSIONS, Panel, add_day, load
from benchmarks.server import database

EVERY = 10
"""The usual way is measured on one stock in so many, a part of them in each round."""
ROUNDS = 4
WHOLE_BAR, DAY_BAR = 25, 100


@dataclass
class Usual:
    """Seconds of the usual way so far, for so many *stocks*, and which of its files were not ours."""

    csv: float = 0.0
    dump: float = 0.0
    stocks: int = 0
    files: int = 0
    different: list[str] = field(default_factory=list)

    def measure(self, engine: Engine, symbols: list[str], folder: Path) -> None:
        """Some stocks more, compared with the current export of the same database."""
        csvs, tree, ours = folder / "csv", folder / "usual", folder / "exports/qlib/current"
        self.csv += _seconds(partial(dumper.write_csvs, engine, symbols, csvs))
        self.dump += _seconds(partial(dumper.dump, csvs, tree))
        self.stocks += len(symbols)
        for path in [tree / "calendars/day.txt", *(tree / "features").rglob("*.bin")]:
            name = path.relative_to(tree)
            self.files += 1
            if path.read_bytes() != (ours / name).read_bytes():
                self.different.append(str(name))
        shutil.rmtree(csvs)
        shutil.rmtree(tree)


def main() -> list[Claim]:
    logger.remove()
    panel, usual = Panel.make(), Usual()
    some = panel.symbols[::EVERY]
    whole, days = [], []
    with database() as engine, tempfile.TemporaryDirectory(prefix="quantlab-bench-") as name:
        folder = Path(name)
        ids = load(engine, panel)
        context = Context(
            engine=engine,
            redis=None,  # type: ignore[arg-type] - an export caches nothing
            client=None,  # type: ignore[arg-type]
            clock=lambda: datetime.now(UTC),
            universes={},
            data_dir=folder,
        )
        export = partial(export_qlib, context, keep=1)
        first = _seconds(export)
        add_day(engine, panel, ids, SESSIONS)
        export()
        # From here on there is a snapshot that is no longer kept: the state of every evening but the first few.
        for number in range(ROUNDS):
            usual.measure(engine, some[number::ROUNDS], folder)
            add_day(engine, panel, ids, SESSIONS + 1 + 2 * number)
            os.sync()  # ours waits for the disk: for what it wrote, and not for what the usual way did
            days.append(_seconds(export))
            (folder / "exports/qlib/.spare/record.json").unlink()  # nothing to go on from: all is written
            add_day(engine, panel, ids, SESSIONS + 2 + 2 * number)
            whole.append(_seconds(export))
        bars = export().counts.expected
    scale = len(panel.symbols) / usual.stocks
    csv, dump = usual.csv * scale, usual.dump * scale
    print(f"Qlib export: {len(panel.symbols):,} securities, {SESSIONS + 2 * ROUNDS:,} sessions, {bars:,} bars")
    print(f"{'':58}{'seconds':>8}{'usual ÷':>9}{'dump ÷':>8}")
    print(f"{f'usual way: SQL and a CSV a stock (1 in {EVERY} measured)':58}{csv:8.2f}")
    print(f"{f'           dump of the CSVs by {dumper.WORKERS} processes (the same)':58}{dump:8.2f}")
    rows = {
        "ours: the whole panel, the very first time": first,
        "      the whole panel, over files no longer kept": statistics.median(whole),
        "      one new day, over files no longer kept": statistics.median(days),
    }
    for label, seconds in rows.items():
        print(f"{label:58}{seconds:8.2f}{(csv + dump) / seconds:9.1f}{dump / seconds:8.1f}")
    return [
        Claim(
            name=f"files, of {usual.files:,}, that differ by a byte from the usual way's",
            value=len(usual.different),
            most=0,
        ),
        *(
            Claim(
                name=f"{title}: the usual way ÷ ours", value=(csv + dump) / ours, least=least,
                ours=f"{ours:.2f} s", beside=f"{csv + dump:.1f} s",
            )
            for title, ours, least in (
                ("Qlib, the whole panel", statistics.median(whole), WHOLE_BAR),
                ("Qlib, one new day", statistics.median(days), DAY_BAR),
            )
        ),
    ]  # fmt: skip


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
