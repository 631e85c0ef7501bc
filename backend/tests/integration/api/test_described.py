"""Everything that the API's own description allows, and what it does not: never a 5xx, and every reply as described.

`QUANTLAB_FUZZ=full` asks twenty times as much of each operation.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.core import workers
from app.core.config import get_settings
from app.core.wiring import Platform
from app.main import create_app
from tests.integration.api.served import Served, served

ADMIN = {"Authorization": "Bearer correct-horse-battery"}
EXAMPLES = 200 if os.environ.get("QUANTLAB_FUZZ") == "full" else 6
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

pytestmark = pytest.mark.timeout(3600 if EXAMPLES > 100 else 300)


@pytest.fixture
def web(seeded: Platform, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(workers, "ANSWER_WITHIN", 0.05)  # there is none, and nobody need wait for it
    monkeypatch.setenv("QUANTLAB_ALERTS", f"json://127.0.0.1:{free_port()}")
    get_settings.cache_clear()
    with served(free_port()) as web:
        yield web


def operations() -> list[Any]:
    """Every operation of the real application's description."""
    schema = schemathesis.openapi.from_dict(create_app(get_settings()).openapi())
    return [found.ok() for found in schema.get_all_operations()]


OPERATIONS = operations()


def test_the_description_is_complete() -> None:
    """Each operation says what it does, and with what it may fail; each parameter and field has a type."""
    described = create_app(get_settings()).openapi()
    lacking = []
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            if not one.get("summary") or not one.get("description") or not one.get("tags"):
                lacking.append(f"{method} {path}")
            if method != "get" and not {"401", "403", "503"} & set(one["responses"]):
                lacking.append(f"{method} {path}: no failures")
    assert lacking == []


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda one: one.value)
@pytest.mark.parametrize("who", ["admin", "nobody"])
def test_no_question_breaks_it(web: Served, who: str, mode: GenerationMode) -> None:
    """One test for all operations: a platform for each would take most of the time."""
    wrong: dict[str, str] = {}
    headers = ADMIN if who == "admin" else {}
    for operation in OPERATIONS:

        @settings(
            max_examples=EXAMPLES if who == "admin" else max(EXAMPLES // 5, 2),
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            reply = case.call(base_url=f"http://localhost:{web.port}", headers=headers, timeout=30)
            case.validate_response(reply, checks=CHECKS)

        try:
            ask()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, operation.label  # it takes nothing that could be wrong
        except BaseExceptionGroup as group:
            wrong[operation.label] = "; ".join(str(one)[:800] for one in group.exceptions)
        except Exception as error:
            wrong[operation.label] = str(error)[:1500]
    assert wrong == {}, "\n\n".join(f"{label}\n{said}" for label, said in wrong.items())
