"""Who paused a run: it waits with what it has done until somebody lets it go on."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("runs", sa.Column("paused_by", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "paused_by")
