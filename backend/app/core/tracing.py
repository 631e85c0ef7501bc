"""Traces by OpenTelemetry, where its own environment variables name a collector; else nothing of it is imported.

The variables are those of its specification and read by its SDK, so they are no settings of ours:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import atexit
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from app import spans
from app.core.config import otel
from app.errors import ConfigurationError

if TYPE_CHECKING:
    from app.core.otlp import Otlp

Program = Literal["web", "worker", "beat"]

_NEEDS = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
_begun: tuple[int, Otlp] | None = None
"""The process that began, and what it began: a child of a fork begins its own."""


def is_wanted() -> bool:
    """Whether traces are asked for."""
    if otel("SDK_DISABLED").lower() == "true" or otel("TRACES_EXPORTER") == "none":
        return False
    return bool(otel("EXPORTER_OTLP_ENDPOINT") or otel("EXPORTER_OTLP_TRACES_ENDPOINT"))


def check_tracing() -> None:
    """Raise ConfigurationError when traces are asked for and cannot be sent; imports next to nothing."""
    if not is_wanted():
        return
    if not all(_is_there(name) for name in _NEEDS):
        raise ConfigurationError(
            "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, and OpenTelemetry's SDK is not installed: install the extra "
            "`tracing` (docs/howto/tracing.md), or set OTEL_TRACES_EXPORTER=none."
        )
    protocol = otel("EXPORTER_OTLP_TRACES_PROTOCOL") or otel("EXPORTER_OTLP_PROTOCOL")
    if protocol not in ("", "http/protobuf") or otel("TRACES_EXPORTER") not in ("", "otlp"):
        raise ConfigurationError(
            "Traces are sent by OTLP over HTTP alone: leave OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_PROTOCOL "
            "out, and name the collector's HTTP port, which is usually 4318."
        )


def start_tracing(program: Program) -> Otlp | None:
    """Begin, once a process, if it is asked for; None if it is not.

    Raises:
        ConfigurationError: as ``check_tracing`` does.
    """
    global _begun  # noqa: PLW0603 - one a process
    check_tracing()
    if not is_wanted():
        return None
    if _begun is None or _begun[0] != os.getpid():
        from app.core.otlp import Otlp  # noqa: PLC0415 - who does not trace has it not

        _begun = os.getpid(), Otlp(program)
        spans.record_with(_begun[1])
        atexit.register(stop_tracing)
    return _begun[1]


def stop_tracing() -> None:
    """Send what is left, for a moment: a process that ends waits for no collector."""
    global _begun  # noqa: PLW0603 - as above
    if _begun is not None and _begun[0] == os.getpid():
        spans.record_with(None)
        _begun[1].stop()
        _begun = None


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a package above it
        return False
