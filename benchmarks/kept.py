"""The values that were kept, with machine and day: ``kept.json``, shown in docs/reference/performance.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.claim import Claim

FILE = Path(__file__).with_name("kept.json")
FAR = 2.0
"""So many times as bad as kept is told: machines differ, and others use them, by less than that in a ratio."""


def keep(found: Mapping[str, Sequence[Claim]]) -> None:
    """Put these in place of what was kept of the same benchmarks; of the others it stays."""
    here = {"machine": machine(), "day": datetime.now(UTC).date().isoformat()}
    rows = _kept()
    for name, claims in found.items():
        rows[name] = here | {
            "claims": [
                {
                    "name": one.name, "value": float(f"{one.value:.4g}"), "bar": one.bar, "met": one.met,
                    "ours": one.ours, "beside": one.beside,
                }
                for one in claims
            ]
        }  # fmt: skip
    FILE.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    print(f"Kept in {FILE.name}; `make docs` renews the page.")


def far_worse(found: Mapping[str, Sequence[Claim]]) -> list[str]:
    """A sentence for each that is far worse than what was kept of it; what was never kept is held against its bar."""
    sentences = []
    for benchmark, claims in found.items():
        kept = {one["name"]: one["value"] for one in _kept().get(benchmark, {"claims": []})["claims"]}
        for one in claims:
            if (was := kept.get(one.name)) is None:
                if not one.met:
                    sentences.append(f"{benchmark}: {one.name} is {one.value:.2f} ({one.bar}), and none was kept.")
            elif (times := one.worse_than(was)) > FAR:
                sentences.append(f"{benchmark}: {one.name} is {one.value:.2f}, {times:.1f} times as bad as {was:.2f}.")
    return sentences


def machine() -> str:
    """Processor, cores, memory, system and Python, in a line."""
    said = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    model = next((value.strip() for name, _, value in said if name.strip() == "model name"), platform.machine())
    memory = psutil.virtual_memory().total / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _kept() -> dict[str, dict]:  # type: ignore[type-arg]
    return json.loads(FILE.read_text()) if FILE.exists() else {}
