"""What is promised and which sites are asked, against what the test itself put there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine
from sqlalchemy import text

from app.cache.keys import QUOTA_REST
from app.core.wiring import Platform
from app.market.calendar import TAIPEI
from app.market.security import Venue
from app.ops.alerts.promises import PROMISES
from app.store import units
from app.store.engine import transaction

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

EVENING = datetime(2026, 11, 23, 23, 0, tzinfo=TAIPEI)


def promises(web: Web) -> dict[str, dict[str, object]]:
    return {one["subject"]: one for one in web.get("/api/v1/promises").json()["promises"]}


def installed_before(platform: Platform, at: datetime) -> None:
    """As if the installation were a month older than *at*: nothing is promised to a new one."""
    with transaction(platform.engine) as connection:
        moved = connection.execute(text("UPDATE provenance SET created_at = :at"), {"at": at - timedelta(days=30)})
        assert moved.rowcount == 1


def test_bars_of_one_security_do_not_keep_the_promise(seeded: Platform, web: Web) -> None:
    installed_before(seeded, EVENING)
    with transaction(seeded.engine) as connection:
        units.record(
            connection,
            "run-1",
            dataset="securities",
            venue=Venue.TPEX,
            scope="list",
            session=None,
            state="SUCCESS",
            at=EVENING.replace(hour=8),
        )
    with time_machine.travel(EVENING, tick=False):
        held = promises(web)
    assert list(held) == [one.subject for one in PROMISES]
    tpex = held["daily bars of TPEX"]
    assert (tpex["kept"], tpex["last_due"]) == (False, "2026-11-23")
    assert "of 2026-11-23 0 are held" in str(tpex["lacking"])
    assert tpex["when_said"] == {"code": "by_session", "facts": {"clock": "21:30"}}
    few = {"code": "few_bars", "facts": {"day": "2026-11-23", "held": 0, "listed": 1}}
    assert few in list(tpex["said"])  # type: ignore[call-overload]
    assert held["securities list of TPEX"]["kept"] is True
    assert held["securities list of TWSE"]["lacking"] == ["none is held"]
    # The market is closed: no quote is due.
    assert (held["quotes"]["kept"], held["quotes"]["last_due"]) == (None, None)


def test_nothing_is_promised_to_a_new_installation(seeded: Platform, web: Web) -> None:
    installed_before(seeded, datetime.now(UTC) + timedelta(days=30))
    assert {one["kept"] for one in promises(web).values()} == {None}


def test_a_site_is_asked_until_its_breaker_opens_or_it_wants_to_rest(platform: Platform, web: Web) -> None:
    def site(name: str) -> dict[str, object]:
        return next(one for one in web.get("/api/v1/sites").json()["sites"] if one["site"] == name)

    assert site("twse")["closed_since"] is site("twse")["rests"] is None
    platform.breaker.open("twse", "It said 403.")
    platform.redis.set(QUOTA_REST.of("finmind"), "its 300 an hour are used up", ex=60)
    closed, rests = site("twse"), site("finmind")
    since, until = (datetime.fromisoformat(str(closed[name])) for name in ("closed_since", "closed_until"))
    assert (closed["closed_because"], until - since) == ("It said 403.", timedelta(minutes=30))
    assert "its 300 an hour are used up" in str(rests["rests"])
    assert rests["pace"] == pytest.approx(12, rel=0.1)  # 300 an hour
    assert site("tpex")["closed_since"] is None
