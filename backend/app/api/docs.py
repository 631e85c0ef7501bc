"""The interactive documentation. Its script and style come from the package fastapi-offline, never from a CDN."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from app.api.guard import CONTENT_POLICY

router = APIRouter(include_in_schema=False)

_BUNDLE = Path(str(files("fastapi_offline"))) / "static"
_OWN = Path(__file__).with_name("static")
_FILES = {
    "swagger-ui-bundle.js": _BUNDLE,
    "swagger-ui.css": _BUNDLE,
    "docs.js": _OWN,
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>QuantLab API</title>
<link rel="icon" href="/admin/static/icon.svg">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/docs.js"></script>
</html>
"""


@router.get("/docs")
def docs() -> Response:
    """Swagger UI over /openapi.json."""
    # It writes style attributes; scripts stay ours alone.
    policy = CONTENT_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": policy})


def _serve(name: str, folder: Path) -> None:
    @router.get(f"/docs/{name}", name=name)
    def file() -> Response:
        return FileResponse(folder / name, headers={"Cache-Control": "max-age=86400"})


for _name, _folder in _FILES.items():
    _serve(_name, _folder)
