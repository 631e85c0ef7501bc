"""Spans of a trace, for whoever does what is worth timing; nothing at all unless ``core/tracing.py`` began.

What has no parent is left out by ``within``: heartbeats, the outbox's looks and whatever else keeps house is in no
request and no run, and so in no trace. An attribute is never a secret and never a value that a statement was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Kind = Literal["CLIENT", "PRODUCER", "CONSUMER", "INTERNAL"]
Attributes = Mapping[str, str | int]
_NOTHING = nullcontext()


class Recorder(Protocol):
    """What makes spans of it; ``core/otlp.py`` has OpenTelemetry's."""

    def span(
        self, name: str, kind: Kind, attributes: Attributes, carried: Mapping[str, str]
    ) -> AbstractContextManager[None]:
        """One span, below the one that *carried* tells of, or the present one."""

    def is_within(self) -> bool:
        """Whether there is a present span."""

    def note(self, attributes: Attributes) -> None:
        """Add to the present span."""

    def carried(self) -> dict[str, str]:
        """The present span as headers of a message."""


_recorder: Recorder | None = None


def record_with(recorder: Recorder | None) -> None:
    """Let *recorder* have the spans of this process; None: nobody."""
    global _recorder  # noqa: PLW0603 - one a process
    _recorder = recorder


def is_on() -> bool:
    """Whether anybody records."""
    return _recorder is not None


def begin(
    name: str, kind: Kind, attributes: Attributes, *, carried: Mapping[str, str] | None = None
) -> AbstractContextManager[None]:
    """A span that may be the first of its trace; *carried*: headers of the message that asked for it."""
    return _recorder.span(name, kind, attributes, carried or {}) if _recorder else _NOTHING


def within(name: str, kind: Kind, attributes: Attributes) -> AbstractContextManager[None]:
    """A span if there is one already that it can be a part of."""
    return _recorder.span(name, kind, attributes, {}) if _recorder and _recorder.is_within() else _NOTHING


def note(attributes: Attributes) -> None:
    """Add *attributes* to the present span, if any."""
    if _recorder:
        _recorder.note(attributes)


def carried() -> dict[str, str]:
    """Headers that let whoever gets a message go on with the present trace; empty without one."""
    return _recorder.carried() if _recorder else {}
