"""What a user of any role does with an account of his own."""

from __future__ import annotations

from app.errors import InvalidParameter, NotAllowed, UnknownSession
from app.services import audited, login
from app.services.identity import Identity
from app.services.passwords import check_new
from app.services.users import change_user
from app.store import web_sessions
from app.store.engine import Engine, transaction


def change_own_password(engine: Engine, who: Identity, *, present: str, new: str, address: str) -> None:
    """A new password for whoever gives the *present* one; his other sessions end.

    To have his session is not enough: one that was stolen must not take the account, too. Wrong ones count as failed
    logins of his name.

    Raises:
        NotAllowed: a token asks, which has no password.
        InvalidParameter: the present one is wrong, or the new one too short; nothing was changed.
        TooManyAttempts: of that name too many were wrong.
    """
    if who.via != "session":
        raise NotAllowed("Only a user who is logged in has a password of his own; `quantlab users password` sets any.")
    check_new(new)
    kept = login.known_password(engine, who.name, present, address=address)
    if kept is None:
        raise InvalidParameter("That is not your present password.")
    change_user(engine, who.name, password=new, but=who.id, instead_of=kept)


def end_session(engine: Engine, who: Identity, session_id: int) -> None:
    """End a session: an admin any, a user his own, for one may be stolen.

    Raises:
        NotAllowed: it is not his; the same where there is none, for it is no business of his.
        UnknownSession: there is none of that id.
    """
    with transaction(engine) as connection:
        name = web_sessions.end(connection, session_id)
        if not who.is_admin and (who.via != "session" or name != who.name):
            raise NotAllowed(f"{who.name} may end logins of their own only; an admin may end any.")
        if name is None:
            raise UnknownSession(f"There is no session {session_id}.")
        row = audited.begin(connection, who, "session.end", str(session_id))
        audited.end(connection, row, after={"user": name})
