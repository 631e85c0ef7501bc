"""The doctor: each thing is broken in earnest, found, mended by the remedy, and found well.

``breaks`` names the checks that a test proves so; `tests/docs/test_troubleshooting.py` has the guide's rows with their
tests. What takes a whole exchange, or a worker, is broken in `test_doctor_at_work.py`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import cache_from_source
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from alembic import command
from typer.testing import Result

from app.cli import checklist, diagnosis
from app.core import caretaker
from app.core.celery_app import app as celery
from app.core.watching import memory_held
from app.core.wiring import Platform, now
from app.errors import InvalidParameter
from app.runtime.instance import announced, sole_instance
from app.runtime.valkey import Valkey
from app.store import migrate, provenance, runs
from app.store.engine import make_engine, transaction
from tests.chaos.clocks import false_clock
from tests.chaos.disk import small_disk
from tests.conftest import running, wait_until
from tests.integration.cli.conftest import real_worker, seen

Run = Callable[..., Result]


def wrong(run: Run) -> set[str]:
    """The checks that find an error, of all."""
    findings = json.loads(run("doctor", "--json").stdout)["findings"]
    return {one["name"] for one in findings if one["level"] == "error"}


def servers(url: str) -> dict[str, str]:
    return {"REDIS_URL": url, "CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url}


@pytest.mark.breaks("redis", "broker")
def test_redis_that_does_not_answer(
    told: Any, run: Run, turn: Any, redis_url: str, free_port: Callable[[], int]
) -> None:
    turn(**servers(f"redis://127.0.0.1:{free_port()}/0"))
    assert (told("redis").level, told("broker").level) == ("error", "error")
    assert "does not answer" in told("redis").says
    assert "correct REDIS_URL" in told("redis").says
    assert "correct CELERY_BROKER_URL" in told("broker").says
    assert wrong(run) - {"worker", "beat"} == {"redis", "broker"}, "one cause is told once"
    turn(**servers(redis_url))
    assert (told("redis").level, told("broker").level) == ("ok", "ok")


@pytest.mark.breaks("redis", "broker")
def test_a_wrong_password_of_redis(told: Any, turn: Any, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as admin:
        (old,) = admin.config_get("requirepass").values()
        admin.config_set("requirepass", "another")
        try:
            turn(**servers(redis_url))
            assert (told("redis").level, told("broker").level) == ("error", "error")
            assert "refuses the password" in told("redis").says
            assert "refuses the password" in told("broker").says
            assert old not in told("redis").says + told("broker").says
            turn(**servers(redis_url.replace(old, "another")))
            assert (told("redis").level, told("broker").level) == ("ok", "ok")
        finally:
            admin.config_set("requirepass", old)


@pytest.mark.breaks("redis", "broker")
def test_a_redis_that_hangs_is_one_cause(
    told: Any,
    run: Run,
    turn: Any,
    *,
    server_folder: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Frozen, it takes connections and says nothing: whoever asked it has no answer, and only that is wrong."""
    monkeypatch.setattr(diagnosis, "PATIENCE", 2.0)
    server = Valkey(server_folder / "hangs", free_port(), durable=False)
    server.prepare()
    with running(server.program(), server_folder / "hangs.log") as process:
        turn(**servers(server.url()))
        process.send_signal(signal.SIGSTOP)
        try:
            assert (told("redis").level, told("broker").level) == ("error", "error")
            assert "restart it" in told("redis").says
            assert wrong(run) - {"worker", "beat"} == {"redis", "broker"}
            shown = run("doctor").output
            assert "Not checked until `redis`, `broker` can be asked: redis writes, tasks, queues, breakers" in shown
            assert "; begin with `redis`." in shown
        finally:
            process.send_signal(signal.SIGCONT)
        assert (told("redis").level, told("broker").level) == ("ok", "ok")


@pytest.mark.breaks("broker")
def test_a_broker_of_its_own_with_another_password(told: Any, run: Run, turn: Any, redis_url: str) -> None:
    turn(CELERY_BROKER_URL=redis_url.replace(urlsplit(redis_url).password or "", "another"))
    assert told("broker").level == "error"
    assert told("redis").level == "ok"
    assert wrong(run) - {"worker", "beat"} == {"broker"}, "what waits in its queues, nobody knows"
    turn(CELERY_BROKER_URL=redis_url)
    assert told("broker").level == "ok"


@pytest.mark.breaks("redis writes")
def test_redis_that_takes_no_more_or_evicts(told: Any, redis_url: str, free_port: Callable[[], int]) -> None:
    with redis.Redis.from_url(redis_url) as admin:
        try:
            admin.config_set("maxmemory", "1mb")
            assert told("redis writes").level == "error"
            assert "maxmemory" in told("redis writes").says
            admin.config_set("maxmemory", "1gb")
            assert told("redis writes").level == "ok"
            admin.config_set("maxmemory-policy", "allkeys-lru")
            assert told("redis writes").level == "warning"
            admin.config_set("maxmemory-policy", "noeviction")
            assert told("redis writes").level == "ok"
            admin.execute_command("REPLICAOF", "127.0.0.1", free_port())
            assert told("redis writes").level == "error"
            assert "of a replica name the primary in REDIS_URL" in told("redis writes").says
            admin.execute_command("REPLICAOF", "NO", "ONE")
            assert told("redis writes").level == "ok"
        finally:
            admin.execute_command("REPLICAOF", "NO", "ONE")
            admin.config_set("maxmemory", "0")
            admin.config_set("maxmemory-policy", "noeviction")


@pytest.mark.breaks("redis writes")
def test_redis_that_cannot_save(told: Any, server_folder: Path, free_port: Callable[[], int], turn: Any) -> None:
    """MISCONF, as on a full disk: its folder is gone, and it was told to write there."""
    server = Valkey(server_folder / "misconf", free_port(), durable=False)
    server.prepare()
    with running(server.program(), server_folder / "misconf.log"), redis.Redis.from_url(server.url()) as admin:
        turn(**servers(server.url()))
        admin.config_set("save", "3600 1")
        admin.set("a", 1)
        blocked = server_folder / "misconf" / "dump.rdb"
        blocked.mkdir()
        (blocked / "in the way").touch()
        admin.bgsave()
        wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err", what="the failed save")
        assert told("redis writes").level == "error"
        assert "MISCONF" in told("redis writes").says
        (blocked / "in the way").unlink()
        blocked.rmdir()
        admin.bgsave()
        wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "ok", what="the save")
        assert told("redis writes").level == "ok"


@pytest.mark.breaks("redis password")
def test_a_redis_without_a_password_that_others_reach(told: Any, turn: Any) -> None:
    turn(REDIS_URL="redis://redis.example:6379/0")
    assert told("redis password").level == "warning"
    turn(REDIS_URL="redis://:secret@redis.example:6379/0")
    assert told("redis password").level == "ok"


@pytest.mark.breaks("postgresql")
def test_postgresql_away_or_of_another_source(
    told: Any, run: Run, turn: Any, database_url: str, free_port: Callable[[], int]
) -> None:
    turn(DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/quantlab")
    assert told("postgresql").level == "error"
    assert wrong(run) == {"postgresql"}, "one cause is told once"
    turn(DATABASE_URL=database_url, QUANTLAB_SOURCE="exchange")
    assert told("postgresql").level == "error"
    assert "sandbox" in told("postgresql").says
    turn(QUANTLAB_SOURCE="sandbox")
    assert told("postgresql").level == "ok"


@pytest.mark.breaks("postgresql")
def test_a_wrong_password_of_postgresql(told: Any, turn: Any, database_url: str) -> None:
    turn(DATABASE_URL=database_url.replace(urlsplit(database_url).password or "", "another"))
    assert told("postgresql").level == "error"
    assert "→ Correct user and password in DATABASE_URL." in told("postgresql").says
    turn(DATABASE_URL=database_url)
    assert told("postgresql").level == "ok"


@pytest.mark.breaks("settings")
def test_a_platform_that_is_looked_for_in_the_wrong_place(
    told: Any, turn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name)
    assert told("settings").level == "error"
    assert "QUANTLAB_HOME" in told("settings").says
    with monkeypatch.context() as by_environment:
        by_environment.setenv("DATABASE_URL", "postgresql://127.0.0.1/x")
        assert told("settings").level == "ok"
    home = tmp_path / "the other place"
    home.mkdir()
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom app.runtime.instance import announced\n"
        "with announced(Path(sys.argv[1]), source='sandbox', environment={}, web='http://127.0.0.1:3000'):\n"
        "    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(home)], check=False)
    turn(QUANTLAB_HOME=str(home))
    assert told("settings").level == "error"
    assert "no longer runs. → Start it again" in " ".join(told("settings").says.split())
    with sole_instance(home, account=None), announced(home, source="sandbox", environment={}, web="http://127.0.0.1"):
        assert told("settings").level == "ok"


@pytest.mark.breaks("worker", "beat", "web")
def test_programs_that_are_absent_dead_and_more_than_one(told: Any, pulses: Any) -> None:
    """One is killed in earnest: a process that leaves its row behind."""
    script = (
        "import sys, time\nfrom app.core.watching import make_pulse\n"
        "for kind in ('worker', 'beat', 'web'): make_pulse(kind, f'{kind}@killed').start()\n"
        "print('beating', flush=True)\ntime.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert told("worker").level == told("beat").level == "error"
        assert "No beat runs: no schedule fires." in told("beat").says
        wait_until(lambda: len(seen().programs) == 3, what="the pulses")
        assert {told(kind).level for kind in ("worker", "beat", "web")} == {"ok"}
    finally:
        child.kill()
        child.communicate()
    for kind in ("worker", "beat", "web"):
        assert told(kind).level == "error"
        assert f"{kind}@killed is dead" in told(kind).says
    pulses("beat", "beat@one")
    assert told("beat").level == "ok"
    second = pulses("beat", "beat@two")
    assert told("beat").level == "ok"
    assert "2 run, which is as good as one" in told("beat").says
    second.stop()
    assert "2 run" not in told("beat").says
    pulses("worker", "celery@new")
    pulses("web", "web@new")
    assert told("worker").level == told("web").level == "ok"


@pytest.mark.breaks("memory")
def test_memory_that_has_grown(told: Any, turn: Any, pulses: Any) -> None:
    per_process = ((memory_held() or 0) + 150 * 2**20) // 2 // 1024
    turn(CELERYD_MAX_MEMORY_PER_CHILD=str(per_process))
    before = pulses("worker", "celery@grows", slots=1)
    assert told("memory").level == "ok"
    ballast = bytearray(b"x") * (400 * 2**20)
    before.stop()
    grown = pulses("worker", "celery@grows", slots=1)
    assert told("memory").level == "warning"
    assert "quantlab workers restart celery@grows" in told("memory").says
    del ballast
    grown.stop()
    pulses("worker", "celery@grows", slots=1)
    assert told("memory").level == "ok"


@pytest.mark.breaks("queues")
def test_queues_that_grow(told: Any, platform: Platform) -> None:
    for _ in range(100):
        celery.publish("app.tasks.cleanup_old_cache", queue="maintenance")
    assert told("queues").level == "warning"
    assert "maintenance 100" in told("queues").says
    celery.control.purge()
    assert told("queues").level == "ok"


@pytest.mark.breaks("ledger")
def test_messages_that_nobody_sends(told: Any, platform: Platform, database_url: str) -> None:
    with transaction(platform.engine) as connection:
        runs.queue(connection, "r", task="app.tasks.sync_qlib", parameters={}, trigger="manual", at=now(), sent=False)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE runs SET queued_at = queued_at - interval '2 min'")
    assert told("ledger").level == "error"
    assert "Start beat or a worker" in told("ledger").says
    caretaker.make_outbox(platform).send_due()  # as either does
    assert told("ledger").level == "ok"


@pytest.mark.breaks("ledger")
def test_a_run_whose_worker_was_killed(told: Any, run: Run, platform: Platform, database_url: str) -> None:
    script = (
        "import time\nfrom app.core.wiring import get_platform, now\nfrom app.store import leases\n"
        "from app.store.engine import transaction\n"
        "with transaction(get_platform().engine) as connection:\n"
        "    leases.start(connection, 'killed', task='app.tasks.sync_qlib', parameters={}, trigger='manual',"
        " worker='w', at=now())\nprint('begun', flush=True)\ntime.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    assert told("ledger").level == "ok"
    child.kill()
    child.communicate()
    with psycopg.connect(database_url) as connection:  # a while goes by
        connection.execute("UPDATE runs SET lease_until = lease_until - interval '2 min'")
    assert "1 runs have no living worker" in told("ledger").says
    assert told("ledger").level == "error"
    caretaker.make_reaper(platform).sweep()  # as any other worker does, and beat
    caretaker.make_outbox(platform).send_due()
    assert told("ledger").level == "ok"
    assert "QUEUED" in run("runs", "show", "killed").output


@pytest.mark.breaks("schedules")
def test_a_paused_schedule(told: Any, run: Run) -> None:
    run("schedule", "pause", "sync-qlib")
    assert told("schedules").level == "warning"
    assert "quantlab schedule resume sync-qlib" in told("schedules").says
    run("schedule", "resume", "sync-qlib")
    assert told("schedules").level == "ok"


@pytest.mark.breaks("migrations")
def test_a_database_of_older_tables(told: Any, turn: Any, empty_database_url: str) -> None:
    engine = make_engine(empty_database_url, application_name="test")
    with transaction(engine) as connection:
        command.upgrade(migrate._config(connection), "0003")
        provenance.record(connection, "sandbox")
    engine.dispose()
    turn(DATABASE_URL=empty_database_url)
    assert told("migrations").level == "error"
    assert "python -m app.cli.migrate" in told("migrations").says
    remedy = [sys.executable, "-m", "app.cli.migrate"]
    subprocess.run(remedy, env=dict(os.environ), check=True, capture_output=True, timeout=60)
    assert told("migrations").level == "ok"


@pytest.mark.breaks("disk", "archive")
def test_a_full_disk_and_an_archive_that_cannot_be_written(
    told: Any, turn: Any, server_folder: Path, tmp_path: Path
) -> None:
    disk = server_folder / "small"

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)

    with small_disk(disk, megabytes=8):
        turn(QUANTLAB_HOME=str(disk), QUANTLAB_ARCHIVE=str(disk / "archive"))
        assert told("disk").level == "error"
        remount("size=3g")
        assert told("disk").level == "warning"
        remount("size=9g")
        assert told("disk").level == "ok"
        assert told("archive").level == "ok"
        remount("ro")
        assert told("archive").level == "error"
        remount("rw")
        assert told("archive").level == "ok"


@pytest.mark.breaks("clock")
def test_a_clock_that_is_off(platform: Platform, server_folder: Path, levels: dict[str, list[str]]) -> None:
    clock = false_clock(server_folder)
    doctor = [Path(sys.executable).with_name("quantlab"), "doctor", "--json", "--check", "clock"]

    def told() -> Any:
        done = subprocess.run(doctor, env=os.environ | clock.environment, capture_output=True, text=True, check=False)
        (one,) = json.loads(done.stdout)["findings"]
        levels["clock"].append(one["level"])
        return one

    clock.set(-90)
    found = told()
    assert found["level"] == "error"
    assert re.search(r"90 s behind the broker and (89|90|91) s behind PostgreSQL", found["detail"])
    clock.set(0)
    assert told()["level"] == "ok"


@pytest.mark.breaks("time zone")
def test_zones_that_are_off(told: Any, platform: Platform, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = database_url.rpartition("/")[2]

    def database(zone: str) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET timezone = '{zone}'")  # type: ignore[arg-type]

    def here(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    try:
        here("Asia/Taipei")
        database("America/New_York")
        assert told("time zone").level == "warning"
        assert "PostgreSQL's is America/New_York" in told("time zone").says
        database("Asia/Taipei")
        assert told("time zone").level == "ok"
        here("Europe/Paris")
        assert told("time zone").level == "warning"
        assert "timedatectl set-timezone Asia/Taipei" in told("time zone").says
        here("UTC")
        assert told("time zone").level == "ok"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.breaks("alerts", "admins")
def test_nobody_is_told_or_may_change_things(told: Any, run: Run, turn: Any) -> None:
    assert told("alerts").level == "warning"
    turn(QUANTLAB_ALERTS="nonsense")
    assert told("alerts").level == "error"
    turn(QUANTLAB_ALERTS="json://127.0.0.1/")
    assert told("alerts").level == "ok"
    assert told("admins").level == "warning"
    assert run("users", "add", "mei", "--role", "admin").exit_code == 0
    assert told("admins").level == "ok"


@pytest.mark.breaks("admin token", "secret files")
def test_files_with_secrets_that_others_read(told: Any, platform: Platform, tmp_path: Path) -> None:
    settings = platform.settings
    for name, file in {
        "admin token": settings.admin_token_file,
        "secret files": tmp_path / "running.json",
    }.items():
        file.touch()
        file.chmod(0o644)
        assert told(name).level in ("warning", "error")
        assert f"chmod 600 {file}" in told(name).says
        file.chmod(0o600)
        assert told(name).level == "ok"


class Tree:
    """A copy of the code that may be broken, and the programs that run from it."""

    def __init__(self, folder: Path, levels: dict[str, list[str]]) -> None:
        self.folder, self.app, self._levels = folder, folder / "app", levels
        backend = Path(checklist.__file__).parents[2]
        # With what is compiled of it: else each program of a test compiles it all.
        shutil.copytree(backend / "app", self.app, ignore=shutil.ignore_patterns("dist"))
        (folder / "migrations").symlink_to(backend / "migrations")

    def change(self, file: str, old: str, new: str) -> None:
        text = (self.app / file).read_text()
        assert old in text
        self.write(file, text.replace(old, new))

    def write(self, file: str, text: str) -> None:
        path = self.app / file
        path.write_text(text)
        # Python would take a change within the same second, to a text as long, for none.
        Path(cache_from_source(path)).unlink(missing_ok=True)

    def doctor(self, *names: str) -> dict[str, Any]:
        words = [word for name in names for word in ("--check", name)]
        code = "from app.cli.main import main; main()"
        done = self.run("-c", code, "doctor", "--json", *words)
        said = json.loads(done.stdout)
        assert done.returncode == (0 if said["well"] else 1), done.stderr
        for one in said["findings"]:
            self._levels[one["name"]].append(one["level"])
        return {one["name"]: SimpleNamespace(**one) for one in said["findings"]}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONWARNINGS": "ignore"}

    def worker(self, *words: str) -> AbstractContextManager[str]:
        return real_worker(self.folder, self.folder / "worker.log", *words, environment=self.environment)


TASKS = """
import time
from app.core.celery_app import app

@app.task(name="app.tasks.slow_soft", soft_time_limit=1)
def slow_soft(seconds: int = 0):
    time.sleep(seconds)

@app.task(name="app.tasks.slow_hard", time_limit=1)
def slow_hard(seconds: int = 0):
    time.sleep(seconds)
"""


@pytest.mark.timeout(300)
@pytest.mark.breaks("consumers", "code", "tasks", "task modules", "page", "time limits")
def test_a_real_worker_and_the_code_that_changes_under_it(
    told: Any, platform: Platform, server_folder: Path, levels: dict[str, list[str]]
) -> None:
    tree = Tree(server_folder / "tree", levels)
    try:
        _worker_and_code(told, platform, tree)
    finally:
        shutil.rmtree(tree.folder)


def _worker_and_code(told: Any, platform: Platform, tree: Tree) -> None:
    late = tree.app / "tasks/late.py"
    with tree.worker("-Q", "data_sync"):
        assert told("consumers").level == "error"
        assert "Nobody takes from export, maintenance, backfill" in told("consumers").says
        assert "`-Q export,maintenance,backfill`" in told("consumers").says

        tree.write("tasks/late.py", "import nothing_of_that_name\n")
        tree.change(
            "tasks/__init__.py",
            "from app.tasks.maintenance",
            "from app.tasks.late import slow_soft\nfrom app.tasks.maintenance",
        )
        found = tree.doctor("task modules", "tasks", "last runs", "code", "page")
        assert found["task modules"].level == "error"
        assert "ModuleNotFoundError: No module named 'nothing_of_that_name'" in found["task modules"].detail
        assert f'File "{late}", line 1' in found["task modules"].detail
        assert (found["tasks"].level, found["last runs"].level) == ("unknown", "unknown")
        assert found["code"].level == "error"
        assert "runs in w@here" in found["code"].detail
        assert found["page"].level == "error"

        tree.write("tasks/late.py", TASKS)
        tree.change(
            "core/celery_app.py",
            "# What any time off",
            '"slow": {"task": "app.tasks.slow_sfot", "schedule": crontab(minute=7)},\n    # What any time off',
        )
        found = tree.doctor("task modules", "tasks")
        assert (found["task modules"].level, found["tasks"].level) == ("error", "error")
        assert "slow names app.tasks.slow_sfot" in found["task modules"].detail
        assert "does not know app.tasks.slow_hard, app.tasks.slow_soft" in found["tasks"].detail

    tree.change("core/celery_app.py", "slow_sfot", "slow_soft")
    (tree.app / "admin/dist").mkdir()
    (tree.app / "admin/dist/index.html").touch()
    with tree.worker():
        send = [
            celery.publish(f"app.tasks.slow_{kind}", kwargs={"seconds": 60}, queue="data_sync").id
            for kind in ("soft", "hard")
        ]
        assert {one.level for one in tree.doctor("code", "tasks", "task modules", "page").values()} == {"ok"}
        assert told("consumers").level == "ok"
        wait_until(lambda: all(ended(platform, one) for one in send), within=60, what="the limits")
        assert told("time limits").level == "warning"
        assert all(one[:8] in told("time limits").says for one in send)
        assert "raise that task's soft_time_limit" in told("time limits").says
        again = [celery.publish(f"app.tasks.slow_{kind}", queue="data_sync").id for kind in ("soft", "hard")]
        wait_until(lambda: all(ended(platform, one) for one in again), within=60, what="the second runs")
        assert told("time limits").level == "ok"


def ended(platform: Platform, run_id: str) -> bool:
    with transaction(platform.engine) as connection:
        return any(run.id == run_id and run.is_final for run in runs.list_runs(connection))


def test_the_list_and_a_name_that_there_is_not(run: Run, platform: Platform) -> None:
    listed = json.loads(run("doctor", "--list", "--json").output)
    assert listed == checklist.CHECKS
    assert list(checklist.all_checks(platform)) == list(listed)
    wrong = run("doctor", "--check", "brokr")
    assert isinstance(wrong.exception, InvalidParameter)
    assert "did you mean broker?" in str(wrong.exception)


def test_the_page_that_is_looked_for_is_the_one_that_is_served() -> None:
    from app.admin.console import PAGE

    assert checklist._PAGE == PAGE / "index.html"
