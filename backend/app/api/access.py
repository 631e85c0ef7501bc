"""Who may change something: whoever has the admin token."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.replies import TheSettings
from app.errors import NotAuthorised

_bearer = HTTPBearer(auto_error=False, description="the admin token; `quantlab token` prints it")


def check_token(settings: TheSettings, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
    """Raise NotAuthorised unless the request carries the admin token; ConfigurationError where none is set up."""
    wanted = settings.admin_token()
    if given is None:
        raise NotAuthorised(
            "This needs the admin token: send `Authorization: Bearer TOKEN`. `quantlab token` prints it."
        )
    # As bytes and in constant time: how long it takes tells nothing of how much was right.
    if not secrets.compare_digest(given.credentials.encode(), wanted.encode()):
        raise NotAuthorised("The admin token is wrong; `quantlab token` prints the right one.")


Admin = Depends(check_token)
"""For the endpoints that change something."""
