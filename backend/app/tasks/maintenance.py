"""Housekeeping."""

from __future__ import annotations

from app.core.celery_app import app
from app.core.config import get_settings
from app.core.retention import keep_of
from app.services.clean import clean
from app.services.report import Report
from app.tasks._base import QuantLabTask


@app.task(bind=True, name="app.tasks.cleanup_old_cache", soft_time_limit=1800, time_limit=1860)
def cleanup_old_cache(self: QuantLabTask) -> Report:
    """Remove what is older than its setting says: results, quote replies, logs, old runs …; never queued work."""
    return clean(self.context(), keep_of(get_settings()))
