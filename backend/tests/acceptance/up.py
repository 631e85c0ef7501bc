"""``quantlab up`` in a process group of its own, as a shell would start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from app.runtime.ports import free_port
from tests.conftest import wait_until

QUANTLAB = Path(sys.executable).with_name("quantlab")
READY_WITHIN = 90.0
SERVERS = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "QUANTLAB_SOURCE")


class Up:
    """One ``quantlab up`` in a process group of its own, as a shell would start it."""

    def __init__(self, home: Path, log: Path, *, port: int | None = None) -> None:
        self.home, self.log, self.port = home, log, port or free_port()
        environment = {name: value for name, value in os.environ.items() if name not in SERVERS}
        environment |= {"QUANTLAB_HOME": str(home), "FLOWER_PORT": str(free_port())}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [QUANTLAB, "up", "--port", str(self.port)],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        def ready_or_dead() -> bool:
            return "QuantLab is ready" in self.said() or self.process.poll() is not None

        wait_until(ready_or_dead, within=READY_WITHIN, what="the platform's ready line")
        assert "QuantLab is ready" in self.said(), self.said()

    def running(self) -> dict[str, object]:
        facts: dict[str, object] = json.loads((self.home / "running.json").read_text())
        return facts

    def environment(self) -> dict[str, str]:
        environment = self.running()["environment"]
        assert isinstance(environment, dict)
        return environment

    def programs(self) -> dict[str, psutil.Process]:
        """The programs it runs, by name."""
        recorded = json.loads((self.home / "programs.json").read_text())
        alive = {pid: facts for pid, facts in recorded.items() if psutil.pid_exists(int(pid))}
        return {facts["name"]: psutil.Process(int(pid)) for pid, facts in alive.items()}

    def everything(self) -> list[psutil.Process]:
        """All processes below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
