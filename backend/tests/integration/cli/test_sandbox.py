"""``quantlab sandbox fault``: spoiling the sandbox that the platform asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pytest
from typer.testing import Result

from app.core.config import get_settings
from app.core.wiring import Platform
from app.errors import ConfigurationError, InvalidParameter
from app.sandbox.faults import Kind
from app.sandbox.server import create_app, open_source
from tests.unit.sandbox.conftest import serving

Run = Callable[..., Result]
DAY = "/twse/rwd/zh/afterTrading/MI_INDEX?date=20261120&type=ALLBUT0999&response=json"


@pytest.fixture
def address(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(create_app(open_source())) as address:
        monkeypatch.setenv("TWSE_URL", f"{address}/twse")
        get_settings.cache_clear()
        yield address


def test_a_fault_is_set_hits_and_is_cleared(run: Run, address: str) -> None:
    assert "No fault is set" in run("sandbox", "fault", "list").output
    told = run("sandbox", "fault", "set", "twse/MI_INDEX:5xx:2", "tpex:slow:always:0.5")
    assert told.exit_code == 0, (told.output, told.exception)
    assert httpx.get(address + DAY).status_code == 503
    listed = json.loads(run("sandbox", "fault", "list", "--json").output)
    assert [(one["site"], one["fault"], one["times"], one["hits"]) for one in listed] == [
        ("twse", "5xx", 2, 1),
        ("tpex", "slow", None, 0),
    ]
    assert "always" in run("sandbox", "fault", "list").output
    assert run("sandbox", "fault", "clear").output == "2 ended.\n"
    assert httpx.get(address + DAY).status_code == 200


def test_the_kinds_are_in_the_help(run: Run) -> None:
    shown = run("sandbox", "fault", "set", "--help").output
    assert [kind for kind in Kind if kind not in shown] == []


def test_what_is_refused(run: Run, address: str, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]) -> None:
    wrong = run("sandbox", "fault", "set", "twse:nothing")
    assert isinstance(wrong.exception, InvalidParameter)
    assert "bad-order" in str(wrong.exception)
    monkeypatch.setenv("TWSE_URL", f"http://127.0.0.1:{free_port()}/twse")
    get_settings.cache_clear()
    away = run("sandbox", "fault", "list")
    assert isinstance(away.exception, ConfigurationError)
    assert "`make up` starts it" in str(away.exception)
    monkeypatch.setenv("QUANTLAB_SOURCE", "exchange")
    get_settings.cache_clear()
    real = run("sandbox", "fault", "set", "twse:5xx")
    assert isinstance(real.exception, InvalidParameter)
    assert "real exchanges" in str(real.exception)
