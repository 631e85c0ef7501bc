"""Exports for research."""

from __future__ import annotations

from app.core.celery_app import app
from app.core.config import get_settings
from app.services.export_qlib import export_qlib
from app.services.report import Report
from app.tasks._base import QuantLabTask


@app.task(bind=True, name="app.tasks.sync_qlib", soft_time_limit=3600, time_limit=3660)
def sync_qlib(self: QuantLabTask) -> Report:
    """Export the held daily bars in Qlib's format: built aside, read back, compared, then published at once."""
    return export_qlib(self.context(), keep=get_settings().export_keep)
