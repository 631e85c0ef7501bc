"""What Redis' own errors mean to us."""

from __future__ import annotations

import pytest
import redis

from app.cache.client import connect, redis_errors
from app.errors import ConfigurationError, StoreUnavailable

FULL = "MISCONF Errors writing to the AOF file: No space left on device"


@pytest.mark.parametrize("address", ["redis://:hunter2@h/0?socket_timeout=abc", "http://:hunter2@h", "hunter2"])
def test_an_address_that_the_client_does_not_take_is_said_in_a_sentence(address: str) -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL cannot be read") as caught:
        connect(address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("refused"),
        redis.TimeoutError("silent"),
        redis.ResponseError(FULL),
        redis.ResponseError(f"Command # 2 (SET a secret) of pipeline caused error: {FULL}"),
        redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        redis.ReadOnlyError("You can't write against a read only replica."),
    ],
)
def test_what_a_later_try_may_mend_is_store_unavailable(error: redis.RedisError) -> None:
    with pytest.raises(StoreUnavailable) as caught, redis_errors():
        raise error
    assert "secret" not in str(caught.value)


def test_a_mistake_of_ours_stays_what_it_is() -> None:
    with pytest.raises(redis.ResponseError), redis_errors():
        raise redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
