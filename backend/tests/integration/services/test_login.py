"""Throttling of logins against a model and against many at once; admins who disable each other; turns over restarts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.wiring import Platform
from app.errors import LastAdmin, NotAuthorised, TooManyAttempts
from app.services import login
from app.services.login import FREE_OF_ADDRESS, FREE_OF_NAME, log_in
from app.services.passwords import hash_password, is_password
from app.services.users import add_user, change_user
from app.store import audit, login_failures, users
from app.store.engine import make_engine, transaction

PASSWORD = "correct horse battery staple"
NAMES, ADDRESSES = ("mei", "nobody"), ("192.0.2.1", "192.0.2.2")


@pytest.fixture
def mei(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """One user; passwords are compared as they are, for what is tried here is how often."""
    add_user(platform.engine, "mei", role="viewer", password=PASSWORD)
    monkeypatch.setattr(login, "is_password", lambda password, kept: kept is not None and password == PASSWORD)
    return platform


def attempt(platform: Platform, name: str, password: str, address: str = "192.0.2.1") -> str:
    try:
        log_in(platform.engine, name, password, address=address, agent=None)
    except NotAuthorised:
        return "wrong"
    except TooManyAttempts as error:
        return "wait" if 1 <= error.retry_after <= 900 else f"wait for {error.retry_after}"
    return "in"


def pass_time(platform: Platform, seconds: float) -> None:
    """Let everything that is written of logins be so much older."""
    with transaction(platform.engine) as connection:
        connection.execute(
            text(
                "UPDATE login_failures SET failed_at = failed_at - make_interval(secs => :s), "
                "locked_until = locked_until - make_interval(secs => :s)"
            ),
            {"s": seconds},
        )


class Model:
    """The rules in plain words: a subject is locked for 2 s at its last free failure, then for twice as long each."""

    def __init__(self) -> None:
        self.now = 0.0
        self.failures: Counter[str] = Counter()
        self.locked: dict[str, float] = {}

    def attempt(self, name: str, address: str, *, right: bool) -> str:
        free = {name: 5, address: 20}
        if any(self.locked.get(one, 0.0) > self.now for one in free):
            return "wait"
        for one, limit in free.items():
            self.failures[one] += 1
            over = self.failures[one] - limit
            if over >= 0:
                self.locked[one] = self.now + min(2.0 * 2**over, 900.0)
        if not right:
            return "wrong"
        del self.failures[name]
        self.locked.pop(name, None)
        self.failures[address] -= 1
        if self.failures[address] < 20:
            self.locked.pop(address, None)
        return "in"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(NAMES), st.booleans(), st.sampled_from(ADDRESSES)),
        st.sampled_from([100.3, 2_000.0]),  # never near the end of a lock: the test takes time itself
    ),
    min_size=25,
    max_size=90,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_throttle_does_what_the_rules_say(mei: Platform, steps: list[Any]) -> None:
    with transaction(mei.engine) as connection:
        connection.execute(text("TRUNCATE login_failures"))
    model, real, expected = Model(), [], []
    for step in steps:
        if isinstance(step, float):
            pass_time(mei, step)
            model.now += step
            continue
        name, right, address = step
        real.append(attempt(mei, name, PASSWORD if right else "wrong", address))
        expected.append(model.attempt(name, address, right=right and name == "mei"))
    assert real == expected


def test_many_at_once_get_no_more_tries_than_one_after_another(mei: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_failures, "FIRST_LOCK", 60.0)
    start = threading.Barrier(40)

    def one(number: int) -> str:
        start.wait(30)
        return attempt(mei, "mei", "wrong", f"192.0.2.{number}")

    with ThreadPoolExecutor(40) as pool:
        answers = Counter(pool.map(one, range(40)))
    assert answers == {"wrong": FREE_OF_NAME, "wait": 40 - FREE_OF_NAME}


def test_each_lock_stands_in_the_audit_once_and_no_secret_with_it(
    mei: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locks() -> list[tuple[str, str, object]]:
        with transaction(mei.engine) as connection:
            found = audit.list_rows(connection, limit=50, action="login.lock")
        return [(row.who, row.subject, (row.after or {})["seconds"]) for row in reversed(found)]

    for _ in range(login.FREE_OF_NAME - 1):
        attempt(mei, "mei", "wrong")
    assert locks() == []
    for _ in range(3):  # the lock, and two that are not looked at
        attempt(mei, "mei", "wrong")
    assert locks() == [("192.0.2.1", "mei", 2)]
    pass_time(mei, 3)
    attempt(mei, "mei", "wrong")
    assert locks()[1:] == [("192.0.2.1", "mei", 4)]
    pass_time(mei, 5)
    assert attempt(mei, "mei", PASSWORD) == "in"  # whoever knows it has locked nobody
    assert len(locks()) == 2
    for _ in range(login.FREE_OF_NAME):
        attempt(mei, "hunter2-in-the-wrong-field", "wrong", "192.0.2.2")
    assert locks()[2:] == [("192.0.2.2", "a name that no user has", 2)]
    monkeypatch.setattr(login, "FREE_OF_ADDRESS", 3)
    for one in range(3):
        attempt(mei, f"name{one}", "wrong", "192.0.2.3")
    assert locks()[3:] == [("192.0.2.3", "192.0.2.3", 2)]


def test_whoever_tries_many_names_is_stopped_by_his_address(mei: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_failures, "FIRST_LOCK", 60.0)
    start = threading.Barrier(40)

    def one(number: int) -> str:
        start.wait(30)
        return attempt(mei, f"user{number}", "wrong")

    with ThreadPoolExecutor(40) as pool:
        answers = Counter(pool.map(one, range(40)))
    assert answers == {"wrong": FREE_OF_ADDRESS, "wait": 40 - FREE_OF_ADDRESS}
    assert attempt(mei, "mei", PASSWORD) == "wait"
    assert attempt(mei, "mei", PASSWORD, "192.0.2.2") == "in"


@pytest.mark.parametrize(
    "addresses",
    [
        [f"2001:db8:0:7:{number:x}::1" for number in range(1, 41)],
        [f"::ffff:192.0.2.7%{number}" for number in range(40)],
        [
            f"<script>{number}</script>" + "".join(chr(33 + (7 * i + number) % 90) for i in range(9_000))
            for number in range(40)
        ],
    ],
    ids=["IPv6", "mapped", "nonsense"],
)
def test_no_other_way_to_write_an_address_gives_more_tries(mei: Platform, addresses: list[str]) -> None:
    answers = Counter(attempt(mei, f"user{number}", "wrong", address) for number, address in enumerate(addresses))
    assert answers["wrong"] in (FREE_OF_ADDRESS, FREE_OF_ADDRESS + 1)  # one more where two seconds went by
    assert attempt(mei, "mei", PASSWORD, "2001:db8:0:8::1") == "in"
    with transaction(mei.engine) as connection:
        assert connection.scalar(text("SELECT max(length(subject)) FROM login_failures")) < 80


def test_an_account_of_ones_own_opens_no_way_to_others(mei: Platform) -> None:
    """Nobody gets more tries at an address by logging in himself in between."""
    add_user(mei.engine, "eve", role="viewer", password=PASSWORD)
    wrong = 0
    for number in range(60):
        wrong += attempt(mei, f"victim{number}", "wrong") == "wrong"
        attempt(mei, "eve", PASSWORD)
    assert wrong <= FREE_OF_ADDRESS


def test_a_login_of_ones_own_unlocks_no_address_that_failed_often(mei: Platform) -> None:
    for number in range(FREE_OF_ADDRESS + 2):
        attempt(mei, f"victim{number}", "wrong")
        pass_time(mei, 2_000)
    assert attempt(mei, "mei", PASSWORD) == "in"
    assert attempt(mei, "victim", "wrong") == "wait"


def test_failures_outlive_a_restart_and_are_everybodys(mei: Platform, database_url: str) -> None:
    for _ in range(FREE_OF_NAME):
        assert attempt(mei, "mei", "wrong") == "wrong"
    other = make_engine(database_url, application_name="another web")
    try:
        with pytest.raises(TooManyAttempts):
            log_in(other, "mei", PASSWORD, address="192.0.2.9", agent=None)
    finally:
        other.dispose()


def test_what_is_kept_of_failures_does_not_grow_for_ever(mei: Platform) -> None:
    for number in range(15):
        attempt(mei, "x" * 90 + str(number), "wrong")
    pass_time(mei, 86_401)
    attempt(mei, "mei", "wrong")
    with transaction(mei.engine) as connection:
        subjects = connection.scalars(text("SELECT subject FROM login_failures")).all()
    assert len(subjects) == 2
    assert all(len(subject) < 80 for subject in subjects)


def test_two_admins_who_disable_each_other_leave_one(platform: Platform) -> None:
    for name in ("mei", "eve"):
        add_user(platform.engine, name, role="admin", password=PASSWORD)
    start = threading.Barrier(2)

    def disable(name: str) -> bool:
        start.wait(10)
        try:
            change_user(platform.engine, name, disabled=True)
        except LastAdmin:
            return False
        return True

    for _ in range(10):
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(disable, ("mei", "eve"))) == [False, True]
        with transaction(platform.engine) as connection:
            assert users.count_admins(connection) == 1
        for name in ("mei", "eve"):
            change_user(platform.engine, name, disabled=False)


def test_who_is_disabled_while_he_logs_in_is_not_in(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    add_user(platform.engine, "boss", role="admin", password=PASSWORD)
    add_user(platform.engine, "mei", role="viewer", password=PASSWORD)

    def then_disable(real: Callable[..., bool]) -> Callable[..., bool]:
        def check(password: str, kept: str | None) -> bool:
            right = real(password, kept)
            change_user(platform.engine, "mei", disabled=True)
            return right

        return check

    monkeypatch.setattr(login, "is_password", then_disable(is_password))
    assert attempt(platform, "mei", PASSWORD) == "wrong"
    with transaction(platform.engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM web_sessions")) == 0


def test_passwords_of_older_parameters_are_renewed_at_login(platform: Platform) -> None:
    from argon2 import PasswordHasher

    add_user(platform.engine, "mei", role="viewer", password=PASSWORD)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with transaction(platform.engine) as connection:
        users.change(connection, "mei", password_hash=weak)
    assert attempt(platform, "mei", PASSWORD) == "in"
    with transaction(platform.engine) as connection:
        kept = users.password_hash(connection, "mei")
    assert kept != weak
    assert kept
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert attempt(platform, "mei", PASSWORD) == "in"


def test_a_hash_that_is_none_lets_nobody_in(platform: Platform) -> None:
    assert is_password(PASSWORD, hash_password(PASSWORD))
    assert not is_password(PASSWORD, None)
    assert not is_password(PASSWORD, "")
    assert not is_password("", "$argon2id$v=19$m=19456,t=2,p=1$x$y")
    assert hash_password(PASSWORD) != hash_password(PASSWORD)
