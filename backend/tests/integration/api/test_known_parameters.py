"""A parameter that an endpoint does not have is refused with a sentence, by every endpoint that there is."""

from __future__ import annotations

import re

import pytest

from app.core.config import get_settings
from app.core.wiring import Platform
from app.main import create_app
from tests.integration.api.conftest import Web


def asked() -> dict[str, set[str]]:
    """Every address that programs may get, as the documentation has it, with the names of its query."""
    paths = create_app(get_settings()).openapi()["paths"]
    return {
        path: {one["name"] for one in at["get"].get("parameters", ()) if one["in"] == "query"}
        for path, at in paths.items()
        if path.startswith("/api/") and "get" in at
    }


def test_every_endpoint_refuses_what_it_does_not_know_and_takes_what_it_documents(platform: Platform, web: Web) -> None:
    endpoints = asked()
    assert len(endpoints) > 25
    for path, names in endpoints.items():
        here = re.sub(r"\{\w+\}", "1", path)
        wrong = web.get(here, params={**dict.fromkeys(names, "1"), "zzzz": "1"})
        assert (wrong.status_code, wrong.json()["error"]) == (422, "InvalidParameter"), path
        assert wrong.json()["message"].startswith("There is no parameter 'zzzz' here; there are "), path
        known = web.get(here, params=dict.fromkeys(names, "1"))
        assert "There is no parameter" not in known.text, path


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "/api/v1/bars?symbols=2330&strat=2026-01-01",
            "There is no parameter 'strat' here: do you mean start; there are ",
        ),
        (
            "/api/v1/bars/2330?adjust=back",
            "There is no parameter 'adjust' here: do you mean adjusted; there are start, ",
        ),
        ("/api/v1/actions?As_Of=2026-01-01", "There is no parameter 'As_Of' here: do you mean as_of; there are "),
        ("/api/v1/securities/2330?as_of=2026-01-01", "There is no parameter 'as_of' here; there are none."),
    ],
)
def test_the_sentence_names_the_nearest(seeded: Platform, web: Web, path: str, sentence: str) -> None:
    reply = web.get(path)
    assert reply.status_code == 422
    assert reply.json()["message"].startswith(sentence)


def test_pages_may_have_what_they_like(web: Web) -> None:
    assert web.get("/health/live?probe=1").status_code == 200
