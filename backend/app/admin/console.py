"""/admin: the console's page as tools/build_page.py built it. All that it shows comes from the REST interface."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from app.errors import ConfigurationError, UnknownTask

router = APIRouter(include_in_schema=False)

PAGE = Path(__file__).parent / "dist"

# As everywhere (app/api/guard.py), but for styles: Naive UI and the charts make <style> elements as they need them, and
# know no nonce. What an attacker could do with styles alone is little; scripts stay files of this host.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FOR_EVER = "public, max-age=31536000, immutable"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""As the build names files. Nothing else reaches the file system, which takes neither every length nor every letter."""
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))


@router.get("/admin/assets/{name}")
def asset(name: str, request: Request) -> Response:
    """A script, style or picture. Its name has its content's hash: whoever has it need never ask again."""
    path = PAGE / "assets" / name
    kind = _TYPES.get(path.suffix)
    if kind is None or not _NAME.fullmatch(name) or not path.is_file():
        raise UnknownTask(f"There is no file {request.url.path}.")
    headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    accepted = {word.split(";")[0].strip() for word in request.headers.get("accept-encoding", "").split(",")}
    for encoding, suffix in _ENCODINGS:
        packed = path.with_name(name + suffix)
        if encoding in accepted and packed.is_file():
            return FileResponse(packed, media_type=kind, headers={**headers, "Content-Encoding": encoding})
    return FileResponse(path, media_type=kind, headers=headers)


@router.get("/admin")
@router.get("/admin/{place:path}")
def page() -> Response:
    """The page, whatever the place in it: its own script finds that, so that each link works when it is opened anew."""
    index = PAGE / "index.html"
    if not index.is_file():
        raise ConfigurationError("The console's page has not been built: run `python3 tools/build_page.py`.")
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    return FileResponse(index, media_type="text/html", headers=headers)
