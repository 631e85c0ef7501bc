"""Logging in and out, and the sessions that there are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import COOKIE, CSRF_HEADER, TheUser, check_origin
from app.api.replies import Reply, ThePlatform, TheSettings, failures
from app.core.version import VERSION
from app.errors import NotAllowed
from app.services import audited, login, own_account, passwords
from app.services.identity import Identity, Role
from app.services.passwords import place
from app.store import web_sessions
from app.store.engine import transaction
from app.store.web_sessions import LONGEST, WebSession

router = APIRouter(prefix="/api/v1", tags=["login"])

SessionId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Credentials(BaseModel):
    """A name and its password."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(max_length=100, examples=["admin"])
    password: str = Field(max_length=1_000)


class NewPassword(BaseModel):
    """A new password, by whoever knows the present one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    present_password: str = Field(max_length=1_000)
    password: str = Field(min_length=passwords.SHORTEST, max_length=passwords.LONGEST)


class LoginReply(BaseModel):
    """Who came in. The session is in the cookie, which no script can read."""

    name: str
    role: Role


class MeReply(Reply):
    """Who asks, and of what."""

    name: str
    role: Role
    expires_at: datetime | None = Field(
        description="when it needs another login or token at the latest, if nobody asks"
    )
    prices: Literal["synthetic", "replay", "real"] = Field(description="only `real` are the market's")
    version: str


class SessionRow(BaseModel):
    """A login that is still good."""

    id: int
    name: str
    role: Role
    created_at: datetime
    seen_at: datetime = Field(description="to the minute")
    expires_at: datetime
    address: str | None
    agent: str | None = Field(description="what the browser says of itself")
    this: bool = Field(description="the one that asks")


class SessionsReply(Reply):
    """The last seen first."""

    sessions: list[SessionRow]


@router.post("/login", summary="Log in", response_model=LoginReply, responses=failures(401, 403, 422, 429))
def log_in(request: Request, response: Response, platform: ThePlatform, given: Credentials) -> LoginReply:
    """Begin a session, in the cookie `quantlab_session`; it ends 12 hours after its last use, or after 7 days.

    401 with one and the same sentence for a wrong name and a wrong password; 429 with `Retry-After` when too many
    failed, or are at it. Changes with the cookie also need the header `X-QuantLab: 1`.
    """
    check_origin(request)
    address = request.client.host if request.client else ""
    agent, old = request.headers.get("user-agent"), request.cookies.get(COOKIE)
    with place():
        secret, session = login.log_in(
            platform.engine, given.name, given.password, address=address, agent=agent, instead_of=old
        )
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, secret, max_age=int(LONGEST.total_seconds()), path="/", secure=secure, httponly=True, samesite="strict"
    )
    response.headers["Cache-Control"] = "no-store"
    return LoginReply.model_validate({"name": session.user_name, "role": session.role})


@router.post("/logout", summary="Log out", status_code=204, responses=failures(403))
def log_out(request: Request, platform: ThePlatform) -> Response:
    """End the session of the cookie; as well where there is none any more."""
    check_origin(request)
    cookie = request.cookies.get(COOKIE)
    if cookie:
        if request.headers.get(CSRF_HEADER) != "1":
            raise NotAllowed(f"A change with a session's cookie needs the header `{CSRF_HEADER}: 1`.")
        login.log_out(platform.engine, cookie)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict")
    return response


@router.get("/me", summary="Who asks", responses=failures(401))
def get_me(settings: TheSettings, response: Response, who: TheUser) -> MeReply:
    """The name and role that the session or token stands for."""
    response.headers["Cache-Control"] = "no-store"
    return MeReply(
        source=settings.quantlab_source,
        prices=settings.prices,
        version=VERSION,
        name=who.name,
        role=who.role,
        expires_at=who.expires_at,
    )


@router.put(
    "/me/password", summary="Change one's own password", status_code=204, responses=failures(401, 403, 422, 429)
)
def change_own_password(request: Request, platform: ThePlatform, given: NewPassword, who: TheUser) -> Response:
    """Whoever is logged in, of any role: the present one is asked for, and the user's other sessions end."""
    address = request.client.host if request.client else ""
    with audited.change(platform.engine, who, "user.password", who.name) as row:
        own_account.change_own_password(
            platform.engine, who, present=given.present_password, new=given.password, address=address
        )
        row.after = {"password": "changed"}
    return Response(status_code=204)


@router.get("/sessions", summary="List sessions", responses=failures(401))
def list_sessions(platform: ThePlatform, who: TheUser) -> SessionsReply:
    """The logins that are still good: all of them for admins, their own for others."""
    with transaction(platform.engine) as connection:
        found = web_sessions.list_living(connection, user_name=None if who.is_admin else who.name)
    rows = [_row(one, who) for one in found]
    return SessionsReply(source=platform.settings.quantlab_source, sessions=rows)


@router.delete(
    "/sessions/{session_id}", summary="End a session", status_code=204, responses=failures(401, 403, 404, 422)
)
def end_session(platform: ThePlatform, session_id: SessionId, who: TheUser) -> Response:
    """Its pages ask for a login within seconds. An admin ends any, others their own."""
    own_account.end_session(platform.engine, who, session_id)
    return Response(status_code=204)


def _row(one: WebSession, who: Identity) -> SessionRow:
    return SessionRow.model_validate(
        {
            "id": one.id,
            "name": one.user_name,
            "role": one.role,
            "created_at": one.created_at,
            "seen_at": one.seen_at,
            "expires_at": one.expires_at,
            "address": one.address,
            "agent": one.agent,
            "this": who.via == "session" and who.id == one.id,
        }
    )
