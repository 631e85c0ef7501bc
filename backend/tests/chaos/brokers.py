"""Brokers other than one Valkey: a master and a replica behind three Sentinels, and RabbitMQ."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from app.runtime.ports import LOOPBACK, free_port
from app.runtime.valkey import ENVIRONMENT
from tests.chaos.stage import Stage
from tests.conftest import wait_until

MASTER = "quantlab"
DOWN_AFTER = 2.0
"""Seconds of silence after which a Sentinel takes the master for gone."""


@contextlib.contextmanager
def sentinels(stage: Stage) -> Iterator[Sequence[int]]:
    """Give the stage's Valkey a replica, and let three Sentinels watch both; their ports, and the stage uses them."""
    master = urlsplit(stage.redis_url)
    password = str(master.password)
    replica, *watchers = ports = [free_port() for _ in range(4)]
    with contextlib.ExitStack() as closing:
        common = f'bind {LOOPBACK}\nsave ""\ndaemonize no\n'
        text = f"requirepass {password}\nmasterauth {password}\nappendonly yes\nreplicaof {LOOPBACK} {master.port}\n"
        closing.enter_context(_valkey(stage, "replica", replica, common + text))
        direct = redis.Redis.from_url(stage.redis_url)
        closing.callback(direct.close)
        wait_until(lambda: _in_sync(direct), within=30, what="the replica")
        for number, port in enumerate(watchers):
            text = (
                f"sentinel monitor {MASTER} {LOOPBACK} {master.port} 2\nsentinel auth-pass {MASTER} {password}\n"
                f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER * 1000:.0f}\n"
                f"sentinel failover-timeout {MASTER} 10000\n"
            )
            closing.enter_context(_valkey(stage, f"sentinel-{number}", port, common + text, "--sentinel"))
        for port in watchers:
            wait_until(lambda port=port: _knows_all(port), within=30, what="the Sentinels")  # type: ignore[misc]
        assert len(set(ports)) == 4
        stage.extra |= {
            "REDIS_URL": ";".join(f"sentinel://:{password}@{LOOPBACK}:{port}" for port in watchers) + "/0",
            "CELERY_SENTINEL_MASTER": MASTER,
        }
        yield watchers


def master_port(sentinel: int) -> int:
    """Whom that Sentinel names."""
    with redis.Redis(host=LOOPBACK, port=sentinel, socket_timeout=5) as client:
        return int(client.sentinel_get_master_addr_by_name(MASTER)[1])  # type: ignore[no-untyped-call]


def _in_sync(client: redis.Redis) -> bool:
    told = client.info("replication")
    return bool(told["connected_slaves"]) and told["slave0"]["state"] == "online"  # type: ignore[index]


def _knows_all(port: int) -> bool:
    with contextlib.suppress(redis.RedisError), redis.Redis(host=LOOPBACK, port=port, socket_timeout=5) as client:
        told = client.sentinel_master(MASTER)  # type: ignore[no-untyped-call]
        return bool(told["num-slaves"] == 1 and told["num-other-sentinels"] == 2)
    return False


@contextlib.contextmanager
def _valkey(stage: Stage, name: str, port: int, text: str, *options: str) -> Iterator[None]:
    folder = stage.folder / name
    folder.mkdir()
    conf = folder / "valkey.conf"
    conf.write_text(f"port {port}\ndir {folder}\n{text}")
    argv = [stage.valkey_binary, conf, *options]
    with (stage.logs / f"{name}.log").open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT, env=ENVIRONMENT)
    try:
        yield
    finally:
        process.kill()
        process.wait(30)


@contextlib.contextmanager
def rabbitmq(stage: Stage) -> Iterator[Path]:
    """A RabbitMQ of the stage's own, which it uses as its broker; gives the command that controls it."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    epmd = shutil.which("epmd")
    if not found or epmd is None:
        pytest.skip("RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)")
    folder = stage.folder / "rabbitmq"
    folder.mkdir()
    port, names, distribution = free_port(), free_port(), free_port()
    conf = folder / "rabbitmq.conf"
    # As docs/howto/scale.md says: a task may hold its message for longer than the half hour that it gives by default.
    conf.write_text(f"listeners.tcp.1 = {LOOPBACK}:{port}\nconsumer_timeout = 21600000\n")
    (folder / "enabled_plugins").write_text("[].\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "RABBITMQ_NODENAME": f"ql{os.getpid()}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(conf),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
    }
    with (stage.logs / "rabbitmq.log").open("wb") as output:
        streams = {"stdout": output, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        mapper = subprocess.Popen([epmd, "-port", str(names), "-address", LOOPBACK], env=environment, **streams)  # type: ignore[call-overload]
        server = subprocess.Popen([found[-1]], env=environment, cwd=folder, **streams)  # type: ignore[call-overload]
    try:
        wait_until(lambda: _greets(port) or server.poll() is not None, within=60, what="RabbitMQ")
        assert server.poll() is None, (stage.logs / "rabbitmq.log").read_text()[-3000:]
        stage.extra["CELERY_BROKER_URL"] = f"amqp://guest:guest@{LOOPBACK}:{port}//"
        yield found[-1]
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()
        server.wait(10)
        mapper.kill()
        mapper.wait(10)


def _greets(port: int) -> bool:
    """Whether it answers the wrong protocol with the right one, which it does once it serves."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=2) as link:
        link.sendall(b"AMQP\0\0\0\0")
        return link.recv(4) == b"AMQP"
    return False
