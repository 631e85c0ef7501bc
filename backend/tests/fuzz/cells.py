"""What a cell says, read a second time: written from the exchanges' formats, without the code under test.

Each gives a value, None where the cell says that there is none, or BAD where nobody could say.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo


class Bad:
    def __repr__(self) -> str:
        return "BAD"


BAD: Any = Bad()
LEFT_OUT: Any = "left out"
"""Of warrants and of placeholders for unknown symbols: neither stored nor rejected."""
MARKS = frozenset({"", "-", "--", "---", "----"})
_PLAIN = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?")
_TAIPEI = ZoneInfo("Asia/Taipei")
_LARGEST_PRICE = 2**31 - 1
_LARGEST_COUNT = 2**63 - 1


def text_of(cell: Any) -> Any:
    """The cell's text; only text, null and a number (kept as it is written) are cells at all."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else BAD


def amount(text: Any) -> Any:
    """An unsigned number as a Decimal."""
    if text is BAD:
        return BAD
    bare = text.strip()
    if bare in MARKS:
        return None
    if len(bare) > 40 or not _PLAIN.fullmatch(bare):
        return BAD
    return Decimal(bare.replace(",", ""))


def whole(text: Any, times: int = 1) -> Any:
    value = amount(text)
    if value is BAD or value is None:
        return value
    if value != value.to_integral_value() or "." in text or value * times > _LARGEST_COUNT:
        return BAD
    return int(value) * times


def price(text: Any) -> Any:
    value = amount(text)
    if value is BAD or value is None:
        return value
    scaled = value * 10_000
    return int(scaled) if scaled == int(scaled) and 0 < scaled <= _LARGEST_PRICE else BAD


def change(text: Any) -> Any:
    if text is BAD:
        return BAD
    bare = text.strip()
    if bare in MARKS or bare in ("除息", "除權", "除權息"):
        return None
    if bare.startswith("X"):
        return None if _magnitude(bare[1:].strip()) is not BAD else BAD
    return _magnitude(bare)


def _magnitude(bare: str) -> Any:
    sign = -1 if bare.startswith("-") else 1
    value = amount(bare[1:] if bare[:1] in ("+", "-") else bare)
    if value is BAD or value is None:
        return BAD
    scaled = value * 10_000
    return sign * int(scaled) if scaled == int(scaled) and scaled <= _LARGEST_PRICE else BAD


def marked_change(mark: Any, magnitude: Any) -> Any:
    """TWSE's sign in a cell of HTML, and a magnitude in another."""
    if mark is BAD or magnitude is BAD:
        return BAD
    sign = re.sub(r"<[^<>]*>", "", mark).strip()
    value = change("X" + magnitude) if sign == "X" else change(magnitude)
    if value is BAD or sign not in ("", "+", "-", "X"):
        return BAD
    if value is None:
        return None
    return BAD if value < 0 or (value and not sign) else -value if sign == "-" else value


def words(text: Any, longest: int = 200) -> Any:
    """A name: some text without anything that was lost on the way."""
    bare = text if text is BAD else text.strip()
    return bare if bare is not BAD and bare and len(bare) <= longest and is_whole(bare) else BAD


def is_whole(text: str) -> bool:
    return not any(one in "\0\ufffd" or "\ud800" <= one <= "\udfff" for one in text)


def roc_day(text: Any) -> Any:
    patterns = (r"(\d{2,3})/(\d{1,2})/(\d{1,2})", r"(\d{2,3})(\d\d)(\d\d)", r"(\d{2,3})年(\d{1,2})月(\d{1,2})日")
    return _day(text, patterns, 1911)


def day(text: Any) -> Any:
    patterns = (r"(\d{4})(\d\d)(\d\d)", r"(\d{4})-(\d\d)-(\d\d)", r"(\d{4})/(\d{1,2})/(\d{1,2})")
    return _day(text, patterns, 0)


def _day(text: Any, patterns: tuple[str, ...], epoch: int) -> Any:
    if not isinstance(text, str) or (not text.strip().rstrip("*＊").isascii() and "年" not in text):
        return BAD
    for pattern in patterns:
        if found := re.fullmatch(pattern, text.strip().rstrip("*＊").strip(), re.ASCII):
            try:
                return date(int(found[1]) + epoch, int(found[2]), int(found[3]))
            except ValueError:
                return BAD
    return BAD


def instant(on: Any, at: Any) -> Any:
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)", at.strip(), re.ASCII) if at is not BAD else None
    when = day(on)
    if found is None or when is BAD:
        return BAD
    try:
        return datetime.combine(when, time(*map(int, found.groups())), _TAIPEI)
    except ValueError:
        return BAD


def symbol(text: Any) -> Any:
    bare = text if text is BAD else text.strip()
    return bare if bare is not BAD and re.fullmatch(r"[0-9A-Z]{4,6}", bare) else BAD


def is_warrant(code: Any) -> bool:
    return code is not BAD and bool(re.fullmatch(r"(0[3-8]|7[0-3])[0-9]{3}[0-9A-Z]", code))


def lot(code: str) -> int:
    return 100 if re.fullmatch(r"00[0-9]{3}[CK]", code) else 1_000


def shares(code: str, text: Any) -> Any:
    return whole(text)


def lots(code: str, text: Any) -> Any:
    return whole(text, lot(code))


def net(code: str, text: Any) -> Any:
    """A whole number with or without a minus."""
    if text is BAD:
        return BAD
    bare = text.strip()
    value = whole(bare[1:]) if bare[:1] == "-" and bare not in MARKS else whole(bare)
    return -value if isinstance(value, int) and bare[:1] == "-" else value


def ratio(code: str, text: Any) -> Any:
    return _scaled(text, 10_000)


def percent(code: str, text: Any) -> Any:
    return _scaled(text, 100)


def level(code: str, text: Any) -> Any:
    value = _scaled(text, 10_000)
    return BAD if value == 0 else value


def _scaled(text: Any, times: int) -> Any:
    value = None if text is not BAD and text.strip() == "N/A" else amount(text)
    if value is BAD or value is None:
        return value
    scaled = value * times
    return int(scaled) if scaled == int(scaled) and scaled <= _LARGEST_COUNT else BAD


def points(code: str, text: Any) -> Any:
    return change(text)


def marked_points(code: str, mark: Any, magnitude: Any) -> Any:
    return marked_change(mark, magnitude)
