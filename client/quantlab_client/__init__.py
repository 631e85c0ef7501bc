"""A typed client of QuantLab's REST interface: ``QuantLab("http://localhost:3000").bars(["2330"])``."""

from quantlab_client.client import QuantLab
from quantlab_client.errors import InvalidRequest, NotFound, NotReady, QuantLabError, Unavailable
from quantlab_client.values import Action, Bar, Coverage, Figures, Readiness, Security

__all__ = [
    "Action",
    "Bar",
    "Coverage",
    "Figures",
    "InvalidRequest",
    "NotFound",
    "NotReady",
    "QuantLab",
    "QuantLabError",
    "Readiness",
    "Security",
    "Unavailable",
]
