"""What Prometheus asks for: read from the ledger, the heartbeats and Redis at each scrape, never from events.

Each metric is a line of METRICS; docs/reference/metrics.md is written from it.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.core import standing
from app.core.backlog import queue_lengths, unacked
from app.core.version import VERSION
from app.core.wiring import Platform
from app.errors import QuantLabError
from app.ops.liveness import Condition, tell
from app.store import heartbeats, incidents, measured
from app.store.engine import snapshot, transaction

FRESH = 5.0
"""Seconds for which an answer is as good as new: two scrapers cost no more than one."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WELL = (Condition.ALIVE, Condition.IDLE, Condition.BUSY)


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric: its kind, its labels and what it says."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


METRICS: dict[str, Definition] = {
    "quantlab_build_info": Definition("gauge", ("version", "source"), "Always 1; what runs, and whose data it keeps."),
    "quantlab_server_up": Definition("gauge", ("server",), "Whether PostgreSQL and Redis answer."),
    "quantlab_runs_total": Definition("counter", ("task", "state"), "Runs that ended, as the ledger has them."),
    "quantlab_runs_unfinished": Definition("gauge", ("task", "state"), "Runs that wait or work."),
    "quantlab_run_duration_seconds": Definition("histogram", ("task",), "How long runs worked that ended."),
    "quantlab_rows_total": Definition(
        "counter", ("task", "what"), "Rows that runs fetched, stored, found unchanged or set aside in quarantine."
    ),
    "quantlab_last_success_timestamp_seconds": Definition("gauge", ("task",), "When the task last ended well."),
    "quantlab_coverage_ratio": Definition(
        "gauge", ("dataset", "venue"), "Of the newest session that is held: the share that is held or explained."
    ),
    "quantlab_newest_session_timestamp_seconds": Definition(
        "gauge", ("dataset", "venue"), "Midnight UTC of the newest session of which rows are held."
    ),
    "quantlab_promise_kept": Definition(
        "gauge", ("promise",), "Whether what is promised by now is held; absent: not due."
    ),
    "quantlab_quarantine_open_rows": Definition("gauge", ("dataset", "rule"), "Rows that wait for a decision."),
    "quantlab_queue_messages": Definition("gauge", ("queue", "priority"), "Messages that wait; 10 runs before 1."),
    "quantlab_unacked_messages": Definition("gauge", (), "Messages that workers have in hand."),
    "quantlab_program_up": Definition("gauge", ("kind", "program"), "Whether worker, beat or web lives and works."),
    "quantlab_program_memory_bytes": Definition("gauge", ("kind", "program"), "What it holds, with its processes."),
    "quantlab_worker_slots": Definition("gauge", ("worker",), "Tasks that it can work on at once."),
    "quantlab_worker_busy_slots": Definition("gauge", ("worker",), "Tasks that it works on."),
    "quantlab_source_open": Definition(
        "gauge", ("site",), "Whether the site is asked: 0 when its breaker is open or it rests."
    ),
    "quantlab_source_seconds_per_request": Definition("gauge", ("site",), "The quota: one request in so many seconds."),
    "quantlab_incidents_open": Definition("gauge", ("rule",), "Alerts that stand."),
    "quantlab_disk_free_bytes": Definition("gauge", (), "Free where the data are."),
}


@dataclass
class _Scrape:
    """One scrape's values."""

    values: dict[str, list[tuple[tuple[str, ...], float]]] = field(default_factory=dict)
    durations: list[measured.Durations] = field(default_factory=list)

    def put(self, name: str, value: float, *labels: str) -> None:
        self.values.setdefault(name, []).append((labels, float(value)))


class _Values(Collector):
    def __init__(self, scrape: _Scrape) -> None:
        self._scrape = scrape

    def collect(self) -> Iterable[Metric]:
        for name, one in METRICS.items():
            family = _family(name, one)
            if isinstance(family, HistogramMetricFamily):
                for each in self._scrape.durations:
                    family.add_metric([_short(each.task)], each.buckets, each.seconds)
            else:
                for labels, value in self._scrape.values.get(name, ()):
                    family.add_metric(list(labels), value)
            yield family


def _family(name: str, one: Definition) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    if one.kind == "histogram":
        return HistogramMetricFamily(name, one.help, labels=one.labels)
    if one.kind == "counter":
        return CounterMetricFamily(name, one.help, labels=one.labels)
    return GaugeMetricFamily(name, one.help, labels=one.labels)


def _short(task: str) -> str:
    return task.removeprefix("app.tasks.")


def scrape(platform: Platform) -> _Scrape:
    """Ask everything once; what cannot be asked now is absent, never zero."""
    found = _Scrape()
    found.put("quantlab_build_info", 1, VERSION, platform.settings.quantlab_source)
    for server, parts in (
        ("postgresql", (_ledger, _data, _programs)),
        ("redis", (_queues, _sites)),
    ):
        found.put("quantlab_server_up", _all_done(parts, platform, found), server)
    folder = platform.settings.data_dir
    if folder.exists():
        found.put("quantlab_disk_free_bytes", shutil.disk_usage(folder).free)
    return found


def _all_done(parts: Iterable[Callable[[Platform, _Scrape], None]], platform: Platform, found: _Scrape) -> bool:
    try:
        for part in parts:
            part(platform, found)
    except QuantLabError:
        return False
    return True


def _ledger(platform: Platform, found: _Scrape) -> None:
    # Of one instant: a run that ends meanwhile would be counted twice, or not at all.
    with snapshot(platform.engine) as connection:
        tasks, found.durations = measured.runs_by_task(connection), measured.durations(connection)
        open_incidents = Counter(one.rule for one in incidents.list_open(connection))
    rows: Counter[tuple[str, str]] = Counter()
    for one in tasks:
        name = "quantlab_runs_total" if one.final else "quantlab_runs_unfinished"
        found.put(name, one.runs, _short(one.task), one.state)
        if one.final:
            rows.update({(one.task, what): count for what, count in one.rows.items() if count is not None})
    for (task, what), count in rows.items():
        found.put("quantlab_rows_total", count, _short(task), what)
    for task, at in measured.last_successes(tasks).items():
        found.put("quantlab_last_success_timestamp_seconds", at.timestamp(), _short(task))
    for rule, number in open_incidents.items():
        found.put("quantlab_incidents_open", number, rule)


def _data(platform: Platform, found: _Scrape) -> None:
    with transaction(platform.engine) as connection:
        newest, waiting = measured.newest_coverage(connection), measured.open_quarantine(connection)
    for one in newest:
        found.put("quantlab_newest_session_timestamp_seconds", one.midnight.timestamp(), one.dataset, one.venue)
        if one.share is not None:
            found.put("quantlab_coverage_ratio", one.share, one.dataset, one.venue)
    for dataset, rule, rows in waiting:
        found.put("quantlab_quarantine_open_rows", rows, dataset, rule)
    for promise in standing.look_at_promises(platform):
        if promise.kept is not None:
            found.put("quantlab_promise_kept", promise.kept, promise.subject)


def _programs(platform: Platform, found: _Scrape) -> None:
    with transaction(platform.engine) as connection:
        seen = heartbeats.look(connection)
    for one in seen.programs:
        found.put("quantlab_program_up", tell(one, seen) in _WELL, one.kind, one.name)
        for name, fact in (("quantlab_worker_slots", "slots"), ("quantlab_worker_busy_slots", "busy")):
            if one.kind == "worker" and one.facts.get(fact) is not None:
                found.put(name, float(one.facts[fact]), one.name)
        if one.facts.get("memory") is not None:
            found.put("quantlab_program_memory_bytes", float(one.facts["memory"]), one.kind, one.name)


def _queues(platform: Platform, found: _Scrape) -> None:
    for queue, by_priority in queue_lengths(platform.redis).items():
        # The priority that nothing says otherwise of stands there at all times: an absent line cannot be alerted on.
        for priority, length in {5: 0, **by_priority}.items():
            found.put("quantlab_queue_messages", length, queue, "" if priority is None else str(priority))
    if (number := unacked(platform.redis)) is not None:
        found.put("quantlab_unacked_messages", number)


def _sites(platform: Platform, found: _Scrape) -> None:
    for site in standing.look_at_sites(platform):
        found.put("quantlab_source_open", site.closed_since is None and site.rests is None, site.site)
        found.put("quantlab_source_seconds_per_request", site.pace, site.site)


class Exposition:
    """The text of a scrape, made anew after FRESH seconds; for all who ask together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text, self._at = b"", -FRESH

    def get(self, platform: Platform) -> bytes:
        """In Prometheus' text format."""
        with self._lock:
            if time.monotonic() - self._at >= FRESH:
                registry = CollectorRegistry(auto_describe=False)
                registry.register(_Values(scrape(platform)))
                self._text, self._at = generate_latest(registry), time.monotonic()
            return self._text


def names_of_samples() -> Iterator[str]:
    """Every name that a dashboard or an alert may use."""
    for name, one in METRICS.items():
        if one.kind == "histogram":
            yield from (f"{name}_bucket", f"{name}_sum", f"{name}_count")
        else:
            yield name
