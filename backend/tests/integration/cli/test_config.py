"""``quantlab config``: each setting with its source, no secret; and a misspelt one stops every program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from app.core.config import Settings, get_settings
from app.core.wiring import Platform

Run = Callable[..., Result]
BIN = Path(sys.executable).parent
BACKEND = Path(__file__).resolve().parents[3]


def test_every_setting_with_its_source_and_no_secret(
    run: Run, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINMIND_TOKEN", "s3cret-token")
    monkeypatch.setenv("LOG_DAYS", "12")
    monkeypatch.setenv("TWSE_URL", "https://mei:hunter2@mirror.example:8443/twse@1")
    get_settings.cache_clear()
    result = run("config", "--json")
    told = {one["name"]: one for one in json.loads(result.output)}
    assert set(told) == {name.upper() for name in Settings.model_fields}
    assert (told["LOG_DAYS"]["value"], told["LOG_DAYS"]["source"]) == ("12", "environment")
    assert told["EXPORT_KEEP"]["source"] == "default"
    assert told["FINMIND_TOKEN"]["value"] == "set, not shown"
    assert told["TWSE_URL"]["value"] == "https://…@mirror.example:8443/twse@1"
    assert "hunter2" not in run("config").output
    assert "s3cret-token" not in result.output + run("config").output
    assert "EXPORT_KEEP" not in run("config", "--changed").output
    monkeypatch.setenv("COLUMNS", "80")
    assert "LOG_DAYS\n  value 12  from environment" in run("config").output


@pytest.mark.parametrize(
    "words",
    [
        ("quantlab", "runs"),
        ("quantlab", "up", "--port", "1"),
        ("celery", "-A", "app.core.celery_app", "worker"),
        ("celery", "-A", "app.core.celery_app", "beat"),
        ("python", "-m", "app.main"),
        ("uvicorn", "app.main:app", "--port", "1"),
    ],
    ids=" ".join,
)
def test_a_misspelt_setting_stops_every_program(platform: Platform, words: tuple[str, ...]) -> None:
    environment = {**os.environ, "QUANTLAB_SORCE": "exchange"}
    done = subprocess.run(
        [BIN / words[0], *words[1:]],
        cwd=BACKEND,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    (sentence,) = (done.stdout + done.stderr).splitlines()
    assert "QUANTLAB_SORCE is no setting; did you mean QUANTLAB_SOURCE?" in sentence
