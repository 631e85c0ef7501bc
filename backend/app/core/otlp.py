"""OpenTelemetry's side of ``app/spans.py``: spans sent by a thread in batches. Only ``tracing.py`` imports it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from urllib.parse import urlsplit

from celery.exceptions import Ignore
from loguru import logger
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.core.config import otel
from app.core.version import VERSION
from app.spans import Attributes, Kind

_TIMEOUT = 3.0
"""Seconds for a batch to arrive, retries included, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise."""
_AT_THE_END = 2.0
"""Seconds within which an ending process begins to send its last batch."""


class Otlp:
    """Records the spans of this process and sends them to the collector that OpenTelemetry's variables name.

    A collector that is slow or away holds nobody up: what does not fit into the queue (OTEL_BSP_MAX_QUEUE_SIZE) is
    dropped.
    """

    def __init__(self, program: str) -> None:
        name = {"service.name": f"quantlab-{program}", "service.version": VERSION, "host.name": socket.gethostname()}
        self.provider = TracerProvider(resource=Resource.create(name), shutdown_on_exit=False)
        own = otel("EXPORTER_OTLP_TRACES_TIMEOUT") or otel("EXPORTER_OTLP_TIMEOUT")
        self._exporter = _SaidOnce(OTLPSpanExporter(timeout=None if own else _TIMEOUT))
        self._processor = BatchSpanProcessor(self._exporter)
        self.provider.add_span_processor(self._processor)
        self._tracer = self.provider.get_tracer("quantlab", VERSION)
        self._headers = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, kind: Kind, attributes: Attributes, carried: Mapping[str, str]) -> Iterator[None]:
        """One span. Of an error only the type is told: its text may quote what nobody else should read."""
        with self._tracer.start_as_current_span(
            name,
            context=self._headers.extract(carried) if carried else None,
            kind=SpanKind[kind],
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Ignore:  # by which Celery is told that there is nothing to do
                raise
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    def is_within(self) -> bool:
        """Whether there is a present span that is recorded."""
        return trace.get_current_span().is_recording()

    def note(self, attributes: Attributes) -> None:
        """Add to the present span."""
        trace.get_current_span().set_attributes(attributes)

    def carried(self) -> dict[str, str]:
        """The present span in the form of https://www.w3.org/TR/trace-context/."""
        headers: dict[str, str] = {}
        self._headers.inject(headers)
        return headers

    def stop(self) -> None:
        """Send what is left, for a moment, and not at all where the last batch was lost."""
        self._exporter.ends_at = monotonic() + _AT_THE_END
        self._processor.shutdown()  # type: ignore[no-untyped-call]


class _SaidOnce(SpanExporter):
    """Says when spans begin to get lost and when they arrive again; the SDK's own lines, many a minute, are silent."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = False
        self.ends_at: float | None = None
        address = urlsplit(otel("EXPORTER_OTLP_TRACES_ENDPOINT") or otel("EXPORTER_OTLP_ENDPOINT"))
        self._where = address.hostname or "it"  # alone: the rest may hold a password

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.ends_at is not None and (self._lost or monotonic() > self.ends_at):
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        lost = result is not SpanExportResult.SUCCESS
        if lost and not self._lost:
            logger.warning("The collector of traces at {} takes no spans; they are lost until it does", self._where)
        elif self._lost and not lost:
            logger.info("The collector of traces at {} takes spans again", self._where)
        self._lost = lost
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
