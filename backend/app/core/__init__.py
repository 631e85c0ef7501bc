"""The switchboard: settings, wiring, logging and the Celery application. Nothing beneath it may import it."""
