"""The REST interface: FastAPI routers, one a resource. Tasks are started by name, through core.queue."""

from app.api import (
    actions,
    alerts,
    bars,
    calendar,
    catch_up,
    coverage,
    docs,
    figures,
    health,
    many_bars,
    quotes,
    revisions,
    runs,
    schedules,
    securities,
    tasks,
)

ROUTERS = (
    health.router,
    securities.router,
    bars.router,
    many_bars.router,
    actions.router,
    figures.router,
    coverage.router,
    quotes.router,
    revisions.router,
    runs.router,
    tasks.router,
    catch_up.router,
    schedules.router,
    calendar.router,
    alerts.router,
    docs.router,
)
