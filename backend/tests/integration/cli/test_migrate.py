"""``python -m app.cli.migrate``, as docker-compose.yml runs it before the web."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import migrate
from app.core.config import get_settings
from app.errors import StoreUnavailable
from app.store.engine import make_engine, snapshot, transaction
from app.store.migrate import head
from app.store.provenance import check, held_source

BACKEND = Path(__file__).resolve().parents[3]


def run(home: Path, url: str, *, source: str = "exchange") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "QUANTLAB_HOME": str(home), "DATABASE_URL": url, "QUANTLAB_SOURCE": source}
    command = [sys.executable, "-m", "app.cli.migrate"]
    return subprocess.run(
        command, cwd=BACKEND, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_an_empty_database_and_an_empty_volume_are_made_ready(tmp_path: Path, empty_database_url: str) -> None:
    for _ in range(2):
        done = run(tmp_path, empty_database_url)
        assert done.returncode == 0, done.stderr
        assert f"revision {head()}" in done.stderr
    token = tmp_path / "exchange/admin-token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text().strip()) >= 32
    assert token.read_text().strip() not in done.stderr


def test_another_sources_database_is_refused_in_a_sentence(tmp_path: Path, database_url: str) -> None:
    refused = run(tmp_path, database_url)
    assert refused.returncode == 1
    assert "holds data of the source 'sandbox'" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("source", ["sandbox", "exchange"])
def test_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database_url: str, source: str) -> None:
    for name, value in (("HOME", str(tmp_path)), ("SOURCE", source)):
        monkeypatch.setenv(f"QUANTLAB_{name}", value)
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    get_settings.cache_clear()
    try:
        migrate.main()
        monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        get_settings.cache_clear()
        with pytest.raises(SystemExit):
            migrate.main()
    finally:
        get_settings.cache_clear()
    engine = make_engine(empty_database_url, application_name="tests")
    with transaction(engine) as connection:
        check(connection, source)
    engine.dispose()


def test_a_snapshot_sees_one_state_and_writes_nothing(database_url: str) -> None:
    engine = make_engine(database_url, application_name="tests")
    with snapshot(engine) as reader:
        assert held_source(reader) == "sandbox"
        with transaction(engine) as writer:
            writer.exec_driver_sql("UPDATE provenance SET source = 'exchange'")
        assert held_source(reader) == "sandbox"
    with pytest.raises(StoreUnavailable, match="read-only"), snapshot(engine) as reader:
        reader.exec_driver_sql("DELETE FROM provenance")
    with transaction(engine) as connection:  # the isolation level went back with the connection
        assert connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "off"
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
    engine.dispose()
