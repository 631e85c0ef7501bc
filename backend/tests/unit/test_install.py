"""tools/install.py, with programs in place of the environment's pip and uv."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import PROJECT

BACKEND = PROJECT / "backend"


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", PROJECT / "tools" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["install"] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def kind(install: ModuleType, folder: Path, **programs: str) -> object:
    """An environment whose programs are these shell scripts."""
    (folder / "bin").mkdir()
    for name, script in programs.items():
        path = folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return install.Kind(folder, BACKEND / "requirements.lock")


def test_uv_looks_where_pip_would(install: ModuleType, tmp_path: Path) -> None:
    settings = """
global.index-url='https://mirror.example/simple'
global.extra-index-url='https://one.example/simple\\nhttps://two.example/simple'
install.find-links='/wheels'
:env:.cert='/etc/ssl/own.pem'
global.timeout='180'
global.no-cache-dir='true'"""
    one = kind(install, tmp_path, python=f"cat <<'END'{settings}\nEND")
    options, environment = install.sources_of_uv(one)
    assert options == [
        *("--index-url", "https://mirror.example/simple"),
        *("--extra-index-url", "https://one.example/simple", "--extra-index-url", "https://two.example/simple"),
        *("--find-links", "/wheels"),
    ]
    assert (environment["SSL_CERT_FILE"], environment["UV_HTTP_TIMEOUT"]) == ("/etc/ssl/own.pem", "180")


@pytest.mark.parametrize("name", ["proxy", "client-cert", "trusted-host", "no-index", "no-binary", "use-feature"])
def test_a_pip_that_is_set_up_as_uv_cannot_be_does_it_itself(install: ModuleType, tmp_path: Path, name: str) -> None:
    one = kind(install, tmp_path, python=f"echo \"global.{name}='something'\"", uv="echo called; exit 9")
    assert install.sources_of_uv(one) is None
    assert not install.fill_by_uv(one, 3)


def test_where_uv_fails_what_it_said_is_shown_and_pip_does_it(
    install: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one = kind(
        install, tmp_path, python="", uv='[ "$1" = cache ] && exec echo /nowhere; echo no such index >&2; exit 2'
    )
    assert not install.fill_by_uv(one, 3)
    said = capfd.readouterr().out
    assert "no such index\nuv could not install the packages (exit code 2)" in said
    assert said.endswith("pip tries it now.\n")


def test_without_a_uv_for_this_machine_pip_does_it(
    install: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one = kind(install, tmp_path, python='[ "$2" != pip ] || case "$*" in *uv.lock*) exit 1;; esac')
    assert not install.fill_by_uv(one, 3)
    assert not capfd.readouterr().out


def test_the_uv_that_installs_is_the_one_that_locks() -> None:
    found = {
        re.findall(r"^uv==\S+", (BACKEND / f"requirements-{name}.lock").read_text(), re.MULTILINE)[0]
        for name in ("uv", "dev")
    }
    assert len(found) == 1
