"""Incidents: what is wrong and was, and whether people can be told."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, computed_field

from app.api.access import TheChanger, TheUser
from app.api.replies import Reply, ThePlatform, TheSettings, failures
from app.api.said import SaidField, said
from app.core.alerts import channels_of, send_test
from app.store import incidents
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])


class IncidentRow(BaseModel):
    """Something wrong, from the first look that saw it to its end."""

    id: int
    rule: str = Field(examples=["freshness"])
    subject: str = Field(examples=["daily bars of TWSE"])
    sentence: str
    opened_at: datetime
    seen_at: datetime = Field(description="when a look last found it so")
    closed_at: datetime | None = Field(description="null while it is open")
    told_at: datetime | None = Field(description="when channels were told of it; null: nobody was")
    recovery_told_at: datetime | None

    @computed_field
    def said(self) -> SaidField:
        """What the sentence says."""
        return said(self.sentence)


class IncidentsReply(Reply):
    """Open ones the oldest first; recent ones the newest first."""

    incidents: list[IncidentRow]


class ChannelsReply(Reply):
    """Who is told, without any address: those are secret."""

    channels: list[str] = Field(description="position and kind of each that can be used", examples=[["1 (tgram)"]])
    wrong: list[str] = Field(description="a sentence for each address that cannot be used")


class ChannelRow(BaseModel):
    """What became of the test message in one channel."""

    channel: str = Field(
        description="position and kind of the address; the address itself is secret", examples=["1 (tgram)"]
    )
    told: bool
    why: str | None = Field(description="why it was not taken")


class TestReply(Reply):
    """Every channel."""

    channels: list[ChannelRow]


@router.get("/incidents", summary="List incidents", responses=failures(422))
def list_incidents(
    platform: ThePlatform,
    *,
    state: Annotated[Literal["open", "recent"], Query(description="`recent`: open or over")] = "open",
    limit: Annotated[int, Query(ge=1, le=500, description="of the recent ones")] = 50,
) -> IncidentsReply:
    """What the rules found wrong. `quantlab alerts rules` says which rules there are."""
    with transaction(platform.engine) as connection:
        found = incidents.list_open(connection) if state == "open" else incidents.list_recent(connection, limit=limit)
    rows = [IncidentRow.model_validate(asdict(one)) for one in found]
    return IncidentsReply(source=platform.settings.quantlab_source, incidents=rows)


@router.get("/channels", summary="List channels", responses=failures(401))
def list_channels(settings: TheSettings, _: TheUser) -> ChannelsReply:
    """Who is told of incidents. Nothing is sent: POST /api/v1/alerts/test does that."""
    found = channels_of(settings)
    names = [one.name for one in found.usable]
    return ChannelsReply(source=settings.quantlab_source, channels=names, wrong=list(found.wrong))


@router.post("/test", summary="Send a test message", responses=failures(401, 403))
def test_channels(settings: TheSettings, changer: TheChanger) -> TestReply:
    """Tell every channel that this is a test; 503 with a sentence when none is set or an address is wrong."""
    with changer.change("alerts.test", "channels") as row:
        rows = [ChannelRow(channel=name, told=why is None, why=why) for name, why in send_test(settings)]
        row.after = {"told": [one.channel for one in rows if one.told]}
    return TestReply(source=settings.quantlab_source, channels=rows)
