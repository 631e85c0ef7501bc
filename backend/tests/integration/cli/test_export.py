"""``quantlab export``: what is written is what is held, and nothing is overwritten or left half."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from app.cli import export
from app.core.wiring import Platform
from app.errors import ExportError, InvalidParameter, UnknownSymbol
from app.market.bar import BAR_FIELDS, Bar
from app.market.corporate_action import ActionKind, CorporateAction
from app.store import runs
from app.store.bars import write_bars
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from tests.integration.cli.conftest import QUANTLAB
from tests.integration.conftest import NOW

Run = Callable[..., Result]
HEADER = "symbol,session,open,high,low,close,change,volume,turnover,trades,applied_factor\n"
FIRST = "2330,2026-11-19,990,1000,985,998.5,,1000,998500,3,1.0\n"
REST = "2330,2026-11-20,,,,,,0,0,0,1.0\n2330,2026-11-23,999,999.5,900.005,999,0.005,2000,1998000,5,1.0\n"


def test_csv_of_a_range(run: Run, seeded: Platform, tmp_path: Path) -> None:
    assert run("export", "csv", "--symbols", "2330, 2317").stdout == HEADER + FIRST + REST
    assert run("export", "csv", "--symbols", "2330", "--to", "2026-11-19").stdout == HEADER + FIRST
    assert run("export", "csv", "--universe", "all", "--from", "2026-11-20").stdout == HEADER + REST
    assert run("export", "csv", "--symbols", "2317").stdout == HEADER
    assert run("export", "csv", "--symbols", "2330", "--as-of", "2026-11-23T14:59:59").stdout == HEADER
    assert run("export", "csv", "--symbols", "2330", "--as-of", "2026-11-23T07:00Z").stdout == HEADER + FIRST + REST
    path = tmp_path / "bars.csv"
    to_a_file = run("export", "csv", "--symbols", "2330,2317", "-o", str(path))
    said = f"3 bars of 1 of 2 securities in {path}; SYNTHETIC PRICES from the sandbox exchange, not the market's.\n"
    assert (to_a_file.stdout, to_a_file.stderr) == ("", said)
    assert path.read_text() == HEADER + FIRST + REST


def test_csv_adjusted(run: Run, seeded: Platform) -> None:
    split = CorporateAction("2330", date(2026, 11, 20), ActionKind.SPLIT, 9_985_000, 2_496_250)
    with transaction(seeded.engine) as connection:
        write_actions(connection, [split], period=(split.ex_date,) * 2, source="test", run_id=None, at=NOW)
    lines = run(
        "export", "csv", "--symbols", "2330", "--adjusted", "back", "--method", "split_only"
    ).stdout.splitlines()
    assert lines[1] == "2330,2026-11-19,247.5,250,246.25,249.625,,4000,998500,3,0.25"
    assert lines[2].endswith(",1.0")


def test_csv_in_many_parts_is_the_same(run: Run, seeded: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = [Bar("2317", date(2026, 1, 5) + timedelta(n), close=n + 1) for n in range(50)]
    with transaction(seeded.engine) as connection:
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=NOW)
    whole = run("export", "csv", "--universe", "all").stdout
    assert whole.count("\n") == 1 + 50 + 3
    monkeypatch.setattr(export, "PAGE", 7)
    assert run("export", "csv", "--universe", "all").stdout == whole


def test_nothing_is_overwritten_unless_forced(run: Run, seeded: Platform, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("mine")
    result = run("export", "csv", "--symbols", "2330", "-o", str(path))
    assert isinstance(result.exception, InvalidParameter)
    assert str(result.exception).endswith("mine.csv exists: --force overwrites it.")
    assert path.read_text() == "mine"
    run("export", "csv", "--symbols", "2330", "-o", str(path), "--force")
    assert path.read_text() == HEADER + FIRST + REST


def test_a_failure_leaves_what_was_there(
    run: Run, seeded: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("mine")

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "as_text", full)
    result = run("export", "csv", "--symbols", "2330", "-o", str(path), "--force")
    assert isinstance(result.exception, ExportError)
    assert path.read_text() == "mine"
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        ((), InvalidParameter, "Say which securities"),
        (("--symbols", "9999"), UnknownSymbol, "No securities list holds '9999'"),
        (("--universe", "none"), InvalidParameter, "There is no universe 'none'"),
        (("--symbols", "2330", "-o", "/nowhere/bars.csv"), ExportError, "No such file or directory"),
        (("--symbols", "2330", "--from", "2026-02-03", "--to", "2026-02-02"), InvalidParameter, "is later than end"),
    ],
)
def test_errors_are_sentences(
    run: Run, seeded: Platform, words: tuple[str, ...], error: type[Exception], sentence: str
) -> None:
    result = run("export", "csv", *words)
    assert isinstance(result.exception, error)
    assert sentence in str(result.exception)


def test_a_reader_that_has_enough_is_no_error(seeded: Platform) -> None:
    """More than a pipe holds, and a reader that closes it after a line."""
    bars = [Bar("2317", date(2010, 1, 4) + timedelta(n), close=n + 1) for n in range(5_000)]
    with transaction(seeded.engine) as connection:
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=NOW)
    words = [QUANTLAB, "export", "csv", "--universe", "all"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == HEADER
        program.stdout.close()
        assert program.stderr.read() == ""
        assert program.wait(30) == 0


def test_parquet_is_started_by_its_task(run: Run, platform: Platform) -> None:
    run_id = run("export", "parquet", "--no-wait").stdout.strip()
    with transaction(platform.engine) as connection:
        queued = runs.get(connection, run_id)
    assert (queued.task, queued.state, queued.trigger) == ("app.tasks.export_parquet", "QUEUED", "manual")
