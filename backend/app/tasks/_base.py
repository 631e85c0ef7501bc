"""The base of every task: typed parameters, the run ledger, log context and retries, once for all of them."""

from __future__ import annotations

import inspect
import json
import random
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, get_type_hints

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from loguru import logger
from pydantic import BaseModel, ValidationError, create_model

from app import spans
from app.core.wiring import get_platform, now
from app.errors import RETRIABLE, Cancelled, GivenBack, InvalidParameter, LeaseLost, QuantLabError, RunSignal, storable
from app.market.sayings import say
from app.services.context import Context, Lease
from app.services.report import Report
from app.tasks.lease import LeaseKeeper
from app.tasks.parameters import Parameters

_BEFORE_GIVING_BACK = 2.0
"""Seconds."""
_keeper = LeaseKeeper(lambda: get_platform().lease_engine)


class QuantLabTask(Task):
    """A task whose runs stand in the ledger, and which returns a Report or raises: it cannot return a failure.

    A task body may return a Report, another JSON-able value, or nothing (both then count as SUCCESS).
    """

    # Celery would raise a bare TypeError in the caller; check_parameters says it in a sentence, and in the ledger.
    typing = False
    # What people expect of `self.retry` and of errors that a later try may mend; others need a person.
    max_retries = 5
    default_retry_delay = 5
    retry_backoff = 5
    retry_backoff_max = 3600
    retry_jitter = True

    @cached_property
    def parameters(self) -> type[BaseModel]:
        """The typed parameters, from the signature of the task's function; unknown ones are refused."""
        function = inspect.unwrap(self._function)
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {
            name: (hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
            for name, parameter in self._signature.parameters.items()
        }
        return create_model(self.name, __base__=Parameters, **fields)

    @property
    def _function(self) -> Any:
        # Celery wraps `run` when autoretry_for is set and keeps the original in `_orig_run`.
        return getattr(self, "_orig_run", self.run)

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self._function)

    def _named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Positional and keyword arguments under their names, as given; what has no name keeps its place."""
        names = list(self._signature.parameters)
        named = dict(zip(names, args, strict=False))
        extra = {f"argument {number + 1}": value for number, value in enumerate(args) if number >= len(names)}
        return {**named, **extra, **kwargs}

    def named_parameters(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments under their names as the ledger can keep them: no NaN, no NUL, only what JSON knows."""
        text = storable(json.dumps(self._named(args, kwargs), default=str, ensure_ascii=False)).replace("\\u0000", "")
        parameters: dict[str, Any] = json.loads(text, parse_constant=str)
        return parameters

    def check_parameters(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The validated parameters. Raises InvalidParameter with a sentence that says what was wrong."""
        given = self._named(args, kwargs)
        try:
            valid = self.parameters.model_validate(given)
        except ValidationError as error:
            wrong = "; ".join(_in_words(part) for part in error.errors())
            raise InvalidParameter(f"{self.name}: {wrong}.") from None
        return {name: getattr(valid, name) for name in self.parameters.model_fields}

    def canonical_parameters(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments in the one form in which the same wish always looks the same: named, typed, no defaults.

        What does not fit the types stays as it was given; the run will say what is wrong with it.
        """
        try:
            valid = self.parameters.model_validate(self._named(args, kwargs))
        except ValidationError:
            return self.named_parameters(args, kwargs)
        return self.named_parameters((), valid.model_dump(mode="json", exclude_defaults=True))

    def context(self) -> Context:
        """What a service needs, with the lease of the present run."""
        priority = (self.request.delivery_info or {}).get("priority")
        return get_platform().context(
            self.request.get("lease"), priority=priority, queues=list(self.app.amqp.queues.consume_from)
        )

    def retry(  # noqa: PLR0917 - Celery's own arguments
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: Exception | None = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Any:
        """Celery's ``retry``, but the next try is a due time in PostgreSQL: a long countdown would run twice.

        Raises:
            Retry: with *throw*; the run is tried again.
            Exception: *exc*, or MaxRetriesExceededError, after the last one.
        """
        lease: Lease | None = self.request.get("lease")
        if lease is None:
            return super().retry(args, kwargs, exc, throw, eta, countdown, max_retries, **options)
        limit = self.max_retries if max_retries is None else max_retries
        if limit is not None and self.request.retries >= limit:
            raise exc or self.MaxRetriesExceededError(f"{self.name} {lease.run_id} was tried {limit + 1} times.")
        if eta is not None:
            countdown = (eta - now()).total_seconds()
        pause = self.default_retry_delay if countdown is None else countdown
        cause = exc or RuntimeError("The task asked for another try.")
        changed = args is not None or kwargs is not None
        retry = Retry(exc=exc, when=pause)
        logger.warning("Will be tried again in {:.0f} s: {}", pause, cause)
        noted = self._write_down(
            partial(
                get_platform().ledger.will_retry,
                lease.run_id,
                lease.token,
                error=cause,
                after=timedelta(seconds=max(pause, 0)),
                retries=self.request.retries + 1,
                parameters=self.canonical_parameters(args or (), kwargs or {}) if changed else None,
            )
        )
        if not noted:
            raise Ignore
        if throw:
            raise retry
        return retry

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it. Called directly, as a function, it only checks its parameters and leaves no run."""
        run_id = self.request.id
        if run_id is None:
            return self.run(**self.check_parameters(args, kwargs))
        task = self.name.removeprefix("app.tasks.")
        told = {"quantlab.run_id": run_id, "quantlab.task": task}
        asked = {"traceparent": str(self.request.get("traceparent") or "")}
        with (
            logger.contextualize(run=run_id, task=self.name),
            spans.begin(f"run {task}", "CONSUMER", told, carried=asked),
        ):
            lease = _keeper.hold(run_id, self._begin(run_id, args, kwargs))
            self.request.lease = lease
            try:
                return self._attempt(lease, args, kwargs)
            finally:
                _keeper.release(lease)

    def _begin(self, run_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
        """The token of a new attempt. Raises Ignore when there is nothing to do: the message came again."""
        ledger, worker, repeatable = get_platform().ledger, self.request.hostname, bool(self.acks_late)
        try:
            token = ledger.taken(run_id, worker=worker, repeatable=repeatable)
            if token is None:
                attempt = ledger.started(
                    run_id,
                    task=self.name,
                    parameters=self.named_parameters(args, kwargs),
                    trigger=self.request.get("trigger") or "manual",
                    worker=worker,
                    repeatable=repeatable,
                )
                token, state = attempt.token, attempt.run.state
        except RETRIABLE as error:
            # Without the ledger nothing may run. The message goes back; the pause is for the server to come back.
            logger.warning("Cannot begin, the message goes back to its queue: {}", error)
            time.sleep(_BEFORE_GIVING_BACK)
            raise Reject(str(error), requeue=True) from error
        except Exception as error:
            # Somebody sent it past us. Put back it would come again for ever, and nobody could write down how it ends.
            trace = None if isinstance(error, QuantLabError) else error
            logger.opt(exception=trace).error("Cannot begin, and its message is thrown away: {}", error)
            raise Reject(str(error), requeue=False) from error
        if token is None:
            logger.warning("Delivered again while {}: nothing to do", state)
            raise Ignore  # acknowledges the message and leaves the other delivery's result as it is
        logger.info("Started, attempt {}", token)
        return token

    def _attempt(self, lease: Lease, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """One try, to its end in the ledger."""
        try:
            return self._end(lease, self.run(**self.check_parameters(args, kwargs)))
        except RunSignal as signal:
            return self._finish(lease, Report("SKIPPED", str(signal)))
        except Cancelled as signal:
            return self._finish(lease, Report("CANCELLED", str(signal)))
        except GivenBack as signal:
            self._give_back(lease, str(signal))
            raise Ignore from signal
        except LeaseLost as signal:
            logger.warning("LeaseLost: {}", signal)
            raise Ignore from signal
        except RETRIABLE as error:
            return self._try_again(lease, error)
        except Retry:
            raise
        except Ignore:
            self._finish(lease, Report("SKIPPED", say("ignored")))
            raise
        except Reject as reject:
            if reject.requeue:
                self._give_back(lease, "The task gave its message back.")
            else:
                self._fail(lease, reject)
            raise
        except (SystemExit, KeyboardInterrupt):
            self._give_back(lease, "Its worker was told to stop at once; another goes on with it.")
            raise
        except BaseException as error:
            self._fail(lease, error)
            raise

    def _end(self, lease: Lease, result: Any) -> Any:
        """Finish, or have the units tried again that another try may mend, as long as there are tries."""
        if isinstance(result, Report) and result.mendable and self._may_try_again():
            return self.retry(exc=result.mendable, countdown=self._pause(result.mendable))
        return self._finish(lease, result)

    def _may_try_again(self) -> bool:
        tries: int = self.request.retries
        return self.max_retries is None or tries < self.max_retries

    def _try_again(self, lease: Lease, error: QuantLabError) -> Any:
        """Have it tried again after a while, or fail for good after the last time."""
        try:
            return self.retry(exc=error, countdown=self._pause(error))
        except (Retry, Ignore):
            raise
        except BaseException as final:
            self._fail(lease, final)
            raise

    def _pause(self, error: QuantLabError) -> float:
        """Seconds until the next try: exponential, with jitter, and never less than the site asked for."""
        if not self.retry_backoff:
            return float(self.default_retry_delay)
        longest = self.retry_backoff_max
        pause = min(self.retry_backoff * 2**self.request.retries, longest)
        if self.retry_jitter:
            pause *= random.uniform(0.5, 1.0)  # noqa: S311
        return float(min(max(pause, error.facts.get("retry_after") or 0), longest))

    def _finish(self, lease: Lease, result: Any) -> Any:
        report = result if isinstance(result, Report) else Report()
        spans.note({"quantlab.state": report.state})
        answer = result.as_json() if isinstance(result, Report) else result
        json.dumps(answer)  # what cannot be sent as a result must fail before the run stands as done
        ended = partial(
            get_platform().ledger.finished,
            lease.run_id,
            lease.token,
            state=report.state,
            reason=report.reason,
            counts=report.counts,
        )
        if not self._write_down(ended):
            raise Ignore
        counts = {name: number for name, number in report.counts.as_dict().items() if number is not None}
        level = "SUCCESS" if report.state == "SUCCESS" else "WARNING"
        text = " ".join(f"{name} {number:,}" for name, number in counts.items())
        logger.log(level, "{}", " ".join(filter(None, (report.state, text, str(report.reason or "")))))
        return answer

    def _give_back(self, lease: Lease, reason: str) -> None:
        logger.warning("Given back: {}", reason)
        self._write_down(partial(get_platform().ledger.given_back, lease.run_id, lease.token, reason=reason))

    def _fail(self, lease: Lease, error: BaseException) -> None:
        if isinstance(error, QuantLabError):
            logger.error("FAILED {}: {}", type(error).__name__, error)
        else:
            logger.opt(exception=error).error("FAILED {}: {}", type(error).__name__, error)
        self._write_down(
            partial(
                get_platform().ledger.failed,
                lease.run_id,
                token=lease.token,
                error=error,
                traceback="".join(traceback.format_exception(error)),
            )
        )

    def _write_down(self, end: Callable[[], bool]) -> bool:
        """Write how this attempt ended. False: another attempt has the run, or PostgreSQL is away.

        In the second case the lease runs out, and the reaper gives the run to another attempt, which finds the
        units that are done.
        """
        try:
            if end():
                return True
            logger.warning("LeaseLost: another attempt has the run, so how this one ended does not count")
        except QuantLabError as trouble:
            logger.warning("How it ended could not be written down, so it will be tried again: {}", trouble)
        return False


def _in_words(part: Any) -> str:
    place = ".".join(str(word) for word in part["loc"]) or "the arguments"
    if part["type"] == "extra_forbidden":
        return f"there is no parameter {place!r}"
    if part["type"] == "missing":
        return f"the parameter {place!r} is missing"
    message = part["msg"].removeprefix("Value error, ")
    if not part["loc"]:
        return str(message)
    given = part.get("input")
    shown = repr(given) if len(repr(given)) <= 60 else f"{repr(given)[:60]}…"
    return f"{place} is {shown}: {message}"
