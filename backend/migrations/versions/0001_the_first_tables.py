"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "bars",
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("security_id", sa.Integer(), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("volume", sa.BigInteger(), nullable=True),
        sa.Column("turnover", sa.BigInteger(), nullable=True),
        sa.Column("open", sa.Integer(), nullable=True),
        sa.Column("high", sa.Integer(), nullable=True),
        sa.Column("low", sa.Integer(), nullable=True),
        sa.Column("close", sa.Integer(), nullable=True),
        sa.Column("change", sa.Integer(), nullable=True),
        sa.Column("trades", sa.Integer(), nullable=True),
        sa.CheckConstraint("change > -2147483648", name=op.f("bars_change_in_range")),
        sa.CheckConstraint("open > 0 AND high > 0 AND low > 0 AND close > 0", name=op.f("bars_prices_positive")),
        sa.CheckConstraint("volume >= 0 AND turnover >= 0 AND trades >= 0", name=op.f("bars_amounts_not_negative")),
        sa.PrimaryKeyConstraint("session", "security_id", name=op.f("bars_pkey")),
    )
    op.create_table(
        "provenance",
        sa.Column("singleton", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("singleton", name=op.f("provenance_one_row")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("provenance_pkey")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=True),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("released_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("venue IN ('TWSE', 'TPEX', 'EMERGING')", name=op.f("quarantine_venue_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("quarantine_pkey")),
    )
    op.create_index(
        "quarantine_open_key",
        "quarantine",
        ["venue", "dataset", "session", "symbol", "rule", sa.literal_column("md5(raw::text)")],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(op.f("quarantine_seen_at_idx"), "quarantine", ["seen_at"], unique=False)
    op.create_table(
        "revisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("security_id", sa.Integer(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("old", sa.BigInteger(), nullable=False),
        sa.Column("new", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "field IN ('open', 'high', 'low', 'close', 'change', 'volume', 'turnover', 'trades')",
            name=op.f("revisions_field_known"),
        ),
        sa.CheckConstraint("old IS DISTINCT FROM new", name=op.f("revisions_a_change")),
        sa.PrimaryKeyConstraint("id", name=op.f("revisions_pkey")),
    )
    op.create_index(op.f("revisions_run_id_idx"), "revisions", ["run_id"], unique=False)
    op.create_index(op.f("revisions_security_id_session_idx"), "revisions", ["security_id", "session"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("queued_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("fetched", sa.Integer(), nullable=True),
        sa.Column("stored", sa.Integer(), nullable=True),
        sa.Column("unchanged", sa.Integer(), nullable=True),
        sa.Column("quarantined", sa.Integer(), nullable=True),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.Column("schedule", sa.Text(), nullable=True),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('SUCCESS', 'PARTIAL', 'FAILED', 'SKIPPED'))",
            name=op.f("runs_finished_with_final_state"),
        ),
        sa.CheckConstraint(
            "state IN ('QUEUED', 'STARTED', 'RETRY', 'SUCCESS', 'PARTIAL', 'FAILED', 'SKIPPED')",
            name=op.f("runs_state_known"),
        ),
        sa.CheckConstraint("trigger IN ('schedule', 'manual', 'api', 'retry')", name=op.f("runs_trigger_known")),
        sa.CheckConstraint("(schedule IS NULL) = (due_at IS NULL)", name=op.f("runs_schedule_with_due_time")),
        sa.CheckConstraint("attempts >= 0", name=op.f("runs_attempts_not_negative")),
        sa.CheckConstraint(
            "expected >= 0 AND fetched >= 0 AND stored >= 0 AND unchanged >= 0 AND quarantined >= 0",
            name=op.f("runs_counts_not_negative"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("runs_pkey")),
    )
    op.create_index(op.f("runs_queued_at_id_idx"), "runs", ["queued_at", "id"], unique=False)
    op.create_index(
        "runs_schedule_due_at_key",
        "runs",
        ["schedule", "due_at"],
        unique=True,
        postgresql_where=sa.text("schedule IS NOT NULL"),
    )
    op.create_index(op.f("runs_state_queued_at_idx"), "runs", ["state", "queued_at"], unique=False)
    op.create_index(op.f("runs_task_queued_at_idx"), "runs", ["task", "queued_at"], unique=False)
    op.create_table(
        "securities",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("isin", sa.Text(), nullable=True),
        sa.Column("listed_on", sa.Date(), nullable=True),
        sa.Column("delisted_on", sa.Date(), nullable=True),
        sa.Column("on_list", sa.Boolean(), nullable=False),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("cfi", sa.Text(), nullable=True),
        sa.Column("first_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('stock', 'innovation', 'preferred', 'etf', 'etn', 'tdr', 'reit', 'abs', 'other')",
            name=op.f("securities_kind_known"),
        ),
        sa.CheckConstraint("name <> ''", name=op.f("securities_name_not_empty")),
        sa.CheckConstraint("symbol ~ '^[0-9A-Z]{4,6}$'", name=op.f("securities_symbol_form")),
        sa.CheckConstraint("venue IN ('TWSE', 'TPEX', 'EMERGING')", name=op.f("securities_venue_known")),
        sa.CheckConstraint("NOT (on_list AND delisted_on IS NOT NULL)", name=op.f("securities_listed_or_delisted")),
        sa.PrimaryKeyConstraint("id", name=op.f("securities_pkey")),
        sa.UniqueConstraint("symbol", name=op.f("securities_symbol_key")),
    )
    op.create_table(
        "sessions",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=True),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("source IN ('override', 'exchange')", name=op.f("sessions_source_known")),
        sa.CheckConstraint("venue IN ('TWSE', 'TPEX', 'EMERGING')", name=op.f("sessions_venue_known")),
        sa.PrimaryKeyConstraint("venue", "session", name=op.f("sessions_pkey")),
    )
    op.create_table(
        "units",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("fetched", sa.Integer(), nullable=True),
        sa.Column("stored", sa.Integer(), nullable=True),
        sa.Column("unchanged", sa.Integer(), nullable=True),
        sa.Column("quarantined", sa.Integer(), nullable=True),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('SUCCESS', 'PARTIAL', 'FAILED', 'SKIPPED')", name=op.f("units_state_known")),
        sa.CheckConstraint("venue IN ('TWSE', 'TPEX', 'EMERGING')", name=op.f("units_venue_known")),
        sa.CheckConstraint(
            "expected >= 0 AND fetched >= 0 AND stored >= 0 AND unchanged >= 0 AND quarantined >= 0",
            name=op.f("units_counts_not_negative"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("units_run_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "dataset", "venue", "scope", name=op.f("units_pkey")),
    )
    op.create_index(op.f("units_dataset_venue_session_idx"), "units", ["dataset", "venue", "session"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("units_dataset_venue_session_idx"), table_name="units")
    op.drop_table("units")
    op.drop_table("sessions")
    op.drop_table("securities")
    op.drop_index(op.f("runs_task_queued_at_idx"), table_name="runs")
    op.drop_index(op.f("runs_state_queued_at_idx"), table_name="runs")
    op.drop_index("runs_schedule_due_at_key", table_name="runs", postgresql_where=sa.text("schedule IS NOT NULL"))
    op.drop_index(op.f("runs_queued_at_id_idx"), table_name="runs")
    op.drop_table("runs")
    op.drop_index(op.f("revisions_security_id_session_idx"), table_name="revisions")
    op.drop_index(op.f("revisions_run_id_idx"), table_name="revisions")
    op.drop_table("revisions")
    op.drop_index(op.f("quarantine_seen_at_idx"), table_name="quarantine")
    op.drop_index(
        "quarantine_open_key",
        table_name="quarantine",
        postgresql_where=sa.text("released_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.drop_table("quarantine")
    op.drop_table("provenance")
    op.drop_table("bars")
