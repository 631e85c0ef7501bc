"""Decisions on quarantined rows, warnings beside them, and what it takes to read bars as they stood."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("quarantine", sa.Column("severity", sa.Text(), server_default=sa.text("'blocking'"), nullable=False))
    op.add_column("quarantine", sa.Column("parsed", postgresql.JSONB(), nullable=True))
    op.add_column("quarantine", sa.Column("decision", sa.Text(), nullable=True))
    op.add_column("quarantine", sa.Column("decided_by", sa.Text(), nullable=True))
    op.add_column("quarantine", sa.Column("note", sa.Text(), nullable=True))
    op.execute("UPDATE quarantine SET decision = 'dismissed' WHERE released_at IS NOT NULL")
    op.create_check_constraint(op.f("quarantine_severity_known"), "quarantine", "severity IN ('blocking', 'warning')")
    op.create_check_constraint(
        op.f("quarantine_decision_known"), "quarantine", "decision IN ('stored', 'dismissed', 'mended')"
    )
    op.create_check_constraint(
        op.f("quarantine_decision_with_time"), "quarantine", "(decision IS NULL) = (released_at IS NULL)"
    )
    op.add_column("revisions", sa.Column("held_since", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.alter_column("revisions", "old", nullable=True)


def downgrade() -> None:
    # A value that was first published later is known only to the newer form.
    op.execute("DELETE FROM revisions WHERE old IS NULL")
    op.alter_column("revisions", "old", nullable=False)
    op.drop_column("revisions", "held_since")
    for name in ("decision_with_time", "decision_known", "severity_known"):
        op.drop_constraint(op.f(f"quarantine_{name}"), "quarantine")
    for name in ("note", "decided_by", "decision", "parsed", "severity"):
        op.drop_column("quarantine", name)
