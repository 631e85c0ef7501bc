"""No secret of a running platform stands in a log, in the ledger or in what a program prints, whatever goes wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import BACKEND, BIN, Platform
from tests.conftest import wait_until

pytestmark = pytest.mark.timeout(300)

PLACES = ("runs", "units", "audit", "incidents", "log_lines", "heartbeats", "schedules")
"""Tables in which something of an error, or of who did what, is kept."""
GIVEN = {
    "wrong one of the database": "wr0ng-database",
    "wrong one of Redis": "wr0ng-redis",
    "one that is not quoted": "unqu0ted",
    "in an alert's address": "al3rt-word",
    "in an alert's path": "al3rt-path",
    "in an alert's header": "al3rt-header",
    "of FinMind": "f1nmind-token",
    "that somebody typed": "typ3d-word",
    "that is no token": "n0-token",
}
"""Those that are given to programs which do not get far with them."""
CELERY = ("celery", "-A", "app.core.celery_app")
WORKER = (*CELERY, "worker", "-n", "leaky@here", "-c", "1", "-Q", "none")


def secrets_of(platform: Platform) -> dict[str, str]:
    """Name → text, of everything that the platform itself made."""
    folder, servers = platform.up.home / "sandbox", platform.up.environment()
    (first,) = re.findall(r"admin / (\S+) +\(shown this once", platform.up.said())
    made = platform.run(str(BIN / "quantlab"), "tokens", "make", "leaky", "--scope", "admin")
    assert made.returncode == 0, made.stderr
    return {
        "of the database": urlsplit(servers["DATABASE_URL"]).password or "",
        "of Redis": urlsplit(servers["REDIS_URL"]).password or "",
        "of Flower": (folder / "flower-password").read_text().strip(),
        "of the first admin": first,
        "admin token": (folder / "admin-token").read_text().strip(),
        "API token": max(re.findall(r"\S+", made.stdout), key=len),
    }


class Listener:
    """Hears all that programs and the API say."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.said = platform, list[str]()

    def program(self, *words: str, **settings: str) -> None:
        """To its end, whatever that is."""
        done = subprocess.run(
            [str(BIN / words[0]), *words[1:]],
            cwd=BACKEND,
            env=self.platform.environment | settings,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.said.append(f"{words} {sorted(settings)}: {done.stdout}{done.stderr}")

    def until(self, text: str, *words: str, **settings: str) -> None:
        """One that goes on trying, until it says that, or ends."""
        log = self.platform.up.home / "said"
        with log.open("wb") as output:
            child = subprocess.Popen(
                [str(BIN / words[0]), *words[1:]],
                cwd=BACKEND,
                env=self.platform.environment | settings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(lambda: text in log.read_text() or child.poll() is not None, within=90, what=text)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            self.said.append(f"{words} {sorted(settings)}: {log.read_text()}")
            log.unlink()

    def ask(self, path: str, body: Any, token: str | None = None) -> None:
        """Over HTTP."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        address = f"http://localhost:{self.platform.up.port}{path}"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(address, json.dumps(body).encode(), headers), timeout=30
            ) as reply:
                self.said.append(f"{path}: {reply.read().decode()}")
        except urllib.error.HTTPError as error:
            self.said.append(f"{path} {error.code}: {error.read().decode()}")

    def places(self) -> None:
        """Whatever was written anywhere."""
        for table in PLACES:
            self.said += [f"{table}: {row}" for (row,) in self.platform.rows(f"SELECT t::text FROM {table} t")]
        files = [path for path in self.platform.up.home.rglob("*") if path.is_file() and "logs" in path.parts]
        assert any(path.suffix == ".jsonl" for path in files)
        self.said += [f"{path}: {path.read_text(errors='replace')}" for path in files]

    def where(self, secret: str) -> list[str]:
        """Who told it, with what stands around it."""
        assert len(secret) >= 8
        at = [(text, text.find(secret)) for text in self.said]
        return [f"{text[:90]!r} … {text[max(0, place - 200) : place + 40]!r}" for text, place in at if place >= 0]


def alerts_that_do_not_arrive(hear: Listener) -> None:
    file = hear.platform.up.home / "sandbox/alerts"
    file.write_text("json://me:al3rt-word@127.0.0.1:9/al3rt-path?+X-Key=al3rt-header\nnonsense://al3rt-word@x\n")
    file.chmod(0o600)
    try:
        hear.program("quantlab", "alerts", "test")
        told = file.read_text()
    finally:
        file.unlink()
    hear.program("quantlab", "config", "--json", FINMIND_TOKEN=GIVEN["of FinMind"], QUANTLAB_ALERTS=told)


def servers_that_refuse_or_are_not_there(hear: Listener, secrets: dict[str, str]) -> None:
    servers = hear.platform.up.environment()
    database = servers["DATABASE_URL"].replace(secrets["of the database"], GIVEN["wrong one of the database"])
    redis = servers["REDIS_URL"].replace(secrets["of Redis"], GIVEN["wrong one of Redis"])
    nobody = f"redis://:{secrets['of Redis']}@127.0.0.1:9/0"
    token = GIVEN["of FinMind"]
    hear.program("quantlab", "doctor", "--json", DATABASE_URL=database, REDIS_URL=redis, FINMIND_TOKEN=token)
    hear.program("quantlab", "runs", DATABASE_URL=database)
    hear.program("quantlab", "doctor", REDIS_URL=nobody, CELERY_BROKER_URL=nobody)
    hear.until("Cannot connect", *WORKER, REDIS_URL=redis)
    hear.until("trying again", *CELERY, "beat", "--pidfile=", DATABASE_URL=database)


def addresses_that_are_none(hear: Listener) -> None:
    """In a password "/" must be quoted; who forgets it must not read the half of it in a log."""
    word = GIVEN["one that is not quoted"]
    hear.program("python", "-m", "app.cli.migrate", DATABASE_URL=f"mysql://me:{word}@127.0.0.1/x")
    hear.program("quantlab", "doctor", DATABASE_URL=f"postgresql://me:{word}/x@127.0.0.1:x/y")
    redis = f"redis://:{word}/x@127.0.0.1:6379/0"
    hear.program("quantlab", "doctor", REDIS_URL=redis, CELERY_BROKER_URL=redis)
    hear.program(*CELERY, "call", "app.tasks.sync_stock_list", CELERY_BROKER_URL=redis)
    hear.until("no such text", *WORKER, CELERY_BROKER_URL=redis)


def requests_that_are_refused(hear: Listener, secrets: dict[str, str]) -> None:
    typed, token = GIVEN["that somebody typed"], secrets["API token"]
    hear.ask("/api/v1/login", {"name": "admin", "password": typed})
    hear.ask("/api/v1/login", {"name": [], "password": [typed]})
    hear.ask("/api/v1/users", {"name": "mei", "role": "viewer", "password": [typed]}, token)
    hear.ask("/api/v1/users", {"name": "m" * 99, "role": "viewer", "password": typed}, token)
    hear.ask("/api/v1/tasks/sync_stock_list/runs", {}, GIVEN["that is no token"])


def test_no_secret_is_told_whatever_goes_wrong(platform: Platform) -> None:
    hear, secrets = Listener(platform), secrets_of(platform)
    alerts_that_do_not_arrive(hear)
    servers_that_refuse_or_are_not_there(hear, secrets)
    addresses_that_are_none(hear)
    requests_that_are_refused(hear, secrets)
    hear.places()
    # The one place where the first password is shown, on purpose and once.
    hear.said.append(platform.up.said().replace(secrets["of the first admin"], "", 1))
    assert {name: where for name, secret in (secrets | GIVEN).items() if (where := hear.where(secret))} == {}
