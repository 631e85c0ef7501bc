"""A case: a seed and a number give a spoilt reply, and what may become of it."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from app.errors import NoData, NotYetPublished, SourceError, WrongDate
from app.market.security import Security, SecurityKind
from app.sources.base import Parsed
from tests.fuzz import mutators
from tests.fuzz.cells import BAD
from tests.fuzz.seeds import Seed, seed_of
from tests.fuzz.sheet import tables, take_apart
from tests.fuzz.witness import (
    LEFT_OUT,
    Line,
    Reading,
    deeper,
    document_of,
    header_fault,
    key_of,
    read_body,
    read_page,
)

REGRESSIONS = Path(__file__).parent / "regressions"
SLOW = 5.0
"""Seconds that no reply of up to 10 MB may take."""
LONGEST_SENTENCE = 2_000
LARGEST_RAW = 250_000


class Fault(AssertionError):
    """What a parser must never do."""


@dataclass(frozen=True)
class Case:
    """``grid`` tells that only columns and lines were touched, so that every line can be accounted for."""

    seed: Seed
    number: int
    how: tuple[str, ...]
    body: bytes
    grid: bool
    local: bool
    page: Reading | None = None

    @property
    def command(self) -> str:
        return f"make fuzz ARGS='--case {self.seed.name}:{self.number}'"


def make_case(seed: Seed, number: int) -> Case:
    """Case *number* of *seed*; the same for ever, as long as the mutators stay."""
    random = Random(f"{seed.name}:{number}")
    how: list[str] = []
    sheet = take_apart(seed)
    kind = random.random()
    if kind < 0.65:
        how += [mutators.pick(mutators.GRID, random) for _ in range(random.choice((1, 1, 1, 2, 3)))]
        for name in how:
            mutators.GRID[name][0](sheet, random)
    packed = sheet.packed()
    local = len(how) == 1 and how[0] in mutators.LOCAL
    if seed.shape == "page":
        body = packed.encode("cp950", "xmlcharrefreplace")
        page = read_page(seed, sheet)
    else:
        page = None
        if 0.65 <= kind < 0.85:
            for _ in range(random.choice((1, 1, 2))):
                name = mutators.pick(mutators.DOCUMENT, random)
                how.append(name)
                packed = mutators.DOCUMENT[name][0](packed, random)
        body = mutators.packed_json(packed, random)
    grid = bool(how) and all(name in mutators.GRID for name in how)
    if not how or random.random() < 0.05:
        name = mutators.pick(mutators.BYTES, random)
        how.append(name)
        body = mutators.BYTES[name][0](body, random)
        grid = local = False
    return Case(seed, number, tuple(how), body, grid, local, page if grid else None)


@cache
def untouched(seed: Seed) -> Reading:
    return read_page(seed, take_apart(seed)) if seed.shape == "page" else read_body(seed, seed.body)


@dataclass(frozen=True)
class Outcome:
    """``refused`` is the error's name; else how many rows came out and how many were rejected."""

    refused: str | None = None
    rows: int = 0
    rejected: int = 0


def run(case: Case) -> Outcome:
    """Give the reply to its parser and judge what it does. Raises Fault."""
    begun = time.perf_counter()
    try:
        parsed = case.seed.dataset.parse(case.body, case.seed.query)
    except SourceError as error:
        _judge_error(case, error)
        outcome = Outcome(refused=type(error).__name__)
    except Exception as error:
        raise Fault(f"{type(error).__name__} came out: {str(error)[:300]}") from error
    else:
        _judge(case, parsed)
        outcome = Outcome(rows=len(parsed.rows), rejected=len(parsed.rejected))
    if (took := time.perf_counter() - begun) > SLOW:
        raise Fault(f"it took {took:.1f} s")
    return outcome


def _reading(case: Case) -> Reading | None:
    """The second reading; None for a page whose bytes were damaged: nobody can say what its rows are."""
    return case.page if case.seed.shape == "page" else read_body(case.seed, case.body)


def _judge_error(case: Case, error: SourceError) -> None:
    if len(str(error)) > LONGEST_SENTENCE:
        raise Fault(f"the sentence of {type(error).__name__} has {len(str(error)):,} characters")
    str(error).encode()
    if pickle.loads(pickle.dumps(error)).args != error.args:
        raise Fault("the error does not survive pickling")
    reading = _reading(case)
    if isinstance(error, NoData | NotYetPublished) and reading and not reading.is_empty:
        raise Fault(f"{type(error).__name__}, though the reply does not say that there is nothing: {error}")
    if case.local and not isinstance(error, WrongDate) and len(untouched(case.seed).lines) > 2:
        if (reading and reading.is_empty) or "recursion" in str(error):
            return
        raise Fault(f"one line was touched, and the whole reply refused: {type(error).__name__}: {error}")


def _judge(case: Case, parsed: Parsed[Any]) -> None:
    for row in parsed.rows:
        _judge_value(row)
    for rejected in parsed.rejected:
        if len(rejected.reason) > LONGEST_SENTENCE:
            raise Fault(f"the reason of {rejected.rule} has {len(rejected.reason):,} characters")
        raw = json.dumps(dict(rejected.raw), ensure_ascii=False).encode()
        if len(raw) > LARGEST_RAW or any("\0" in text for pair in rejected.raw.items() for text in pair):
            raise Fault(f"the raw cells of a rejected row cannot be kept: {len(raw):,} bytes")
        rejected.reason.encode()
        if "\0" in rejected.reason:
            raise Fault("the reason of a rejected row has a NUL")
    keys = Counter(key_of(row) for row in parsed.rows)
    if doubled := [key for key, count in keys.items() if count > 1]:
        raise Fault(f"two rows of {doubled[0]}")
    reading = _reading(case)
    if reading is None:
        _judge_page(case, parsed)
        return
    if reading.refuse:
        raise Fault(f"read, though {reading.refuse}: {parsed.rows[:1]}")
    _judge_rows(parsed, reading)
    if case.grid:
        _judge_account(case, parsed, reading)


def _judge_rows(parsed: Parsed[Any], reading: Reading) -> None:
    """Every row must be what some line says, and none of two lines that contradict each other."""
    said: dict[Any, list[Any]] = {}
    for line in reading.lines:
        if line.value is not BAD and line.value is not LEFT_OUT:
            said.setdefault(line.key, []).append(line.value)
    for row in parsed.rows:
        meant = said.get(key_of(row), [])
        if _fields_of(parsed, row) not in [_fields_of(parsed, one) for one in meant]:
            raise Fault(f"no line says {row}; of its key: {meant[:2]}")


def _judge_account(case: Case, parsed: Parsed[Any], reading: Reading) -> None:
    """Every line must be a row, rejected or left out on purpose; one that nobody touched must be a row."""
    known = {line.said for line in untouched(case.seed).lines}
    least = sum(line.value is not LEFT_OUT for line in reading.lines)
    most = sum(
        line.value is not LEFT_OUT or line.said not in known for line in reading.lines
    )  # damaged: may be rejected
    if not least <= len(parsed.rows) + len(parsed.rejected) <= most:
        raise Fault(f"{least} lines became {len(parsed.rows)} rows and {len(parsed.rejected)} rejected")
    if case.seed.shape == "table" and (fault := _header_fault(case)):
        raise Fault(f"read, though the header has {fault}")
    whole = {(line.said, line.value) for line in untouched(case.seed).lines if _is_value(line)}
    keys = Counter(line.key for line in reading.lines if _is_value(line))
    there = set(parsed.rows)
    for line in reading.lines:
        if not _is_value(line):
            continue
        alike = [one for one in reading.lines if one.value is not BAD and one.key == line.key]
        if any(one.value != line.value for one in alike):
            if line.value in there and all((one.said, one.value) in whole for one in alike):
                raise Fault(f"a row was kept that another contradicts: {line.value}")
        elif (line.said, line.value) in whole and keys[line.key] >= 1 and line.value not in there:
            raise Fault(f"an untouched line is lost: {line.value}")


def _header_fault(case: Case) -> str | None:
    for columns in _headers(case):
        return header_fault(case.seed, columns)
    return "no place"


def _headers(case: Case) -> Iterator[list[Any]]:
    place = take_apart(case.seed).place
    with deeper():
        document = document_of(case.body)
    for where, holder, suffix in tables(document):
        if where == place and (len(where) or suffix == take_apart(case.seed).suffix):
            yield holder["fields" + suffix]


def _is_value(line: Line) -> bool:
    return line.value is not BAD and line.value is not LEFT_OUT


def _fields_of(parsed: Parsed[Any], row: Any) -> Any:
    """A row's fields, without those that this source does not publish."""
    assert is_dataclass(row)
    silent = {"open", "high", "low", "close", "change", "volume", "turnover", "trades"} - parsed.fields
    return type(row), tuple(getattr(row, one.name) for one in fields(row) if one.name not in silent)


def _judge_value(row: Any) -> None:
    """What the store and its readers rely on, whatever the reply was."""
    for one in fields(row):
        value = getattr(row, one.name)
        if isinstance(value, str):
            value.encode()
            if len(value) > 2_000 or any(mark in value for mark in "\0\ufffd"):
                raise Fault(f"{one.name} is {value[:80]!r}, of {len(value):,} characters")
        elif isinstance(value, datetime):
            value.astimezone(UTC)
        elif (isinstance(value, date) and not 1900 <= value.year <= 2200) or (
            isinstance(value, int) and not -(2**63) <= value < 2**63
        ):
            raise Fault(f"{one.name} is {value}")
        elif isinstance(value, dict):
            if wrong := [number for number in value.values() if number is not None and type(number) is not int]:
                raise Fault(f"{one.name} has {wrong[0]!r}")
            if any(number is not None and not -(2**63) <= number < 2**63 for number in value.values()):
                raise Fault(f"{one.name} has more than the store can hold")
        elif isinstance(value, float):
            raise Fault(f"{one.name} is the float {value}")


def _judge_page(case: Case, parsed: Parsed[Any]) -> None:
    """Of a damaged page: what a row says must stand in the page, or be the truth."""
    truth = {line.value.symbol: line.value for line in untouched(case.seed).lines if _is_value(line)}
    text = re.sub(r"&(?:#\d+|#x[0-9a-f]+|[a-z]+);?", "", case.body.decode("cp950", "replace"))
    squeezed = "".join(re.sub(r"<[^>]*>", "", text).split()) + "".join(text.split())
    for row in parsed.rows:
        assert isinstance(row, Security)
        known = truth.get(row.symbol)
        for one in fields(row):
            value = getattr(row, one.name)
            if one.name == "venue":
                continue  # of the query
            if known and value == getattr(known, one.name):
                continue
            if isinstance(value, str) and one.name in ("name", "isin", "industry", "cfi", "symbol"):
                if "".join(value.split()) in squeezed or "&" in case.body.decode("cp950", "replace"):
                    continue
            elif value is None or (one.name == "kind" and (known is None or value is SecurityKind.OTHER)):
                continue  # an empty cell, a symbol that was damaged into another, a heading into another
            elif one.name == "listed_on" and f"{value:%Y/}" in squeezed:
                continue
            raise Fault(f"{row.symbol} has {one.name} {value!r}, which the page does not say")


def save(case: Case, what: str) -> Path:
    """Keep a case that failed; the tests run all that are kept."""
    REGRESSIONS.mkdir(exist_ok=True)
    path = REGRESSIONS / f"{re.sub(r'[^a-z_]+', '-', case.seed.name)}-{case.number}.json"
    body = base64.b85encode(gzip.compress(case.body, mtime=0)).decode()
    kept = {"seed": case.seed.name, "number": case.number, "how": case.how, "found": what[:500]}
    path.write_text(json.dumps(kept | {"body": body}, ensure_ascii=False, indent=1) + "\n")
    return path


def load(path: Path) -> Case:
    """A kept case, as its number makes it; by its kept bytes alone where the mutators have changed since."""
    kept = json.loads(path.read_text())
    seed = seed_of(kept["seed"])
    body = gzip.decompress(base64.b85decode(kept["body"]))
    case = make_case(seed, kept["number"])
    return case if case.body == body else Case(seed, kept["number"], tuple(kept["how"]), body, grid=False, local=False)
