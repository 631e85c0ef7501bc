"""The first page for people. A later console replaces it."""

from app.admin import page

ROUTERS = (page.router,)
