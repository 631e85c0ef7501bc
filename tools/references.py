"""Write the reference pages that the code itself dictates: commands, tasks, errors. ``make docs`` runs it.

A page is a function here that returns Markdown; a test compares each file with what its function says now.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app import errors as errors_module
from app.api.errors import STATUS
from app.cli.lazily import COMMANDS, load
from app.core.celery_app import app
from app.core.config import Settings
from app.core.metrics import METRICS
from app.errors import RETRIABLE, QuantLabError
from app.ops.timings import in_words

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "docs/reference"
_NOTICE = "<!-- Written by tools/references.py (`make docs`): change the code, not this page. -->"
_PREFIX = "app.tasks."
_ABOUT_COMMANDS = """
`quantlab COMMAND --help` says the same. Exit codes: 0 done, 1 failed, 2 wrong usage; others stand with their command.
"""
_ABOUT_TASKS = """
Start one by `celery -A app.core.celery_app call app.tasks.NAME --kwargs '{…}'`, by `quantlab sync NAME`, or on the page
數據同步 (data sync). Parameters are checked before anything is done. A task that meets a fault which may pass is tried
again after a growing, random wait. Times are Taipei's; the defaults of schedules stand here, `quantlab schedule` shows
what holds on your platform.
"""
_ABOUT_SETTINGS = """
Each is an environment variable of that name. Below the environment comes what a running `quantlab up` says of itself,
the default last. `quantlab config` shows yours. A variable that begins with `QUANTLAB_` or `CELERYD_` and is none of
these is refused by name, by every program, before it does anything.
"""
_ABOUT_METRICS = """
`GET /metrics` serves these to Prometheus ([how](../howto/monitoring.md)). Tasks are named without `app.tasks.`.
"""
_ABOUT_PERFORMANCE = """
What `make bench ARGS=--keep` measured. Both sides of a ratio are measured in turn, in one run on one machine: **the
ratio is the claim**; what stands beside it depends on the machine and on who else uses it. What each benchmark does,
and how it is fair, stands in `benchmarks/README.md`. A bar that is missed is told here until it is met.
"""
_ABOUT_ERRORS = """
The API answers `{"error": type, "message": sentence}` with the status below, and `facts` where the sentence counts
something (`retry_after`, `site`); `error` is also `NotFound`, `MethodNotAllowed`, `HTTPError`, `UnknownHost`,
`TooLarge` or `Unexpected` where the web itself answers. A run that failed keeps type and sentence in the ledger.
*Tried again*: a task that meets it waits and tries again by itself.
"""


def commands() -> str:
    """Every command of ``quantlab``: what its ``--help`` says."""
    lines = [
        "# Commands",
        _NOTICE,
        _paragraphs(_ABOUT_COMMANDS),
    ]
    panels: dict[str, list[str]] = {}
    for name, entry in COMMANDS.items():
        panels.setdefault(entry.panel, []).append(name)
    for panel, names in panels.items():
        lines.append(f"## {panel}")
        for name in names:
            for path, command in _leaves(load(name), (name,)):
                lines += _command(path, command)
    return "\n\n".join(lines) + "\n"


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if not inner or command.invoke_without_command:
        yield path, command
    for name, one in (inner or {}).items():
        yield from _leaves(one, (*path, name))


def _command(path: tuple[str, ...], command: Any) -> list[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    context = command.make_context(" ".join(("quantlab", *path)), [], resilient_parsing=True)
    usage = command.get_usage(context).removeprefix("Usage: ").replace("{", "").replace("}", "")
    text = "\n\n".join(part for part in (command.help, command.epilog) if part)
    lines = [
        f"### quantlab {' '.join(path)}",
        f"`{' '.join(usage.split())}`",
        _escaped(text.replace("\f", "").strip()),
    ]
    rows = [(f"`{(one.metavar or one.name)}`", one.help, "") for one in arguments]
    rows += [(f"`{'`, `'.join([*one.opts, *one.secondary_opts])}`", one.help, _default(one)) for one in options]
    if rows:
        table = ["| Option | What | Default |", "|---|---|---|"]
        table += [f"| {name} | {_cell(text or '')} | {default} |" for name, text, default in rows]
        lines.append("\n".join(table))
    return lines


def _default(option: Any) -> str:
    value = option.default
    return "" if value in (None, False, (), "") or callable(value) else f"`{value}`"


def tasks() -> str:
    """Every Celery task: what it does, where it runs, its limits and its parameters."""
    app.loader.import_default_modules()
    lines = [
        "# Tasks",
        _NOTICE,
        _paragraphs(_ABOUT_TASKS),
    ]
    scheduled = [entry["task"] for entry in app.conf.beat_schedule.values()]
    names = sorted(name for name in app.tasks if name.startswith(_PREFIX))
    for name in [
        *dict.fromkeys(scheduled),
        *(name for name in names if name not in scheduled),
    ]:
        task = app.tasks[name]
        defaults = [entry["schedule"] for entry in app.conf.beat_schedule.values() if entry["task"] == name]
        facts = {
            "queue": f"`{app.conf.task_routes.get(name, {}).get('queue', app.conf.task_default_queue)}`",
            "schedule": "; ".join(in_words(timing) for timing in defaults) or "none",
            "soft time limit": f"{task.soft_time_limit} s" if task.soft_time_limit else "none",
            "hard time limit": f"{task.time_limit or app.conf.task_time_limit} s",
            "tries again at most": str(task.max_retries),
        }
        lines.append(f"## {name.removeprefix(_PREFIX)}")
        lines.append(_escaped(_paragraphs(task.__doc__ or "")))
        lines.append("\n".join(f"- {word}: {value}" for word, value in facts.items()))
        schema = task.parameters.model_json_schema()
        if properties := schema.get("properties"):
            defined = schema.get("$defs", {})
            table = ["| Parameter | Type | What | Default |", "|---|---|---|---|"]
            for parameter, one in properties.items():
                default = f"`{one['default']}`" if one.get("default") is not None else ""
                table.append(
                    f"| `{parameter}` | {_type(one, defined)} | {_cell(one.get('description', ''))} | {default} |"
                )
            lines.append("\n".join(table))
    return "\n\n".join(lines) + "\n"


def _type(schema: dict[str, Any], defined: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _type(defined[schema["$ref"].rpartition("/")[2]], defined)
    if "anyOf" in schema:
        return " or ".join(_type(one, defined) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return "one of " + ", ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), defined)}"
    form = {"date": "date", "date-time": "instant"}.get(schema.get("format", ""))
    return form or {
        "string": "text",
        "integer": "whole number",
        "boolean": "true or false",
    }.get(schema.get("type", ""), schema.get("type", "any"))


def errors() -> str:
    """Every error type: what it means, what it is a kind of, and the status code of the API."""
    lines = [
        "# Errors",
        _NOTICE,
        _paragraphs(_ABOUT_ERRORS),
    ]
    table = ["| Type | Is a | Status | Tried again | Means |", "|---|---|---|---|---|"]
    for kind in _kinds(QuantLabError):
        if kind.__module__ != errors_module.__name__:
            continue
        parent = kind.__mro__[1].__name__ if kind is not QuantLabError else ""
        again = "yes" if issubclass(kind, RETRIABLE) else ""
        means = _cell((kind.__doc__ or "").strip().split("\n\n")[0])
        status = next(code for one, code in STATUS if issubclass(kind, one))
        table.append(f"| `{kind.__name__}` | {f'`{parent}`' if parent else ''} | {status} | {again} | {means} |")
    lines.append("\n".join(table))
    return "\n\n".join(lines) + "\n"


def settings() -> str:
    """Every setting."""
    table = ["| Setting | Default | What |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        # A factory's value is of this machine.
        said = "" if default is None or default == "" or field.default_factory else f"`{default}`"
        table.append(f"| `{name.upper()}` | {said} | {_cell(field.description or '')} |")
    return "\n\n".join(["# Settings", _NOTICE, _paragraphs(_ABOUT_SETTINGS), "\n".join(table)]) + "\n"


def metrics() -> str:
    """Every metric of ``/metrics``."""
    table = ["| Metric | Kind | Labels | Says |", "|---|---|---|---|"]
    for name, one in METRICS.items():
        table.append(
            f"| `{name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {_cell(one.help)} |"
        )
    return "\n\n".join(["# Metrics", _NOTICE, _paragraphs(_ABOUT_METRICS), "\n".join(table)]) + "\n"


def _kinds(kind: type) -> Iterator[type]:
    yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def _escaped(text: str) -> str:
    """What is no code keeps its angle brackets, which Markdown would take for HTML."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def performance() -> str:
    """The claims that were kept, each beside its bar."""
    lines = ["# Performance", _NOTICE, _ABOUT_PERFORMANCE.strip()]
    kept = json.loads((PROJECT / "benchmarks/kept.json").read_text(encoding="utf-8"))
    for name, entry in kept.items():
        rows = [
            f"| {one['name']} | {one['beside']} | {one['ours']} | {one['value']:,} | {one['bar']} | "
            f"{'met' if one['met'] else '**missed**'} |"
            for one in entry["claims"]
        ]
        if rows:
            head = ["| What ÷ what | Beside | Ours | Value | Bar | |", "|---|---|---|---|---|---|"]
            lines += [f"## {name}", "\n".join(head + rows), f"{entry['day']}, {entry['machine']}."]
    if not kept:
        lines.append("**No values are kept yet**: `make bench ARGS=--keep`, then `make docs`.")
    return "\n\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "commands": commands,
    "tasks": tasks,
    "errors": errors,
    "metrics": metrics,
    "settings": settings,
    "performance": performance,
}


def main() -> None:
    """Write each page whose text changed."""
    for name, page in PAGES.items():
        file, text = FOLDER / f"{name}.md", page()
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
