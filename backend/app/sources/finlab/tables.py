"""The one place that calls the package ``finlab``: optional, of another licence (GPL-3), never imported unasked."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any

from loguru import logger

from app.errors import ConfigurationError, QuantLabError, RateLimited, SourceError, SourceRefused, SourceUnavailable
from app.market.calendar import TAIPEI
from app.sources.finlab.daily_bars import OPTIONAL, SITE, TABLES

INSTALL = "pip install finlab"
RESETS = time(8, 0)
"""Taipei; then the day's megabytes count anew."""


class FinLab:
    """The tables of an account, each asked for once; what went wrong is not asked for again either.

    A whole table comes at once, whichever security is meant, and counts against the megabytes of the day.
    """

    def __init__(
        self,
        token: str | None,
        *,
        clock: Callable[[], datetime],
        package: Callable[[str], Any] = importlib.import_module,
    ) -> None:
        self._token = token
        self._clock = clock
        self._package = package
        self._tables: dict[str, Any] | None = None
        self._error: QuantLabError | None = None

    def tables(self) -> Mapping[str, Any]:
        """Field → DataFrame.

        Raises:
            ConfigurationError: the package or the token is not there.
            SourceError: RateLimited (the megabytes are used up), SourceRefused (the account), SourceUnavailable.
        """
        if self._error is not None:
            raise self._error
        if self._tables is None:
            try:
                self._tables = self._load()
            except QuantLabError as error:
                self._error = error
                raise
        return self._tables

    def _load(self) -> dict[str, Any]:
        if not self._token:
            raise ConfigurationError("FinLab wants a token: set FINLAB_API_TOKEN to that of your account.")
        try:
            package, data = self._package("finlab"), self._package("finlab.data")
        except ImportError as error:
            message = f"The package finlab is not installed (it is optional, and of the GPL-3): {INSTALL}"
            raise ConfigurationError(message) from error
        login = package.login
        try:
            login(self._token)
            package.login = _never_ask
            return self._get(data)
        except Exception as error:
            raise self._in_our_words(error) from None  # the package's own sentence, or its cause, may quote the token
        finally:
            package.login = login

    def _get(self, data: Any) -> dict[str, Any]:
        tables = {field: data.get(name) for field, name in TABLES.items()}
        for field, name in OPTIONAL.items():
            try:
                tables[field] = data.get(name)
            except Exception as error:
                logger.warning("{} has no table {}: {}", SITE, name, self._in_our_words(error))
        return tables

    def _in_our_words(self, error: Exception) -> SourceError:
        """What the package raised; its types say nothing, its sentences do."""
        said = str(error).replace(self._token or "\0", "***")[:200]
        if "usage exceed" in said.lower():
            now = self._clock().astimezone(TAIPEI)
            reset = datetime.combine(now.date() + timedelta(days=now.time() >= RESETS), RESETS, TAIPEI)
            left = (reset - now).total_seconds()
            return RateLimited(f"{SITE} says that the day's megabytes are used up: {said}", site=SITE, retry_after=left)
        if any(word in said.lower() for word in ("token", "login", "permission", "vip")):
            return SourceRefused(f"{SITE} refuses this account: {said}", site=SITE)
        return SourceUnavailable(f"{SITE} gave no table ({type(error).__name__}: {said})", site=SITE)


def _never_ask(*_: object, **__: object) -> None:
    """In the place of the package's login while it fetches: at a wrong token it would open a browser and wait."""
    raise RuntimeError("the token is not valid")
