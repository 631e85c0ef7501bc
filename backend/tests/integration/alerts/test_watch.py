"""The watch on a real PostgreSQL with a real webhook: told once, in order, whatever fails in between."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from app.errors import StoreUnavailable
from app.ops.alerts.message import LONGEST, message_of
from app.ops.alerts.telling import LONGEST_WAIT
from app.store import incidents
from app.store.engine import transaction
from app.store.incidents import Incident
from tests.integration.alerts.conftest import Receiver, ReceiverMaker, WatchMaker, World

DISK = {"disk": "Only 1.0 GiB are free."}


def recent(engine: Engine) -> list[Incident]:
    with transaction(engine) as connection:
        return incidents.list_recent(connection)


def test_breach_and_recovery_are_told_once_each(
    make_watch: WatchMaker, receiver: Receiver, world: World, engine: Engine
) -> None:
    watch = make_watch(receiver)
    watch.look()
    assert receiver.bodies == []
    world.wrong = dict(DISK)
    watch.look()
    watch.look()
    assert receiver.titles == ["QuantLab on test: 1 wrong: disk"]
    assert receiver.bodies[0]["message"].startswith("✗ Only 1.0 GiB are free. [test, since ")
    assert receiver.bodies[0]["type"] == "warning"
    world.wrong = {}
    for _ in range(4):
        watch.look()
    assert receiver.titles[1:] == ["QuantLab on test: 1 over: disk"]
    assert receiver.bodies[1]["message"].startswith("✓ Over after 1 min: Only 1.0 GiB are free.")
    (one,) = recent(engine)
    assert all((one.told_at, one.closed_at, one.recovery_told_at))
    assert one.opened_at < one.seen_at < (one.closed_at or one.seen_at)


def test_it_closes_at_the_second_silent_look_only(make_watch: WatchMaker, world: World, engine: Engine) -> None:
    watch = make_watch()
    for wrong in (DISK, {}, DISK, {}, DISK, {}):
        world.wrong = dict(wrong)
        watch.look()
        assert [one.closed_at for one in recent(engine)] == [None]
    watch.look()
    (one,) = recent(engine)
    assert one.closed_at


def test_what_another_watcher_sees_stays_open(make_watch: WatchMaker, world: World, engine: Engine) -> None:
    """A full disk on one of two hosts: the other host's watch finds nothing wrong with its own."""
    here, there = make_watch(), make_watch()
    for _ in range(4):
        world.wrong = dict(DISK)
        there.look()
        world.wrong = {}
        here.look()
    assert [one.closed_at for one in recent(engine)] == [None]
    here.look()
    assert recent(engine)[0].closed_at


def test_a_storm_is_one_message(make_watch: WatchMaker, receiver: Receiver, world: World) -> None:
    world.wrong = {f"subject {number:03}": f"Sentence {number}. " * 20 for number in range(100)}
    make_watch(receiver).look()
    assert receiver.titles == ["QuantLab on test: 100 wrong"]
    assert LONGEST < len(receiver.bodies[0]["message"]) < LONGEST + 100
    assert "`quantlab alerts` shows the rest" in receiver.bodies[0]["message"]


def test_two_watchers_at_once_tell_once(make_watch: WatchMaker, receiver: Receiver, world: World) -> None:
    world.wrong = dict(DISK)
    receiver.gate = threading.Event()
    first, second = make_watch(receiver), make_watch(receiver)
    sending = threading.Thread(target=first.look)
    sending.start()
    assert receiver.entered.wait(30)
    second.look()  # while the first one is sending
    assert receiver.bodies == []
    receiver.gate.set()
    sending.join(30)
    second.look()
    assert len(receiver.bodies) == 1


def test_a_slow_channel_does_not_cost_the_transaction(engine: Engine) -> None:
    # What stands still in a transaction is ended after 15 s, and a channel may take 20.
    limit = text("SHOW idle_in_transaction_session_timeout")
    with transaction(engine) as connection:
        assert connection.scalar(limit) == "15s"
        assert incidents.claim_telling(connection)
        assert connection.scalar(limit) == "0"
    with transaction(engine) as connection:
        assert connection.scalar(limit) == "15s", "of that transaction alone"


def test_many_watchers_agree_on_one_incident(
    make_watch: WatchMaker, receiver: Receiver, world: World, engine: Engine
) -> None:
    world.wrong = {f"subject {number}": f"Sentence {number}." for number in range(20)}
    watches = [make_watch(receiver) for _ in range(4)]
    failed: list[BaseException] = []

    def look(watch: object) -> None:
        try:
            for _ in range(3):
                watch.look()  # type: ignore[attr-defined]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=look, args=(watch,)) for watch in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert len(recent(engine)) == 20
    told = "\n".join(body["message"] for body in receiver.bodies)
    assert [told.count(f"Sentence {number}.") for number in range(20)] == [1] * 20


def test_a_watcher_that_dies_while_it_tells_loses_nothing(
    make_watch: WatchMaker, receiver: Receiver, world: World, engine: Engine
) -> None:
    """Its connection ends, hence its claim; nothing was marked, so the next watcher tells: at least once."""
    world.wrong = dict(DISK)
    receiver.gate = threading.Event()
    watch = make_watch(receiver)

    def look() -> None:
        with pytest.raises(StoreUnavailable):
            watch.look()

    dying = threading.Thread(target=look)
    dying.start()
    assert receiver.entered.wait(30)
    with transaction(engine) as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
    receiver.gate.set()
    dying.join(30)
    make_watch(receiver).look()
    assert len(receiver.bodies) == 2
    assert recent(engine)[0].told_at


def test_telling_is_tried_again_longer_and_longer_apart(
    make_watch: WatchMaker, receiver: Receiver, world: World, engine: Engine, said: list[str]
) -> None:
    watch = make_watch(receiver)
    receiver.status = 500
    world.wrong = dict(DISK)
    tried = []
    for second in range(0, 3600, 10):
        world.seconds = float(second)
        receiver.entered.clear()
        watch.look()
        if receiver.entered.is_set():
            tried.append(second)
    assert tried == [0, 30, 90, 210, 450, 930, 1830, 2730]
    assert recent(engine)[0].told_at is None
    receiver.status, world.seconds = 200, 2730 + LONGEST_WAIT
    watch.look()
    assert receiver.titles == ["QuantLab on test: 1 wrong: disk"]
    assert recent(engine)[0].told_at
    assert sum("The alert channel 1 (json) was not told: its server answered 500" in line for line in said) == 8
    assert not any("hunter2" in line for line in said)


def test_what_came_and_went_untold_is_one_message(make_watch: WatchMaker, receiver: Receiver, world: World) -> None:
    watch = make_watch(receiver)
    receiver.status = 500
    for wrong in (DISK, {}, {}):
        world.wrong = dict(wrong)
        watch.look()
    receiver.status, world.seconds = 200, 1000.0
    watch.look()
    watch.look()
    assert receiver.titles == ["QuantLab on test: 1 over: disk"]


def test_one_channel_that_is_down_holds_up_no_other(
    make_watch: WatchMaker, make_receiver: ReceiverMaker, world: World
) -> None:
    good, bad = make_receiver(), make_receiver()
    bad.status = 503
    watch = make_watch(bad, good)
    world.wrong = dict(DISK)
    watch.look()
    assert (len(good.bodies), len(bad.bodies)) == (1, 0)
    bad.status, world.seconds = 200, 60.0
    watch.look()
    watch.look()
    assert (good.titles, bad.titles) == (["QuantLab on test: 1 wrong: disk"],) * 2


def test_without_channels_nothing_is_told_and_nothing_breaks(
    make_watch: WatchMaker, receiver: Receiver, world: World, engine: Engine
) -> None:
    world.wrong = dict(DISK)
    make_watch().look()
    assert recent(engine)[0].told_at is None
    make_watch(receiver).look()  # an address was set: what is wrong now is told
    assert len(receiver.bodies) == 1


def test_old_news_is_not_told(make_watch: WatchMaker, receiver: Receiver, world: World, engine: Engine) -> None:
    watch = make_watch()
    for wrong in (DISK, {}, {}):
        world.wrong = dict(wrong)
        watch.look()
    with transaction(engine) as connection:
        connection.execute(text("UPDATE incidents SET closed_at = closed_at - interval '25 hours'"))
    make_watch(receiver).look()
    assert receiver.bodies == []


def test_a_rule_that_cannot_be_checked_closes_nothing(
    make_watch: WatchMaker, receiver: Receiver, world: World, engine: Engine
) -> None:
    watch = make_watch(receiver)
    world.wrong = dict(DISK)
    watch.look()
    world.error = StoreUnavailable("Redis does not answer.")
    for _ in range(3):
        watch.look()
    assert {(one.rule, one.closed_at) for one in recent(engine)} == {("test", None), ("watch", None)}
    assert "The rule test cannot be checked: Redis does not answer." in receiver.bodies[1]["message"]
    world.error = None
    watch.look()
    watch.look()
    assert {one.rule: one.closed_at is None for one in recent(engine)} == {"test": True, "watch": False}


def test_postgresql_away_is_told_without_it(
    make_watch: WatchMaker, receiver: Receiver, world: World, engine: Engine
) -> None:
    away = True

    def maybe() -> Engine:
        if away:
            raise StoreUnavailable("PostgreSQL could not do it: connection refused.")
        return engine

    watch = make_watch(receiver, engine=maybe)
    for told in (0, 1, 1, 1):
        with pytest.raises(StoreUnavailable):
            watch.look()
        assert len(receiver.bodies) == told
    away = False
    watch.look()
    watch.look()
    assert receiver.titles == ["QuantLab on test: PostgreSQL is away", "QuantLab on test: PostgreSQL is back"]


def test_how_long_it_lasted(engine: Engine) -> None:
    with transaction(engine) as connection:
        now = incidents.clock(connection)
    for minutes, words in ((0, "1 min"), (89, "89 min"), (91, "2 h"), (47 * 60, "47 h"), (72 * 60, "3 days")):
        opened = now - timedelta(minutes=minutes)
        one = Incident(1, "test", "disk", "Full.", opened, opened, now, None, None)
        assert message_of([one], sender="x").body == f"✓ Over after {words}: Full. [test]"
