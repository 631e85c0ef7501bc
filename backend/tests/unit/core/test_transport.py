"""High number first, on a real Valkey, through Kombu as a worker uses it."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu import Connection

from app.core.celery_app import TRANSPORT_OPTIONS, app
from app.core.transport import Channel, queue_keys

_names = itertools.count()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(0, 10), min_size=1, max_size=15))
def test_waiting_messages_come_highest_priority_first_then_oldest(redis_url: str, priorities: list[int]) -> None:
    name = f"order-{next(_names)}"
    with Connection(redis_url, transport_options={**TRANSPORT_OPTIONS, "max_connections": 20}) as connection:
        assert isinstance(connection.default_channel, Channel)
        with connection.SimpleQueue(name) as queue:
            for number, priority in enumerate(priorities):
                queue.put([priority, number], priority=priority)
            got = [queue.get_nowait().payload for _ in priorities]
    assert got == sorted(([p, n] for n, p in enumerate(priorities)), key=lambda pair: (-pair[0], pair[1]))


def test_each_priority_has_the_list_that_the_monitor_counts(redis_url: str) -> None:
    with Connection(redis_url, transport_options={**TRANSPORT_OPTIONS, "max_connections": 20}) as connection:
        with connection.SimpleQueue("counted") as queue:
            for priority in range(11):
                for _ in range(priority + 1):
                    queue.put({}, priority=priority)
        client = connection.default_channel.client
        assert {p: client.llen(key) for p, key in queue_keys("counted").items()} == {p: p + 1 for p in range(11)}


def test_a_task_without_a_priority_stands_in_the_middle() -> None:
    assert app.conf.task_default_priority == 5


@pytest.mark.parametrize("scheme", ["redis", "rediss", "sentinel"])
def test_every_redis_address_means_our_transport(scheme: str) -> None:
    from kombu.transport import resolve_transport

    assert resolve_transport(scheme).__module__ == "app.core.transport"
