"""The REST interface: FastAPI routers, one a resource. Tasks are started by name, through core.queue."""

from app.api import bars, docs, health, quotes, runs, securities, tasks

ROUTERS = (
    health.router,
    securities.router,
    bars.router,
    quotes.router,
    runs.router,
    tasks.router,
    docs.router,
)
