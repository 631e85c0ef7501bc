"""``/metrics``, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.api.replies import ThePlatform, failures
from app.core.metrics import CONTENT_TYPE, Exposition

router = APIRouter(tags=["health"])
_exposition = Exposition()


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    responses={**failures(), 200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}},
    response_class=Response,
)
def get_metrics(platform: ThePlatform) -> Response:
    """From the ledger, the heartbeats and Redis, at most five seconds old. What cannot be asked now is absent."""
    return Response(_exposition.get(platform), media_type=CONTENT_TYPE)
