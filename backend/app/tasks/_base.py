"""The base of every task: typed parameters, the run ledger, log context and retries, once for all of them."""

from __future__ import annotations

import inspect
import json
import random
import traceback
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn, get_type_hints

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from loguru import logger
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from app.core.wiring import get_platform
from app.errors import RETRIABLE, InvalidParameter, QuantLabError, RunSignal
from app.services.context import Context
from app.services.report import Report


class QuantLabTask(Task):
    """A task whose runs stand in the ledger, and which returns a Report or raises: it cannot return a failure.

    A task body may return a Report, another JSON-able value, or nothing (both then count as SUCCESS).
    """

    # Celery would raise a bare TypeError in the caller; check_parameters says it in a sentence, and in the ledger.
    typing = False
    # What people expect of `self.retry` and of errors that a later try may mend; others need a person.
    max_retries = 5
    default_retry_delay = 5  # also after the death of a child
    retry_backoff = 5
    # Longer waits would be long countdowns, which the broker hands out twice (see TRANSPORT_OPTIONS).
    retry_backoff_max = 600
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
        return create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)

    @property
    def _function(self) -> Any:
        # Celery wraps `run` when autoretry_for is set and keeps the original in `_orig_run`.
        return getattr(self, "_orig_run", self.run)

    @property
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
        text = json.dumps(self._named(args, kwargs), default=str).replace("\\u0000", "")
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

    def context(self) -> Context:
        """What a service needs, with the present run's id and progress."""
        platform = get_platform()
        run_id = self.request.id
        if run_id is None:
            return platform.context()
        return platform.context(run_id=run_id, progress=platform.ledger.progress_of(run_id))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it. Called directly, as a function, it only checks its parameters and leaves no run."""
        run_id = self.request.id
        if run_id is None:
            return self.run(**self.check_parameters(args, kwargs))
        with logger.contextualize(run=run_id, task=self.name.removeprefix("app.tasks.")):
            try:
                return self._attempt(run_id, args, kwargs)
            except RETRIABLE as error:
                self._try_again(run_id, error)

    def _attempt(self, run_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """One try, from the ledger's first line to its last. Raises what a later try may mend (RETRIABLE) as it is."""
        ledger = get_platform().ledger
        run = ledger.started(
            run_id,
            task=self.name,
            parameters=self.named_parameters(args, kwargs),
            trigger=self.request.get("trigger") or "manual",
            worker=self.request.hostname,
        )
        if run.is_final:
            logger.warning("Delivered again after it ended as {}: nothing to do", run.state)
            raise Ignore  # acknowledges the message and leaves the first delivery's result as it is
        logger.info("Started, attempt {}", run.attempts)
        try:
            return self._finish(run_id, self.run(**self.check_parameters(args, kwargs)))
        except RunSignal as signal:
            return self._finish(run_id, Report("SKIPPED", str(signal)))
        except Retry as retry:
            self._note_retry(run_id, retry)
            raise
        except (*RETRIABLE, Ignore, Reject):
            raise
        except (SystemExit, KeyboardInterrupt):
            # A worker told to stop at once (SIGQUIT) gives the message back: a run that had ended as FAILED
            # here would make the redelivery a no-op, and the work would be lost.
            logger.warning("Interrupted: the worker stops, and the run goes back to the queue")
            raise
        except BaseException as error:
            self._fail(run_id, error)
            raise

    def _try_again(self, run_id: str, error: QuantLabError) -> NoReturn:
        """Queue another try after a while, or fail for good after the last one."""
        try:
            self.retry(exc=error, countdown=self._pause(error))
        except Retry as retry:
            self._note_retry(run_id, retry)
            raise
        except BaseException as final:
            self._fail(run_id, final)
            raise
        raise error  # never reached: `retry` raises

    def _pause(self, error: QuantLabError) -> float:
        """Seconds until the next try: exponential, with jitter, and never less than the site asked for."""
        if not self.retry_backoff:
            return float(self.default_retry_delay)
        longest = self.retry_backoff_max
        pause = min(self.retry_backoff * 2**self.request.retries, longest)
        if self.retry_jitter:
            pause *= random.uniform(0.5, 1.0)  # noqa: S311
        return float(min(max(pause, error.facts.get("retry_after") or 0), longest))

    def _note_retry(self, run_id: str, retry: Retry) -> None:
        cause = retry.exc if isinstance(retry.exc, BaseException) else retry
        logger.warning("Will be tried again {}: {}", retry.humanize(), cause)
        try:
            get_platform().ledger.will_retry(run_id, error=cause)
        except QuantLabError as trouble:
            # The next try is queued; it writes itself down when it starts.
            logger.warning("That could not be written down: {}", trouble)

    def _finish(self, run_id: str, result: Any) -> Any:
        report = result if isinstance(result, Report) else Report()
        answer = result.as_json() if isinstance(result, Report) else result
        json.dumps(answer)  # what cannot be sent as a result must fail before the run stands as done
        get_platform().ledger.finished(run_id, state=report.state, reason=report.reason, counts=report.counts)
        counts = {name: number for name, number in report.counts.as_dict().items() if number is not None}
        level = "SUCCESS" if report.state == "SUCCESS" else "WARNING"
        text = " ".join(f"{name} {number:,}" for name, number in counts.items())
        logger.log(level, "{} {} {}", report.state, text, report.reason or "")
        return answer

    def _fail(self, run_id: str, error: BaseException) -> None:
        if isinstance(error, QuantLabError):
            logger.error("FAILED {}: {}", type(error).__name__, error)
        else:
            logger.opt(exception=error).error("FAILED {}: {}", type(error).__name__, error)
        try:
            get_platform().ledger.failed(run_id, error=error, traceback="".join(traceback.format_exception(error)))
        except QuantLabError as trouble:
            # The failure itself must still be raised; Celery's result has it as well.
            logger.error("The failure of {} could not be written down: {}", run_id, trouble)


def _in_words(part: Any) -> str:
    place = ".".join(str(word) for word in part["loc"]) or "the arguments"
    if part["type"] == "extra_forbidden":
        return f"there is no parameter {place!r}"
    if part["type"] == "missing":
        return f"the parameter {place!r} is missing"
    given = part.get("input")
    shown = repr(given) if len(repr(given)) <= 60 else f"{repr(given)[:60]}…"
    return f"{place} is {shown}: {part['msg'].removeprefix('Value error, ')}"
