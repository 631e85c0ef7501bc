from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import app.sources
from app.errors import InvalidParameter
from app.market.figures import Unit
from app.market.security import Venue
from app.sources import registry
from app.sources.base import Dataset, Site


def defined() -> set[type[Dataset]]:
    """Every dataset class that some module below app.sources defines."""
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(app.sources.__path__, "app.sources.")
    ]
    classes = {one for module in modules for _, one in inspect.getmembers(module, inspect.isclass)}
    return {one for one in classes if issubclass(one, Dataset) and not inspect.isabstract(one)}


def test_the_table_holds_every_dataset_once() -> None:
    assert set(registry.DATASETS.values()) == defined()
    assert len(registry.DATASETS) == len(defined())


def test_each_stands_under_its_own_name() -> None:
    for (owner, name), one in registry.DATASETS.items():
        assert one.name == name
        if one.venue is not None:
            assert one.venue == owner
        else:
            assert isinstance(owner, Site)


def test_no_dataset_holds_state() -> None:
    assert all(not vars(one()) for one in registry.DATASETS.values())


def test_shortcuts_lead_there() -> None:
    assert registry.daily_bars(Venue.TPEX).venue is Venue.TPEX
    assert registry.latest_bars(Venue.TWSE).name == "latest_bars"
    assert registry.month_bars(Venue.TWSE).name == "month_bars"
    assert registry.quotes().name == "quotes"
    assert registry.securities().name == "securities"
    assert registry.holidays().name == "holidays"


def test_an_unknown_dataset_is_named_with_those_that_there_are() -> None:
    with pytest.raises(InvalidParameter, match="TWSE daily_bars"):
        registry.daily_bars(Venue.EMERGING)


def test_the_venues_of_a_dataset_of_figures_agree_on_units() -> None:
    for by_venue in registry.figures().values():
        units: dict[str, Unit] = {}
        for one in by_venue.values():
            for name, unit in one.units().items():
                assert units.setdefault(name, unit) is unit


def test_datasets_of_figures_by_name_and_venue() -> None:
    assert {name: list(by_venue) for name, by_venue in registry.figures().items()} == {
        name: [Venue.TWSE, Venue.TPEX] for name in ("institutional", "margin", "valuation", "indices")
    }
