"""The checks of the running platform, wired: what /health, the first page and `quantlab status` show."""

from __future__ import annotations

from app.core.celery_app import app
from app.core.wiring import Platform
from app.ops import health, liveness
from app.ops.health import Check, Finding

ANSWER_WITHIN = 2.0
"""Seconds; whoever has not answered by then counts as away."""


def checks_of(platform: Platform) -> dict[str, Check]:
    """Name → check, of PostgreSQL, Redis, worker and beat."""
    settings = platform.settings
    return {
        "postgresql": lambda: health.check_postgresql(lambda: platform.engine, source=settings.quantlab_source),
        "redis": lambda: health.check_redis(platform.redis),
        "worker": lambda: liveness.check_worker(app),
        "beat": lambda: liveness.check_beat(
            home=settings.quantlab_home, schedule_file=settings.data_dir / "beat-schedule"
        ),
    }


def find_all(platform: Platform) -> list[Finding]:
    """All of them, in at most ANSWER_WITHIN seconds."""
    return health.find_within(ANSWER_WITHIN, checks_of(platform))
