"""Errors as replies: the type decides the status code, the sentence is the message. One place for all endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from loguru import logger
from starlette.exceptions import HTTPException

from app.errors import (
    AlreadyDecided,
    AlreadyRunning,
    ChangedMeanwhile,
    ConfigurationError,
    InvalidParameter,
    LastAdmin,
    NotAllowed,
    NotAuthorised,
    NotStorable,
    QuantLabError,
    RateLimited,
    SourceError,
    StoreUnavailable,
    TooManyAttempts,
    UnknownOutcome,
    UnknownRow,
    UnknownRun,
    UnknownSchedule,
    UnknownSession,
    UnknownSymbol,
    UnknownTask,
    UnknownToken,
    UnknownUser,
    UnknownWorker,
)
from app.market.written import A_DAY, AN_INSTANT

STATUS: tuple[tuple[type[QuantLabError], int], ...] = (
    # The first that fits counts, so the narrower come first.
    (UnknownSymbol, 404),
    (UnknownTask, 404),
    (UnknownRun, 404),
    (UnknownSchedule, 404),
    (UnknownRow, 404),
    (UnknownUser, 404),
    (UnknownSession, 404),
    (UnknownToken, 404),
    (UnknownWorker, 404),
    (AlreadyDecided, 409),
    (NotStorable, 409),
    (ChangedMeanwhile, 409),
    (LastAdmin, 409),
    (AlreadyRunning, 409),
    (InvalidParameter, 422),
    (NotAuthorised, 401),
    (NotAllowed, 403),
    (TooManyAttempts, 429),
    (UnknownOutcome, 504),
    (StoreUnavailable, 503),
    (ConfigurationError, 503),
    (RateLimited, 503),
    (SourceError, 502),
    (QuantLabError, 500),
)

OwnCode = Literal["NotFound", "MethodNotAllowed", "HTTPError", "UnknownHost", "TooLarge", "Unexpected"]
"""What the web itself answers, before or behind everything that raises a QuantLabError."""
_OWN: Mapping[int, OwnCode] = {404: "NotFound", 405: "MethodNotAllowed", 413: "TooLarge"}


def status_of(error: QuantLabError) -> int:
    """The status code that says what to do about *error*."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def every_code(kind: type[QuantLabError] = QuantLabError) -> set[str]:
    """Every ``error`` that a reply can have; the console has words for each."""
    return {kind.__name__, *get_args(OwnCode)}.union(*(every_code(below) for below in kind.__subclasses__()))


def answer_errors(app: FastAPI) -> None:
    """Let *app* answer every error with ``{"error": code, "message": sentence}``, and its ``facts`` where it has any.

    The code is the type's name: a program, or a page in another language, goes by it; the sentence is for people.
    """

    @app.exception_handler(QuantLabError)
    def ours(_: Request, error: QuantLabError) -> JSONResponse:
        status = status_of(error)
        if status >= 500:
            logger.warning("Answered {}: {}", status, error)
        return JSONResponse(body_of(error), status, _headers(status, error))

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        return reply(422, InvalidParameter, "; ".join(_in_words(part) for part in error.errors()) + ".")

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # what FastAPI says of bytes that are no text
            return reply(422, InvalidParameter, "The body is not JSON in UTF-8.")
        sentences = {
            404: f"There is nothing at {request.url.path}; /docs lists what there is.",
            405: f"{request.method} is not possible at {request.url.path}; /docs lists what is.",
        }
        sentence = sentences.get(error.status_code, str(error.detail))
        return reply(error.status_code, _OWN.get(error.status_code, "HTTPError"), sentence, headers=error.headers)

    @app.exception_handler(Exception)
    def unexpected(_: Request, __: Exception) -> JSONResponse:
        # Starlette raises it again afterwards, so the log has the traceback; the caller gets no insides.
        return reply(500, "Unexpected", "Something is broken on our side; the log of web tells what.")


def body_of(error: QuantLabError) -> dict[str, Any]:
    """The body of the reply that says *error*."""
    facts = {name: fact for name, fact in error.facts.items() if isinstance(fact, (str, int, float))}
    return {"error": type(error).__name__, "message": str(error), **({"facts": facts} if facts else {})}


def reply(status: int, error: type[InvalidParameter] | OwnCode, message: str, *, headers: Any = None) -> JSONResponse:
    """What the web itself found wrong, as a reply."""
    code = error if isinstance(error, str) else error.__name__
    return JSONResponse({"error": code, "message": message}, status, headers)


def _headers(status: int, error: QuantLabError) -> dict[str, str] | None:
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.retry_after)}
    return {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}.get(status)


def _in_words(part: Any) -> str:
    place = [str(word) for word in part["loc"] if word not in ("query", "path", "body", "header")]
    if part["type"] == "json_invalid":
        return "the body is not JSON"
    if part["type"] == "missing":
        return f"{'.'.join(place) or 'the body'} is missing"
    given = repr(part.get("input"))
    if "password" in place or "password" in given:
        return f"{'.'.join(place) or 'the body'}: {part['msg'].removeprefix('Value error, ')}"
    said = part["msg"].removeprefix("Value error, ")
    if part["type"].startswith("date_"):
        said = A_DAY
    elif part["type"].startswith(("datetime_", "timezone_")):
        said = AN_INSTANT
    shown = given if len(given) <= 60 else f"{given[:60]}…"
    return f"{'.'.join(place) or 'the body'} is {shown}: {said}"
