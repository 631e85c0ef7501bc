"""The table of rules: complete, and nothing in it that nobody looks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from app.market.bar_rules import JUDGES
from app.market.quality import FAR, RULES, Severity, row_count_fault
from app.store.tables import SEVERITIES

HERE = Path(app.__file__).parent
LOOKED_AT = [path for folder in ("market", "sources", "services", "store") for path in (HERE / folder).rglob("*.py")]


def raised(path: Path) -> Iterator[str]:
    """The rule ids that a module raises: ``rule=…``, the argument of a helper that passes it on, or a constant."""
    tree = ast.parse(path.read_text())
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    constants["UNREADABLE"] = "unreadable-cell"  # imported from parsing by rows
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        for keyword in call.keywords:
            if keyword.arg == "rule":
                value = keyword.value
                if isinstance(value, ast.Constant):
                    yield str(value.value)
                elif isinstance(value, ast.Name) and value.id in constants:
                    yield str(constants[value.id])
        place = {"reject": 1, "_wrong": 2, "Broken": 0, "RejectedRow": 0}.get(getattr(call.func, "id", ""))
        if place is not None and len(call.args) > place and isinstance(call.args[place], ast.Constant):
            yield str(call.args[place].value)  # type: ignore[attr-defined]


RAISED = {rule for path in LOOKED_AT for rule in raised(path)} | {rule for rule, _ in JUDGES}


def test_every_rule_that_is_raised_is_in_the_table() -> None:
    assert RAISED - RULES.keys() == set()


def test_every_rule_of_the_table_is_raised() -> None:
    assert RULES.keys() - RAISED == set()


def test_the_search_finds_rules_of_each_sort() -> None:
    assert {"row-width", "unreadable-cell", "other-year", "duplicate-row", "out-of-range", "row-count"} <= RAISED


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_is_spelt_as_all_are_and_says_what_must_hold(rule: object) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.id)  # type: ignore[attr-defined]
    sentence = rule.sentence  # type: ignore[attr-defined]
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert len(sentence.split()) > 3


def test_the_store_knows_the_severities() -> None:
    assert tuple(Severity) == SEVERITIES


@pytest.mark.parametrize(("rows", "beside"), [(1000, None), (1000, 0), (1000, 1050), (1000, 960), (8, 17), (0, 10)])
def test_a_usual_number_of_rows(rows: int, beside: int | None) -> None:
    assert row_count_fault(rows, beside) is None


@pytest.mark.parametrize(("rows", "beside"), [(1000, 1100), (1100, 1000), (0, 11), (1, 1000)])
def test_a_number_of_rows_that_is_far_off(rows: int, beside: int) -> None:
    fault = row_count_fault(rows, beside)
    assert fault
    assert f"{rows:,} rows came" in fault
    assert abs(rows / beside - 1) > FAR
