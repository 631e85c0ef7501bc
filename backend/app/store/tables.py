"""The tables, private to ``app.store``. Every CHECK defends something that can never be true of the market."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, TIMESTAMP

from app.market.bar import ABSENT, BAR_FIELDS, PRICE_FIELDS
from app.market.corporate_action import ActionKind
from app.market.security import SecurityKind, Venue

METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ck": "%(table_name)s_%(constraint_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

WAITING_STATES = ("QUEUED", "RETRY")
FINAL_STATES = ("SUCCESS", "PARTIAL", "FAILED", "SKIPPED", "CANCELLED", "LOST")
UNFINISHED = "state IN ('QUEUED', 'RETRY', 'STARTED')"
"""As indexes have it: PostgreSQL uses a partial index only where a query says its condition in so many words."""
STATES = (*WAITING_STATES, "STARTED", *FINAL_STATES)
UNIT_STATES = ("SUCCESS", "PARTIAL", "FAILED", "SKIPPED")
MISFIRES = ("skip", "latest", "all")
TRIGGERS = ("schedule", "manual", "api", "retry")
COUNTS = ("expected", "fetched", "stored", "unchanged", "quarantined")
SUMMED = COUNTS[1:]
"""What the metrics sum up: what was expected is no work."""
SEVERITIES = ("blocking", "warning")
DECISIONS = ("stored", "dismissed", "mended")
SESSION_SOURCES = ("override", "exchange")
ROLES = ("viewer", "admin")
SCOPES = ("read", "admin")
VIAS = ("session", "token", "admin-token", "cli")
OUTCOMES = ("begun", "done", "failed")


def _one_of(column: str, words: tuple[str, ...], *, name: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=name)


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _venue(name: str = "venue") -> tuple[Column[str], CheckConstraint]:
    return Column(name, Text, nullable=False), _one_of(name, tuple(venue.value for venue in Venue), name="venue_known")


def _counts() -> list[Column[int] | CheckConstraint]:
    """Nullable: a count that nobody took is absent, never zero."""
    return [Column(name, Integer) for name in COUNTS] + [
        CheckConstraint(" AND ".join(f"{name} >= 0" for name in COUNTS), name="counts_not_negative")
    ]


provenance = Table(
    "provenance",
    METADATA,
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("source", Text, nullable=False),
    _instant("created_at"),
    CheckConstraint("singleton", name="one_row"),
)

securities = Table(
    "securities",
    METADATA,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("symbol", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    *_venue(),
    Column("kind", Text, nullable=False),
    Column("isin", Text),
    Column("listed_on", Date),
    Column("delisted_on", Date),
    # Whether its venue's newest list holds it. Not the same as delisted_on IS NULL: of a symbol that was only
    # ever seen in old bars nobody knows the day on which it left.
    Column("on_list", Boolean, nullable=False),
    Column("industry", Text),
    Column("cfi", Text),
    _instant("first_seen_at"),
    _instant("updated_at"),
    CheckConstraint("symbol ~ '^[0-9A-Z]{4,6}$'", name="symbol_form"),
    CheckConstraint("name <> ''", name="name_not_empty"),
    CheckConstraint("NOT (on_list AND delisted_on IS NOT NULL)", name="listed_or_delisted"),
    # Warrants are 96 % of the exchanges' lists and gone within months.
    _one_of("kind", tuple(kind.value for kind in SecurityKind if kind is not SecurityKind.WARRANT), name="kind_known"),
)

# No foreign key to securities and no second index: together they cost a load 5 × (PERFORMANCE.md §1), and ids come
# from `securities`, whose rows are never deleted, in the transaction that writes. The order of the columns leaves
# no padding; the order of the key is argued in docs/adr/0002.
bars = Table(
    "bars",
    METADATA,
    Column("session", Date, nullable=False),
    Column("security_id", Integer, nullable=False),
    _instant("recorded_at"),
    Column("volume", BigInteger),
    Column("turnover", BigInteger),
    *(Column(name, Integer) for name in PRICE_FIELDS),
    Column("trades", Integer),
    PrimaryKeyConstraint("session", "security_id"),
    CheckConstraint(" AND ".join(f"{name} > 0" for name in PRICE_FIELDS if name != "change"), name="prices_positive"),
    CheckConstraint("volume >= 0 AND turnover >= 0 AND trades >= 0", name="amounts_not_negative"),
    CheckConstraint(f"change > {ABSENT}", name="change_in_range"),
)

revisions = Table(
    "revisions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("security_id", Integer, nullable=False),
    Column("session", Date, nullable=False),
    Column("field", Text, nullable=False),
    # NULL: nothing was held, which is no revision of the venue's, but what it takes to read bars as they stood.
    Column("old", BigInteger),
    Column("new", BigInteger),
    # When what was there before had been recorded.
    _instant("held_since", nullable=True),
    Column("source", Text, nullable=False),
    Column("run_id", Text),
    _instant("seen_at"),
    _one_of("field", BAR_FIELDS, name="field_known"),
    CheckConstraint("old IS DISTINCT FROM new", name="a_change"),
    Index(None, "security_id", "session"),
    Index(None, "run_id"),
    Index(None, "session", "id"),
)

# Append-only: the newest row of a key holds, so that the ledger can be read as it stood. An action that the venue
# took back is a newer row that says withdrawn.
corporate_actions = Table(
    "corporate_actions",
    METADATA,
    Column("security_id", Integer, nullable=False),
    Column("ex_date", Date, nullable=False),
    Column("kind", Text, nullable=False),
    _instant("recorded_at"),
    Column("previous_close", Integer, nullable=False),
    Column("reference_price", Integer, nullable=False),
    Column("cash_reference", Integer),
    Column("note", Text),
    Column("withdrawn", Boolean, nullable=False, server_default=text("false")),
    Column("source", Text, nullable=False),
    Column("run_id", Text),
    PrimaryKeyConstraint("security_id", "ex_date", "kind", "recorded_at"),
    _one_of("kind", tuple(kind.value for kind in ActionKind), name="kind_known"),
    CheckConstraint("previous_close > 0 AND reference_price > 0 AND cash_reference > 0", name="prices_positive"),
    Index(None, "ex_date"),
)

# Trading that the venue itself suspended: a bar that is absent in between is explained.
halts = Table(
    "halts",
    METADATA,
    Column("security_id", Integer, nullable=False),
    Column("first", Date, nullable=False),
    Column("last", Date),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    _instant("recorded_at"),
    PrimaryKeyConstraint("security_id", "first"),
    CheckConstraint("last >= first", name="first_before_last"),
)

# Every session of every dataset and venue, accounted for; written in the transaction that writes the data.
coverage = Table(
    "coverage",
    METADATA,
    Column("dataset", Text, nullable=False),
    *_venue(),
    Column("session", Date, nullable=False),
    Column("expected", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    # Securities that the day needs no row of, by reason: {"halted": 3}.
    Column("explained", JSONB, nullable=False),
    Column("missing", Integer, nullable=False),
    _instant("recorded_at"),
    PrimaryKeyConstraint("dataset", "venue", "session"),
    CheckConstraint("expected >= 0 AND held >= 0 AND quarantined >= 0 AND missing >= 0", name="counts_not_negative"),
)

# What the exchanges publish besides bars: whole numbers a security and session, in the order of the dataset's fields,
# to which new ones are only ever appended. A new dataset needs no new table. Append-only as corporate_actions are.
# By symbol and not by security: a market's index has figures, and is none.
datasets = Table(
    "datasets",
    METADATA,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("fields", ARRAY(Text), nullable=False),
)

figures = Table(
    "figures",
    METADATA,
    Column("dataset_id", Integer, nullable=False),
    Column("session", Date, nullable=False),
    _instant("recorded_at"),
    Column("symbol", Text, nullable=False),
    Column("values", ARRAY(BigInteger), nullable=False),
    PrimaryKeyConstraint("dataset_id", "session", "symbol", "recorded_at"),
    CheckConstraint("symbol ~ '^[0-9A-Z]{4,6}$'", name="symbol_form"),
)

# Cells in which another source says something else than the exchange; ours is never overwritten.
differences = Table(
    "differences",
    METADATA,
    Column("source", Text, nullable=False),
    Column("security_id", Integer, nullable=False),
    Column("session", Date, nullable=False),
    Column("field", Text, nullable=False),
    Column("ours", BigInteger),
    Column("theirs", BigInteger),
    Column("run_id", Text),
    _instant("seen_at"),
    PrimaryKeyConstraint("source", "security_id", "session", "field"),
    CheckConstraint("ours IS DISTINCT FROM theirs", name="a_difference"),
    Index(None, "session"),
)

sessions = Table(
    "sessions",
    METADATA,
    *_venue(),
    Column("session", Date, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("reason", Text),
    Column("source", Text, nullable=False),
    Column("recorded_by", Text),
    _instant("recorded_at"),
    PrimaryKeyConstraint("venue", "session"),
    _one_of("source", SESSION_SOURCES, name="source_known"),
)

runs = Table(
    "runs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("task", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    _instant("queued_at"),
    _instant("started_at", nullable=True),
    _instant("finished_at", nullable=True),
    Column("worker", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    *_counts(),
    Column("progress", JSONB),
    Column("error_type", Text),
    Column("error", Text),
    Column("traceback", Text),
    Column("schedule", Text),
    _instant("due_at", nullable=True),
    # How its message is sent, again if need be: queue, priority, and how many retries went before.
    Column("queue", Text),
    Column("priority", Integer),
    Column("retries", Integer, nullable=False, server_default=text("0")),
    # Not to be sent before; not to begin after.
    _instant("run_after", nullable=True),
    _instant("expires_at", nullable=True),
    # When its message was last handed to the broker; NULL while it still has to be.
    _instant("sent_at", nullable=True),
    # Held by the attempt whose number is `attempts`, which is the fencing token; see docs/adr/0007.
    _instant("lease_until", nullable=True),
    Column("losses", Integer, nullable=False, server_default=text("0")),
    Column("repeatable", Boolean, nullable=False, server_default=text("true")),
    Column("forced", Boolean, nullable=False, server_default=text("false")),
    Column("cancel_by", Text),
    # It is not sent while this stands.
    Column("paused_by", Text),
    # The run of which this one does over what did not succeed.
    Column("retry_of", Text),
    _one_of("state", STATES, name="state_known"),
    _one_of("trigger", TRIGGERS, name="trigger_known"),
    CheckConstraint("attempts >= 0", name="attempts_not_negative"),
    CheckConstraint("(schedule IS NULL) = (due_at IS NULL)", name="schedule_with_due_time"),
    CheckConstraint(
        f"(finished_at IS NOT NULL) = (state IN ({', '.join(repr(state) for state in FINAL_STATES)}))",
        name="finished_with_final_state",
    ),
    CheckConstraint("(lease_until IS NOT NULL) = (state = 'STARTED')", name="lease_while_started"),
    # A due tick is claimed by inserting its run: two schedulers cannot both run it.
    Index("runs_schedule_due_at_key", "schedule", "due_at", unique=True, postgresql_where=text("schedule IS NOT NULL")),
    # What was asked for by hand is under way once: asking again finds the run that there is.
    Index(
        "runs_in_flight_key",
        "task",
        text("md5(parameters::text)"),
        unique=True,
        postgresql_where=text("state IN ('QUEUED', 'RETRY', 'STARTED') AND schedule IS NULL AND NOT forced"),
    ),
    # Whatever is under way, scheduled runs too: found without reading a task's whole history.
    Index("runs_unfinished_idx", "task", text("md5(parameters::text)"), postgresql_where=text(UNFINISHED)),
    # What the outbox still has to send.
    Index(
        "runs_to_send_idx",
        "queued_at",
        postgresql_where=text("state IN ('QUEUED', 'RETRY') AND sent_at IS NULL"),
    ),
    Index("runs_retry_of_idx", "retry_of", postgresql_where=text("retry_of IS NOT NULL")),
    Index(None, "queued_at", "id"),
    Index(None, "task", "queued_at"),
    Index(None, "state", "queued_at"),
)

# What the runs that ended come to, by how long they took (metrics' buckets; -1: never began). Written by a trigger of
# `runs` at each commit that ends one: whoever ends it, and whatever becomes of its row later.
run_totals = Table(
    "run_totals",
    METADATA,
    Column("task", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("bucket", SmallInteger, nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("seconds", DOUBLE_PRECISION, nullable=False),
    *(Column(name, BigInteger) for name in SUMMED),
    _instant("last_at"),
    PrimaryKeyConstraint("task", "state", "bucket"),
)

units = Table(
    "units",
    METADATA,
    Column("run_id", Text, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("dataset", Text, nullable=False),
    *_venue(),
    Column("scope", Text, nullable=False),
    Column("session", Date),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    *_counts(),
    Column("error_type", Text),
    Column("error", Text),
    _instant("finished_at"),
    PrimaryKeyConstraint("run_id", "dataset", "venue", "scope"),
    _one_of("state", UNIT_STATES, name="state_known"),
    # "Which sessions of this dataset and venue are done?" is asked before every sync.
    Index(None, "dataset", "venue", "session"),
)

quarantine = Table(
    "quarantine",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *_venue(),
    Column("dataset", Text, nullable=False),
    Column("session", Date),
    Column("symbol", Text),
    Column("rule", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", JSONB, nullable=False),
    # The values as they were read, where they could be.
    Column("parsed", JSONB),
    # A row that breaks a blocking rule is held nowhere else; one with a warning is among the data all the same.
    Column("severity", Text, nullable=False, server_default=text("'blocking'")),
    Column("run_id", Text),
    _instant("seen_at"),
    _instant("last_seen_at"),
    _instant("released_at", nullable=True),
    # What a person decided, or that the row no longer breaks the rule.
    Column("decision", Text),
    Column("decided_by", Text),
    Column("note", Text),
    _one_of("severity", SEVERITIES, name="severity_known"),
    _one_of("decision", DECISIONS, name="decision_known"),
    CheckConstraint("(decision IS NULL) = (released_at IS NULL)", name="decision_with_time"),
    # The same bad row seen again is the same open row: a daily re-read must not grow the list.
    Index(
        "quarantine_open_key",
        "venue",
        "dataset",
        "session",
        "symbol",
        "rule",
        text("md5(raw::text)"),
        unique=True,
        postgresql_where=text("released_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    ),
    Index(None, "seen_at"),
)

QUARANTINE_KEYS: dict[str, ColumnElement[Any]] = {
    "seen_at": quarantine.c.seen_at,
    "session": func.coalesce(quarantine.c.session, literal_column("'0001-01-01'::date")),
    "symbol": func.coalesce(quarantine.c.symbol, literal_column("''")),
    "rule": quarantine.c.rule,
}
"""By what a list of them is ordered; never NULL, so that a page can go on from any row."""
for _name in ("session", "symbol", "rule"):
    Index(f"quarantine_by_{_name}_idx", QUARANTINE_KEYS[_name], quarantine.c.id)

schedules = Table(
    "schedules",
    METADATA,
    Column("name", Text, primary_key=True),
    # Ticks up to here are claimed: each due one is a run, or was none of this schedule's business.
    _instant("claimed_until"),
    # What an operator said against the default in core/celery_app.py; NULL: the default holds.
    Column("enabled", Boolean),
    Column("timing", Text),
    Column("parameters", JSONB),
    Column("misfire", Text),
    Column("late_limit", Integer),
    Column("changed_by", Text),
    _instant("changed_at", nullable=True),
    CheckConstraint(f"misfire IN ({', '.join(repr(word) for word in MISFIRES)})", name="misfire_known"),
    CheckConstraint("late_limit > 0", name="late_limit_positive"),
)

heartbeats = Table(
    "heartbeats",
    METADATA,
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    _instant("started_at"),
    _instant("seen_at"),
    Column("facts", JSONB, nullable=False),
    PrimaryKeyConstraint("kind", "name"),
)

incidents = Table(
    "incidents",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    _instant("opened_at"),
    _instant("seen_at"),
    _instant("closed_at", nullable=True),
    # When channels were told of the breach, and of the recovery; NULL while that is still to be done.
    _instant("told_at", nullable=True),
    _instant("recovery_told_at", nullable=True),
    # One open incident a rule and subject, whatever the number of those who watch.
    Index("incidents_open_key", "rule", "subject", unique=True, postgresql_where=text("closed_at IS NULL")),
    Index(None, "opened_at"),
)

users = Table(
    "users",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    _instant("created_at"),
    _instant("password_at"),
    _instant("disabled_at", nullable=True),
    _one_of("role", ROLES, name="role_known"),
    CheckConstraint("name ~ '^[a-z0-9][a-z0-9._-]{0,31}$'", name="name_plain"),
)

# A session's and a token's secret are random, so a plain SHA-256 of either tells nothing and is found by an index.
web_sessions = Table(
    "web_sessions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("user_name", Text, ForeignKey("users.name", ondelete="CASCADE"), nullable=False, index=True),
    _instant("created_at"),
    _instant("seen_at"),
    Column("address", Text),
    Column("agent", Text),
    CheckConstraint("octet_length(secret_hash) = 32", name="hash_is_sha256"),
)

api_tokens = Table(
    "api_tokens",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("scope", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    _instant("created_at"),
    Column("expires_on", Date),
    _instant("used_at", nullable=True),
    _one_of("scope", SCOPES, name="scope_known"),
    CheckConstraint("octet_length(secret_hash) = 32", name="hash_is_sha256"),
)

login_failures = Table(
    "login_failures",
    METADATA,
    # Whose: "name mei" or "address 127.0.0.1".
    Column("subject", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    _instant("failed_at"),
    _instant("locked_until"),
    CheckConstraint("failures >= 0", name="failures_not_negative"),
    Index(None, "failed_at"),
)

audit = Table(
    "audit",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _instant("at"),
    Column("who", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
    # Written before the change and completed after it, so that no change is without its row; "begun" for long means
    # that the process died in between.
    Column("outcome", Text, nullable=False),
    Column("error", Text),
    _one_of("via", VIAS, name="via_known"),
    _one_of("outcome", OUTCOMES, name="outcome_known"),
    CheckConstraint("(error IS NOT NULL) = (outcome = 'failed')", name="error_with_failure"),
    Index("audit_who_idx", "who", "id"),
    Index("audit_action_idx", "action", "id"),
)

# What every program wrote to its log, of every host; the files that they write are where it comes from.
log_lines = Table(
    "log_lines",
    METADATA,
    # In the order of commit: those who write take turns, so that a reader who knows the last id misses none.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _instant("at"),
    # As Python's logging has it: 10 DEBUG, 20 INFO, 30 WARNING, 40 ERROR.
    Column("level", SmallInteger, nullable=False),
    Column("host", Text, nullable=False),
    Column("program", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("task", Text),
    Column("run_id", Text),
    Column("module", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("traceback", Text),
    Index(None, "at"),
    Index("log_lines_run_idx", "run_id", "id", postgresql_where=text("run_id IS NOT NULL")),
    Index("log_lines_severe_idx", "id", postgresql_where=text("level >= 30")),
)

# How many bytes of each file are in log_lines, written in the transaction that writes the lines.
log_files = Table(
    "log_files",
    METADATA,
    # The folder's own mark: hosts may share one, and one host may have several.
    Column("folder", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kept_bytes", BigInteger, nullable=False),
    _instant("kept_at"),
    PrimaryKeyConstraint("folder", "name"),
    CheckConstraint("kept_bytes >= 0", name="kept_bytes_not_negative"),
)

# What was measured over time: a worker's memory, a queue's length.
readings = Table(
    "readings",
    METADATA,
    Column("measure", Text, nullable=False),
    Column("subject", Text, nullable=False),
    _instant("at"),
    Column("value", DOUBLE_PRECISION, nullable=False),
    PrimaryKeyConstraint("measure", "subject", "at"),
    Index(None, "at"),
)
