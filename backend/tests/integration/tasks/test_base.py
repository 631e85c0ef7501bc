"""The base task: parameters, ledger and retries, with Celery's own tracer on a real PostgreSQL and Valkey."""

from __future__ import annotations

import pickle
import random
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from celery import Celery
from loguru import logger
from pydantic import Field
from sqlalchemy import text

from app.core import wiring
from app.core.config import get_settings
from app.core.logging import configure_logging
from app.errors import InvalidParameter, NotASession, RateLimited, SourceChanged, SourceUnavailable, StoreUnavailable
from app.ops.runs import RunLedger
from app.services.keep_logs import LogKeeper, newest_in_files
from app.services.report import Report
from app.store import log_lines
from app.store.counts import Counts
from app.store.engine import make_engine, transaction
from app.store.log_lines import Wanted
from app.store.runs import Run, get
from app.tasks import _base
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


def test_the_lines_of_a_run_are_found_by_its_task_and_its_run(
    celery_app: Celery, database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.count")
    def count(self: QuantLabTask) -> None:
        logger.info("2330 is counted")

    configure_logging("INFO", folder=tmp_path / "lines", program="worker")
    try:
        mine, other = count.apply_async().id, count.apply_async().id
    finally:
        logger.remove()
        logger.add(sys.stderr)
    assert f"count {mine[:8]} 2330 is counted" in capfd.readouterr().err
    engine = make_engine(database_url, application_name="test")
    LogKeeper(lambda: engine, tmp_path / "lines").keep()
    with transaction(engine) as connection:
        found = log_lines.list_lines(connection, Wanted(task="app.tasks.count", words="counted"), limit=9)
        assert [one.run_id for one in found] == [other, mine]
        assert log_lines.list_lines(connection, Wanted(task="app.tasks.sync_qlib"), limit=9) == []
        # Those that an earlier version wrote have the name without its module.
        connection.execute(text("UPDATE log_lines SET task = 'count'"))
        assert log_lines.list_lines(connection, Wanted(task="app.tasks.count", words="counted"), limit=9) != []
    engine.dispose()
    in_files = newest_in_files(tmp_path / "lines", Wanted(task="app.tasks.count", run_id=mine), limit=9)
    messages = [one.message for one in in_files]
    assert messages[1] == "2330 is counted"
    assert "SUCCESS" in messages  # nothing was counted, and no blanks stand for it


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


def test_an_error_that_quotes_what_postgresql_does_not_take_is_kept(celery_app: Celery, database_url: str) -> None:
    error = ValueError("ab\0cd")

    @celery_app.task(shared=False, bind=True, name="app.tasks.quoting")
    def quoting(self: QuantLabTask) -> None:
        self.context().progress(0, 1, str(error))
        raise error

    run = ledger_of(database_url, quoting.apply_async().id)
    said = "ab\ufffdcd"
    assert (run.state, run.error_type, run.error) == ("FAILED", "ValueError", said)
    assert f"ValueError: {said}" in str(run.traceback)
    assert run.progress == {"done": 0, "total": 1, "what": said}


def test_parameters_with_half_a_surrogate_pair_still_leave_a_run(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.named")
    def named(self: QuantLabTask, name: str) -> None: ...

    run = ledger_of(database_url, named.apply_async(kwargs={"name": "a\udc80\0"}).id)
    assert (run.state, run.parameters) == ("SUCCESS", {"name": "a?"})


def test_only_what_a_later_try_may_mend_is_tried_again(celery_app: Celery, database_url: str) -> None:
    tries = []

    @celery_app.task(shared=False, bind=True, name="app.tasks.flaky", retry_backoff=False, default_retry_delay=0)
    def flaky(self: QuantLabTask) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise SourceUnavailable("twse does not answer.", site="twse")
        return "done"

    for number, state in enumerate(("RETRY", "RETRY", "SUCCESS"), 1):
        result = flaky.apply_async(task_id="flaky", retries=number - 1)
        run = ledger_of(database_url, "flaky")
        assert (result.state, run.state, run.attempts, len(tries)) == (state, state, number, number)
    assert run.retries == 2


def test_the_units_that_failed_are_tried_again_as_long_as_that_may_mend_them(
    celery_app: Celery, database_url: str
) -> None:
    busy = RateLimited("tpex says that we ask too often (429).", site="tpex", retry_after=90)

    @celery_app.task(shared=False, bind=True, name="app.tasks.market", max_retries=1)
    def market(self: QuantLabTask) -> Report:
        return Report("PARTIAL", "1 of 82 units failed.", mendable=busy)

    first = market.apply_async(task_id="market")
    waiting = ledger_of(database_url, "market")
    assert (first.state, waiting.state, waiting.error_type, waiting.retries) == ("RETRY", "RETRY", "RateLimited", 1)
    assert waiting.run_after is not None
    assert (waiting.run_after - waiting.queued_at).total_seconds() >= 90

    with transaction(wiring.get_platform().engine) as connection:
        connection.execute(text("UPDATE runs SET run_after = now()"))
    market.apply_async(task_id="market", retries=1)
    run = ledger_of(database_url, "market")
    assert (run.state, run.reason) == ("PARTIAL", "1 of 82 units failed.")


def test_the_last_try_fails_with_the_error_itself(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.hopeless", max_retries=2)
    def hopeless(self: QuantLabTask) -> None:
        raise SourceUnavailable("twse does not answer.", site="twse")

    result = hopeless.apply_async(retries=2)
    run = ledger_of(database_url, result.id)
    assert (run.state, run.error_type, run.error) == ("FAILED", "SourceUnavailable", "twse does not answer.")


def test_celerys_own_retry_is_a_due_time_in_the_ledger(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.guide")
    def guide(self: QuantLabTask, days: Few = 7) -> None:
        try:
            raise ConnectionError("gone")  # noqa: TRY301 - as the guide shows it
        except ConnectionError as error:
            raise self.retry(exc=error, countdown=3600, kwargs={"days": 3}) from error

    result = guide.apply_async()
    run = ledger_of(database_url, result.id)
    assert (result.state, run.state, run.reason, run.parameters) == ("RETRY", "RETRY", "gone", {"days": 3})
    assert run.run_after is not None
    assert run.sent_at is None
    assert 3500 < (run.run_after - run.queued_at).total_seconds() < 3700
    assert guide.apply_async(task_id=result.id).state == "IGNORED", "its time has not come"


def test_without_the_ledger_the_message_goes_back(
    celery_app: Celery, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("PostgreSQL restarts.")

    worked = []

    @celery_app.task(shared=False, bind=True, name="app.tasks.calm")
    def calm(self: QuantLabTask) -> None:
        worked.append(1)

    monkeypatch.setattr("app.tasks._base._BEFORE_GIVING_BACK", 0)
    with monkeypatch.context() as patch:
        patch.setattr(RunLedger, "started", away)
        assert calm.apply_async(task_id="calm").state == "REJECTED"
    assert worked == []
    assert calm.apply_async(task_id="calm").state == "SUCCESS"


LONG = "".join(random.Random(2330).choices(string.ascii_letters, k=9_000))


@pytest.mark.parametrize(("run_id", "trigger"), [(LONG, "manual"), ("nul\0", "manual"), ("odd", "x"), ("odd", ["x"])])
def test_a_message_that_no_ledger_can_hold_does_not_come_again_for_ever(
    celery_app: Celery, monkeypatch: pytest.MonkeyPatch, run_id: str, trigger: object
) -> None:
    """Nor goes it without a word: Celery's own of it is not in our logs."""
    started = RunLedger.started  # a message that is not sent has no headers, of which this one is
    monkeypatch.setattr(RunLedger, "started", lambda *given, **more: started(*given, **{**more, "trigger": trigger}))
    worked: list[int] = []

    @celery_app.task(shared=False, bind=True, name="app.tasks.calm")
    def calm(self: QuantLabTask) -> None:
        worked.append(1)

    said: list[str] = []
    heard = logger.add(said.append, level="ERROR", format="{message}")
    try:
        result = calm.apply_async(task_id=run_id)
    finally:
        logger.remove(heard)
    assert (result.state, worked, [text[:12] for text in said]) == ("REJECTED", [], ["Cannot begin"])
    assert "requeue=False" in repr(result.result)


@pytest.mark.parametrize("run_id", [LONG, "nul\0", ""])
def test_an_id_that_no_ledger_can_hold_is_not_sent(celery_app: Celery, run_id: str) -> None:
    with pytest.raises(InvalidParameter, match="no NUL"):
        wiring.get_platform().ledger.queued(run_id, task="app.tasks.calm", parameters={}, trigger="manual")


def test_an_end_that_cannot_be_written_leaves_the_run_to_the_reaper(
    celery_app: Celery, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("PostgreSQL restarts.")

    @celery_app.task(shared=False, bind=True, name="app.tasks.calm")
    def calm(self: QuantLabTask) -> str:
        return "done"

    with monkeypatch.context() as patch:
        patch.setattr(RunLedger, "finished", away)
        assert calm.apply_async(task_id="calm").state == "IGNORED"
    run = ledger_of(database_url, "calm")
    assert (run.state, run.lease_until is not None) == ("STARTED", True)


def test_an_operator_cancels_a_run_at_its_next_pause(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.long")
    def long(self: QuantLabTask) -> None:
        context = self.context()
        context.progress(0, 3, "first")
        wiring.get_platform().ledger.cancel("long", by="ops")
        _base._keeper.renew()
        context.progress(1, 3, "second")
        pytest.fail("it went on")

    result = long.apply_async(task_id="long")
    run = ledger_of(database_url, "long")
    assert (run.state, run.reason, run.cancel_by) == ("CANCELLED", "ops cancelled it while it ran.", "ops")
    assert result.result["state"] == "CANCELLED"
    with pytest.raises(InvalidParameter, match="has ended as CANCELLED"):
        wiring.get_platform().ledger.cancel("long", by="ops")


def test_a_worker_that_stops_gives_its_run_back(
    celery_app: Celery, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.long")
    def long(self: QuantLabTask) -> str:
        self.context().progress(1, 3, "second")
        return "done"

    with monkeypatch.context() as patch:
        patch.setattr("app.core.wiring.is_stopping", lambda: True)
        assert long.apply_async(task_id="long").state == "IGNORED"
    run = ledger_of(database_url, "long")
    assert (run.state, run.sent_at, run.losses) == ("QUEUED", None, 0)
    assert long.apply_async(task_id="long").state == "SUCCESS"
    assert ledger_of(database_url, "long").attempts == 2


def test_a_zombie_may_neither_write_nor_end_its_run(celery_app: Celery, database_url: str) -> None:
    @celery_app.task(shared=False, bind=True, name="app.tasks.zombie")
    def zombie(self: QuantLabTask, writes: bool = True) -> str:
        context = self.context()
        with transaction(context.engine) as connection:
            connection.execute(text("UPDATE runs SET attempts = 2 WHERE id = :id"), {"id": self.request.id})
        if writes:
            with context.writing():
                pytest.fail("it may not write")
        return "done"

    for run_id, kwargs in (("writes", {}), ("ends", {"writes": False})):
        assert zombie.apply_async(task_id=run_id, kwargs=kwargs).state == "IGNORED"
        assert ledger_of(database_url, run_id).state == "STARTED"


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


def test_a_run_whose_worker_stops_at_once_waits_for_another(celery_app: Celery, database_url: str) -> None:
    """SIGQUIT raises SystemExit in the pool's process, and the message goes back to the queue."""
    stops = [SystemExit(-241)]

    @celery_app.task(shared=False, bind=True, name="app.tasks.stopped")
    def stopped(self: QuantLabTask) -> Report:
        if stops:
            raise stops.pop()
        return Report(counts=Counts(stored=1))

    with pytest.raises(SystemExit):
        stopped.apply_async(task_id="again")
    assert ledger_of(database_url, "again").state == "QUEUED"
    stopped.apply_async(task_id="again")
    run = ledger_of(database_url, "again")
    assert (run.state, run.attempts, run.counts.stored) == ("SUCCESS", 2, 1)
