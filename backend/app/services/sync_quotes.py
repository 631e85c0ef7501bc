"""Fetch the latest quotes, in batches, into Redis."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger

from app.cache import quotes as cache
from app.errors import NoData, StoreUnavailable
from app.market.quote import Quote
from app.services.context import Context
from app.services.quarantine import set_aside
from app.services.report import Report
from app.sources import registry
from app.sources.base import QuotesQuery
from app.store.counts import Counts
from app.store.securities import HeldSecurity

DATASET = "quotes"
BATCH = 80
"""The most securities a request: no limit is documented, 80 is known to work."""


def sync_quotes(context: Context, securities: Sequence[HeldSecurity]) -> Report:
    """The quotes of *securities*, cached for five minutes. A batch that fails fails alone; all failed raises."""
    batches = [securities[start : start + BATCH] for start in range(0, len(securities), BATCH)]
    stored = fetched = quarantined = 0
    errors: list[Exception] = []
    for number, batch in enumerate(batches):
        context.progress(number, len(batches), f"quotes {batch[0].symbol} … {batch[-1].symbol}")
        query = QuotesQuery(tuple((one.venue, one.symbol) for one in batch))
        asked_at = context.clock()
        try:
            parsed = context.client.fetch(registry.quotes(), query)
        except StoreUnavailable:
            raise
        except context.interrupts:
            raise
        except NoData:
            continue
        except Exception as error:
            logger.opt(exception=error).error("Quotes of {} securities failed: {}", len(batch), error)
            errors.append(error)
            continue
        quotes: Sequence[Quote] = parsed.rows
        fetched += len(quotes) + len(parsed.rejected)
        with context.writing() as connection:  # an attempt that lost its lease may hold old quotes
            quarantined += set_aside(
                connection,
                parsed.rejected,
                of=len(quotes) + len(parsed.rejected),
                venue=batch[0].venue,
                dataset=DATASET,
                run_id=context.run_id,
                at=context.clock(),
            )
            stored += cache.save(context.redis, quotes, at=asked_at)
    context.progress(len(batches), len(batches), "")
    if errors and len(errors) == len(batches):
        raise errors[0]
    counts = Counts(len(securities), fetched, stored, None, quarantined)
    details = {"requests": len(batches), "failed_requests": len(errors)}
    if fetched < len(securities):
        why = f" First error: {errors[0]}" if errors else ""
        return Report("PARTIAL", f"{fetched} of {len(securities)} quotes came.{why}", counts, details)
    return Report("SUCCESS", None, counts, details)
