"""Quarantine: rows that break a rule, and a person's word on them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import TheChanger
from app.api.replies import Reply, ThePlatform, failures
from app.errors import InvalidParameter, UnknownRow
from app.market.quality import RULES, Severity, Subject
from app.market.security import Venue
from app.services import decisions
from app.store import quarantine_reads as store
from app.store.engine import transaction
from app.store.quarantine_reads import Filter, HeldRow, Order

router = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"])

State = Literal["open", "decided", "all"]
RowId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class QuarantinedRow(BaseModel):
    """A row that breaks a rule. Prices among `parsed` are in 1/10,000 TWD, as whole numbers."""

    id: int
    venue: Venue
    dataset: str = Field(examples=["daily_bars"])
    session: date | None = Field(description="null where it could not be read")
    symbol: str | None
    rule: str = Field(examples=["ohlc-order"])
    reason: str
    severity: Severity = Field(description="blocking: held nowhere else; warning: it is stored all the same")
    raw: dict[str, Any] = Field(description="the cells as they came")
    parsed: dict[str, Any] | None = Field(description="the values as they were read; null where they could not be")
    run_id: str | None
    seen_at: datetime
    last_seen_at: datetime
    released_at: datetime | None = Field(description="null while it is open")
    decision: Literal["stored", "dismissed", "mended"] | None
    decided_by: str | None
    note: str | None


class QuarantineReply(Reply):
    """Rows, the newest first unless another order was asked for."""

    total: int = Field(description="how many the filter has")
    by_rule: dict[str, int] = Field(description="how many of them break each rule", examples=[{"ohlc-order": 3}])
    rows: list[QuarantinedRow]
    next_after: int | None = Field(description="the `after` of the next page; null on the last one")


class RowReply(Reply):
    """One row."""

    row: QuarantinedRow


class DecidedReply(Reply):
    """The row, and what else the same row broke."""

    rows: list[QuarantinedRow]


class RuleRow(BaseModel):
    """A rule."""

    id: str = Field(examples=["tick-size"])
    severity: Severity
    subject: Subject = Field(description="what it is about")
    sentence: str = Field(description="what must hold")
    open: int = Field(description="how many rows that wait break it")


class RulesReply(Reply):
    """Every rule that a row or a reply must obey."""

    rules: list[RuleRow]


class Word(BaseModel):
    """A person's word on a row."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(min_length=1, max_length=decisions.LONGEST_NOTE, description="why, for those who read it later")
    by: str | None = Field(
        None, min_length=1, max_length=100, description="who says so; counts with the admin token only"
    )


@router.get("", summary="List quarantined rows", responses=failures(404, 422))
def list_rows(
    platform: ThePlatform,
    *,
    rule: Annotated[str | None, Query(description="only of this rule", max_length=50)] = None,
    severity: Severity | None = None,
    venue: Venue | None = None,
    dataset: Annotated[str | None, Query(max_length=50)] = None,
    symbol: Annotated[str | None, Query(max_length=6)] = None,
    start: Annotated[date | None, Query(description="first session, YYYY-MM-DD")] = None,
    end: Annotated[date | None, Query(description="last session, YYYY-MM-DD")] = None,
    state: State = "open",
    order: Annotated[Order, Query(description="by which column; with a minus from the last to the first")] = "-seen_at",
    after: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="id of the last row of the page before, in the same order")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="how many to skip; `after` skips none twice")] = 0,
) -> QuarantineReply:
    """What waits for a person, or what became of it."""
    if start and end and start > end:
        raise InvalidParameter(f"start {start} is later than end {end}.")
    if rule is not None and rule not in RULES:
        raise InvalidParameter(f"rule is {rule!r}; GET /api/v1/quarantine/rules lists those that there are.")
    decided = None if state == "all" else state == "decided"
    which = Filter(rule, severity, venue, dataset, symbol, start, end, decided)
    with transaction(platform.engine) as connection:
        found = store.list_rows(connection, which, order=order, after=after, limit=limit + 1, offset=offset)
        total = store.count_rows(connection, which)
        by_rule = store.count_by_rule(connection, which)
    source = platform.settings.quantlab_source
    rows = [_row(held) for held in found[:limit]]
    following = rows[-1].id if len(found) > limit else None
    return QuarantineReply(source=source, total=total, by_rule=by_rule, rows=rows, next_after=following)


@router.get("/rules", summary="List the rules", responses=failures())
def list_rules(platform: ThePlatform) -> RulesReply:
    """What must hold of a row or a reply, and how many rows that wait break it."""
    with transaction(platform.engine) as connection:
        waiting = store.count_by_rule(connection)
    rules = [RuleRow(**asdict(rule), open=waiting.get(rule.id, 0)) for rule in RULES.values()]
    return RulesReply(source=platform.settings.quantlab_source, rules=rules)


@router.get("/{row_id}", summary="One quarantined row", responses=failures(404, 422))
def get_row(platform: ThePlatform, row_id: RowId) -> RowReply:
    """Its cells as they came, and its values as they were read."""
    with transaction(platform.engine) as connection:
        held = store.get(connection, row_id)
    if held is None:
        raise UnknownRow(f"There is no quarantined row {row_id}.")
    return RowReply(source=platform.settings.quantlab_source, row=_row(held))


@router.post("/{row_id}/release", summary="Say that it is right", responses=failures(401, 403, 404, 409, 422))
def release_row(platform: ThePlatform, row_id: RowId, word: Word, changer: TheChanger) -> DecidedReply:
    """Store its values as the bar, and accept the very same row from now on."""
    with changer.change("quarantine.release", str(row_id)) as row:
        rows = decisions.release(platform.context(), [row_id], by=changer.by(word.by), note=word.note)
        row.after = {"rows": [held.id for held in rows], "note": word.note}
    return DecidedReply(source=platform.settings.quantlab_source, rows=[_row(held) for held in rows])


@router.post("/{row_id}/dismiss", summary="Say that it is wrong", responses=failures(401, 403, 404, 409, 422))
def dismiss_row(platform: ThePlatform, row_id: RowId, word: Word, changer: TheChanger) -> DecidedReply:
    """Close it; the very same row does not come back."""
    with changer.change("quarantine.dismiss", str(row_id)) as row:
        rows = decisions.dismiss(platform.context(), [row_id], by=changer.by(word.by), note=word.note)
        row.after = {"rows": [held.id for held in rows], "note": word.note}
    return DecidedReply(source=platform.settings.quantlab_source, rows=[_row(held) for held in rows])


def _row(held: HeldRow) -> QuarantinedRow:
    return QuarantinedRow.model_validate(asdict(held))
