"""Stages for the tests of faults; the short ones run always, all of them with ``make chaos``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.ordeal import table, told
from tests.chaos.prepare import Prepared, prepared
from tests.chaos.stage import Stage

FULL = os.environ.get("QUANTLAB_CHAOS") == "full"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out, unless they were asked for."""
    here = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(here)]
    for item in ours:
        item.add_marker(pytest.mark.timeout(400))
    long = {item for item in ours if (mark := item.get_closest_marker("chaos")) and not mark.kwargs.get("short")}
    if long and not FULL:
        config.hook.pytest_deselected(items=list(long))
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of what was seen, for docs/explanation/delivery-guarantee.md."""
    if told:
        terminalreporter.section("faults")
        terminalreporter.write_line(table(told.items()))


@pytest.fixture(scope="session")
def chaos(server_folder: Path) -> Iterator[Prepared]:
    """The exchange, a database with the securities lists in it, and what a sync without faults comes to."""
    folder = server_folder / "chaos"
    folder.mkdir()
    folder.chmod(0o711)
    with prepared(folder) as ready:
        yield ready


@pytest.fixture
def stage(chaos: Prepared) -> Iterator[Stage]:
    """A platform of one's own, without a worker or a beat yet."""
    stage = chaos.new_stage()
    try:
        yield stage
    finally:
        stage.remove()
