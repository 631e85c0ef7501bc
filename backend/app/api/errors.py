"""Errors as replies: the type decides the status code, the sentence is the message. One place for all endpoints."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from loguru import logger
from starlette.exceptions import HTTPException

from app.errors import (
    AlreadyDecided,
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
    (InvalidParameter, 422),
    (NotAuthorised, 401),
    (NotAllowed, 403),
    (TooManyAttempts, 429),
    (StoreUnavailable, 503),
    (ConfigurationError, 503),
    (RateLimited, 503),
    (SourceError, 502),
    (QuantLabError, 500),
)

_NAMES = {404: "NotFound", 405: "MethodNotAllowed", 422: "InvalidParameter"}


def status_of(error: QuantLabError) -> int:
    """The status code that says what to do about *error*."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def answer_errors(app: FastAPI) -> None:
    """Let *app* answer every error with ``{"error": type, "message": sentence}``."""

    @app.exception_handler(QuantLabError)
    def ours(_: Request, error: QuantLabError) -> JSONResponse:
        status = status_of(error)
        if status >= 500:
            logger.warning("Answered {}: {}", status, error)
        return reply(status, type(error).__name__, str(error), _headers(status, error))

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        return reply(422, "InvalidParameter", "; ".join(_in_words(part) for part in error.errors()) + ".")

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # what FastAPI says of bytes that are no text
            return reply(422, "InvalidParameter", "The body is not JSON in UTF-8.")
        sentences = {
            404: f"There is nothing at {request.url.path}; /docs lists what there is.",
            405: f"{request.method} is not possible at {request.url.path}; /docs lists what is.",
        }
        name = _NAMES.get(error.status_code, "HTTPError")
        return reply(error.status_code, name, sentences.get(error.status_code, str(error.detail)), error.headers)

    @app.exception_handler(Exception)
    def unexpected(_: Request, error: Exception) -> JSONResponse:
        # Starlette raises it again afterwards, so the log has the traceback; the caller gets no insides.
        return reply(500, type(error).__name__, "Something is broken on our side; the log of web tells what.")


def reply(status: int, error: str, message: str, headers: Any = None) -> JSONResponse:
    """An error as a reply."""
    return JSONResponse({"error": error, "message": message}, status, headers)


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
