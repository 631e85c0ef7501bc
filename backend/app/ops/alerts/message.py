"""What channels are told: everything of one look in one message, so that a storm is one message and not thirty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.market.calendar import TAIPEI
from app.ops.alerts.channels import Kind
from app.store.incidents import Incident

LONGEST = 3_000
"""Characters; Telegram takes 4,096."""


@dataclass(frozen=True, slots=True)
class Message:
    """A title and a body in plain text."""

    title: str
    body: str
    kind: Kind


def message_of(incidents: Sequence[Incident], *, sender: str) -> Message:
    """One message of what begins and of what is over; *sender* tells which QuantLab it is of."""
    breaches = [one for one in incidents if one.closed_at is None]
    over = [one for one in incidents if one.closed_at is not None]
    lines = [f"✗ {one.sentence} [{one.rule}, since {_clock(one.opened_at)}]" for one in breaches]
    lines += [f"✓ Over after {_lasted(one)}: {one.sentence} [{one.rule}]" for one in over]
    counted = [f"{len(part)} {word}" for part, word in ((breaches, "wrong"), (over, "over")) if part]
    subject = incidents[0].subject if len(incidents) == 1 else ""
    title = f"{sender}: {', '.join(counted)}{': ' if subject else ''}{subject}"
    return Message(title, shortened("\n".join(lines)), "warning" if breaches else "success")


def shortened(text: str) -> str:
    """*text*, cut where a channel would refuse the whole."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … (`quantlab alerts` shows the rest)"


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(TAIPEI):%m-%d %H:%M}"


def _lasted(incident: Incident) -> str:
    minutes = ((incident.closed_at or incident.seen_at) - incident.opened_at).total_seconds() / 60
    if minutes < 90:
        return f"{max(minutes, 1):.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"
