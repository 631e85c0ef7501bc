"""The text of one cell → its value: dates, numbers, prices, marks of absence. Pure; the same for every venue.

A cell that cannot be read raises InvalidRow with the id of the rule that it breaks, so that its row is quarantined;
it is never guessed at. Absence is None, never zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache

import numpy as np

from app.errors import InvalidRow, SourceChanged
from app.market.bar import MAX_PRICE
from app.market.bar_table import Ints, column

MAX_INTEGER = 2**63 - 1
"""The largest count the store can hold."""
UNREADABLE = "unreadable-cell"

_ABSENT = frozenset({"", "-", "--", "---", "----"})  # MIS has one stroke, TWSE two, TPEx three or four
_COUNT = re.compile(r"(?:[0-9]{1,3}+(?:,[0-9]{3}+)*+|[0-9]++)")
_COUNTS = re.compile(rf"(?:{_COUNT.pattern}\n)*+")
_PRICES = re.compile(rf"(?:{_COUNT.pattern}\.[0-9]{{2}}+\n)*+")
_MARKS = str.maketrans("", "", ",.")
_INTEGER = re.compile(r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?")
_ROC_DATE = re.compile(
    r"([0-9]{2,3})(?:/([0-9]{1,2})/([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})日|([0-9]{2})([0-9]{2}))"
)
_GREGORIAN_DATE = re.compile(r"([0-9]{4})(?:/([0-9]{1,2})/([0-9]{1,2})|-([0-9]{2})-([0-9]{2})|([0-9]{2})([0-9]{2}))")
_TAG = re.compile(r"<[^<>]*>")
_NO_WORDS = re.compile("[\ufffd<>\x00-\x1f\x7f]")
_NOT_COMPARABLE = frozenset({"除息", "除權", "除權息"})
_ROC_EPOCH = 1911
_YEARS = range(1900, 2200)
"""A date outside of these is a slip, and the earliest ones cannot even be told in another time zone."""
MAX_WORDS = 200
_PLACES = 4
"""Decimals that are kept: of a price, and of a ratio."""


def absent(text: str) -> bool:
    """Whether the cell says that there is no value."""
    return text.strip() in _ABSENT


def unreadable(text: str, what: str) -> InvalidRow:
    """The error for a cell that is not what its column promises."""
    return InvalidRow(f"{text[:80]!r} is not {what}", rule=UNREADABLE)


def roc_date(text: str) -> date:
    """``112/01/30``, ``1150929`` or ``113年03月04日`` as a date; a trailing star (old TPEx data) is ignored."""
    return _date(_ROC_DATE, text, _ROC_EPOCH, "a date of the Republic's calendar")


def gregorian_date(text: str) -> date:
    """``20230130``, ``2023-01-30`` or ``2023/01/30`` as a date."""
    return _date(_GREGORIAN_DATE, text, 0, "a date")


def _date(pattern: re.Pattern[str], text: str, epoch: int, what: str) -> date:
    found = pattern.fullmatch(text.strip().rstrip("*＊").rstrip())
    if found is None:
        raise unreadable(text, what)
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        found_date = date(year + epoch, month, day)
    except ValueError:
        raise unreadable(text, what) from None
    if found_date.year not in _YEARS:
        raise unreadable(text, what)
    return found_date


def integer(text: str, *, times: int = 1) -> int | None:
    """``1,234`` times ``times`` (shares in a lot, say), or None where absent.

    Rules: negative-value, value-too-large.
    """
    if len(text) < len("1,000,000,000") and _COUNT.fullmatch(text):  # as nearly every cell is
        return int(text.replace(",", "")) * times
    bare = text.strip()
    if absent(bare):
        return None
    if _INTEGER.fullmatch(bare) is None or len(bare) > 40:
        raise unreadable(text, "a whole number")
    value = int(bare.replace(",", "")) * times
    if bare.startswith("-"):  # -0 too
        raise InvalidRow(f"{bare} is negative", rule="negative-value")
    if value > MAX_INTEGER:
        raise InvalidRow(f"{bare} is more than the store can hold", rule="value-too-large")
    return value


def integers(texts: Sequence[str]) -> Ints:
    """``integer`` of each of a column's cells: one look at them all takes a tenth of the time."""
    joined = "\n".join(texts) + "\n"
    if max(map(len, texts), default=0) <= len("999999999999999999") and _COUNTS.fullmatch(joined):
        found = np.fromstring(joined.replace(",", ""), np.int64, sep="\n")
        if len(found) == len(texts):
            return found
    return column(list(map(integer, texts)))


def prices(texts: Sequence[str]) -> Ints:
    """``price`` of each of a column's cells: one look at them all, where they have two decimals as nearly always."""
    joined = "\n".join(texts) + "\n"
    if max(map(len, texts), default=0) <= len("999,999.99") and _PRICES.fullmatch(joined):
        found = 100 * np.fromstring(joined.translate(_MARKS), np.int64, sep="\n")
        if len(found) == len(texts) and (found > 0).all() and (found <= MAX_PRICE).all():
            return found
    return column(list(map(price, texts)))


def signed_integer(text: str) -> int | None:
    """``-1,234``, or None where absent. Rule: value-too-large."""
    bare = text.strip()
    if absent(bare):
        return None
    if _INTEGER.fullmatch(bare) is None or len(bare) > 40:
        raise unreadable(text, "a whole number")
    value = int(bare.replace(",", ""))
    if abs(value) > MAX_INTEGER:
        raise InvalidRow(f"{bare} is more than the store can hold", rule="value-too-large")
    return value


def ratio(text: str, *, percent: bool = False) -> int | None:
    """A ratio, or one in percent, in 1/10,000; None where absent (``N/A`` too). Rules: as ``integer``.

    Exact: more decimals than that are unreadable, but for zeros.
    """
    bare = text.strip()
    if absent(bare) or bare == "N/A":
        return None
    if _DECIMAL.fullmatch(bare) is None or len(bare) > 40 or bare.startswith("+"):
        raise unreadable(text, "a ratio")
    if bare.startswith("-"):
        raise InvalidRow(f"{bare} is negative", rule="negative-value")
    places = _PLACES - 2 if percent else _PLACES
    whole, _, decimals = bare.replace(",", "").partition(".")
    decimals = decimals.rstrip("0")
    if len(decimals) > places:
        raise unreadable(text, f"a ratio of at most {places} decimals")
    value = int(whole + decimals.ljust(places, "0"))
    if value > MAX_INTEGER:
        raise InvalidRow(f"{bare} is more than the store can hold", rule="value-too-large")
    return value


@lru_cache(maxsize=1 << 16)  # ticks make prices few: of a market's day half are written as others are
def price(text: str) -> int | None:
    """TWD as 1/10,000 TWD, or None where absent. Rules: zero-price, negative-value, price-too-large."""
    if absent(text):
        return None
    if text.lstrip().startswith("+"):
        raise unreadable(text, "a price, which has no sign")
    value = _scaled(text)
    if value == 0:
        raise InvalidRow(f"a price of {text.strip()} is none", rule="zero-price")
    if value < 0:
        raise InvalidRow(f"a price of {text.strip()} is negative", rule="negative-value")
    return value


@lru_cache(maxsize=1 << 16)
def change(text: str) -> int | None:
    """A signed change in 1/10,000 TWD; None for absence and where nothing can be compared (``X0.00``, 除息, 除權息)."""
    bare = text.strip()
    if absent(bare) or bare in _NOT_COMPARABLE:
        return None
    if bare.startswith("X"):
        _scaled(bare[1:])  # what follows the mark must still be a number: 0.00
        return None
    return _scaled(bare)


@lru_cache(maxsize=1 << 16)
def signed_change(sign: str, magnitude: str) -> int | None:
    """MI_INDEX's change: a cell of HTML that holds ``+``, ``-``, ``X`` or nothing, and a magnitude without sign."""
    mark = without_tags(sign)
    if mark == "X":
        return change("X" + magnitude)
    value = change(magnitude)
    if mark not in ("", "+", "-"):
        raise unreadable(sign, "a sign")
    if value is None:
        return None
    if magnitude.strip()[:1] in ("+", "-") or (value and not mark):
        raise unreadable(sign + magnitude, "a sign and a magnitude")
    return -value if mark == "-" else value


def _scaled(text: str) -> int:
    bare = text.strip()
    if _DECIMAL.fullmatch(bare) is None or len(bare) > 40:
        raise unreadable(text, "a price")
    whole, _, decimals = bare.replace(",", "").partition(".")
    decimals = decimals.rstrip("0")
    if len(decimals) > _PLACES:
        raise unreadable(text, "a price of at most four decimals")
    value = int(whole + decimals.ljust(_PLACES, "0"))
    if abs(value) > MAX_PRICE:
        raise InvalidRow(f"{bare} TWD is more than the store can hold", rule="price-too-large")
    return value


def without_tags(text: str) -> str:
    """The text of a cell of HTML, stripped."""
    return _TAG.sub("", text).strip()


def name(text: str) -> str:
    """A name without the blanks (full-width ones too) that pad it; an empty or undecodable one breaks its row."""
    bare = words(text)
    if not bare:
        raise unreadable(text, "a name")
    return bare


def words(text: str, *, longest: int = MAX_WORDS) -> str:
    """Text without the blanks around it.

    One that lost a character on its way, holds pieces of markup or is as long as a page breaks its row.
    """
    bare = text.strip()
    if len(bare) > longest or _NO_WORDS.search(bare):
        raise unreadable(text, "a text")
    return bare


def field_name(field: object) -> str:
    """A column's name without the white space that some of them carry inside (``日 期``, ``次日 漲停價``)."""
    return "".join(str(field).split())


def columns(fields: Iterable[object], required: Iterable[str], *, site: str | None = None) -> Mapping[str, int]:
    """Where each column stands, by name. Order and added columns do not matter.

    Raises SourceChanged, naming the column, when a required one is missing or is there twice.
    """
    places: dict[str, int] = {}
    twice: set[str] = set()
    for place, field in enumerate(fields):
        key = field_name(field)
        if key in places:
            twice.add(key)
        places.setdefault(key, place)
    for key in required:
        if key not in places:
            known = "、".join(places)[:500] or "none"
            raise SourceChanged(f"the reply has no column {key}; its columns are {known}", site=site, column=key)
        if key in twice:
            raise SourceChanged(f"the reply has the column {key} twice", site=site, column=key)
    return places
