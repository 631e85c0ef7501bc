"""The page of rules is the table in the code."""

from __future__ import annotations

import re

from app.market.quality import RULES
from tests.conftest import PROJECT


def test_the_page_lists_the_rules_as_they_are() -> None:
    page = (PROJECT / "docs/reference/quality-rules.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (\w+) \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(rule.id, rule.severity, rule.subject, rule.sentence) for rule in RULES.values()]
