"""Exports for research.

What writes them brings polars along. Every worker, beat and ``celery`` command imports this module, so the tasks
import that when they run.
"""

from __future__ import annotations

from app.core.celery_app import app
from app.core.config import get_settings
from app.services.report import Report
from app.tasks._base import QuantLabTask
from app.tasks.parameters import Force


@app.task(bind=True, name="app.tasks.sync_qlib", soft_time_limit=3600, time_limit=3660)
def sync_qlib(self: QuantLabTask, force: Force = False) -> Report:
    """Export the held daily bars in Qlib's format: built aside, read back, compared, then published at once."""
    from app.services.export_qlib import export_qlib  # noqa: PLC0415 - see above
    from app.services.exports import shipped  # noqa: PLC0415

    settings = get_settings()
    report = export_qlib(self.context(), keep=settings.export_keep, force=force)
    return shipped(report, settings.data_dir / "exports" / "qlib", settings.exports_address)


@app.task(bind=True, name="app.tasks.export_parquet", soft_time_limit=3600, time_limit=3660)
def export_parquet(self: QuantLabTask, force: Force = False) -> Report:
    """Export the held daily bars as Parquet, a file a year: built aside, read back, compared, published at once."""
    from app.services.export_parquet import export_parquet as write_parquet  # noqa: PLC0415
    from app.services.exports import shipped  # noqa: PLC0415

    settings = get_settings()
    report = write_parquet(self.context(), keep=settings.export_keep, force=force)
    return shipped(report, settings.data_dir / "exports" / "parquet", settings.exports_address)
