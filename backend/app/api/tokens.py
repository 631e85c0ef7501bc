"""Tokens for programs, for admins."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import TheAdmin, TheChanger
from app.api.replies import Reply, ThePlatform, failures
from app.core.wiring import now
from app.market.calendar import TAIPEI
from app.services import tokens
from app.store import api_tokens
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])

Scope = Literal["read", "admin"]
TokenId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class TokenRow(BaseModel):
    """A token; its text was shown once and is kept nowhere."""

    id: int
    name: str = Field(examples=["notebook"])
    scope: Scope = Field(description="read: as a viewer; admin: may change things, too")
    created_by: str
    created_at: datetime
    expires_on: date | None = Field(description="the last day, in Taipei, on which it is good; null: no end")
    used_at: datetime | None = Field(description="to the minute; null: never")


class TokensReply(Reply):
    """The newest first, those that are over too."""

    tokens: list[TokenRow]


class NewToken(BaseModel):
    """A token to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=tokens.LONGEST_NAME, description="whose it is, for the audit")
    scope: Scope = "read"
    expires_on: date | None = Field(None, description=f"at most {tokens.MOST_YEARS} years ahead; null: no end")


class MadeReply(Reply):
    """The new token: this is the only time that its text is shown."""

    token: str = Field(examples=["ql_…"], description="send it as `Authorization: Bearer TOKEN`")
    made: TokenRow


@router.get("", summary="List tokens", responses=failures(401, 403))
def list_tokens(platform: ThePlatform, _: TheAdmin) -> TokensReply:
    """Which programs may ask, and when they last did."""
    with transaction(platform.engine) as connection:
        found = api_tokens.list_tokens(connection)
    rows = [TokenRow.model_validate(asdict(one)) for one in found]
    return TokensReply(source=platform.settings.quantlab_source, tokens=rows)


@router.post("", summary="Make a token", status_code=201, responses=failures(401, 403, 422))
def make_token(platform: ThePlatform, response: Response, given: NewToken, changer: TheChanger) -> MadeReply:
    """Its text is in this reply and nowhere else. It ends with whoever makes it; a token makes none (403)."""
    today = now().astimezone(TAIPEI).date()
    with changer.change("token.make", given.name) as row:
        text, made = tokens.make_token(
            platform.engine,
            given.name,
            scope=given.scope,
            by=changer.identity,
            expires_on=given.expires_on,
            today=today,
        )
        row.after = {"id": made.id, "scope": made.scope, "expires_on": made.expires_on and made.expires_on.isoformat()}
    response.headers["Cache-Control"] = "no-store"
    shown = TokenRow.model_validate(asdict(made))
    return MadeReply(source=platform.settings.quantlab_source, token=text, made=shown)


@router.delete("/{token_id}", summary="Revoke a token", status_code=204, responses=failures(401, 403, 404, 422))
def revoke_token(platform: ThePlatform, token_id: TokenId, changer: TheChanger) -> Response:
    """It is refused from now on, for ever."""
    with changer.change("token.revoke", str(token_id)) as row:
        gone = tokens.revoke_token(platform.engine, token_id)
        row.before = {"name": gone.name, "scope": gone.scope}
    return Response(status_code=204)
