"""Every key that we write to Redis, with its life. A key of ours that is not in this table is an orphan."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "quantlab:"


@dataclass(frozen=True, slots=True)
class CacheKey:
    """A key, or the beginning of a family of keys, its life in seconds and its content."""

    pattern: str
    ttl: int
    content: str

    def of(self, part: str = "") -> str:
        """The key itself, with *part* in the place of the pattern's ``*``."""
        return self.pattern.replace("*", part)


SECURITIES = CacheKey("quantlab:securities", 24 * 3600, "JSON list of the active securities (sync_stock_list)")
BARS = CacheKey("quantlab:bars:*", 600, "JSON bars of one popular stock's last days (sync_daily_prices)")
OHLCV = CacheKey("quantlab:ohlcv:*", 600, "JSON bars of one stock's last month (sync_ohlcv_data)")
QUOTES = CacheKey("quantlab:quotes", 300, "hash symbol → JSON quote (sync_latest_prices)")
QUOTES_SAVED = CacheKey("quantlab:quotes:saved", 24 * 3600, "instant at which quotes were last saved; it outlives them")
BREAKER_OPEN = CacheKey("quantlab:breaker:*:open", 1800, "JSON reason why a site is not asked")
BREAKER_FAILURES = CacheKey("quantlab:breaker:*:failures", 3600, "failures of a site in a row")
QUOTA_REST = CacheKey("quantlab:quota:*:rest", 24 * 3600, "reason why a site that asked for it is left alone")
RESTARTING = CacheKey(
    "quantlab:workers:restarting", 30, "JSON: who restarts all workers one by one, since when; renewed meanwhile"
)
PURGED = CacheKey("quantlab:purged", 7 * 86_400, "list of ids of purged tasks, until the reaper has dealt with them")
PROBE = CacheKey("quantlab:probe", 10, "nothing: whether a key can be written (quantlab doctor)")

KEYS = (
    SECURITIES,
    BARS,
    OHLCV,
    QUOTES,
    QUOTES_SAVED,
    BREAKER_OPEN,
    BREAKER_FAILURES,
    QUOTA_REST,
    RESTARTING,
    PURGED,
    PROBE,
)
"""All of ours. The shared quota's keys (``throttled:*``) are written, with a life each, by throttled-py."""


def owner_of(key: str) -> CacheKey | None:
    """The table's entry for *key*, or None for an orphan."""
    for entry in KEYS:
        head, star, tail = entry.pattern.partition("*")
        if key == entry.pattern or (star and key.startswith(head) and key.endswith(tail)):
            return entry
    return None
