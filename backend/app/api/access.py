"""Who asks, and whether that one may: a cookie's session, or the token in the header Authorization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from app.api.replies import ThePlatform, TheSettings
from app.core.config import Settings
from app.core.wiring import Platform
from app.errors import NotAllowed, NotAuthorised
from app.services import audited, identity
from app.services.audited import Row
from app.services.identity import Identity
from app.store.engine import Engine

COOKIE = "quantlab_session"
CSRF_HEADER = "X-QuantLab"
"""Another site's page cannot send it without asking first, and we allow no other site anything."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="an API token, or the admin token, which `quantlab token` prints")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="a session, which POST /api/v1/login begins")
_LOG_IN = "Log in at /admin, or send `Authorization: Bearer TOKEN`; `quantlab token` prints the admin token."


def check_origin(connection: HTTPConnection) -> None:
    """Raise NotAllowed for what another site's page sends. Programs send no Origin."""
    origin = connection.headers.get("origin")
    if origin is None:
        return
    try:
        theirs = urlsplit(origin).netloc.lower()
    except ValueError:
        theirs = ""
    if not theirs or theirs != connection.headers.get("host", "").lower():
        raise NotAllowed("Requests from pages of other sites are refused.")


def who_asks(connection: HTTPConnection, platform: Platform, settings: Settings, token: str | None) -> Identity | None:
    """Who it is; None: nobody says. A token counts before a cookie.

    Raises:
        NotAuthorised: the token is wrong.
        StoreUnavailable: PostgreSQL, which keeps sessions and tokens, does not answer.
    """
    if token is not None:
        return identity.by_token(lambda: platform.engine, token, admin_token=settings.admin_token)
    cookie = connection.cookies.get(COOKIE)
    return None if not cookie else identity.by_session(platform.engine, cookie)


def _whoever(
    request: Request,
    platform: ThePlatform,
    settings: TheSettings,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    _: Annotated[str | None, Depends(_cookie)],
) -> Identity | None:
    """Who asks, if anybody says so; for a change by cookie the page must prove that it is ours."""
    found = who_asks(request, platform, settings, None if given is None else given.credentials)
    if found is not None and found.via == "session" and request.method not in _SAFE:
        check_origin(request)
        if request.headers.get(CSRF_HEADER) != "1":
            raise NotAllowed(f"A change with a session's cookie needs the header `{CSRF_HEADER}: 1`.")
    return found


def _somebody(found: Annotated[Identity | None, Depends(_whoever)]) -> Identity:
    if found is None:
        raise NotAuthorised(f"This needs a login. {_LOG_IN}")
    return found


def _admin(found: Annotated[Identity, Depends(_somebody)]) -> Identity:
    if not found.is_admin:
        raise NotAllowed(f"{found.name} may look and not change anything; an admin may.")
    return found


@dataclass(frozen=True, slots=True)
class Changer:
    """An admin who changes something."""

    identity: Identity
    engine: Engine

    def by(self, given: str | None = None) -> str:
        """Who it is, for those who read it later; with the admin token, which is nobody's, whoever the request says."""
        return given if given and self.identity.via == "admin-token" else self.identity.name

    @contextmanager
    def change(self, action: str, subject: str, *, before: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """The block makes a change, of which the audit has a row; see ``services.audited.change``."""
        with audited.change(self.engine, self.identity, action, subject, before=before) as row:
            yield row


def _changer(found: Annotated[Identity, Depends(_admin)], platform: ThePlatform) -> Changer:
    return Changer(found, platform.engine)


def _reader(found: Annotated[Identity | None, Depends(_whoever)]) -> None:
    if found is None:
        raise NotAuthorised(f"Reading needs a login here, too (QUANTLAB_LOGIN). {_LOG_IN}")


Reader = Depends(_reader)
"""For what anybody may read on loopback: only where the settings ask for a login (see ``app/main.py``)."""
TheUser = Annotated[Identity, Depends(_somebody)]
"""For what only people and programs that are known may see."""
TheAdmin = Annotated[Identity, Depends(_admin)]
"""For what only admins may see."""
TheChanger = Annotated[Changer, Depends(_changer)]
"""For every endpoint that changes something."""
