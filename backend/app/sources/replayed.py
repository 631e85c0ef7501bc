"""Answers from the archive: what an exchange once said, parsed by today's parsers, without a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from app.errors import NoData, SourceError
from app.files import Files
from app.sources import queries
from app.sources.archive import Archive, Archived
from app.sources.base import Dataset, Parsed, Site

T = TypeVar("T")
Q = TypeVar("Q")


class ArchivedClient:
    """Gives what a ``Client`` gave: to each question the newest answer that is kept and whose note can be read."""

    def __init__(self, folder: Path | Files) -> None:
        self.damaged: list[str] = []
        """A sentence about each note that cannot be."""
        self._newest: dict[tuple[str, Site, str], Archived] = {}
        for entry in Archive(folder).entries(damaged=self.damaged):  # in the order in which they came
            key = entry.dataset, entry.request.site, _key(entry.query)
            self._newest.pop(key, None)  # so that the newest answers stand last
            self._newest[key] = entry

    def fetch(self, dataset: Dataset[Q, T], query: Q) -> Parsed[T]:
        """The values of the kept answer, with when it came (last, if it came several times).

        Raises what ``parse`` raises (NoData tells when it came, too), SourceError when the question was never answered,
        StoreError for a damaged file.
        """
        site = dataset.request(query).site
        entry = self._newest.get((dataset.name, site, _key(query)))
        if entry is None:
            raise SourceError(f"The archive holds no answer of {site} to {dataset.name} {query}.", site=site)
        try:
            return replace(dataset.parse(entry.reply().body, query), told_at=entry.last_received_at)
        except NoData as error:
            error.facts["told_at"] = entry.last_received_at
            raise

    def questions(self, *datasets: str) -> Iterator[tuple[str, Site, Any]]:
        """The questions of *datasets* that have an answer, with dataset and site; of all, the oldest answer first."""
        for (name, site, _), entry in self._newest.items():
            if name in datasets:
                yield name, site, entry.query


def _key(query: object) -> str:
    return json.dumps(queries.to_json(query), sort_keys=True)
