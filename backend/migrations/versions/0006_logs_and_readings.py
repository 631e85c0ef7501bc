"""Lines of the logs, how far each file is kept here, readings taken over time, and which run another does over."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "log_lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=True),
    )
    op.create_index(op.f("log_lines_at_idx"), "log_lines", ["at"])
    op.create_index("log_lines_run_idx", "log_lines", ["run_id", "id"], postgresql_where=sa.text("run_id IS NOT NULL"))
    op.create_index("log_lines_severe_idx", "log_lines", ["id"], postgresql_where=sa.text("level >= 30"))
    op.create_table(
        "log_files",
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kept_bytes", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("folder", "name", name=op.f("log_files_pkey")),
        sa.CheckConstraint("kept_bytes >= 0", name=op.f("log_files_kept_bytes_not_negative")),
    )
    op.create_table(
        "readings",
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("value", postgresql.DOUBLE_PRECISION(), nullable=False),
        sa.PrimaryKeyConstraint("measure", "subject", "at", name=op.f("readings_pkey")),
    )
    op.create_index(op.f("readings_at_idx"), "readings", ["at"])
    op.add_column("runs", sa.Column("retry_of", sa.Text(), nullable=True))
    op.create_index("runs_retry_of_idx", "runs", ["retry_of"], postgresql_where=sa.text("retry_of IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("runs_retry_of_idx", table_name="runs")
    op.drop_column("runs", "retry_of")
    op.drop_table("readings")
    op.drop_table("log_files")
    op.drop_table("log_lines")
