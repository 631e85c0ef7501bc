"""The faults: each hurts a stage that works, heals what an operator or a supervisor would, and returns.

A stage has the workers ``w1`` and ``w2``, the beats ``beat1`` and ``beat2`` and ``web``, as far as they were started.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from tests.chaos.child import Child
from tests.chaos.disk import full
from tests.chaos.stage import Stage

Chance = random.Random

FETCH_TRIES = 4
"""How often one fetch asks a site that fails."""
TRANSIENT = ("429", "5xx", "reset", "slow", "truncated")
"""What a later try of the exchange mends."""


@dataclass(frozen=True)
class Fault:
    """``inject`` returns when all is repaired again; ``needs`` are the children that it acts on.

    Its recovery counts from the repair if it has to be ``helped``, else it is the longest standstill after the fault.
    ``spoilt`` is how many requests it may spoil, each of which is asked again. The ``short`` ones run with all tests.
    """

    name: str
    inject: Callable[[Stage, Chance], None]
    needs: Sequence[str] = ("w1", "beat1")
    spoilt: int = 0
    helped: bool = True
    short: bool = False

    def __str__(self) -> str:
        return self.name


def workers(stage: Stage) -> list[Child]:
    return [child for name, child in stage.children.items() if name.startswith("w") and name != "web"]


def beats(stage: Stage) -> list[Child]:
    return [child for name, child in stage.children.items() if name.startswith("beat")]


def kill_pool(stage: Stage, chance: Chance) -> None:
    """Every pool process of the workers: whichever has the run is among them."""
    for worker in workers(stage):
        for process in worker.children():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue


def kill_workers(stage: Stage, chance: Chance) -> None:
    """All workers with their children, at once, as by a power cut; a new one starts."""
    hurt = workers(stage)
    for worker in hurt:
        worker.send_all(signal.SIGKILL)
    for worker in hurt:
        worker.wait()
        worker.start()
    for worker in hurt:
        worker.wait_until_ready()


def kill_worker_mains(stage: Stage, chance: Chance) -> None:
    """The main processes only: the children have nobody left to answer to."""
    for worker in workers(stage):
        worker.kill(with_children=False)
        worker.start().wait_until_ready()


def freeze_workers(stage: Stage, chance: Chance, seconds: float = 30) -> None:
    """A whole worker stands still for longer than its lease, while another is there, and then goes on: a zombie."""
    holders = stage.rows("SELECT worker FROM runs WHERE state = 'STARTED'")
    names = {str(worker).split("@", maxsplit=1)[0] for (worker,) in holders}
    hurt = [worker for worker in workers(stage) if worker.name in names]
    for worker in hurt:
        worker.send_all(signal.SIGSTOP)
    time.sleep(seconds)
    for worker in hurt:
        worker.send_all(signal.SIGCONT)


def kill_beats(stage: Stage, chance: Chance) -> None:
    """All of them; new ones start after a while."""
    for beat in beats(stage):
        beat.kill()
    time.sleep(3)
    for beat in beats(stage):
        beat.start()
    for beat in beats(stage):
        beat.wait_until_ready()


def kill_one_beat(stage: Stage, chance: Chance) -> None:
    stage.children["beat1"].kill()
    time.sleep(3)
    stage.children["beat1"].start().wait_until_ready()


def kill_web(stage: Stage, chance: Chance) -> None:
    stage.children["web"].kill()
    time.sleep(1)
    stage.children["web"].start()


def kill_everything(stage: Stage, chance: Chance) -> None:
    """The power goes: workers, beats and both servers at once."""
    for child in stage.children.values():
        child.send_all(signal.SIGKILL)
    stage.postgres.kill()
    stage.valkey.kill()
    for child in stage.children.values():
        child.wait()
    time.sleep(1)
    stage.postgres.start()
    stage.valkey.start()
    for child in stage.children.values():
        child.start()
    for child in (*workers(stage), *beats(stage)):
        child.wait_until_ready()


def restart_valkey(stage: Stage, chance: Chance) -> None:
    stage.valkey.stop()
    time.sleep(2)
    stage.valkey.start()


def kill_valkey(stage: Stage, chance: Chance) -> None:
    stage.valkey.kill()
    time.sleep(2)
    stage.valkey.start()


def restart_postgres(stage: Stage, chance: Chance) -> None:
    stage.postgres.stop()
    time.sleep(2)
    stage.postgres.start()


def kill_postgres(stage: Stage, chance: Chance) -> None:
    stage.postgres.kill()
    time.sleep(2)
    stage.postgres.start()


def cut_valkey(stage: Stage, chance: Chance, seconds: float = 60) -> None:
    with stage.to_valkey.cut():
        time.sleep(seconds)


def freeze_valkey(stage: Stage, chance: Chance, seconds: float = 60) -> None:
    with stage.to_valkey.frozen():
        time.sleep(seconds)


def freeze_postgres(stage: Stage, chance: Chance, seconds: float = 60) -> None:
    with stage.to_postgres.frozen():
        time.sleep(seconds)


def slow_postgres(stage: Stage, chance: Chance, seconds: float = 20) -> None:
    with stage.to_postgres.slow(chance.uniform(0.2, 0.5)):
        time.sleep(seconds)


def storm_of_sigterm(stage: Stage, chance: Chance, times: int = 5) -> None:
    """Every worker is told to stop, again and again, and started anew each time."""
    for _ in range(times):
        for worker in workers(stage):
            worker.send(signal.SIGTERM)
            time.sleep(chance.uniform(0, 0.2))
            worker.send(signal.SIGTERM)
            worker.wait(30)
            worker.start()
        for worker in workers(stage):
            worker.wait_until_ready()
        time.sleep(chance.uniform(0.2, 1))


def storm_at_the_exchange(stage: Stage, chance: Chance, count: int = 6) -> None:
    """Replies that a later try mends, at random, never so many in a row that a breaker opens."""
    for _ in range(count):
        kind, site = chance.choice(TRANSIENT), chance.choice(("twse", "tpex"))
        stage.exchange_fault(site=site, fault=kind, times=1, seconds=chance.uniform(0.5, 2))
        time.sleep(0.5)


def fail_a_unit(stage: Stage, chance: Chance) -> None:
    """As many failures in a row as one fetch bears: the unit fails, and the run has to be tried again for it."""
    stage.exchange_fault(site=chance.choice(("twse", "tpex")), fault="5xx", times=FETCH_TRIES)


def fill_disk(stage: Stage, chance: Chance, seconds: float = 12) -> None:
    """No byte is free for the servers and the archive; a supervisor starts what gave up."""
    with full(stage.folder):
        time.sleep(seconds)
    stage.postgres.start()
    stage.valkey.start()


def jump_clocks(stage: Stage, chance: Chance, seconds: float = 5) -> None:
    """Workers, beats and the web are an hour ahead or behind at once, and right again at once."""
    assert stage.clock is not None
    stage.clock.set(chance.choice((3600, -3600)))
    time.sleep(seconds)
    stage.clock.set(0)


ALL = (
    Fault("kill -9 the pool processes", kill_pool, helped=False),
    Fault("kill -9 the whole worker", kill_workers, short=True),
    Fault("kill -9 the worker's main process only", kill_worker_mains),
    Fault("freeze the worker 30 s: a zombie writer", freeze_workers, needs=("w1", "w2", "beat1"), helped=False),
    Fault("SIGTERM storm, 5 restarts", storm_of_sigterm),
    Fault("kill -9 one beat of two", kill_one_beat, needs=("w1", "beat1", "beat2")),
    Fault("kill -9 both beats", kill_beats, needs=("w1", "beat1", "beat2")),
    Fault("kill -9 the web", kill_web, needs=("w1", "beat1", "web")),
    Fault("kill -9 everything at once", kill_everything),
    Fault("restart Valkey", restart_valkey),
    Fault("kill -9 Valkey", kill_valkey),
    Fault("Valkey refuses for 60 s", cut_valkey),
    Fault("Valkey is silent for 60 s", freeze_valkey),
    Fault("restart PostgreSQL", restart_postgres),
    Fault("kill -9 PostgreSQL", kill_postgres),
    Fault("PostgreSQL is silent for 60 s", freeze_postgres),
    Fault("PostgreSQL is slow (200-500 ms a reply)", slow_postgres),
    Fault("replies spoilt at random", storm_at_the_exchange, spoilt=6),
)
FAILED_UNIT = Fault("one unit fails: 503 to each of its 4 tries", fail_a_unit, spoilt=FETCH_TRIES, helped=False)
FULL_DISK = Fault("the disk of all servers is full for 12 s", fill_disk)
CLOCKS = Fault("all clocks but PostgreSQL's jump by 1 h, and back", jump_clocks, helped=False)
RANDOM = (*ALL, FAILED_UNIT, FULL_DISK, CLOCKS)
"""For one long run. The last two take a stage on a small disk of its own and with a clock that can be wrong."""
