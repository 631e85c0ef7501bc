"""Leases, outbox, schedules' overrides, heartbeats and incidents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_FINAL = "'SUCCESS', 'PARTIAL', 'FAILED', 'SKIPPED', 'CANCELLED', 'LOST'"
_FIRST_FINAL = "'SUCCESS', 'PARTIAL', 'FAILED', 'SKIPPED'"


def _instant(name: str, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, postgresql.TIMESTAMP(timezone=True), nullable=nullable)


def _replace_check(name: str, condition: str) -> None:
    op.drop_constraint(op.f(name), "runs", type_="check")
    op.create_check_constraint(op.f(name), "runs", condition)


def upgrade() -> None:
    for column in (
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("retries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _instant("run_after"),
        _instant("expires_at"),
        _instant("sent_at"),
        _instant("lease_until"),
        sa.Column("losses", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("repeatable", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("forced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("cancel_by", sa.Text(), nullable=True),
    ):
        op.add_column("runs", column)
    # Messages of runs that wait were sent by the code of 0001. A run that says STARTED has no living owner, for
    # the platform is stopped while it is migrated: its lease is over, and it will be queued again. Of what was
    # asked for twice only one may be in flight, so all that there is counts as asked for on purpose.
    op.execute("UPDATE runs SET sent_at = queued_at")
    op.execute("UPDATE runs SET lease_until = queued_at WHERE state = 'STARTED'")
    op.execute(f"UPDATE runs SET forced = true WHERE state NOT IN ({_FIRST_FINAL})")
    _replace_check("runs_state_known", f"state IN ('QUEUED', 'RETRY', 'STARTED', {_FINAL})")
    _replace_check("runs_finished_with_final_state", f"(finished_at IS NOT NULL) = (state IN ({_FINAL}))")
    op.create_check_constraint(
        op.f("runs_lease_while_started"), "runs", "(lease_until IS NOT NULL) = (state = 'STARTED')"
    )
    op.create_index(
        "runs_in_flight_key",
        "runs",
        ["task", sa.literal_column("md5(parameters::text)")],
        unique=True,
        postgresql_where=sa.text("state IN ('QUEUED', 'RETRY', 'STARTED') AND schedule IS NULL AND NOT forced"),
    )
    op.create_index(
        "runs_unfinished_idx",
        "runs",
        ["task", sa.literal_column("md5(parameters::text)")],
        postgresql_where=sa.text("state IN ('QUEUED', 'RETRY', 'STARTED')"),
    )
    op.create_index(
        "runs_to_send_idx",
        "runs",
        ["queued_at"],
        postgresql_where=sa.text("state IN ('QUEUED', 'RETRY') AND sent_at IS NULL"),
    )
    op.create_table(
        "schedules",
        sa.Column("name", sa.Text(), nullable=False),
        _instant("claimed_until", nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("timing", sa.Text(), nullable=True),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("misfire", sa.Text(), nullable=True),
        sa.Column("late_limit", sa.Integer(), nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=True),
        _instant("changed_at"),
        sa.CheckConstraint("misfire IN ('skip', 'latest', 'all')", name=op.f("schedules_misfire_known")),
        sa.CheckConstraint("late_limit > 0", name=op.f("schedules_late_limit_positive")),
        sa.PrimaryKeyConstraint("name", name=op.f("schedules_pkey")),
    )
    op.create_table(
        "heartbeats",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        _instant("started_at", nullable=False),
        _instant("seen_at", nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("heartbeats_pkey")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        _instant("opened_at", nullable=False),
        _instant("seen_at", nullable=False),
        _instant("closed_at"),
        _instant("told_at"),
        _instant("recovery_told_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("incidents_pkey")),
    )
    op.create_index(
        "incidents_open_key",
        "incidents",
        ["rule", "subject"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(op.f("incidents_opened_at_idx"), "incidents", ["opened_at"], unique=False)


def downgrade() -> None:
    op.drop_table("incidents")
    op.drop_table("heartbeats")
    op.drop_table("schedules")
    op.drop_index("runs_to_send_idx", table_name="runs")
    op.drop_index("runs_unfinished_idx", table_name="runs")
    op.drop_index("runs_in_flight_key", table_name="runs")
    op.drop_constraint(op.f("runs_lease_while_started"), "runs", type_="check")
    op.execute("UPDATE runs SET state = 'FAILED' WHERE state IN ('CANCELLED', 'LOST')")
    _replace_check("runs_state_known", f"state IN ('QUEUED', 'STARTED', 'RETRY', {_FIRST_FINAL})")
    _replace_check("runs_finished_with_final_state", f"(finished_at IS NOT NULL) = (state IN ({_FIRST_FINAL}))")
    for column in (
        *("queue", "priority", "retries", "run_after", "expires_at", "sent_at", "lease_until", "losses"),
        *("repeatable", "forced", "cancel_by"),
    ):
        op.drop_column("runs", column)
