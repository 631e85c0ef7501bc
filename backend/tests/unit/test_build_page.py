"""tools/build_page.py, with a program in place of npm that notes what it is asked for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).resolve().parents[3]
NPM = """#!/bin/sh
echo "$1" >> asked
[ ! -e refuse ] || { echo "npm error network"; exit 1; }
[ "$1" = ci ] && mkdir -p node_modules
[ "$1" = run ] && mkdir -p dist/assets && cp main.ts dist/index.html
exit 0
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_page", PROJECT / "tools" / "build_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    frontend = tmp_path / "frontend"
    frontend.mkdir()
    (frontend / "package-lock.json").write_text("{}")
    (frontend / "main.ts").write_text("one")
    npm = tmp_path / "npm"
    npm.write_text(NPM)
    npm.chmod(0o755)
    for name, value in {
        "FRONTEND": frontend,
        "PACKAGES": frontend / "node_modules",
        "PAGE": tmp_path / "page",
        "NPM": npm,
    }.items():
        monkeypatch.setattr(module, name, value)
    return module


def asked(tool: ModuleType) -> list[str]:
    """What npm was asked for since the last time."""
    note = tool.PAGE.parent / "frontend" / "asked"
    words = note.read_text().split() if note.exists() else []
    note.unlink(missing_ok=True)
    return words


def build(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["build_page.py"])
    code = tool.main()
    assert isinstance(code, int)
    return code


def test_it_builds_only_what_has_changed(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build(tool, monkeypatch) == 0
    assert asked(tool) == ["ci", "run"]
    assert (tool.PAGE / "index.html").read_text() == "one"
    assert build(tool, monkeypatch) == 0
    assert asked(tool) == []
    (tool.FRONTEND / "main.ts").write_text("two")
    assert build(tool, monkeypatch) == 0
    assert asked(tool) == ["run"]
    assert (tool.PAGE / "index.html").read_text() == "two"
    (tool.FRONTEND / "package-lock.json").write_text('{"new": 1}')
    assert build(tool, monkeypatch) == 0
    assert asked(tool) == ["ci", "run"]


def test_a_failure_is_a_sentence_and_leaves_the_page_that_was(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(tool, monkeypatch) == 0
    (tool.FRONTEND / "refuse").touch()
    (tool.FRONTEND / "package-lock.json").write_text('{"new": 1}')
    capsys.readouterr()
    assert build(tool, monkeypatch) == 1
    said = capsys.readouterr().out
    assert "npm error network" in said
    assert "npm could not fetch them" in said
    assert (tool.PAGE / "index.html").read_text() == "one"
    (tool.FRONTEND / "refuse").unlink()
    assert build(tool, monkeypatch) == 0


def test_without_npm_it_says_what_to_do(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "NPM", Path("/nowhere/npm"))
    assert build(tool, monkeypatch) == 1
    assert "make install" in capsys.readouterr().out


def test_the_lock_names_no_registry_and_every_version_is_exact() -> None:
    assert '"resolved"' not in (PROJECT / "frontend" / "package-lock.json").read_text()
    for line in (PROJECT / "frontend" / "package.json").read_text().splitlines():
        assert "^" not in line
        assert "~" not in line
