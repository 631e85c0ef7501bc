"""Every error that QuantLab raises on purpose; the type says what to do about it.

::

    QuantLabError
    ├── ConfigurationError            stop at start-up: a setting or this machine is wrong
    ├── InvalidParameter              the caller's argument is wrong; nothing was done
    │   ├── UnknownSymbol             a symbol that no securities list holds
    │   ├── UnknownTask               a name that no task has
    │   ├── UnknownSchedule           a name that no schedule has
    │   ├── UnknownRun                an id that no run in the ledger has
    │   ├── UnknownRow                an id that no quarantined row has
    │   ├── UnknownUser               a name that no user has
    │   ├── UnknownSession            an id that no session of a login has
    │   ├── UnknownToken              an id that no API token has
    │   ├── UnknownWorker             a name by which no worker answers
    │   ├── AlreadyDecided            a quarantined row that is no longer open
    │   ├── LastAdmin                 a change after which nobody could change anything
    │   ├── ChangedMeanwhile          two pages of one answer would not fit together: begin anew
    │   └── NotStorable               a quarantined row of which there are no values that could be stored
    ├── NotAuthorised                 it is not known who asks: no login, or a wrong one; nothing was done
    │   └── WrongLogin                a name and a password that do not belong together
    ├── NotAllowed                    it is known, and may not do that, or not from there; nothing was done
    ├── TooManyAttempts               logins are refused for a while (carries .retry_after seconds)
    │   └── TooManyDownloads          others are being served
    ├── UnknownOutcome                it was sent, and nobody answered: it may have been done, or may be yet
    ├── SourceError                   an exchange's site (carries .site)
    │   ├── RetriableSourceError      try again later (carries .retry_after seconds, or None)
    │   │   ├── SourceUnavailable     no answer, 5xx, cut off, time-out
    │   │   ├── RateLimited           asked too often
    │   │   └── NotYetPublished       the exchange has not published it yet
    │   ├── SourceRefused             blocked or banned; the breaker opens; a person must look
    │   ├── SourceChanged             the layout is not the known one; a person must look
    │   │   └── WrongDate             the reply is for another date than the one asked for
    │   └── NoData                    a valid empty answer
    ├── DataError
    │   ├── InvalidRow                one row breaks a rule: it is quarantined, the rest goes on
    │   └── TooManyInvalidRows        more rows than the threshold: the unit is refused whole
    ├── StoreError
    │   └── StoreUnavailable          PostgreSQL or Redis does not answer; try again later
    ├── ExportError                   the previous export stays published
    │   ├── ExportBusy                an earlier attempt may still hold the folder; try again later
    │   └── StaleFiles                files to go on from are not those that were made; all is written anew
    ├── Interruption                  the run stops here, between two units; what is stored stays
    │   ├── Cancelled                 an operator took it back: it ends as CANCELLED
    │   ├── GivenBack                 another attempt goes on with it: the worker stops, or fresh work waits
    │   └── LeaseLost                 another attempt has it already: nothing more may be written
    └── RunSignal                     not an error: the run is recorded as SKIPPED
        ├── NotASession               the market is closed at that time
        └── AlreadyRunning            the same work is under way

Each takes one sentence, which names what was wrong and, where it can, what to do. Errors cross process
borders, so each survives pickling and ``copy`` with its data.
"""

from __future__ import annotations

from typing import Any

MAX_SENTENCE = 2_000


def storable(text: str) -> str:
    """The text as PostgreSQL takes it: without NUL, which it refuses, and without halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class QuantLabError(Exception):
    """Base of all; ``str(error)`` is a whole sentence. Keyword data become attributes of the same name."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts

    def __getattr__(self, name: str) -> Any:
        # Only called for what is missing, hence facts; `facts` itself is absent during unpickling.
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), str(self), self.facts)


def _rebuild(cls: type[QuantLabError], message: str, facts: dict[str, Any]) -> QuantLabError:
    return cls(message, **facts)


class ConfigurationError(QuantLabError):
    """A setting, or this machine, does not allow us to start."""


class InvalidParameter(QuantLabError):
    """An argument is wrong; nothing was done."""


class UnknownSymbol(InvalidParameter):
    """A symbol that no securities list holds."""


class UnknownTask(InvalidParameter):
    """A name that no task has."""


class UnknownSchedule(InvalidParameter):
    """A name that no schedule has."""


class UnknownRun(InvalidParameter):
    """An id that no run in the ledger has."""


class UnknownRow(InvalidParameter):
    """An id that no row has: none that is quarantined, or none after which a list could go on."""


class UnknownUser(InvalidParameter):
    """A name that no user has."""


class UnknownSession(InvalidParameter):
    """An id that no session of a login has."""


class UnknownToken(InvalidParameter):
    """An id that no API token has."""


class UnknownWorker(InvalidParameter):
    """A name by which no worker answers."""


class AlreadyDecided(InvalidParameter):
    """A quarantined row that is no longer open."""


class NotStorable(InvalidParameter):
    """A quarantined row of which there are no values that could be stored."""


class ChangedMeanwhile(InvalidParameter):
    """Between two pages of one answer something changed, so that they would not fit together: begin anew."""


class LastAdmin(InvalidParameter):
    """A change after which nobody could come in and change anything."""


class NotAuthorised(QuantLabError):
    """It is not known who asks: neither a session nor a token came with it, or none that is good."""


class WrongLogin(NotAuthorised):
    """A name and a password that do not belong together, or a user who is unknown or disabled: nobody learns which."""


class NotAllowed(QuantLabError):
    """It is known who asks, and that one may not do it, or not from another site's page."""


class TooManyAttempts(QuantLabError):
    """So many logins failed, or are at it, that none is looked at for ``retry_after`` seconds."""

    def __init__(self, message: str, *, retry_after: int = 1, **facts: Any) -> None:
        super().__init__(message, retry_after=retry_after, **facts)


class TooManyDownloads(TooManyAttempts):
    """So many snapshots are being downloaded that no more are served; try again after ``retry_after`` seconds."""


class UnknownOutcome(QuantLabError):
    """A command was sent, and no answer came in time: it may have been obeyed, or may be yet."""


class SourceError(QuantLabError):
    """Something about an exchange's site; ``site`` names it (``twse``, ``tpex``, ``mis`` …)."""

    def __init__(self, message: str, *, site: str | None = None, **facts: Any) -> None:
        # It may quote the site, and is stored and shown: nobody takes megabytes.
        super().__init__(storable(message[:MAX_SENTENCE]), site=site, **facts)


class RetriableSourceError(SourceError):
    """Worth trying again; ``retry_after`` is the site's own wish in seconds, or None."""

    def __init__(
        self, message: str, *, site: str | None = None, retry_after: float | None = None, **facts: Any
    ) -> None:
        super().__init__(message, site=site, retry_after=retry_after, **facts)


class SourceUnavailable(RetriableSourceError):
    """No answer, a 5xx, a cut-off body or a time-out."""


class RateLimited(RetriableSourceError):
    """The site says that we ask too often, or our own quota had no room in time."""


class NotYetPublished(RetriableSourceError):
    """The exchange has not published it yet; neither a gap nor a failure."""


class SourceRefused(SourceError):
    """A ban or block page: stop asking this site and tell a person."""


class SourceChanged(SourceError):
    """The reply is not laid out as we know it: stop loudly rather than guess."""


class WrongDate(SourceChanged):
    """The reply carries another date than the one asked for."""


class NoData(SourceError):
    """A valid, empty answer: closed that day, or nothing to report."""


class DataError(QuantLabError):
    """Values that were read well and cannot be true."""


class InvalidRow(DataError):
    """One row breaks a rule; ``rule`` is the rule's id."""

    def __init__(self, message: str, *, rule: str, **facts: Any) -> None:
        super().__init__(message, rule=rule, **facts)


class TooManyInvalidRows(DataError):
    """So many rows break rules that the whole reply is in doubt."""


class StoreError(QuantLabError):
    """PostgreSQL or Redis."""


class StoreUnavailable(StoreError):
    """The server does not answer; worth trying again."""


class ExportError(QuantLabError):
    """An export could not be finished; the previous one stays published."""


class ExportBusy(ExportError):
    """The folder is held, perhaps by an attempt of this very run that was given up for dead."""


class StaleFiles(ExportError):
    """Files that an export was to go on from are not those that were once made."""


class Interruption(QuantLabError):
    """The run stops here, between two units; what is stored stays."""


class Cancelled(Interruption):
    """An operator took the run back; it ends as CANCELLED."""


class GivenBack(Interruption):
    """This attempt ends early and another goes on: the worker stops, or fresh work waits for its place."""


class LeaseLost(Interruption):
    """Another attempt has the run: this one was given up for dead, and may not write any more."""


class RunSignal(QuantLabError):
    """Not an error: the run ends as SKIPPED with this sentence as its reason."""


class NotASession(RunSignal):
    """The market is closed at that time."""


class AlreadyRunning(RunSignal):
    """The same work is under way in another run."""


RETRIABLE: tuple[type[QuantLabError], ...] = (RetriableSourceError, StoreUnavailable, ExportBusy)
"""What a task may try again by itself; everything else needs a person or new code."""
