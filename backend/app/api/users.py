"""The users, for admins."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import TheAdmin, TheChanger
from app.api.replies import Reply, ThePlatform, failures
from app.services import users as service
from app.services.identity import Role
from app.services.passwords import LONGEST, SHORTEST
from app.store import users as store
from app.store.engine import transaction
from app.store.users import User

router = APIRouter(prefix="/api/v1/users", tags=["users"])

Name = Annotated[str, Path(max_length=100)]
Password = Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]


class UserRow(BaseModel):
    """A user; nothing tells the password."""

    name: str = Field(examples=["mei"])
    role: Role = Field(description="viewer: may read; admin: may change things, too")
    created_at: datetime
    password_at: datetime = Field(description="when the password was set")
    disabled_at: datetime | None = Field(description="null: may come in")


class UsersReply(Reply):
    """By name."""

    users: list[UserRow]


class UserReply(Reply):
    """One user."""

    user: UserRow


class NewUser(BaseModel):
    """A user to add."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(max_length=32, examples=["mei"], description="a-z, 0-9, dot, dash, underscore")
    role: Role = "viewer"
    password: Password


class UserChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    role: Role | None = None
    disabled: bool | None = Field(None, description="true: sessions end, and tokens that the user made are revoked")
    password: Password | None = Field(None, description="the user's sessions end, but for the one that changes it")


@router.get("", summary="List users", responses=failures(401, 403))
def list_users(platform: ThePlatform, _: TheAdmin) -> UsersReply:
    """Everybody who may come in, and those who may not any more."""
    with transaction(platform.engine) as connection:
        found = store.list_users(connection)
    return UsersReply(source=platform.settings.quantlab_source, users=[_row(one) for one in found])


@router.post("", summary="Add a user", status_code=201, responses=failures(401, 403, 422))
def add_user(platform: ThePlatform, given: NewUser, changer: TheChanger) -> UserReply:
    """Names are for ever: what was done under one stays his who did it."""
    with changer.change("user.add", given.name) as row:
        made = service.add_user(platform.engine, given.name, role=given.role, password=given.password)
        row.after = service.facts(made)
    return UserReply(source=platform.settings.quantlab_source, user=_row(made))


@router.patch("/{name}", summary="Change a user", responses=failures(401, 403, 404, 409, 422))
def change_user(platform: ThePlatform, name: Name, given: UserChange, changer: TheChanger) -> UserReply:
    """Role, password, or whether the user may come in. 409 for the last admin, without whom nobody could."""
    own = changer.identity.id if changer.identity.via == "session" and changer.identity.name == name else None
    with changer.change("user.change", name) as row:
        changed = service.change_user(platform.engine, name, **given.model_dump(exclude_unset=True), but=own)
        row.before = service.facts(changed.before)
        row.after = service.facts(changed.after, password=given.password is not None, revoked=changed.revoked)
    return UserReply(source=platform.settings.quantlab_source, user=_row(changed.after))


def _row(user: User) -> UserRow:
    return UserRow.model_validate(asdict(user))
