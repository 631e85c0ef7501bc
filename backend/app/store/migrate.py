"""Bring a database to the schema of this code, and keep the two sources of data apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from loguru import logger
from sqlalchemy import Connection, text

from app.errors import ConfigurationError
from app.store import coverage, provenance
from app.store.engine import make_engine, transaction
from app.store.tables import METADATA

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"

_COUNTED_AT = "0007"
"""The revision from which on every session that is held has its coverage: 0003 made the table, and left it empty."""
_LOCK = 0x51_4C_01  # any number, the same in every QuantLab process: migrations queue up behind it


def upgrade(url: str, *, source: str) -> str:
    """Migrate the database at *url* to this code's schema, whole or not at all, and return its revision.

    An empty database becomes *source*'s (``sandbox`` or ``exchange``) and stays so. Several callers at once are safe.

    Raises:
        ConfigurationError: the database holds another source's data, or was made by newer code.
        StoreUnavailable: PostgreSQL does not answer.
    """
    if not (MIGRATIONS / "env.py").is_file():
        raise ConfigurationError(f"There are no migrations in {MIGRATIONS}; is the installation complete?")
    engine = make_engine(url, application_name="quantlab migrate", pool_size=1, statement_timeout=3600)
    try:
        with transaction(engine) as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            config = _config(connection)
            before = _known_revision(connection, config)
            if before is not None:
                provenance.check(connection, source)
            command.upgrade(config, "head")
            if before is None:
                provenance.record(connection, source)
            elif before < _COUNTED_AT:
                _count(connection)
            return str(MigrationContext.configure(connection).get_current_revision())
    finally:
        engine.dispose()


def current(url: str) -> str | None:
    """The revision that the database stands at; None for an empty one."""
    engine = make_engine(url, application_name="quantlab migrate", pool_size=1)
    try:
        with transaction(engine) as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def head() -> str | None:
    """The revision that this code wants."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def knows(revision: str) -> bool:
    """Whether this code can bring a database of that revision to its own schema."""
    return revision in {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}


def differences(connection: Connection) -> list[Any]:
    """What ``alembic check`` would find: operations that the models need and the database lacks."""
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return list(compare_metadata(context, METADATA))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["on_version_apply"] = _announce
    return config


def _announce(*, step: Any, **_: Any) -> None:
    logger.info("Database migrated to {}: {}", step.up_revision_id, step.up_revision.doc)


def _count(connection: Connection) -> None:
    sessions = coverage.account_uncounted(connection, at=connection.execute(text("SELECT now()")).scalar_one())
    if sessions:
        logger.info("Counted the coverage of {} sessions that were held before it was kept", sessions)


def _known_revision(connection: Connection, config: Config) -> str | None:
    """The present revision, if this code knows it."""
    present = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise ConfigurationError(
            f"The database stands at revision {present}, which this code does not know: a newer QuantLab made it. "
            "Start that version, or point DATABASE_URL at another database."
        )
    return present
