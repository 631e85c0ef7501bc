"""How the exchanges write dates, numbers and absence."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from app.errors import InvalidParameter

_LAST_YEAR = 2200


def plain(price: int | None, *, absent: str) -> str:
    """1/10,000 TWD with two decimals, no separators: ``1030.00``."""
    if price is None:
        return absent
    whole, rest = divmod(abs(price), 10_000)
    return f"{'-' if price < 0 else ''}{whole}.{rest // 100:02d}"


def grouped(price: int | None, *, absent: str) -> str:
    """1/10,000 TWD with two decimals and separators: ``1,030.00``."""
    if price is None:
        return absent
    whole, rest = divmod(abs(price), 10_000)
    return f"{'-' if price < 0 else ''}{whole:,}.{rest // 100:02d}"


def count(number: int | None, *, absent: str) -> str:
    """A whole number with separators: ``1,234``."""
    return absent if number is None else f"{number:,}"


def digits(number: int | None, *, absent: str) -> str:
    """A whole number without separators."""
    return absent if number is None else str(number)


def roc_slashes(day: date) -> str:
    """``113/11/01``."""
    return f"{day.year - 1911}/{day.month:02d}/{day.day:02d}"


def roc_compact(day: date) -> str:
    """``1131101``."""
    return f"{day.year - 1911}{day.month:02d}{day.day:02d}"


def roc_words(day: date) -> str:
    """``113年11月01日``."""
    return f"{day.year - 1911}年{day.month:02d}月{day.day:02d}日"


def compact(day: date) -> str:
    """``20241101``."""
    return f"{day:%Y%m%d}"


def padded(name: str, width: int = 16) -> str:
    """A name filled with spaces to *width* columns, of which a Chinese character takes two."""
    return name + " " * max(0, width - len(name.encode("big5", "replace")))


def read_date(text: str) -> date:
    """A date in any form that the sites take: ``20241101``, ``2024/11/01``, ``2024-11-01``, ``113/11/01``."""
    parts = text.replace("-", "/").split("/")
    try:
        year, month, day = (
            (int(text[:-4]), int(text[-4:-2]), int(text[-2:])) if len(parts) == 1 else (int(part) for part in parts)
        )
        found = date(year if year > 1911 else year + 1911, month, day)
    except ValueError as error:
        raise InvalidParameter(f"{text!r} is no date.") from error
    if found.year > _LAST_YEAR:
        raise InvalidParameter(f"{text!r} is too far away.")
    return found


def to_json(value: Any) -> bytes:
    """Compact JSON as the sites write it: Chinese verbatim, ``</`` escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\u002f").encode()
