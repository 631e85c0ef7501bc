"""What the documents point to exists, and the two READMEs say the same."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md")
    for path in PROJECT.glob(pattern)
    if ".venv" not in path.parts
)
READMES = (PROJECT / "README.md", PROJECT / "README.zh-TW.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [link.partition("#")[0] for link in links if not link.startswith(("http://", "https://", "#"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_a_readme_is_short(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 80


def test_the_readmes_show_the_same() -> None:
    """Commands and output alike, apart from words inside the picture."""
    english, chinese = (
        list(re.findall(r"```(?!mermaid)\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
        for page in READMES
    )
    without_comments = [[re.sub(r" +# .*", "", block) for block in blocks] for blocks in (english, chinese)]
    assert without_comments[0] == without_comments[1]
    sections = [len(re.findall(r"^#", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in READMES]
    assert sections[0] == sections[1]


def test_the_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named <= targets


def test_the_continuous_integration_script_is_well_formed() -> None:
    script = PROJECT / ".ci/run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)


def test_the_picture_of_the_layers_is_the_contract() -> None:
    """`docs/explanation/architecture.md` draws what `lint-imports` enforces."""
    page = (PROJECT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    (drawn,) = re.findall(r"```mermaid\nflowchart TD\n(.*?)```", page, re.DOTALL)
    arrows = [[set(side.split(" & ")) for side in line.strip().split(" --> ")] for line in drawn.splitlines()]
    contract = (PROJECT / "backend/.importlinter").read_text(encoding="utf-8")
    (layers,) = re.findall(r"^layers =\n((?:    .+\n)+)", contract, re.MULTILINE)
    ordered = [set(line.strip().split(" | ")) for line in layers.splitlines()]
    assert arrows == [[high, low] for high, low in pairwise(ordered)]


def test_the_site_has_every_page() -> None:
    """A new page needs its line in the `nav` of zensical.toml."""
    pages = {str(page.relative_to(PROJECT / "docs")) for page in (PROJECT / "docs").rglob("*.md")}
    assert set(re.findall(r'"([\w./-]+\.md)"', (PROJECT / "zensical.toml").read_text(encoding="utf-8"))) == pages
