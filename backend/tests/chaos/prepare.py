"""What all ordeals share: the exchange, a database to copy, and the outcome without any fault."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.store.migrate import upgrade
from tests.chaos.stage import Stage, running_exchange
from tests.chaos.verdict import Reference, fetches, forget, reference_of, start_sync
from tests.conftest import wait_until

AUDIT = Path(__file__).with_name("audit.sql")


@dataclass
class Prepared:
    """Makes stages; ``reference`` is what each of them has to come to."""

    folder: Path
    exchange: int
    template: Path
    reference: Reference
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_stage(self, folder: Path | None = None) -> Stage:
        """A platform with servers only, in a new folder."""
        folder = folder or self.folder / f"stage-{next(self._numbers)}"
        stage = Stage(folder, exchange=self.exchange, template=self.template)
        stage.calm_exchange()
        return stage


@contextlib.contextmanager
def prepared(folder: Path) -> Iterator[Prepared]:
    """Run a sync without faults once, and keep its database, emptied, as the template of all others."""
    with running_exchange(folder) as exchange:
        stage = Stage(folder / "reference", exchange=exchange)
        try:
            upgrade(stage.database_url, source="sandbox")
            stage.rows(AUDIT.read_text())
            stage.worker().wait_until_ready()
            end_of(stage, stage.call("sync_stock_list"))
            forget(stage)
            begun = time.monotonic()
            run_id = start_sync(stage)
            end_of(stage, run_id)
            reference = reference_of(stage, run_id, time.monotonic() - begun)
            assert fetches(stage) == len(reference.units) > 70
            assert len(reference.bars) > 2_000
            forget(stage)
        finally:
            stage.close()
        yield Prepared(folder, exchange, folder / "reference/postgres", reference)


def end_of(stage: Stage, run_id: str, *, within: float = 90, state: str = "SUCCESS") -> None:
    """Wait until the run has ended, as ``state``."""

    def ended() -> bool:
        return bool(stage.rows("SELECT 1 FROM runs WHERE id = %s AND finished_at IS NOT NULL", [run_id]))

    try:
        wait_until(ended, within=within, what=f"the end of {run_id}")
    except BaseException:
        print(stage.last_words(), stage.rows("SELECT row_to_json(r) FROM runs r"))  # noqa: T201 - pytest shows it
        raise
    found = stage.rows("SELECT state, error_type, error, reason FROM runs WHERE id = %s", [run_id])[0]
    assert found[0] == state, (found, stage.last_words())
