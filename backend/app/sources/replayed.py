"""Answers from the archive: what an exchange once said, parsed by today's parsers, without a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from app.errors import SourceError
from app.sources import queries
from app.sources.archive import Archive, Archived
from app.sources.base import Dataset, Parsed, SessionQuery, Site

T = TypeVar("T")
Q = TypeVar("Q")


class ArchivedClient:
    """Gives what a ``Client`` gave: to each question the newest answer that is kept."""

    def __init__(self, folder: Path) -> None:
        self._newest: dict[tuple[str, Site, str], Archived] = {}
        for entry in Archive(folder).entries():  # in the order in which they came
            self._newest[entry.dataset, entry.request.site, _key(entry.query)] = entry

    def fetch(self, dataset: Dataset[Q, T], query: Q) -> Parsed[T]:
        """The values of the kept answer.

        Raises what ``parse`` raises, SourceError when the question was never answered, StoreError for a damaged file.
        """
        site = dataset.request(query).site
        entry = self._newest.get((dataset.name, site, _key(query)))
        if entry is None:
            raise SourceError(f"The archive holds no answer of {site} to {dataset.name} {query}.", site=site)
        return dataset.parse(entry.reply().body, query)

    def questions(self, dataset: str) -> Iterator[tuple[Site, Any]]:
        """The questions of a dataset to which there is an answer, each with the site that was asked."""
        for (name, site, _), entry in self._newest.items():
            if name == dataset:
                yield site, entry.query


def _key(query: object) -> str:
    return json.dumps(queries.to_json(query), sort_keys=True)


def sessions_of(client: ArchivedClient, dataset: str) -> Iterator[tuple[Site, SessionQuery]]:
    """Of a dataset of whole sessions."""
    for site, query in client.questions(dataset):
        if isinstance(query, SessionQuery):
            yield site, query
