"""The console: the page at /admin. The first, server-rendered page still answers at /admin itself."""

from app.admin import console, page

ROUTERS = (page.router, console.router)
