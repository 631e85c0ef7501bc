"""The quota over a real Valkey: each site at its own pace, and none while it rests."""

from __future__ import annotations

import time

import pytest

from app.cache.breaker import SharedBreaker
from app.cache.client import connect
from app.cache.keys import owner_of
from app.cache.quota import SharedQuota
from app.errors import RateLimited


class Waits(list[float]):
    """Sleeps, but short."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)
        time.sleep(0.001)


def test_sites_have_paces_of_their_own(redis_url: str) -> None:
    waits = Waits()
    with connect(redis_url) as client:
        quota = SharedQuota(client, seconds=0.001, paces={"finmind": 12}, patience=0, sleep=waits)
        for _ in range(5):
            SharedQuota(client, seconds=0.001, patience=5, sleep=waits).acquire("twse")
        quota.acquire("finmind")
        with pytest.raises(RateLimited) as caught:
            quota.acquire("finmind")
        assert caught.value.retry_after == 12
        quota.acquire("tpex")


def test_a_site_that_rests_is_refused_at_once_by_everybody(redis_url: str) -> None:
    waits = Waits()
    with connect(redis_url) as client, connect(redis_url) as other:
        SharedQuota(client, seconds=1, sleep=waits).rest("finmind", 1800, "the hour is used up")
        quota = SharedQuota(other, seconds=0.001, sleep=waits)
        with pytest.raises(RateLimited, match="the hour is used up") as caught:
            quota.acquire("finmind")
        assert 1790 <= caught.value.retry_after <= 1800
        assert waits == []
        quota.acquire("twse")
        (key,) = client.keys("quantlab:*rest")
        assert owner_of(key.decode()) is not None
        assert 0 < client.ttl(key) <= 1800

        SharedBreaker(client, clock=lambda: None).close("finmind")  # type: ignore[arg-type, return-value]
        quota.acquire("finmind")
