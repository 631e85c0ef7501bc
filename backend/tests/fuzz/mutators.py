"""Ways to spoil a reply. Each takes a ``random.Random``, so that a case's number gives the same reply for ever."""

# The lists of texts are long lines on purpose: one a line would be pages.
# ruff: noqa: E501

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.sheet import ABSENT, Heading, Literal, Sheet

GridMutator = Callable[[Sheet, Random], None]
DocumentMutator = Callable[[Any, Random], Any]
BytesMutator = Callable[[bytes, Random], bytes]

HUGE = 10_000_000
"""Characters of the hugest cell."""
TEXTS = (
    "", " ", "-", "--", "---", "----", "-----", "－", "—", "除權息", "除息 ", "除權", "X0.00", "X", "nan", "NaN", "Infinity",
    "-inf", "None", "null", "0", "-0", "+0", "0.00", "00", "-1", "-0.01", "+1.00", "++1", "1e5", "1E400", "0x10", "1_000",
    "1,23,456", "1.234,56", "1 000", "12,34", ",123", "1,234,", ".5", "5.", "1.23456", "1.00000", "１２３", "١٢٣", "½", "²",
    "五", "1\u00a0000", "\u200b12", "\ufeff7", "9" * 19, "9" * 39, "9" * 5000, "-" * 5000, "0" * 41, "214748.3647",
    "214748.3648", "2147483648", "9223372036854775807", "9223372036854775808", "=1+1", "'; DROP TABLE bars; --",
    "<script>", "<p>+</p>", "<p>-</p>", "<p>X</p>", "<p> </p>", "<", "&nbsp;", "a\0b", "\0", "\ud800", "台\udc00積", "台\ufffd",
    "\u202e12", "😀", "2330", "0050", "030012", "70001P", "2330.TW", "００５０", "2330 ", "112/01/30", "1120130",
    "20230130", "2023-01-30", "2023/01/30", "112/13/01", "113/02/30", "000101", "00001231", "99991231", "10/01/01",
    "999/12/31", "113年11月01日", "13:30:00", "24:00:00", "13:30", "1330", "13:30:00Z", "13:30:00+05:00", "13:30:60",
    "13:30:00.5", "593.0000_594.0000_", "594.0000_593.0000_", "_", "__", "._", "0.0.0_", "-_-_", "1_2_3_", "tse", "otc",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 2**63, 5.5, 1e-7, 593.0, [], {}, [[]], ["2330"], {"z": "1"}, [None], ABSENT,
    Literal("NaN"), Literal("Infinity"), Literal("-Infinity"), Literal("1e400"), Literal("1E5"), Literal("9" * 5000),
    Literal("542.000000000000000001"), Literal("[" * 200 + "]" * 200), Literal("[" * 950 + "]" * 950), Literal('{"a":' * 200 + "1" + "}" * 200),
)  # fmt: skip


def cell_text(old: Any, random: Random) -> Any:
    """Another text for a cell: a damaged copy of the old one, or something from the list."""
    text = old if isinstance(old, str) else ""
    at = random.randrange(len(text) + 1)
    wide = text.translate({code: code + 0xFEE0 for code in range(0x30, 0x3A)})
    choices = [
        random.choice(TEXTS),
        random.choice(TEXTS),
        text[:at] + random.choice(TEXTS) + text[at:],
        text[:at] + random.choice("0123456789,.-+ X/:_") + text[at + 1 :],
        text[:at] + random.choice("0123456789") + text[at:],
        text[:at] + text[at + 1 :],
        text[::-1],
        text + text,
        text.lower(),
        f" \u3000{text}\t",
        text.replace(",", ""),
        text.replace(".", ""),
        text.replace(".", ","),
        "-" + text,
        "+" + text,
        wide,
        _other_year(text, random),
    ]
    return random.choice(choices)


def _other_year(text: str, random: Random) -> str:
    step = random.choice((-1911, -1, 1, 1911))
    return re.sub(r"^\d{2,4}(?=\D|\d{4}$)", lambda found: str(max(0, int(found[0]) + step)), text)


def _line(sheet: Sheet, random: Random) -> list[Any] | None:
    lines = [line for line in sheet.lines if isinstance(line, list) and line]
    return random.choice(lines) if lines else None


def one_cell(sheet: Sheet, random: Random) -> None:
    line = _line(sheet, random)
    if line:
        place = random.randrange(len(line))
        if sheet.shape != "page" and random.random() < 0.25:
            line[place] = random.choice(VALUES)
        else:
            line[place] = cell_text(line[place], random)


def huge_cell(sheet: Sheet, random: Random) -> None:
    line = _line(sheet, random)
    if line and random.random() < 0.02:
        line[random.randrange(len(line))] = random.choice("9-台<0 ") * (HUGE if random.random() < 0.2 else 300_000)


def swapped_cells(sheet: Sheet, random: Random) -> None:
    line = _line(sheet, random)
    if line:
        one, other = random.randrange(len(line)), random.randrange(len(line))
        line[one], line[other] = line[other], line[one]


def swapped_between_lines(sheet: Sheet, random: Random) -> None:
    one, other = _line(sheet, random), _line(sheet, random)
    if one and other:
        place = random.randrange(min(len(one), len(other)))
        one[place], other[place] = other[place], one[place]


def shifted_line(sheet: Sheet, random: Random) -> None:
    line = _line(sheet, random)
    if line:
        place = random.randrange(len(line))
        match random.randrange(5):
            case 0:
                del line[place]
            case 1:
                line.insert(place, cell_text("", random))
            case 2:
                line.insert(place, line[place])
                line.pop()
            case 3:
                line.append(line.pop(place))
            case _:
                del line[place:]


def other_line(sheet: Sheet, random: Random) -> None:
    """A line that is none."""
    if sheet.lines:
        junk: list[Any] = [None, "", "2330", 7, [], ["2330"], [[]], [None] * len(sheet.columns), Heading("")]
        if sheet.shape == "page":
            junk = [[], ["2330\u30007"], [""] * len(sheet.columns), Heading(""), Heading("股票"), Heading("新商品")]
        elif sheet.shape == "objects":
            junk = [None, "", 7, {}, {"c": ""}, {"": ""}, [""] * len(sheet.columns), {"Code": "2330"}]
        else:
            junk[-1] = {"證券代號": "2330"}
        sheet.lines[random.randrange(len(sheet.lines))] = random.choice(junk)


def lines_moved(sheet: Sheet, random: Random) -> None:
    lines = sheet.lines
    if not lines:
        return
    at = random.randrange(len(lines))
    copied = list(lines[at]) if isinstance(lines[at], list) else lines[at]
    match random.randrange(6):
        case 0:
            lines.insert(random.randrange(len(lines) + 1), copied)
        case 1:
            if isinstance(copied, list) and copied:
                place = random.randrange(len(copied))
                copied[place] = cell_text(copied[place], random)
            lines.insert(random.randrange(len(lines) + 1), copied)
        case 2:
            random.shuffle(lines)
        case 3:
            lines.reverse()
        case 4:
            lines.extend(copy.copy(copied) for _ in range(random.choice((1, 3, 50))))
        case _:
            del lines[at]


def columns_moved(sheet: Sheet, random: Random) -> None:
    """The header and the cells below it, together."""
    place = random.randrange(len(sheet.columns))
    full = [line for line in sheet.lines if isinstance(line, list) and len(line) == len(sheet.columns)]
    match random.randrange(4):
        case 0:
            for line in (sheet.columns, *full):
                line.append(line.pop(place))
        case 1:
            for line in (sheet.columns, *full):
                line.insert(0, line[place])
        case 2:
            for line in (sheet.columns, *full):
                del line[place]
        case _:
            sheet.columns.insert(place, random.choice(("新欄", "", "註記", "備註")))
            for line in full:
                line.insert(place, cell_text("", random))


def header_changed(sheet: Sheet, random: Random) -> None:
    """The header alone."""
    columns = sheet.columns
    place, other = random.randrange(len(columns)), random.randrange(len(columns))
    name = str(columns[place])
    match random.randrange(7):
        case 0:
            columns[place], columns[other] = columns[other], columns[place]
        case 1:
            columns[place] = f" {name[:1]} {name[1:]}\u3000"
        case 2:
            columns[place] = columns[other]
        case 3:
            columns[place] = random.choice(
                ("", "新欄", "证券代号", name + "(元)", name.upper(), name[1:], "收盤價", "Close")
            )
        case 4:
            del columns[place]
        case 5:
            columns.insert(place, random.choice(("新欄", name)))
        case _:
            columns[place] = random.choice((None, 7, [], name + "\ufffd", "a\0b")) if sheet.shape == "table" else ""


GRID: dict[str, tuple[GridMutator, int]] = {
    one.__name__: (one, weight)
    for one, weight in (
        (one_cell, 30), (huge_cell, 3), (swapped_cells, 8), (swapped_between_lines, 5), (shifted_line, 6), (other_line, 4),
        (lines_moved, 8), (columns_moved, 4), (header_changed, 5),
    )
}  # fmt: skip
LOCAL = frozenset({"one_cell", "huge_cell", "swapped_cells", "shifted_line", "other_line"})
"""They touch one line: all others must come through."""


def _places(node: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place, *(found for key, value in inner for found in _places(value, (*place, key)))]


def _outer_place(document: Any, random: Random) -> tuple[Any, ...]:
    """A place inside the document, one near its root more often than a cell."""
    places = [place for place in _places(document) if place]
    if not places:
        return ()
    nearest = [place for place in places if len(place) <= random.choice((1, 2, 3, 4))]
    return random.choice(nearest or places)


def _parent(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place[:-1]:
        document = document[key]
    return document


def value_replaced(document: Any, random: Random) -> Any:
    place = _outer_place(document, random)
    junk = [random.choice([one for one in VALUES if one is not ABSENT]), random.choice(TEXTS), "OK", "ok", [], {}, None]
    if not place or random.random() < 0.05:
        return random.choice(junk)
    parent = _parent(document, place)
    old = parent[place[-1]]
    if isinstance(old, str) and random.random() < 0.6:
        junk = [cell_text(old, random), _other_year(old, random)]
    elif isinstance(old, list | dict) and random.random() < 0.3:
        junk = [[old], {"0": old}, dict(enumerate(old)) if isinstance(old, list) else list(old.values()), old and None]
    parent[place[-1]] = random.choice(junk)
    return document


def stat_replaced(document: Any, random: Random) -> Any:
    stats = ("OK", "ok", " ok ", "OK\0", "很抱歉，沒有符合條件的資料!", "查詢日期大於今日，請重新查詢!", "查詢日期小於93年2月11日",
             "查詢日期小於999年99月99日，請重新查詢!", "查詢日期小於113年2月30日", "查詢日期小於113年2月11日", "", None, [],
             "系統維護中" * 10_000)  # fmt: skip
    if isinstance(document, dict):
        if "stat" in document:
            document["stat"] = random.choice(stats)
        else:
            document["rtcode"] = random.choice(("0000", "5000", 0, None, "0000 ", "9" * 50_000, [], ""))
            document["rtmessage"] = random.choice(("OK", "", "x" * 50_000, None))
    return document


def key_lost(document: Any, random: Random) -> Any:
    place = _outer_place(document, random)
    if place:
        del _parent(document, place)[place[-1]]
    return document


def part_repeated(document: Any, random: Random) -> Any:
    """A table or another member of a list twice, moved, or a key of an object under another name too."""
    places = [place for place in _places(document) if place and len(place) < 4]
    if places:
        place = random.choice(places)
        parent = _parent(document, place)
        if isinstance(parent, list):
            parent.insert(random.randrange(len(parent) + 1), parent[place[-1]])
        else:
            parent[random.choice(("x", "fields", "data", "fields2", "data2", "tables", "date"))] = parent[place[-1]]
    return document


def wrapped(document: Any, random: Random) -> Any:
    return random.choice(([document], {"data": document}, [[document]], {"stat": "OK", "tables": document}))


DOCUMENT: dict[str, tuple[DocumentMutator, int]] = {
    one.__name__: (one, weight)
    for one, weight in ((value_replaced, 10), (stat_replaced, 3), (key_lost, 5), (part_repeated, 3), (wrapped, 1))
}


def packed_json(document: Any, random: Random) -> bytes:
    """JSON in one of its spellings; a Literal goes in as it is."""
    literals: list[str] = []

    def literal(value: Any) -> str:
        if value is ABSENT:
            return ""
        assert isinstance(value, Literal), value
        literals.append(value.text)
        return f"@literal-{len(literals) - 1}@"

    plain = random.random() < 0.8
    try:
        text = json.dumps(document, ensure_ascii=not plain, default=literal, indent=None if plain else 1)
        text = re.sub(r'"@literal-(\d+)@"', lambda found: literals[int(found[1])], text)
        return text.encode("utf-8", "surrogatepass")
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the mutator made no JSON: {error}") from error


# --- bytes


def flipped(body: bytes, random: Random) -> bytes:
    spoilt = bytearray(body)
    for _ in range(random.choice((1, 1, 2, 8))):
        if spoilt:
            spoilt[random.randrange(len(spoilt))] ^= 1 << random.randrange(8)
    return bytes(spoilt)


def spliced(body: bytes, random: Random) -> bytes:
    at = random.randrange(len(body) + 1)
    return body[:at] + random.randbytes(random.randrange(5)) + body[at + random.randrange(5) :]


def block_moved(body: bytes, random: Random) -> bytes:
    """A stretch of bytes lost, doubled or zeroed, as by a bad proxy."""
    start = random.randrange(len(body) + 1)
    end = min(len(body), start + random.choice((1, 16, 100, 1460)))
    return body[:start] + random.choice((b"", body[start:end] * 2, bytes(end - start))) + body[end:]


def truncated(body: bytes, random: Random) -> bytes:
    return body[: random.randrange(len(body) + 1)]


def key_doubled(body: bytes, random: Random) -> bytes:
    found = list(re.finditer(rb'"([A-Za-z]+[0-9]*)":("[^"\\]*"|\[)?', body))
    if not found:
        return body
    one = random.choice(found)
    value = random.choice((b'"20230131"', b'"OK"', b'"2330"', b"null", b"[]", b'"1.00"', b'"ok"', b'"9999"'))
    pair = b'"' + one[1] + b'":' + value
    if random.random() < 0.5 or not one[2] or one[2] == b"[":
        return body[: one.start()] + pair + b"," + body[one.start() :]
    return body[: one.end()] + b"," + pair + body[one.end() :]


def recoded(body: bytes, random: Random) -> bytes:
    text = body.decode("utf-8", "replace")
    name = random.choice(("big5", "cp950", "utf-16", "utf-16-le", "utf-32", "utf-7", "latin-1", "utf-8-sig", "gbk"))
    if random.random() < 0.2:
        return body.decode("latin-1").encode()  # mojibake
    return text.encode(name, "replace")


def something_else(body: bytes, random: Random) -> bytes:
    """Not the reply at all, or not only."""
    deep = random.choice((1_000, 100_000))
    return random.choice((
        b"", b"null", b"[]", b"{}", b"[[]]", b'"ok"', b"\xef\xbb\xbf", b"\0" * 100, gzip.compress(body), gzip.compress(body)[:50],
        b"<html><head><title>THE PAGE CANNOT BE ACCESSED</title></head></html>", b"<!DOCTYPE html><html>" + body,
        body + b"<script>alert(1)</script>", b"for(;;);" + body, b"callback(" + body + b");", body + body, body + b"\n[]",
        b"[" * deep, b'{"a":' * deep, b"[" * deep + b"]" * deep, b"<b>" * deep, b"<table><tr><td>" * deep,
        b"<table><tr>" + b"<td>" * deep + b"</table>", b"\xff\xfe\0\0", b"\n" * 50_000 + body, body + b"\0", b"\0" + body,
        body.replace(b",", b",,", 1), body.replace(b'"', b"'"), body.replace(b"\n", b"\r\n"), body.upper(), body.lower(),
        b"HTTP/1.1 200 OK\r\n\r\n" + body, b"5a0\r\n" + body + b"\r\n0\r\n\r\n", body[::-1], random.randbytes(300),
    ))  # fmt: skip


BYTES: dict[str, tuple[BytesMutator, int]] = {
    one.__name__: (one, weight)
    for one, weight in (
        (flipped, 8), (spliced, 5), (block_moved, 4), (truncated, 3), (key_doubled, 4), (recoded, 2), (something_else, 4),
    )
}  # fmt: skip


def pick(table: dict[str, tuple[Any, int]], random: Random) -> str:
    return random.choices(list(table), [weight for _, weight in table.values()])[0]
