"""Totals of the runs that ended, kept as they end: what metrics ask for costs the same after ten years."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

COUNTS = ("fetched", "stored", "unchanged", "quarantined")
_BUCKET = """coalesce(width_bucket(extract(epoch FROM {0}.finished_at - {0}.started_at)::float8,
    '{{0.5,1,2,5,10,30,60,120,300,600,1800,3600}}'::float8[]), -1)"""
_SECONDS = "coalesce(extract(epoch FROM {0}.finished_at - {0}.started_at)::float8, 0)"


def upgrade() -> None:
    op.create_table(
        "run_totals",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in COUNTS),
        sa.Column("last_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("task", "state", "bucket", name=op.f("run_totals_pkey")),
    )
    names = ", ".join(COUNTS)
    added = ", ".join(
        f"{name} = CASE WHEN excluded.{name} IS NULL THEN t.{name} ELSE coalesce(t.{name}, 0) + excluded.{name} END"
        for name in COUNTS
    )
    op.execute(f"""
        CREATE FUNCTION count_ended_run() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO run_totals AS t (task, state, bucket, runs, seconds, {names}, last_at)
            VALUES (NEW.task, NEW.state, {_BUCKET.format("NEW")}, 1, {_SECONDS.format("NEW")},
                {", ".join(f"NEW.{name}" for name in COUNTS)}, NEW.finished_at)
            ON CONFLICT (task, state, bucket) DO UPDATE SET runs = t.runs + 1,
                seconds = t.seconds + excluded.seconds, {added}, last_at = greatest(t.last_at, excluded.last_at);
            RETURN NULL;
        END $$""")
    # At the commit: nobody holds a total while waiting for a run that another one ends. Each locks `runs` until this
    # migration is through, so that what is counted below is whole.
    for event, condition in (
        ("INSERT", "NEW.finished_at IS NOT NULL"),
        ("UPDATE", "OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL"),
    ):
        op.execute(f"""
            CREATE CONSTRAINT TRIGGER runs_ended_by_{event.lower()} AFTER {event} ON runs
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION count_ended_run()""")
    op.execute(f"""
        INSERT INTO run_totals (task, state, bucket, runs, seconds, {names}, last_at)
        SELECT task, state, {_BUCKET.format("runs")}, count(*), sum({_SECONDS.format("runs")}),
            {", ".join(f"sum({name})" for name in COUNTS)}, max(finished_at)
        FROM runs WHERE finished_at IS NOT NULL GROUP BY 1, 2, 3""")


def downgrade() -> None:
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER runs_ended_by_{event} ON runs")
    op.execute("DROP FUNCTION count_ended_run()")
    op.drop_table("run_totals")
