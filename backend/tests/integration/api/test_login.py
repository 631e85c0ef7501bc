"""Logging in, sessions and their ends, users and tokens: over HTTP, as somebody would attack them."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.config import get_settings
from app.core.wiring import Platform
from app.errors import NotAllowed
from app.runtime.ports import free_port
from app.services import login
from app.services.identity import Identity
from app.services.passwords import place
from app.services.tokens import make_token
from app.store import login_failures
from app.store.engine import transaction
from tests.integration.api.logins import OURS, PASSWORD, Person, log_in, person
from tests.integration.api.served import served

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

ADMIN_TOKEN = {"Authorization": "Bearer correct-horse-battery"}


def run_sql(platform: Platform, statement: str, **values: object) -> None:
    with transaction(platform.engine) as connection:
        connection.execute(text(statement), values)


def everything_stored(platform: Platform) -> str:
    """All that the tables of logins and the audit hold, as text."""
    with transaction(platform.engine) as connection:
        tables = ("users", "web_sessions", "api_tokens", "login_failures", "audit")
        return "\n".join(str(connection.execute(text(f"SELECT t::text FROM {name} t")).all()) for name in tables)


@pytest.fixture(autouse=True)
def _nothing_is_said(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No log line ever holds a password, a cookie or a token."""
    yield
    said = "".join(capfd.readouterr())
    assert PASSWORD not in said
    assert "ql_" not in said


def test_in_and_out(platform: Platform, web: Web) -> None:
    person(web, platform, "mei", "viewer")
    reply = log_in(web, "mei")
    assert reply.json() == {"name": "mei", "role": "viewer"}
    (cookie,) = reply.headers.get_list("set-cookie")
    secret = reply.cookies["quantlab_session"]
    assert len(secret) >= 43
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert attributes == {"httponly", "path=/", "samesite=strict", "max-age=604800"}

    mei = Person(web, secret)
    me = mei.get("/api/v1/me").json()
    assert (me["name"], me["role"], me["source"], me["prices"]) == ("mei", "viewer", "sandbox", "synthetic")
    assert mei.ask("POST", "/api/v1/logout", headers={}).status_code == 403
    assert mei.get("/api/v1/me").status_code == 200
    reply = mei.ask("POST", "/api/v1/logout")
    assert (reply.status_code, reply.content) == (204, b"")
    assert "max-age=0" in reply.headers["set-cookie"].lower()
    assert mei.get("/api/v1/me").status_code == 401
    assert mei.ask("POST", "/api/v1/logout").status_code == 204
    assert web.post("/api/v1/logout").status_code == 204


def test_behind_https_the_cookie_is_for_https_only(platform: Platform, web: Web) -> None:
    person(web, platform, "mei", "viewer")
    reply = log_in_by_https(web)
    assert "; Secure" in reply


def log_in_by_https(web: Web) -> str:
    import asyncio

    import httpx

    async def once() -> str:
        async with httpx.AsyncClient(transport=web._transport, base_url="https://localhost") as client:
            reply = await client.post("/api/v1/login", json={"name": "mei", "password": PASSWORD})
            return reply.headers["set-cookie"]

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("proxies", "says", "secure", "address"),
    [
        ("10.42.0.0/16", "203.0.113.9", False, "127.0.0.1"),
        ("127.0.0.0/8", "203.0.113.9", True, "203.0.113.9"),
        ("127.0.0.1", "<script>alert(1)</script>" * 500, True, "unknown"),
        ("", "203.0.113.9", False, "127.0.0.1"),
    ],
)
def test_only_the_named_proxies_are_believed(  # noqa: PLR0917 - a row of the table above
    platform: Platform, web: Web, monkeypatch: pytest.MonkeyPatch, proxies: str, says: str, secure: bool, address: str
) -> None:
    mei = person(web, platform, "mei", "viewer")
    monkeypatch.setenv("QUANTLAB_PROXIES", proxies)
    get_settings.cache_clear()
    told = {"X-Forwarded-For": says, "X-Forwarded-Proto": "https"}
    with served(free_port()) as real:
        given = {"name": "mei", "password": PASSWORD}
        reply = httpx.post(f"http://localhost:{real.port}/api/v1/login", json=given, headers=told, trust_env=False)
    assert ("; Secure" in reply.headers["set-cookie"]) is secure
    assert mei.get("/api/v1/sessions").json()["sessions"][0]["address"] == address


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(platform: Platform, web: Web) -> None:
    person(web, platform, "mei", "viewer")
    person(web, platform, "gone", "viewer")
    assert web.ask("PATCH", "/api/v1/users/gone", json={"disabled": True}, headers=ADMIN_TOKEN).status_code == 200
    wrong = [log_in(web, "mei", "wrong"), log_in(web, "nobody", PASSWORD), log_in(web, "gone", PASSWORD)]
    wrong += [log_in(web, "\u0000' OR 1=1 --"), log_in(web, "MEI"), log_in(web, "mei\n")]
    assert {(one.status_code, one.content) for one in wrong} == {(401, wrong[0].content)}
    assert not any("set-cookie" in one.headers for one in wrong)
    said = {"error": "WrongLogin", "message": "That name and password do not belong together."}
    assert wrong[0].json() == said


def test_an_unknown_name_takes_as_long_as_a_wrong_password(
    platform: Platform, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the same work the answer for an unknown name comes some ten times sooner."""
    monkeypatch.setattr(login, "FREE_OF_NAME", 1_000)
    monkeypatch.setattr(login, "FREE_OF_ADDRESS", 1_000)
    person(web, platform, "mei", "viewer")
    log_in(web, "nobody")

    def seconds(name: str) -> float:
        start = time.perf_counter()
        assert log_in(web, name, "wrong").status_code == 401
        return time.perf_counter() - start

    pairs = [(seconds("mei"), seconds("nobody")) for _ in range(15)]
    known, unknown = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert 0.6 < unknown / known < 1.6, pairs


def test_too_many_failures_have_to_wait(platform: Platform, web: Web) -> None:
    person(web, platform, "mei", "viewer")
    for name in ("mei", "nobody"):
        answers = [log_in(web, name, "wrong") for _ in range(login.FREE_OF_NAME + 1)]
        assert [one.status_code for one in answers] == [401] * login.FREE_OF_NAME + [429]
        assert answers[-1].json()["error"] == "TooManyAttempts"
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 2
        assert answers[-1].json()["facts"] == {"retry_after": int(answers[-1].headers["Retry-After"])}
    # The right password is not even looked at; when the time is over it opens, and all is forgotten.
    assert log_in(web, "mei").status_code == 429
    run_sql(platform, "UPDATE login_failures SET locked_until = now() - interval '1 second'")
    assert log_in(web, "mei", "wrong").status_code == 401
    assert int(log_in(web, "mei").headers["Retry-After"]) > 2
    run_sql(platform, "UPDATE login_failures SET locked_until = now() - interval '1 second'")
    assert log_in(web, "mei").status_code == 200
    assert [log_in(web, "mei", "wrong").status_code for _ in range(4)] == [401] * 4
    assert log_in(web, "mei").status_code == 200


def test_one_login_too_many_at_once_is_sent_away_and_counts_for_nothing(platform: Platform, web: Web) -> None:
    person(web, platform, "mei", "viewer")
    with ExitStack() as others:
        for _ in range(8):
            others.enter_context(place())
        reply = log_in(web, "mei", "wrong")
        assert (reply.status_code, reply.json()["error"], reply.headers["Retry-After"]) == (429, "TooManyAttempts", "1")
        assert web.get("/api/v1/tasks").status_code == 200
    with transaction(platform.engine) as connection:
        failures = connection.scalar(text("SELECT coalesce(sum(failures), 0) FROM login_failures"))
    assert failures == 0
    assert log_in(web, "mei").status_code == 200


def test_a_login_from_another_sites_page_is_refused(platform: Platform, web: Web) -> None:
    person(web, platform, "mei", "viewer")
    assert log_in(web, "mei", headers={"Origin": "http://evil.example"}).status_code == 403
    assert log_in(web, "mei", headers={"Origin": "http://localhost"}).status_code == 200


def test_nobody_can_be_slipped_a_session(platform: Platform, web: Web) -> None:
    eve = person(web, platform, "eve", "viewer")
    person(web, platform, "mei", "admin")
    for planted in (eve.cookie, "made-up-by-eve"):
        reply = log_in(web, "mei", headers={"Cookie": f"quantlab_session={planted}"})
        assert reply.cookies["quantlab_session"] != planted
        assert Person(web, planted).get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "how",
    [
        "UPDATE web_sessions SET seen_at = seen_at - interval '12 hours 1 second'",
        "UPDATE web_sessions SET created_at = created_at - interval '7 days 1 second'",
        "UPDATE users SET disabled_at = now()",
        "DELETE FROM web_sessions",
    ],
)
def test_the_end_of_a_session(platform: Platform, web: Web, how: str) -> None:
    mei = person(web, platform, "mei", "admin")
    assert mei.get("/api/v1/me").status_code == 200
    run_sql(platform, how)
    assert mei.get("/api/v1/me").status_code == 401
    assert mei.ask("POST", "/api/v1/catch-up/pause").status_code == 401


def test_use_keeps_a_session_but_not_for_ever(platform: Platform, web: Web) -> None:
    mei = person(web, platform, "mei", "viewer")
    run_sql(platform, "UPDATE web_sessions SET seen_at = now() - interval '11 hours 59 minutes'")
    assert mei.get("/api/v1/me").status_code == 200  # which is a use
    run_sql(platform, "UPDATE web_sessions SET seen_at = seen_at - interval '11 hours 59 minutes'")
    assert mei.get("/api/v1/me").status_code == 200
    run_sql(platform, "UPDATE web_sessions SET created_at = now() - interval '7 days'")
    assert mei.get("/api/v1/me").status_code == 401


def test_an_admin_ends_a_session_and_a_new_password_ends_the_others(platform: Platform, web: Web) -> None:
    boss, mei = person(web, platform, "boss", "admin"), person(web, platform, "mei", "viewer")
    (row,) = mei.get("/api/v1/sessions").json()["sessions"]
    assert boss.ask("DELETE", f"/api/v1/sessions/{row['id']}").status_code == 204
    assert mei.get("/api/v1/me").status_code == 401
    assert boss.ask("DELETE", f"/api/v1/sessions/{row['id']}").status_code == 404

    elsewhere = Person(web, log_in(web, "boss").cookies["quantlab_session"])
    changed = boss.ask("PATCH", "/api/v1/users/boss", json={"password": "a better password"})
    assert changed.status_code == 200
    assert boss.get("/api/v1/me").status_code == 200
    assert elsewhere.get("/api/v1/me").status_code == 401
    assert log_in(web, "boss").status_code == 401
    assert log_in(web, "boss", "a better password").status_code == 200


def test_a_viewer_changes_his_own_password_and_a_stolen_session_cannot(
    platform: Platform, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss, mei = person(web, platform, "boss", "admin"), person(web, platform, "mei", "viewer")
    elsewhere = Person(web, log_in(web, "mei").cookies["quantlab_session"])
    path, better = "/api/v1/me/password", "a better password"
    right = {"present_password": PASSWORD, "password": better}
    assert web.ask("PUT", path, json=right).status_code == 401
    assert web.ask("PUT", path, json=right, headers=ADMIN_TOKEN).status_code == 403
    assert mei.ask("PUT", path, json=right, headers={}).status_code == 403
    assert mei.ask("PUT", path, json=right, headers=OURS | {"Origin": "http://evil.example"}).status_code == 403
    assert mei.ask("PUT", path, json=right | {"password": "short"}).status_code == 422
    monkeypatch.setattr(login_failures, "FIRST_LOCK", 600.0)
    wrong = [mei.ask("PUT", path, json=right | {"present_password": "wrong"}) for _ in range(login.FREE_OF_NAME)]
    assert {(one.status_code, one.json()["message"]) for one in wrong} == {(422, "That is not your present password.")}
    assert mei.ask("PUT", path, json=right).status_code == 429  # who guesses here has to wait as one who guesses there
    (row,) = boss.get("/api/v1/audit?action=login.lock").json()["rows"]
    assert (row["subject"], row["after"]["seconds"]) == ("mei", 600)
    run_sql(platform, "DELETE FROM login_failures")

    assert mei.ask("PUT", path, json=right).status_code == 204
    assert (mei.get("/api/v1/me").status_code, elsewhere.get("/api/v1/me").status_code) == (200, 401)
    assert [log_in(web, "mei", one).status_code for one in (PASSWORD, better)] == [401, 200]
    row = boss.get("/api/v1/audit?action=user").json()["rows"][0]
    assert (row["who"], row["action"], row["subject"], row["after"]) == (
        "mei",
        "user.password",
        "mei",
        {"password": "changed"},
    )


def test_a_viewer_ends_sessions_of_his_own_only(platform: Platform, web: Web) -> None:
    boss, mei = person(web, platform, "boss", "admin"), person(web, platform, "mei", "viewer")
    stolen = Person(web, log_in(web, "mei").cookies["quantlab_session"])
    ids = {one["name"]: one["id"] for one in boss.get("/api/v1/sessions").json()["sessions"]}
    (other,) = [one["id"] for one in mei.get("/api/v1/sessions").json()["sessions"] if not one["this"]]
    for unowned in (ids["boss"], 2**40):
        assert mei.ask("DELETE", f"/api/v1/sessions/{unowned}").status_code == 403
    assert mei.ask("DELETE", f"/api/v1/sessions/{other}", headers={}).status_code == 403
    assert mei.ask("DELETE", f"/api/v1/sessions/{other}").status_code == 204
    assert [one.get("/api/v1/me").status_code for one in (boss, mei, stolen)] == [200, 200, 401]


def test_the_oldest_session_of_a_user_ends_where_there_are_too_many(platform: Platform, web: Web) -> None:
    boss, mei = person(web, platform, "boss", "admin"), person(web, platform, "mei", "viewer")
    run_sql(platform, "UPDATE web_sessions SET seen_at = seen_at - interval '1 hour'")
    run_sql(
        platform,
        "INSERT INTO web_sessions (secret_hash, user_name, created_at, seen_at) "
        "SELECT sha256(n::text::bytea), 'mei', now(), now() FROM generate_series(1, 19) n",
    )
    assert mei.get("/api/v1/me").status_code == 200  # now seen, as the page of one who works is
    run_sql(platform, "UPDATE web_sessions SET seen_at = seen_at - interval '1 hour' WHERE secret_hash = sha256('7')")
    assert log_in(web, "mei").status_code == 200
    assert (mei.get("/api/v1/me").status_code, boss.get("/api/v1/me").status_code) == (200, 200)
    with transaction(platform.engine) as connection:
        (held, seventh) = connection.execute(
            text(
                "SELECT count(*), count(*) FILTER (WHERE secret_hash = sha256('7')) "
                "FROM web_sessions WHERE user_name = 'mei'"
            )
        ).one()
    assert (held, seventh) == (20, 0)


def test_the_role_counts_as_it_is_now(platform: Platform, web: Web) -> None:
    boss, mei = person(web, platform, "boss", "admin"), person(web, platform, "mei", "admin")
    assert boss.ask("PATCH", "/api/v1/users/mei", json={"role": "viewer"}).status_code == 200
    assert mei.get("/api/v1/me").json()["role"] == "viewer"
    assert mei.ask("POST", "/api/v1/catch-up/pause").status_code == 403


def test_the_last_admin_stays(platform: Platform, web: Web) -> None:
    boss, mei = person(web, platform, "boss", "admin"), person(web, platform, "mei", "admin")
    assert mei.ask("PATCH", "/api/v1/users/boss", json={"disabled": True}).status_code == 200
    assert boss.get("/api/v1/me").status_code == 401
    for change in ({"disabled": True}, {"role": "viewer"}):
        reply = mei.ask("PATCH", "/api/v1/users/mei", json=change)
        assert (reply.status_code, reply.json()["error"]) == (409, "LastAdmin")
    assert mei.get("/api/v1/me").json()["role"] == "admin"
    assert mei.ask("PATCH", "/api/v1/users/boss", json={"disabled": False}).status_code == 200
    assert mei.ask("PATCH", "/api/v1/users/mei", json={"role": "viewer"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"name": "Mei", "password": PASSWORD}, "is no user name"),
        ({"name": "../mei", "password": PASSWORD}, "is no user name"),
        ({"name": "mei", "password": "short"}, "password"),
        ({"name": "mei", "password": "ten\u0000characters"}, "printable"),
        ({"name": "mei", "password": PASSWORD, "role": "root"}, "role"),
        ({"name": "boss", "password": PASSWORD}, "There is a user 'boss' already."),
        ([{"name": "mei", "password": "hunter2hunter2"}], "the body"),
    ],
)
def test_users_that_cannot_be(platform: Platform, web: Web, body: object, sentence: str) -> None:
    boss = person(web, platform, "boss", "admin")
    reply = boss.ask("POST", "/api/v1/users", json=body)
    assert reply.status_code == 422
    assert sentence in reply.json()["message"]
    assert not any(word in reply.text for word in ("short'", "hunter2", PASSWORD))
    assert [one["name"] for one in boss.get("/api/v1/users").json()["users"]] == ["boss"]


def test_tokens_from_their_making_to_their_end(platform: Platform, web: Web) -> None:
    boss = person(web, platform, "boss", "admin")
    made = {
        scope: boss.ask("POST", "/api/v1/tokens", json={"name": scope, "scope": scope}).json()
        for scope in ("read", "admin")
    }
    bearers = {scope: {"Authorization": f"Bearer {one['token']}"} for scope, one in made.items()}
    assert web.get("/api/v1/me", headers=bearers["read"]).json()["role"] == "viewer"
    assert web.get("/api/v1/me", headers=bearers["admin"]).json()["name"] == "admin"
    assert web.get("/api/v1/users", headers=bearers["read"]).status_code == 403
    assert web.get("/api/v1/users", headers=bearers["admin"]).status_code == 200
    listed = boss.get("/api/v1/tokens")
    assert [one["used_at"] is not None for one in listed.json()["tokens"]] == [True, True]
    assert not any(one["token"] in listed.text for one in made.values())
    taken = boss.ask("POST", "/api/v1/tokens", json={"name": "read"})
    assert (taken.status_code, "already" in taken.json()["message"]) == (422, True)
    assert boss.ask("POST", "/api/v1/tokens", json={"name": "x", "expires_on": "2020-01-01"}).status_code == 422

    assert boss.ask("DELETE", f"/api/v1/tokens/{made['read']['made']['id']}").status_code == 204
    assert web.get("/api/v1/me", headers=bearers["read"]).status_code == 401
    run_sql(platform, "UPDATE api_tokens SET expires_on = (now() AT TIME ZONE 'Asia/Taipei')::date")
    assert web.get("/api/v1/me", headers=bearers["admin"]).status_code == 200
    run_sql(platform, "UPDATE api_tokens SET expires_on = expires_on - 1")
    assert web.get("/api/v1/me", headers=bearers["admin"]).status_code == 401


@pytest.mark.parametrize(("change", "left"), [({"disabled": True}, set()), ({"role": "viewer"}, {"read"})])
def test_whoever_may_not_any_more_keeps_no_token(
    platform: Platform, web: Web, change: dict[str, object], left: set[str]
) -> None:
    boss, mei = person(web, platform, "boss", "admin"), person(web, platform, "mei", "admin")
    for scope in ("read", "admin"):
        mei.ask("POST", "/api/v1/tokens", json={"name": scope, "scope": scope})
    assert boss.ask("PATCH", "/api/v1/users/mei", json=change).status_code == 200
    assert {one["name"] for one in boss.get("/api/v1/tokens").json()["tokens"]} == left


def test_a_token_makes_no_token_so_its_owner_keeps_no_way_in(platform: Platform, web: Web) -> None:
    boss, mei = person(web, platform, "boss", "admin"), person(web, platform, "mei", "admin")
    given = {"name": "bot1", "scope": "admin"}
    bot = {"Authorization": f"Bearer {boss.ask('POST', '/api/v1/tokens', json=given).json()['token']}"}
    reply = web.post("/api/v1/tokens", json={"name": "bot2", "scope": "admin"}, headers=bot)
    assert (reply.status_code, reply.json()["error"]) == (403, "NotAllowed")
    assert mei.get("/api/v1/audit").json()["rows"][0]["subject"] == "bot1"
    # One of the time when they could, and a chain of them.
    boss.ask("POST", "/api/v1/tokens", json={"name": "bot2", "scope": "admin"})
    boss.ask("POST", "/api/v1/tokens", json={"name": "bot3", "scope": "admin"})
    mei.ask("POST", "/api/v1/tokens", json={"name": "hers"})
    run_sql(platform, "UPDATE api_tokens SET created_by = 'bot1' WHERE name = 'bot2'")
    run_sql(platform, "UPDATE api_tokens SET created_by = 'bot2' WHERE name = 'bot3'")
    assert mei.ask("PATCH", "/api/v1/users/boss", json={"disabled": True}).status_code == 200
    assert web.get("/api/v1/me", headers=bot).status_code == 401
    assert [one["name"] for one in mei.get("/api/v1/tokens").json()["tokens"]] == ["hers"]
    row = mei.get("/api/v1/audit").json()["rows"][0]
    assert (row["before"], row["after"]) == (
        {"role": "admin", "disabled": False},
        {"role": "admin", "disabled": True, "revoked": ["bot1", "bot2", "bot3"]},
    )


def test_who_is_disabled_while_he_makes_a_token_has_none(platform: Platform, web: Web) -> None:
    person(web, platform, "boss", "admin")
    run_sql(platform, "UPDATE users SET disabled_at = now() WHERE name = 'boss'")
    asks = Identity("boss", "admin", "session", 1)  # as the request began
    with pytest.raises(NotAllowed):
        make_token(platform.engine, "bot", scope="read", by=asks, expires_on=None, today=date(2026, 11, 26))
    assert everything_stored(platform).count("bot") == 0


def test_a_token_bears_nobody_elses_name(platform: Platform, web: Web) -> None:
    boss = person(web, platform, "boss", "admin")
    for name in ("boss", " boss ", "admin-token"):
        reply = boss.ask("POST", "/api/v1/tokens", json={"name": name})
        assert (reply.status_code, "somebody else's name" in reply.json()["message"]) == (422, True)
    assert boss.ask("POST", "/api/v1/tokens", json={"name": "robot"}).status_code == 201
    for name in ("robot", "admin-token"):
        reply = boss.ask("POST", "/api/v1/users", json={"name": name, "password": PASSWORD})
        assert (reply.status_code, "is a token's name" in reply.json()["message"]) == (422, True)
    assert [one["name"] for one in boss.get("/api/v1/users").json()["users"]] == ["boss"]


def test_the_last_day_of_a_token_is_one_that_has_a_next(platform: Platform, web: Web) -> None:
    boss = person(web, platform, "boss", "admin")
    for day in ("9999-12-31", "2130-01-01"):
        reply = boss.ask("POST", "/api/v1/tokens", json={"name": "late", "expires_on": day})
        assert (reply.status_code, "100 years ahead" in reply.json()["message"]) == (422, True)
    made = boss.ask("POST", "/api/v1/tokens", json={"name": "late", "expires_on": "2099-12-31"})
    bearer = {"Authorization": f"Bearer {made.json()['token']}"}
    assert web.get("/api/v1/me", headers=bearer).json()["expires_at"] == "2100-01-01T00:00:00+08:00"
    run_sql(platform, "UPDATE api_tokens SET expires_on = '9999-12-31'")  # made before there was a bound
    assert web.get("/api/v1/me", headers=bearer).json()["expires_at"] is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.just(PASSWORD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("name", "password", "role", "disabled", "scope", "expires_on")
BODIES = st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["mei", "admin", "2030-01-01"]), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES | JSON, name=st.text(min_size=1, max_size=8), cookie=st.text('abc;="\x00\xff ', max_size=20))
def test_nothing_that_is_sent_breaks_it(
    platform: Platform, web: Web, monkeypatch: pytest.MonkeyPatch, *, body: object, name: str, cookie: str
) -> None:
    monkeypatch.setattr(login, "FREE_OF_ADDRESS", 10_000)
    content, place = json.dumps(body).encode(), quote(name, safe="")
    kind = {"Content-Type": "application/json"}
    for method, path, headers in (
        ("POST", "login", {"Cookie": cookie.encode("latin-1")}),
        ("POST", "login", {"Authorization": cookie.encode("latin-1")}),
        ("GET", "me", {"Authorization": b"Bearer " + cookie.encode("latin-1")}),
        ("GET", "me", {"Cookie": b"quantlab_session=" + cookie.encode("latin-1")}),
        ("POST", "users", ADMIN_TOKEN),
        ("PATCH", f"users/{place}", ADMIN_TOKEN),
        ("POST", "tokens", ADMIN_TOKEN),
        ("DELETE", f"tokens/{place}", ADMIN_TOKEN),
        ("GET", f"audit?who={place}&action={place}&before={place}", ADMIN_TOKEN),
        ("GET", f"audit?who={place}&action={place}", ADMIN_TOKEN),
    ):
        reply = web.ask(method, f"/api/v1/{path}", content=content, headers=kind | headers)
        assert reply.status_code < 500, (method, path, reply.text)


def test_no_secret_is_stored_or_told(platform: Platform, web: Web, capfd: pytest.CaptureFixture[str]) -> None:
    boss = person(web, platform, "boss", "admin")
    token = boss.ask("POST", "/api/v1/tokens", json={"name": "t", "scope": "admin"}).json()["token"]
    boss.ask("PATCH", "/api/v1/users/boss", json={"password": "a better password"})
    log_in(web, "boss", "a worse password")
    secrets = [PASSWORD, "a better password", "a worse password", boss.cookie, token, token.removeprefix("ql_")]
    told = [
        everything_stored(platform),
        "".join(capfd.readouterr()),
        *(boss.get(f"/api/v1/{path}").text for path in ("audit", "users", "tokens", "sessions", "me")),
    ]
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in told[0]
    assert [secret for secret in secrets for text in told if secret in text] == []
    assert "argon2" not in "".join(told[1:])
    assert OURS == {"X-QuantLab": "1"}
