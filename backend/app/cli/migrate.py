"""``python -m app.cli.migrate``: what a start needs once, before web, worker and beat; docker-compose.yml calls it."""

from __future__ import annotations

import sys

from loguru import logger

from app.core.config import get_settings
from app.errors import QuantLabError
from app.runtime.secret_file import kept_secret
from app.store.migrate import upgrade


def migrate() -> str:
    """Bring the database to this code's schema, make the data folder and the admin token; returns the revision.

    Raises:
        ConfigurationError: the database is another source's, or newer than this code.
        StoreUnavailable: PostgreSQL does not answer.
    """
    settings = get_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    revision = upgrade(settings.database_url.get_secret_value(), source=settings.quantlab_source)
    kept_secret(settings.admin_token_file)
    return revision


def main() -> None:
    """Migrate; one sentence and a non-zero exit when that is impossible."""
    try:
        revision = migrate()
    except (QuantLabError, OSError) as error:
        logger.error("{}", error)
        sys.exit(1)
    logger.info(
        "The database stands at revision {}; the admin token is in {}", revision, get_settings().admin_token_file
    )


if __name__ == "__main__":
    main()
