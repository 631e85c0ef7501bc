"""Housekeeping."""

from __future__ import annotations

from app.core.celery_app import app
from app.core.config import get_settings
from app.services.clean import clean
from app.services.report import Report
from app.tasks._base import QuantLabTask


@app.task(bind=True, name="app.tasks.cleanup_old_cache", soft_time_limit=600, time_limit=660)
def cleanup_old_cache(self: QuantLabTask) -> Report:
    """Remove orphan keys, results without a life, old quote replies and old logs; never queued work."""
    settings = get_settings()
    return clean(
        self.context(),
        result_seconds=settings.celery_result_expires,
        quote_days=settings.archive_quote_days,
        log_days=settings.log_days,
        log_lines=settings.log_lines,
        reading_days=settings.reading_days,
        audit_days=settings.quantlab_audit_days,
    )
