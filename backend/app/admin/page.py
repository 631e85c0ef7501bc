"""/admin: health, tasks with a button, recent runs. Rendered here; the script only swaps the parts in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.admin.view import build_view
from app.admin.words import WORDS
from app.core.config import Settings, get_settings
from app.core.version import VERSION
from app.core.wiring import Platform, get_platform, now
from app.errors import UnknownTask

router = APIRouter(include_in_schema=False)

_HERE = Path(__file__).parent
_STATIC = {path.name: path for path in (_HERE / "static").iterdir()}
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

Language = Literal["zh", "en"]
_Language = Annotated[Language, Query(alias="lang")]
_Platform = Annotated[Platform, Depends(get_platform)]
_Settings = Annotated[Settings, Depends(get_settings)]


@router.get("/admin")
def admin(platform: _Platform, settings: _Settings, lang: _Language = "zh") -> Response:
    """The whole page; it works without script too, for looking."""
    return _render("page.html", platform, settings, lang)


@router.get("/admin/parts")
def parts(platform: _Platform, settings: _Settings, lang: _Language = "zh") -> Response:
    """What changes: the script asks for it again and again, and swaps it in."""
    return _render("parts.html", platform, settings, lang)


@router.get("/admin/static/{name}")
def static(name: str, request: Request) -> Response:
    """The page's own files."""
    if name not in _STATIC:
        raise UnknownTask(f"There is no file {request.url.path}.")
    return FileResponse(_STATIC[name], headers={"Cache-Control": "no-cache"})


def _render(template: str, platform: Platform, settings: Settings, language: Language) -> Response:
    words = WORDS[language]
    text = _templates.get_template(template).render(
        t=words,
        language=language,
        prices=settings.prices,
        source=settings.quantlab_source,
        version=VERSION,
        view=build_view(platform, words, at=now()),
    )
    return Response(text, media_type="text/html", headers={"Cache-Control": "no-store"})
