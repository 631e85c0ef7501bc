"""A part of ``make fuzz`` on every run of the tests, and every case that once failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from app.sources import registry
from tests.fuzz import case as cases
from tests.fuzz.case import Fault, load, make_case, run
from tests.fuzz.seeds import seed_of, seeds
from tests.fuzz.sheet import take_apart
from tests.fuzz.witness import LEFT_OUT, read_body, read_page

CASES = 250
"""Of each seed; some four thousand in all."""
NAMES = [one.name for one in seeds()]


def test_every_dataset_is_fuzzed() -> None:
    assert {type(one.dataset) for one in seeds()} == set(registry.DATASETS.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_second_reading_agrees_on_what_is_whole(name: str) -> None:
    seed = seed_of(name)
    reading = read_page(seed, take_apart(seed)) if seed.shape == "page" else read_body(seed, seed.body)
    parsed = seed.dataset.parse(seed.body, seed.query)
    said = [cases._fields_of(parsed, line.value) for line in reading.lines if line.value is not LEFT_OUT]
    assert said == [cases._fields_of(parsed, row) for row in parsed.rows]
    assert (reading.refuse, reading.is_empty, parsed.rejected) == (None, False, ())


@pytest.mark.parametrize("name", NAMES)
def test_malformed_replies(name: str) -> None:
    seed = seed_of(name)
    for number in range(CASES):
        case = make_case(seed, number)
        try:
            run(case)
        except Fault as fault:
            pytest.fail(f"{case.command}\n{', '.join(case.how)}: {fault}")


@pytest.mark.parametrize("path", sorted(cases.REGRESSIONS.glob("*.json")), ids=lambda path: path.stem)
def test_what_failed_once(path: Any) -> None:
    run(load(path))


def test_the_same_number_gives_the_same_reply() -> None:
    for name in NAMES:
        one, other = (make_case(seed_of(name), 77) for _ in range(2))
        assert (one.body, one.how) == (other.body, other.how)


class Liar:
    """A dataset that changes what it was told."""

    def __init__(self, dataset: Any, change: Any) -> None:
        self.dataset, self.change, self.name = dataset, change, dataset.name

    def parse(self, body: bytes, query: Any) -> Any:
        return self.change(self.dataset.parse(body, query))


LIES: Mapping[str, Any] = {
    "a row lost": lambda parsed: replaced(parsed, parsed.rows[1:]),
    "a zero for an absence": lambda parsed: replaced(parsed, [altered(row, open=row.open or 0) for row in parsed.rows]),
    "a row twice": lambda parsed: replaced(parsed, [*parsed.rows, *parsed.rows[:1]]),
    "volumes of the neighbour": lambda parsed: replaced(
        parsed, [altered(row, volume=parsed.rows[0].volume) for row in parsed.rows]
    ),
    "another type of error": lambda parsed: {}[parsed],
}


def replaced(parsed: Any, rows: Any) -> Any:
    from dataclasses import replace

    return replace(parsed, rows=tuple(rows))


def altered(row: Any, **values: Any) -> Any:
    from dataclasses import replace

    return replace(row, **values)


@pytest.mark.parametrize("lie", LIES)
def test_the_judge_sees_a_parser_that_lies(lie: str) -> None:
    from dataclasses import replace

    seed = seed_of("twse/daily_bars.json")
    lying = replace(seed, dataset=Liar(seed.dataset, LIES[lie]))  # type: ignore[arg-type]

    def go() -> None:
        for number in range(40):
            run(replace(make_case(seed, number), seed=lying))

    with pytest.raises(Fault):
        go()
