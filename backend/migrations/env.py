"""Alembic runs this. The connection comes from app.store.migrate: addresses and settings have one home, not here."""

from alembic import context

from app.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    compare_server_default=True,
    on_version_apply=context.config.attributes.get("on_version_apply"),
)
with context.begin_transaction():
    context.run_migrations()
