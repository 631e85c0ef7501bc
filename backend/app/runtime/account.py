"""The account that servers run as when we are root, and what it can reach."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError

UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """A user of this machine, with its own group only."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """The account to drop to: ``nobody`` when we are root, for PostgreSQL refuses root; else None, our own."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise ConfigurationError(
            f"PostgreSQL does not run as root and this machine has no user {UNPRIVILEGED} to run it as: "
            "start QuantLab as an ordinary user, or set DATABASE_URL to a PostgreSQL server."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def can_traverse(folder: Path, account: Account) -> bool:
    """Whether ``account`` may pass through every folder from the root down to ``folder`` (mode bits only)."""
    folder = folder.resolve()
    return all(_allows(step, account) for step in [*folder.parents, folder] if step.exists())


def _allows(folder: Path, account: Account) -> bool:
    facts = folder.stat()
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == account.gid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)


def make_folder(folder: Path, *, account: Account | None) -> Path:
    """Create ``folder`` and its missing parents: private, or, where ``account`` must pass through, traversable only.

    Folders that exist keep their mode: they are not ours to open.
    """
    missing = [step for step in [folder, *folder.parents] if not step.exists()]
    mode = 0o711 if account else 0o700
    for step in reversed(missing):
        try:
            step.mkdir(exist_ok=True)
            step.chmod(mode)  # not mkdir(mode=…), which the umask would narrow
        except OSError as error:
            raise ConfigurationError(
                f"The folder {step} cannot be created ({error.strerror}): "
                "set QUANTLAB_HOME to a folder that you may write to."
            ) from error
    return folder
