"""The archive of raw replies: what the exchanges really said, compressed, so that it can be parsed again offline.

``<root>/<site>/<dataset>/<year>/<month>/<request>-<body>.gz`` is the body, ``….json`` beside it what is known of it;
both names are digests, so that the same answer to the same question is kept once a month, however often it comes; the
note then says when it came last: of several answers to one question that is the newest which the exchange gave last.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from app.errors import StoreError, StoreUnavailable
from app.files import Files, LocalFiles
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
    path: PurePath
    files: Files

    def reply(self) -> Reply:
        """The reply as it came. Raises StoreError when the body is missing or not the one that was kept."""
        try:
            body = gzip.decompress(self.files.read(self.path))
        except (OSError, EOFError, zlib.error) as error:
            raise StoreError(f"The archived reply {self.path.name} cannot be read: {error}.") from error
        if hashlib.sha256(body).hexdigest() != self.sha256:
            raise StoreError(f"The archived reply {self.path.name} is damaged: its SHA-256 is another.")
        return Reply(self.request, body, self.content_type, self.received_at)


class Archive:
    """A folder of raw replies; made at the first one. Several processes of any machine may write to it at once."""

    def __init__(self, root: Path | Files) -> None:
        self._files: Files = LocalFiles(root) if isinstance(root, Path) else root

    def keep(self, reply: Reply, *, dataset: str, query: object) -> PurePath:
        """Keep the reply; if the same one came already this month, only note that it came again. Gives the body's path.

        Raises StoreUnavailable when the disk is full or the object storage does not answer, and StoreError when the
        folder cannot be written else.
        """
        request = reply.request
        params = [[name, "***" if name.lower() in _SECRETS else value] for name, value in request.params]
        asked = json.dumps([request.site, request.path, params])
        digest = hashlib.sha256(reply.body).hexdigest()
        received = reply.received_at.astimezone(UTC)
        files = self._files
        folder = files.root / request.site / dataset / f"{received:%Y}" / f"{received:%m}"
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
            if (noted := _noted(files, facts_path)) and files.exists(body_path):
                facts["received_at"] = noted.received_at.isoformat()
                facts["last_received_at"] = max(received, noted.last_received_at).isoformat()
            else:  # or its note is damaged, and then the body may be, too
                files.write(body_path, gzip.compress(reply.body, compresslevel=6, mtime=0))
            files.write(facts_path, json.dumps(facts, ensure_ascii=False, indent=1).encode())
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
        found = []
        for path, content in self._files.read_all(self._files.find(pattern)):
            try:
                found.append(_read(self._files, path, content))
            except StoreError as error:
                if damaged is None:
                    raise
                damaged.append(str(error))
        yield from sorted(found, key=lambda one: (one.last_received_at, one.received_at, one.path.name))


def _noted(files: Files, facts_path: PurePath) -> Archived | None:
    """What the note says; None where there is none that can be read."""
    try:
        content: bytes | OSError = files.read(facts_path)
    except OSError as error:
        content = error
    try:
        return _read(files, facts_path, content)
    except StoreError:
        return None


def _read(files: Files, facts_path: PurePath, content: bytes | OSError) -> Archived:
    try:
        if isinstance(content, OSError):
            raise content
        facts: dict[str, Any] = json.loads(content)
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
            files=files,
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"The archive's note {facts_path} cannot be read: {error}.") from error
