"""The pages that the code dictates say what the code says now."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.conftest import PROJECT


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("references", PROJECT / "tools/references.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCES = _load()


@pytest.mark.parametrize("name", REFERENCES.PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    written = (REFERENCES.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert written == REFERENCES.PAGES[name](), "run `make docs`, and look at what it changed"


def test_everything_has_its_row() -> None:
    """By another way than the pages are made: from the text of the sources."""
    text = {name: (REFERENCES.FOLDER / f"{name}.md").read_text(encoding="utf-8") for name in REFERENCES.PAGES}
    errors = (PROJECT / "backend/app/errors.py").read_text(encoding="utf-8")
    for line in errors.splitlines():
        if line.startswith("class ") and line.endswith("):"):
            assert f"| `{line[6:].partition('(')[0]}` |" in text["errors"]
    for module in (PROJECT / "backend/app/tasks").glob("*.py"):
        for line in module.read_text(encoding="utf-8").splitlines():
            name = line.partition('name="app.tasks.')[2].partition('"')[0]
            if name and not line.lstrip().startswith("#"):
                assert f"## {name}\n" in text["tasks"], name
