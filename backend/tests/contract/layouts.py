"""How a recording is taken apart and put together again, so that a contract can attack its columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Columns = list[str]
Lines = list[list[str]]
Attack = Callable[[Columns, Lines], tuple[Columns, Lines]]


def json_tables(body: bytes, attack: Attack) -> bytes:
    """Every table of a JSON object: ``fields`` and ``data``, or ``fields9`` and ``data9``."""
    document = json.loads(body)
    for holder, fields, data in _tables(document):
        holder[fields], holder[data] = attack(list(holder[fields]), [list(line) for line in holder[data]])
    return json.dumps(document, ensure_ascii=False).encode()


def _tables(document: Any) -> Iterator[tuple[dict[str, Any], str, str]]:
    if isinstance(document, dict):
        for key in [key for key in document if re.fullmatch(r"fields\d*", key)]:
            yield document, key, key.replace("fields", "data")
        for value in document.values():
            yield from _tables(value)
    elif isinstance(document, list):
        for value in document:
            yield from _tables(value)


def json_objects(body: bytes, attack: Attack) -> bytes:
    """A JSON list of objects."""
    return json.dumps(_attack_objects(json.loads(body), attack), ensure_ascii=False).encode()


def mis_objects(body: bytes, attack: Attack) -> bytes:
    """The ``msgArray`` of MIS."""
    document = json.loads(body)
    document["msgArray"] = _attack_objects(document["msgArray"], attack)
    return json.dumps(document, ensure_ascii=False).encode()


def data_objects(body: bytes, attack: Attack) -> bytes:
    """The ``data`` of FinMind."""
    document = json.loads(body)
    document["data"] = _attack_objects(document["data"], attack)
    return json.dumps(document, ensure_ascii=False).encode()


def _attack_objects(objects: list[dict[str, Any]], attack: Attack) -> list[dict[str, Any]]:
    keys = list(dict.fromkeys(key for one in objects for key in one))
    columns, lines = attack(keys, [[one.get(key, "-") for key in keys] for one in objects])
    return [dict(zip(columns, line, strict=True)) for line in lines]


def html_table(body: bytes, attack: Attack) -> bytes:
    """The rows of a page in MS950; single cells (headings of sections) stay where they are."""
    page = body.decode("cp950")
    rows = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    wide = [number for number, row in enumerate(cells) if len(row) > 1]
    columns, lines = attack(cells[wide[0]], [cells[number] for number in wide[1:]])
    built = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in (columns, *lines)]
    for number, row in zip(wide, built, strict=False):
        page = page.replace(rows[number], row)
    added = "".join(built[len(wide) :])
    return page.replace(built[len(wide) - 1], built[len(wide) - 1] + added).encode("cp950")
