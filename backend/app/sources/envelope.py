"""What is around the rows: JSON or a block page, ``stat``, the date that the reply is for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from app.errors import InvalidRow, NoData, NotYetPublished, SourceChanged, SourceRefused, SourceUnavailable, WrongDate
from app.sources.parsing import gregorian_date, roc_date

BLOCK_MARKS = (b"THE PAGE CANNOT BE ACCESSED", b"FOR SECURITY REASONS")
_TITLE_DATE = re.compile(r"\s*([0-9]{2,3}年[0-9]{2}月[0-9]{2}日)")
_TOO_EARLY = re.compile(r"查詢日期小於([0-9]{2,3}年[0-9]{1,2}月[0-9]{1,2}日)")


def refuse_block_page(body: bytes, *, site: str) -> None:
    """Raise SourceRefused when the body is the exchange's block page, whatever it was meant to be."""
    head = body[:20_000].upper()
    if any(mark in head for mark in BLOCK_MARKS):
        raise SourceRefused(f"{site} answered with its block page: this address is barred", site=site)


def json_body(body: bytes, *, site: str) -> Any:
    """The body as JSON.

    Raises SourceRefused for HTML (a block or error page, status 200 or not), SourceUnavailable for a body that is
    empty or cut off, SourceChanged for anything else that is not JSON.
    """
    refuse_block_page(body, site=site)
    text = body.removeprefix(b"\xef\xbb\xbf").strip()  # MIS begins with some twenty blank lines
    if not text:
        raise SourceUnavailable(f"{site} answered with an empty body", site=site)
    if text.startswith(b"<"):
        raise SourceRefused(f"{site} answered with a page of HTML instead of JSON", site=site)
    if not text.startswith((b"{", b"[")):
        raise SourceChanged(f"{site} answered with something that is not JSON: {_start(text)}", site=site)
    try:
        # Numbers stay as they are written: a float would round them, and int() refuses very long ones.
        return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_members)
    except UnicodeDecodeError as error:
        raise SourceUnavailable(f"{site} answered with a body that is no UTF-8: {error}", site=site) from error
    except (ValueError, RecursionError) as error:
        raise SourceUnavailable(f"{site} answered with JSON that is cut off or garbled: {error}", site=site) from error


class Contradiction(tuple[Any, ...]):
    """The values of a key that one object has more than once, and differently: nobody can say which is right."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        members.clear()
        for key, value in pairs:
            both = key in members and (type(members[key]) is not type(value) or members[key] != value)
            members[key] = Contradiction((members[key], value)) if both else value
    return members


def _start(text: bytes) -> str:
    return repr(text[:60].decode("utf-8", "replace"))


def json_object(body: bytes, *, site: str) -> Mapping[str, Any]:
    """The body as a JSON object; errors as ``json_body``."""
    document = json_body(body, site=site)
    if not isinstance(document, dict):
        raise SourceChanged(f"{site} answered with a list where an object is expected", site=site)
    return document


def json_list(body: bytes, *, site: str) -> list[Any]:
    """The body as a JSON list; errors as ``json_body``. An empty one is NoData."""
    document = json_body(body, site=site)
    if not isinstance(document, list):
        raise SourceChanged(f"{site} answered with an object where a list is expected", site=site)
    if not document:
        raise NoData(f"{site} answered with an empty list", site=site)
    return document


def list_of(document: Mapping[str, Any], key: str, *, site: str) -> list[Any]:
    """A list inside the reply, by its key; SourceChanged names it when it is missing or no list."""
    value = document.get(key)
    if not isinstance(value, list):
        raise SourceChanged(f"the reply of {site} has no list {key}", site=site, column=key)
    return value


def tables_of(document: Mapping[str, Any], *, site: str) -> list[Mapping[str, Any]]:
    """TPEx's tables, without empty ones. SourceChanged when there is none, or when one of them is no table."""
    tables = list_of(document, "tables", site=site)
    if not any(tables) or not all(isinstance(table, dict) for table in tables):
        raise SourceChanged(f"the reply of {site} has no table, or something among them that is none", site=site)
    return [table for table in tables if table]


def require_count(said: object, lines: Sequence[object], *, site: str) -> None:
    """Raise SourceUnavailable when the reply says that it has more rows than came: some were lost on the way."""
    if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) < 10 and len(lines) < int(said):
        raise SourceUnavailable(f"the reply of {site} has {len(lines)} rows and says that it has {said}", site=site)


def require_ok(document: Mapping[str, Any], *, site: str, asked: date) -> None:
    """Go on only when ``stat`` says ok.

    ``asked`` is the last day of what was asked for: 查詢日期小於… ("before the first day we have") is NoData only
    when that is true of it, as the site also says so when it is out of order.
    """
    stat = document.get("stat")
    if not isinstance(stat, str):
        raise SourceChanged(f"the reply of {site} has no stat", site=site, column="stat")
    if stat.strip().lower() == "ok":
        return
    if "沒有符合條件" in stat or "查無資料" in stat:
        raise NoData(f"{site} has no data for {asked}", site=site)
    if "大於今日" in stat:  # "after today"; sites are known to say it of past days while out of order: try again later
        raise NotYetPublished(f"{site} has not published {asked} yet: {stat}", site=site)
    if early := _TOO_EARLY.search(stat):
        if asked < body_date(early[1], site=site, roc=True):
            raise NoData(f"{site} has no data before {early[1]}", site=site)
        raise SourceUnavailable(f"{site} refuses {asked}, which it should have: {stat}", site=site)
    raise SourceChanged(f"{site} answered with an unknown stat: {stat[:200]}", site=site)


def title_date(title: str) -> str | None:
    """The day that a table's title begins with (``112年01月30日 …``), as it stands there."""
    found = _TITLE_DATE.match(title)
    return found[1] if found else None


def body_date(text: object, *, site: str, roc: bool = False) -> date:
    """A date in the envelope of the reply; SourceChanged when there is none."""
    try:
        return (roc_date if roc else gregorian_date)(str(text))
    except InvalidRow as error:
        raise SourceChanged(f"the date of the reply of {site} cannot be read: {error}", site=site) from error


def require_date(found: date, asked: date, *, site: str) -> None:
    """Raise WrongDate unless the reply is for the day asked for: some addresses ignore their date parameter."""
    if found != asked:
        message = f"{site} was asked for {asked} and answered for {found}"
        raise WrongDate(message, site=site, asked=asked, found=found, rule="date-echo")
