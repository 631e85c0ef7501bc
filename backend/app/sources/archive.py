"""The archive of raw replies: what the exchanges really said, compressed, so that it can be parsed again offline.

``<root>/<site>/<dataset>/<year>/<month>/<request>-<body>.gz`` is the body, ``….json`` beside it what is known of it;
both names are digests, so that the same answer to the same question is kept once a month, however often it comes; the
note then says when it came last: of several answers to one question that is the newest which the exchange gave last.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.errors import StoreError, StoreUnavailable
from app.sources import queries
from app.sources.base import Reply, Request, Site

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SECRETS = frozenset({"token", "key", "apikey", "api_key", "password", "secret"})


@dataclass(frozen=True, slots=True)
class Archived:
    """One reply in the archive: which dataset's it is, what was asked, and where the body lies."""

    dataset: str
    query: queries.Query
    request: Request
    content_type: str
    received_at: datetime
    """When it came first in that month."""
    last_received_at: datetime
    sha256: str
    path: Path

    def reply(self) -> Reply:
        """The reply as it came. Raises StoreError when the body is missing or not the one that was kept."""
        try:
            body = gzip.decompress(self.path.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise StoreError(f"The archived reply {self.path.name} cannot be read: {error}.") from error
        if hashlib.sha256(body).hexdigest() != self.sha256:
            raise StoreError(f"The archived reply {self.path.name} is damaged: its SHA-256 is another.")
        return Reply(self.request, body, self.content_type, self.received_at)


class Archive:
    """A folder of raw replies; made at the first one. Several processes may write to it at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, reply: Reply, *, dataset: str, query: object) -> Path:
        """Keep the reply; if the same one came already this month, only note that it came again. Gives the body's path.

        Raises StoreUnavailable when the disk is full, and StoreError when the folder cannot be written else.
        """
        request = reply.request
        params = [[name, "***" if name.lower() in _SECRETS else value] for name, value in request.params]
        asked = json.dumps([request.site, request.path, params])
        digest = hashlib.sha256(reply.body).hexdigest()
        received = reply.received_at.astimezone(UTC)
        folder = self._root / request.site / dataset / f"{received:%Y}" / f"{received:%m}"
        body_path = folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:12]}-{digest[:20]}.gz"
        facts_path = body_path.with_suffix(".json")
        facts = {
            "site": request.site,
            "path": request.path,
            "params": params,
            "dataset": dataset,
            **queries.to_json(query),
            "content_type": reply.content_type,
            "received_at": received.isoformat(),
            "last_received_at": received.isoformat(),
            "sha256": digest,
            "bytes": len(reply.body),
        }
        try:
            if (noted := _noted(facts_path, [])) and body_path.exists():
                facts["received_at"] = noted.received_at.isoformat()
                facts["last_received_at"] = max(received, noted.last_received_at).isoformat()
            else:  # or its note is damaged, and then the body may be, too
                folder.mkdir(parents=True, exist_ok=True)
                _write(body_path, gzip.compress(reply.body, compresslevel=6, mtime=0))
            _write(facts_path, json.dumps(facts, ensure_ascii=False, indent=1).encode())
        except OSError as error:
            # Room can be made while the run waits for its next try; everything else needs a person first.
            kind = StoreUnavailable if error.errno in _NO_ROOM else StoreError
            raise kind(
                f"The reply of {request.site} cannot be archived in {folder}: {error.strerror or error}; "
                "make room on that disk or let this user write there."
            ) from error
        return body_path

    def entries(
        self, *, site: Site | None = None, dataset: str | None = None, damaged: list[str] | None = None
    ) -> Iterator[Archived]:
        """What is kept, of one site or dataset if so wished, in the order in which it came last.

        A note that cannot be read is left out, and a sentence about it goes to *damaged*; StoreError without that.
        """
        pattern = f"{site or '*'}/{dataset or '*'}/*/*/*.json"
        found = [one for path in sorted(self._root.glob(pattern)) if (one := _noted(path, damaged))]
        yield from sorted(found, key=lambda one: (one.last_received_at, one.received_at, one.path.name))


def _noted(facts_path: Path, damaged: list[str] | None) -> Archived | None:
    """What the note says; None where there is none that can be read."""
    try:
        return _read(facts_path)
    except StoreError as error:
        if damaged is None:
            raise
        damaged.append(str(error))
        return None


def _read(facts_path: Path) -> Archived:
    try:
        facts: dict[str, Any] = json.loads(facts_path.read_bytes())
        return Archived(
            dataset=facts["dataset"],
            query=queries.from_json(facts),
            request=Request(
                Site(facts["site"]), facts["path"], tuple((name, value) for name, value in facts["params"])
            ),
            content_type=facts["content_type"],
            received_at=datetime.fromisoformat(facts["received_at"]),
            last_received_at=datetime.fromisoformat(facts.get("last_received_at") or facts["received_at"]),
            sha256=facts["sha256"],
            path=facts_path.with_suffix(".gz"),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"The archive's note {facts_path} cannot be read: {error}.") from error


def _write(path: Path, content: bytes) -> None:
    """Write all of it or nothing: aside and onto the disk first, then renamed: nobody ever finds half a file.

    Not even after a power cut: a name that comes back without its content would stand in the way of the next reply.
    """
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        Path(aside).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(aside).unlink()
        raise
