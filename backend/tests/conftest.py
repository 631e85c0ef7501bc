"""Fixtures that every test may use: real servers on free ports, in folders of their own, one pair a test process."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certifi
import psutil
import psycopg
import pytest
from xdist.scheduler import LoadFileScheduling

from app.runtime.account import server_account
from app.runtime.ports import free_port
from app.runtime.postgres import Postgres
from app.runtime.program import Program
from app.runtime.valkey import Valkey

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATE = "quantlab"
START_WITHIN = 60.0


# All that is collected stays until the end. Until it is, the collector of garbage would go through it over and over.
gc.disable()

UNMEASURED = ("acceptance", "browser", "chaos", "fuzz", "properties", "integration/services")
"""Tests of processes, which coverage does not see, and of many cases and rows, which it would slow by two thirds."""


SHARED = ("tests/acceptance/", "tests/browser/", "tests/chaos/")
"""Folders whose tests share what takes half a minute to start: a platform, or what a faultless run leaves."""


class BySharing(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests run in their order in one process, and so do all files of a folder that shares a platform.

    ``--dist loadgroup`` would say it by marks; with pytest 9.2 these are void without a word (pytest-xdist #1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in SHARED if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySharing:
    return BySharing(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out, unless they were asked for; measure the coverage of those that call the code itself."""
    if os.environ.get("QUANTLAB_LONG") != "full" and (long := [one for one in items if one.get_closest_marker("long")]):
        config.hook.pytest_deselected(items=long)
        items[:] = [one for one in items if one not in long]
    for item in items:
        if item.path.relative_to(Path(__file__).parent).as_posix().startswith(UNMEASURED):
            item.add_marker(pytest.mark.no_cover)


def pytest_collection_finish() -> None:
    """Let the collector pass over the modules and the tests, which it would go through for a fifth of the tests' time.

    It comes once in 20,000 new objects, not in 700: what it finds, such as a file that nobody closed, it finds later.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


def wait_until(condition: Callable[[], object], *, within: float = 30.0, what: str = "the condition") -> None:
    """Poll until ``condition()`` is true; fail the test with ``what`` when it is not so in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {within:.0f} s")
        time.sleep(0.02)


@contextlib.contextmanager
def running(program: Program, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``program`` until the block ends; it also ends with this process, however that ends."""
    with log.open("wb") as output:
        child = program.start(output)

    def stop() -> None:
        if child.poll() is None:
            child.send_signal(program.stop_signal)
            child.wait(timeout=30)

    atexit.register(stop)
    try:
        deadline = time.monotonic() + START_WITHIN
        while program.ready and not program.ready():
            if child.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{program.name} does not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield child
    finally:
        stop()
        atexit.unregister(stop)


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of the authorities that are trusted, one.

    httpx reads all of them for each request outside a client, in 47 ms, and so do the clients of S3.
    """
    first, end, _ = certifi.contents().partition("-----END CERTIFICATE-----\n")
    file = tmp_path_factory.mktemp("authorities") / "one.pem"
    file.write_text(first + end)
    os.environ["SSL_CERT_FILE"] = os.environ["AWS_CA_BUNDLE"] = str(file)


IN_MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes that the folders of all servers at once never take, twice over."""


def where_servers_live() -> Path | None:
    """A file system in memory, where a database is made with a sixth of the work; None, the usual place, without one.

    A server that is killed loses as little there as on a disk: what it wrote is the kernel's, on both.
    """
    with contextlib.suppress(OSError):
        may_run = not os.statvfs(IN_MEMORY).f_flag & os.ST_NOEXEC  # PostgreSQL's programs may be copied to their data
        room = min(shutil.disk_usage(IN_MEMORY).free, psutil.virtual_memory().available)
        if may_run and os.access(IN_MEMORY, os.W_OK) and room > ROOM:
            return IN_MEMORY
    return None


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A short-lived folder that PostgreSQL's account can reach, which pytest's own temporary folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="quantlab-test-", dir=where_servers_live())).resolve()
    folder.chmod(0o711)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[Postgres]:
    """A running PostgreSQL; its database ``quantlab`` is migrated and serves as the template of each test's own."""
    server = Postgres(server_folder / "postgres", free_port(), server_account(), durable=False)
    server.prepare()
    with running(server.program(), server_folder / "postgres.log"):
        migrate(server.url(TEMPLATE))
        yield server


def migrate(url: str) -> None:
    """Bring the database at ``url`` to the newest tables."""
    if importlib.util.find_spec("app.store.migrate"):
        importlib.import_module("app.store.migrate").upgrade(url, source="sandbox")


_numbers = itertools.count(1)


@contextlib.contextmanager
def fresh_database(server: Postgres, template: str) -> Iterator[str]:
    """Address of a copy of ``template`` (copying files in memory takes some 15 ms), dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield server.url(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(postgres_server: Postgres) -> Iterator[str]:
    """``postgresql://`` address of a fresh, migrated database (source: sandbox) that only this test uses."""
    with fresh_database(postgres_server, TEMPLATE) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: Postgres) -> Iterator[str]:
    """``postgresql://`` address of a fresh database without any table that only this test uses."""
    with fresh_database(postgres_server, "template0") as url:
        yield url


@pytest.fixture(scope="session")
def valkey_server(server_folder: Path) -> Iterator[Valkey]:
    """A running Valkey that keeps everything in memory."""
    server = Valkey(server_folder / "valkey", free_port(), durable=False)
    server.prepare()
    with running(server.program(), server_folder / "valkey.log"):
        yield server


@pytest.fixture
def redis_url(valkey_server: Valkey) -> str:
    """``redis://`` address of a server that is empty and that only this test process uses."""
    import redis

    with redis.Redis.from_url(valkey_server.url()) as client:
        client.flushall()
    return valkey_server.url()


@pytest.fixture(name="free_port")
def free_port_function() -> Callable[[], int]:
    """The function that gives a port nobody listens on."""
    return free_port


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded exchange data beside the project; tests that need it skip where it is absent."""
    folder = PROJECT.parent / "shared/data"
    if not folder.is_dir():
        pytest.skip(f"{folder.relative_to(PROJECT.parent)} is not on this machine")
    return folder
