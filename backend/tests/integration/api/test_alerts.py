"""Incidents over HTTP: listed for all, tested by who has the token, told of by health and the first page."""

from __future__ import annotations

import pytest

from app.core import health
from app.core.wiring import Platform
from app.store import incidents
from app.store.engine import transaction
from tests.integration.api.conftest import Web
from tests.integration.conftest import TOKEN

ADMIN = {"Authorization": f"Bearer {TOKEN}"}
PATH = "/api/v1/alerts"


@pytest.fixture
def two(platform: Platform) -> Platform:
    """One incident is open, one is over."""
    with transaction(platform.engine) as connection:
        incidents.see(connection, "disk_low", "/data on here", "Only 1.0 GiB are free.")
        first = incidents.list_open(connection)[0]
        incidents.close(connection, first.id, unseen_since=incidents.clock(connection))
        incidents.see(connection, "breaker_open", "twse", "twse is not asked: <b>a ban page</b>.")
    return platform


def test_incidents(web: Web, two: Platform) -> None:
    body = web.get(f"{PATH}/incidents").json()
    assert body["source"] == "sandbox"
    (row,) = body["incidents"]
    assert (row["rule"], row["subject"], row["closed_at"], row["told_at"]) == ("breaker_open", "twse", None, None)
    assert row["said"] is None  # a sentence that nobody has a code for stays as it is
    with transaction(two.engine) as connection:
        incidents.see(connection, "not_there", "worker", "No worker is there: what is queued waits.")
    recent = web.get(f"{PATH}/incidents?state=recent").json()["incidents"]
    facts = {"program": "worker", "so": "what is queued waits"}
    assert recent.pop(0)["said"] == {"code": "not_there", "facts": facts}
    assert [one["subject"] for one in recent] == ["twse", "/data on here"]
    assert len(web.get(f"{PATH}/incidents?state=recent&limit=1").json()["incidents"]) == 1
    assert web.get(f"{PATH}/incidents?state=wrong").status_code == 422


def test_who_may_send_a_test(web: Web, platform: Platform) -> None:
    assert web.post(f"{PATH}/test").status_code == 401
    refused = web.post(f"{PATH}/test", headers=ADMIN)
    assert (refused.status_code, refused.json()["error"]) == (503, "ConfigurationError")
    assert "Nobody is told of incidents" in refused.json()["message"]
    file = platform.settings.alerts_file
    file.write_text("json://someone:hunter2@127.0.0.1:9/\n")
    file.chmod(0o600)
    body = web.post(f"{PATH}/test", headers=ADMIN).json()
    assert body["channels"] == [{"channel": "1 (json)", "told": False, "why": "its server did not take it"}]


def test_the_channels_are_named_without_their_addresses(web: Web, platform: Platform) -> None:
    assert web.get(f"{PATH}/channels").status_code == 401
    assert web.get(f"{PATH}/channels", headers=ADMIN).json()["channels"] == []
    file = platform.settings.alerts_file
    file.write_text("json://someone:hunter2@127.0.0.1:9/\nno-such-kind://hunter2\n")
    file.chmod(0o600)
    reply = web.get(f"{PATH}/channels", headers=ADMIN)
    assert reply.json()["channels"] == ["1 (json)"]
    assert "position 2" in reply.json()["wrong"][0]
    assert "hunter2" not in reply.text


def test_health_and_the_list_that_the_console_shows_tell_of_them(web: Web, two: Platform) -> None:
    found = next(one for one in health.find_all(two) if one.name == "incidents")
    assert (found.level, found.detail) == ("warning", "1 open: twse is not asked: <b>a ban page</b>.")
    reply = web.get("/health").json()
    assert next(one["level"] for one in reply["findings"] if one["name"] == "incidents") == "warning"
    assert [one["sentence"] for one in web.get(f"{PATH}/incidents").json()["incidents"]] == [
        "twse is not asked: <b>a ban page</b>."
    ]


def test_well(web: Web, platform: Platform) -> None:
    found = next(one for one in health.find_all(platform) if one.name == "incidents")
    assert (found.level, found.detail) == ("ok", "None is open.")
    assert web.get(f"{PATH}/incidents").json()["incidents"] == []
