"""The base task: parameters, ledger and retries, with Celery's own tracer on a real PostgreSQL and Valkey."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from celery import Celery
from pydantic import Field
from sqlalchemy import text

from app.core import wiring
from app.core.config import get_settings
from app.errors import InvalidParameter, NotASession, RateLimited, SourceChanged, SourceUnavailable, StoreUnavailable
from app.ops.runs import RunLedger
from app.services.report import Report
from app.store.counts import Counts
from app.store.engine import make_engine, transaction
from app.store.runs import Run, get
from app.tasks._base import QuantLabTask


@pytest.fixture
def celery_app(database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    monkeypatch.setenv("QUANTLAB_HOME", str(tmp_path))
    monkeypatch.setenv("QUANTLAB_SOURCE", "sandbox")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    get_settings.cache_clear()
    wiring.reset_platform()
    app = Celery("test", set_as_current=False, broker="memory://", backend="cache+memory://", task_cls=QuantLabTask)
    app.conf.update(task_always_eager=True, task_eager_propagates=False, task_store_eager_result=True)
    yield app
    wiring.get_platform().engine.dispose()
    get_settings.cache_clear()
    wiring.reset_platform()


def ledger_of(database_url: str, run_id: str) -> Run:
    engine = make_engine(database_url, application_name="test")
    try:
        with transaction(engine) as connection:
            run = get(connection, run_id)
    finally:
        engine.dispose()
    assert run is not None
    return run


Few = Annotated[int, Field(strict=True, ge=1, le=10)]


def test_a_report_is_the_end_of_the_run(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.count")
    def count(self: QuantLabTask, days: Few = 7) -> Report:
        return Report("PARTIAL", "one was missing", Counts(3, 2, 1, 1, 0), {"days": days})

    result = count.apply_async(args=[2], headers={"trigger": "api"})
    run = ledger_of(database_url, result.id)
    assert result.state == "SUCCESS"
    assert result.result == {
        "state": "PARTIAL",
        "reason": "one was missing",
        "expected": 3,
        "fetched": 2,
        "stored": 1,
        "unchanged": 1,
        "quarantined": 0,
        "details": {"days": 2},
    }
    assert (run.state, run.reason, run.counts, run.attempts) == ("PARTIAL", "one was missing", Counts(3, 2, 1, 1, 0), 1)
    assert (run.task, run.parameters) == ("app.tasks.count", {"days": 2})
    assert run.finished_at is not None


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"days": 0}, "days is 0"),
        ({"days": -3}, "greater than or equal to 1"),
        ({"days": 11}, "days is 11"),
        ({"days": "2"}, "valid integer"),
        ({"days": True}, "valid integer"),
        ({"day": 2}, "no parameter 'day'"),
    ],
)
def test_a_wrong_parameter_fails_before_any_work(
    celery_app: Celery, database_url: str, kwargs: dict[str, Any], sentence: str
) -> None:
    worked = []

    @celery_app.task(shared=False, bind=True, name="app.tasks.work")
    def work(self: QuantLabTask, days: Few = 7) -> None:
        worked.append(days)

    result = work.apply_async(kwargs=kwargs)
    run = ledger_of(database_url, result.id)
    assert result.state == "FAILURE"
    assert isinstance(result.result, InvalidParameter)
    assert sentence in str(result.result)
    assert (run.state, run.error_type, run.attempts) == ("FAILED", "InvalidParameter", 1)
    assert sentence in str(run.error)
    assert worked == []


def test_a_failure_cannot_be_returned(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.broken")
    def broken(self: QuantLabTask) -> None:
        raise SourceChanged("The column 收盤價 is gone.", site="twse")

    run = ledger_of(database_url, broken.apply_async().id)
    assert (run.state, run.error_type, run.error) == ("FAILED", "SourceChanged", "The column 收盤價 is gone.")
    assert "in broken" in str(run.traceback)


def test_only_what_a_later_try_may_mend_is_tried_again(celery_app: Celery, database_url: str) -> None:
    tries = []

    @celery_app.task(shared=False, bind=True, name="app.tasks.flaky", retry_backoff=False, default_retry_delay=0)
    def flaky(self: QuantLabTask) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise SourceUnavailable("twse does not answer.", site="twse")
        return "done"

    result = flaky.apply_async()
    run = ledger_of(database_url, result.id)
    assert len(tries) == 3
    assert (run.state, run.attempts) == ("SUCCESS", 3)


@pytest.mark.parametrize("moment", ["started", "finished"])
def test_a_ledger_that_is_away_for_a_moment_costs_a_retry_not_the_run(
    celery_app: Celery, database_url: str, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    real, away = getattr(RunLedger, moment), [StoreUnavailable("PostgreSQL restarts.")]

    def once_away(self: RunLedger, *args: Any, **kwargs: Any) -> Any:
        if away:
            raise away.pop()
        return real(self, *args, **kwargs)

    monkeypatch.setattr(RunLedger, moment, once_away)

    @celery_app.task(shared=False, bind=True, name="app.tasks.calm", retry_backoff=False, default_retry_delay=0)
    def calm(self: QuantLabTask) -> str:
        return "done"

    result = calm.apply_async()
    assert (result.state, ledger_of(database_url, result.id).state) == ("SUCCESS", "SUCCESS")


def test_a_site_that_asks_for_patience_gets_it(celery_app: Celery) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.patient")
    def task(self: QuantLabTask) -> None: ...

    error = RateLimited("429.", site="twse", retry_after=120.0)
    assert task._pause(error) == 120
    assert 2.5 <= task._pause(SourceUnavailable("gone.", site="twse")) <= 5


def test_a_result_that_cannot_be_sent_is_no_success(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.odd")
    def odd(self: QuantLabTask) -> object:
        return object()

    assert ledger_of(database_url, odd.apply_async().id).state == "FAILED"


def test_arguments_that_json_does_not_know_still_leave_a_run(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.strange")
    def strange(self: QuantLabTask, days: Few = 7) -> None: ...

    run = ledger_of(database_url, strange.apply_async(kwargs={"days": float("nan")}).id)
    assert (run.state, run.parameters) == ("FAILED", {"days": "NaN"})


def test_a_signal_ends_as_skipped_with_its_sentence(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.closed")
    def closed(self: QuantLabTask) -> None:
        raise NotASession("The market is closed.")

    result = closed.apply_async()
    run = ledger_of(database_url, result.id)
    assert (run.state, run.reason) == ("SKIPPED", "The market is closed.")
    assert result.result["state"] == "SKIPPED"


def test_a_run_that_ended_does_no_work_when_it_is_delivered_again(celery_app: Celery, database_url: str) -> None:
    done = []

    @celery_app.task(shared=False, bind=True, name="app.tasks.once")
    def once(self: QuantLabTask) -> None:
        done.append(1)

    first = once.apply_async(task_id="the-same")
    again = once.apply_async(task_id="the-same")
    assert (first.state, again.state, done) == ("SUCCESS", "IGNORED", [1])
    assert ledger_of(database_url, "the-same").attempts == 1


def test_progress_is_shown_while_it_runs(celery_app: Celery, database_url: str) -> None:
    seen: list[Any] = []

    @celery_app.task(shared=False, bind=True, name="app.tasks.long")
    def long(self: QuantLabTask) -> None:
        context = self.context()
        context.progress(1, 4, "the first of four")
        with transaction(context.engine) as connection:
            seen.extend(connection.execute(text("SELECT state, progress FROM runs")))

    long.apply_async()
    assert [tuple(row) for row in seen] == [("STARTED", {"done": 1, "total": 4, "what": "the first of four"})]


def test_called_as_a_function_it_checks_and_leaves_no_run(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.plain")
    def plain(self: QuantLabTask, days: Few = 7) -> int:
        return days

    assert plain(3) == 3
    with pytest.raises(InvalidParameter):
        plain(0)


def test_errors_survive_pickling_with_their_facts() -> None:
    error = pickle.loads(pickle.dumps(SourceUnavailable("gone.", site="twse", retry_after=3.0)))
    assert (type(error), str(error), error.site, error.retry_after) == (SourceUnavailable, "gone.", "twse", 3.0)


def test_a_run_whose_worker_stops_at_once_is_left_open_for_its_redelivery(
    celery_app: Celery, database_url: str
) -> None:
    """SIGQUIT raises SystemExit in the pool's process, and the message goes back to the queue."""
    stops = [SystemExit(-241)]

    @celery_app.task(shared=False, bind=True, name="app.tasks.stopped")
    def stopped(self: QuantLabTask) -> Report:
        if stops:
            raise stops.pop()
        return Report(counts=Counts(stored=1))

    with pytest.raises(SystemExit):
        stopped.apply_async(task_id="again")
    assert ledger_of(database_url, "again").state == "STARTED"
    stopped.apply_async(task_id="again")
    run = ledger_of(database_url, "again")
    assert (run.state, run.attempts, run.counts.stored) == ("SUCCESS", 2, 1)
