"""The tasks. To add one: write it in a module here, export it below, schedule it in core/celery_app.py."""

from app.tasks.maintenance import cleanup_old_cache
from app.tasks.qlib_tasks import export_parquet, sync_qlib
from app.tasks.stock_data import (
    backfill_bars,
    catch_up,
    compare_sources,
    replay_archive,
    sync_corporate_actions,
    sync_daily_prices,
    sync_latest_prices,
    sync_market_figures,
    sync_ohlcv_data,
    sync_stock_list,
)

__all__ = [
    "backfill_bars",
    "catch_up",
    "cleanup_old_cache",
    "compare_sources",
    "export_parquet",
    "replay_archive",
    "sync_corporate_actions",
    "sync_daily_prices",
    "sync_latest_prices",
    "sync_market_figures",
    "sync_ohlcv_data",
    "sync_qlib",
    "sync_stock_list",
]
