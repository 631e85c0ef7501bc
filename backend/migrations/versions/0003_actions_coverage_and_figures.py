"""Corporate actions, halts, coverage, figures of further datasets, and differences from other sources."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def _instant(name: str) -> sa.Column:
    return sa.Column(name, postgresql.TIMESTAMP(timezone=True), nullable=False)


def upgrade() -> None:
    op.create_table(
        "corporate_actions",
        sa.Column("security_id", sa.Integer(), nullable=False),
        sa.Column("ex_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        _instant("recorded_at"),
        sa.Column("previous_close", sa.Integer(), nullable=False),
        sa.Column("reference_price", sa.Integer(), nullable=False),
        sa.Column("cash_reference", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("security_id", "ex_date", "kind", "recorded_at", name=op.f("corporate_actions_pkey")),
        sa.CheckConstraint(
            "kind IN ('dividend', 'rights', 'dividend_and_rights', 'reduction', 'par_change', 'split',"
            " 'reverse_split')",
            name=op.f("corporate_actions_kind_known"),
        ),
        sa.CheckConstraint(
            "previous_close > 0 AND reference_price > 0 AND cash_reference > 0",
            name=op.f("corporate_actions_prices_positive"),
        ),
    )
    op.create_index(op.f("corporate_actions_ex_date_idx"), "corporate_actions", ["ex_date"])
    op.create_table(
        "halts",
        sa.Column("security_id", sa.Integer(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        _instant("recorded_at"),
        sa.PrimaryKeyConstraint("security_id", "first", name=op.f("halts_pkey")),
        sa.CheckConstraint("last >= first", name=op.f("halts_first_before_last")),
    )
    op.create_table(
        "coverage",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("explained", postgresql.JSONB(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        _instant("recorded_at"),
        sa.PrimaryKeyConstraint("dataset", "venue", "session", name=op.f("coverage_pkey")),
        sa.CheckConstraint("venue IN ('TWSE', 'TPEX', 'EMERGING')", name=op.f("coverage_venue_known")),
        sa.CheckConstraint(
            "expected >= 0 AND held >= 0 AND quarantined >= 0 AND missing >= 0",
            name=op.f("coverage_counts_not_negative"),
        ),
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("datasets_pkey")),
        sa.UniqueConstraint("name", name=op.f("datasets_name_key")),
    )
    op.create_table(
        "figures",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        _instant("recorded_at"),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("values", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "session", "symbol", "recorded_at", name=op.f("figures_pkey")),
        sa.CheckConstraint("symbol ~ '^[0-9A-Z]{4,6}$'", name=op.f("figures_symbol_form")),
    )
    op.create_table(
        "differences",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("security_id", sa.Integer(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("ours", sa.BigInteger(), nullable=True),
        sa.Column("theirs", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        _instant("seen_at"),
        sa.PrimaryKeyConstraint("source", "security_id", "session", "field", name=op.f("differences_pkey")),
        sa.CheckConstraint("ours IS DISTINCT FROM theirs", name=op.f("differences_a_difference")),
    )


def downgrade() -> None:
    for table in ("differences", "figures", "datasets", "coverage", "halts", "corporate_actions"):
        op.drop_table(table)
