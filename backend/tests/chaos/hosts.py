"""A second machine on this one: a network namespace behind a cable that can be pulled."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.chaos.proxy import Proxy
from tests.chaos.stage import Stage

NET = os.getpid() % 250 + 1


@dataclass(frozen=True)
class Host:
    """Reaches PostgreSQL, Valkey and the exchange through proxies at our end of its cable, and nothing else."""

    name: str
    cable: str
    environment: dict[str, str]

    @property
    def prefix(self) -> list[str]:
        """What runs a command there, under that host name."""
        as_host = 'hostname "$0" && exec "$@"'
        return ["ip", "netns", "exec", self.name, "unshare", "--uts", "sh", "-c", as_host, self.name]

    @contextlib.contextmanager
    def cut_off(self) -> Iterator[None]:
        """Within the block nothing that it sends arrives, and nothing reaches it; no connection is told."""
        _ip("link", "set", self.cable, "down")
        try:
            yield
        finally:
            _ip("link", "set", self.cable, "up")


@contextlib.contextmanager
def separate_host(stage: Stage, number: int) -> Iterator[Host]:
    """Host number 1 to 60; skips the test where this machine does not allow namespaces."""
    name, cable = f"qlhost{os.getpid()}-{number}", f"ql{os.getpid() % 10_000_000}-{number}"
    ours, theirs = (f"10.213.{NET}.{4 * number + end}" for end in (1, 2))
    proxies: list[Proxy] = []
    try:
        try:
            _ip("netns", "add", name)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"this machine allows no network namespaces: {error}")
        _ip("addr", "add", f"{ours}/30", "dev", cable)
        _ip("link", "set", cable, "up")
        _ip("-n", name, "addr", "add", f"{theirs}/30", "dev", "eth0")
        for link in ("lo", "eth0"):
            _ip("-n", name, "link", "set", link, "up")
        targets = (stage.to_postgres.port, stage.to_valkey.port, stage.exchange)
        proxies += [Proxy(target, host=ours) for target in targets]
        postgres, valkey, exchange = proxies
        yield Host(name, cable, stage.environment(postgres=postgres, valkey=valkey, exchange=exchange))
    finally:
        for proxy in proxies:
            proxy.close()
        with contextlib.suppress(OSError):
            subprocess.run(["ip", "link", "del", cable], check=False, capture_output=True, timeout=10)
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=10)


def _ip(*words: str) -> None:
    if not shutil.which("ip") or os.geteuid() != 0:
        raise OSError("it takes root and the command ip")
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)
