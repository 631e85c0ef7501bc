"""docs/howto/read-data.md: each block as it stands, against a real server and a real export."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.wiring import Platform
from app.market.bar import BAR_FIELDS, Bar
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Venue
from app.services.export_parquet import export_parquet
from app.store.bars import write_bars
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from app.store.securities import register_unlisted
from app.store.sessions import override
from tests.conftest import PROJECT
from tests.integration.conftest import NOW

HOWTO = PROJECT / "docs/howto"


def blocks(name: str) -> list[tuple[str, str]]:
    """Language and text."""
    text = (HOWTO / name).read_text(encoding="utf-8")
    return re.findall(r"^```(bash|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def complete(seeded: Platform) -> Platform:
    """Months of a few securities, a split, today complete, and an export."""
    days = [date(2026, 8, 3) + timedelta(n) for n in range(100)]
    popular = [one for one in seeded.context().universes["popular"] if one != "2330"]
    with transaction(seeded.engine) as connection:
        register_unlisted(connection, Venue.TWSE, dict.fromkeys(popular, "名"), at=NOW)
        bars = [Bar(one, day, close=100 + n, high=100 + n, volume=n) for one in popular for n, day in enumerate(days)]
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=NOW)
        split = CorporateAction("2330", date(2026, 11, 20), ActionKind.SPLIT, 9_985_000, 2_496_250)
        write_actions(connection, [split], period=(split.ex_date,) * 2, source="test", run_id=None, at=NOW)
        for near in range(-1, 2):  # today here, and in Taipei
            today = date.today() + timedelta(near)  # noqa: DTZ011 - as the page has it
            override(connection, today, is_open=False, reason="test", by="tests", at=NOW)
    assert export_parquet(seeded.context(), keep=1).state == "SUCCESS"
    return seeded


@pytest.mark.timeout(180)
def test_every_block_runs(complete: Platform, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One after the other, as in a notebook; what is printed is looked at."""
    here = {"/tmp/": f"{tmp_path}/", "localhost:3000": url.removeprefix("http://")}
    here |= {".quantlab/sandbox": str(complete.settings.data_dir)}
    commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    printed: dict[str, list[str]] = {"bash": [], "python": []}
    notebook: dict[str, Any] = {}
    try:
        for language, text in blocks("read-data.md"):
            block = text
            for old, new in here.items():
                block = block.replace(old, new)
            if language == "bash":
                words = [shutil.which("bash") or "bash", "-eu", "-c", block]
                done = subprocess.run(
                    words, env={**os.environ, "PATH": commands}, capture_output=True, text=True, timeout=60, check=False
                )
                assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
                printed["bash"].append(done.stdout)
            else:
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    exec(compile(block, text.split("\n", 1)[0], "exec"), notebook)
                printed["python"].append(out.getvalue())
    finally:
        notebook["lab"].close()
    shell, python = "".join(printed["bash"]), "".join(printed["python"])
    for word in ("is no trading session.", '"ready":', '"adjusted": "back"', "content-type: text/csv"):
        assert word in shell, word
    assert (tmp_path / "bars.csv").read_text().startswith("symbol,session,close,volume\n2317,2026-08-03,0.01,0\n")
    assert (tmp_path / "bars.parquet").read_bytes()[:4] == b"PAR1"
    assert ",0.25\n" in (tmp_path / "bars-adjusted.csv").read_text()
    for word in ("2317 2026-08-03 0.01", "'台積電'", "SYNTHETIC", "249.625", "┌", "998.5"):
        assert word in python, word
