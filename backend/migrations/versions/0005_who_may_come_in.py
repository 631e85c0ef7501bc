"""Users, their sessions, tokens for programs, failed logins, and who changed what."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("password_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT, nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'admin')", name=op.f("users_role_known")),
        sa.CheckConstraint("name ~ '^[a-z0-9][a-z0-9._-]{0,31}$'", name=op.f("users_name_plain")),
    )
    op.create_table(
        "web_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("secret_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_name"], ["users.name"], name=op.f("web_sessions_user_name_fkey"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("secret_hash", name=op.f("web_sessions_secret_hash_key")),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name=op.f("web_sessions_hash_is_sha256")),
    )
    op.create_index(op.f("web_sessions_user_name_idx"), "web_sessions", ["user_name"])
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("secret_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.UniqueConstraint("secret_hash", name=op.f("api_tokens_secret_hash_key")),
        sa.UniqueConstraint("name", name=op.f("api_tokens_name_key")),
        sa.CheckConstraint("scope IN ('read', 'admin')", name=op.f("api_tokens_scope_known")),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name=op.f("api_tokens_hash_is_sha256")),
    )
    op.create_table(
        "login_failures",
        sa.Column("subject", sa.Text(), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", INSTANT, nullable=False),
        sa.Column("locked_until", INSTANT, nullable=False),
        sa.CheckConstraint("failures >= 0", name=op.f("login_failures_failures_not_negative")),
    )
    op.create_index(op.f("login_failures_failed_at_idx"), "login_failures", ["failed_at"])
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("after", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("via IN ('session', 'token', 'admin-token', 'cli')", name=op.f("audit_via_known")),
        sa.CheckConstraint("outcome IN ('begun', 'done', 'failed')", name=op.f("audit_outcome_known")),
        sa.CheckConstraint("(error IS NOT NULL) = (outcome = 'failed')", name=op.f("audit_error_with_failure")),
    )
    op.create_index(op.f("audit_who_idx"), "audit", ["who", "id"])
    op.create_index(op.f("audit_action_idx"), "audit", ["action", "id"])


def downgrade() -> None:
    for table in ("audit", "login_failures", "api_tokens", "web_sessions", "users"):
        op.drop_table(table)
