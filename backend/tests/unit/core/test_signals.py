"""What a worker does as it begins."""

from __future__ import annotations

import subprocess
import sys

SAY = """
import sys
from celery import signals
from app.core.celery_app import app
app.loader.import_default_modules()
signals.worker_init.send(sender=None)
print(*(name for name in ("app.core.exchanges", "app.sources.http", "app.cache.quota") if name not in sys.modules))
"""


def test_a_worker_of_any_pool_imports_as_it_begins_what_its_tasks_need_not_from_code_that_changed_since() -> None:
    done = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
