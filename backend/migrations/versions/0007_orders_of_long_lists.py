"""Long lists are read in the order that their reader chose: by session, symbol or rule, too."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

QUARANTINE = {
    "session": sa.text("coalesce(session, '0001-01-01'::date)"),
    "symbol": sa.text("coalesce(symbol, '')"),
    "rule": "rule",
}


def upgrade() -> None:
    for name, key in QUARANTINE.items():
        op.create_index(f"quarantine_by_{name}_idx", "quarantine", [key, "id"])
    op.create_index(op.f("revisions_session_id_idx"), "revisions", ["session", "id"])
    op.create_index(op.f("differences_session_idx"), "differences", ["session"])


def downgrade() -> None:
    op.drop_index(op.f("differences_session_idx"), table_name="differences")
    op.drop_index(op.f("revisions_session_id_idx"), table_name="revisions")
    for name in QUARANTINE:
        op.drop_index(f"quarantine_by_{name}_idx", table_name="quarantine")
