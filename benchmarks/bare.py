"""The baseline of ``ledger``: Celery as it comes, with exactly our settings; no ledger, no lease, no heartbeat."""

from __future__ import annotations

import json
import os
import sys
import time

from celery import Celery
from celery.result import denied_join_result
from kombu import Exchange, Queue

NAME = "bare.nothing"

_settings = json.loads(os.environ["BENCHMARK_CELERY"])
_queues = [Queue(name, Exchange(name), routing_key=name) for name in _settings.pop("queues")]
app = Celery("bare")
app.conf.update(_settings, task_queues=_queues)


@app.task(name=NAME)
def nothing(number: int) -> None:
    """Do nothing."""


def send(count: int) -> float:
    """Send so many, each another; seconds."""
    begun = time.perf_counter()
    # As ours: nobody waits for results, but the worker stores them. Without results a worker does half as much.
    with denied_join_result():
        for number in range(count):
            app.send_task(NAME, kwargs={"number": number})
    return time.perf_counter() - begun


if __name__ == "__main__":
    send(5)  # connects
    print(json.dumps({"seconds": send(int(sys.argv[1]))}))
