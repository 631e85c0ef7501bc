"""The console: the page at /admin, made in frontend/."""

from app.admin import console

ROUTERS = (console.router,)
