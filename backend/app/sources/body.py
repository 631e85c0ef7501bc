"""The body of an answer, as it arrives: unpacked, whole, and never more than the cap."""

from __future__ import annotations

import zlib

from app.errors import SourceChanged, SourceUnavailable

_GZIP = 16 + zlib.MAX_WBITS


class Body:
    """Collects the chunks of one body, gzip or plain, of at most ``max_bytes`` unpacked.

    The cap holds while a chunk is being unpacked: 64 KB of gzip can be 64 MB, and gzip inside of gzip any size at all.
    """

    def __init__(self, encoding: str, *, max_bytes: int, site: str, path: str) -> None:
        named = [one for one in encoding.lower().replace(" ", "").split(",") if one not in ("", "identity")]
        if named not in ([], ["gzip"], ["x-gzip"]):
            raise SourceChanged(f"{site} packs {path} as {encoding[:80]!r}, which was not asked for.", site=site)
        self._gzip = zlib.decompressobj(_GZIP) if named else None
        self._max_bytes, self._site, self._path = max_bytes, site, path
        self._packed = 0
        self._body = bytearray()

    def __len__(self) -> int:
        return len(self._body)

    def add(self, chunk: bytes) -> None:
        """Take the next chunk. Raises SourceChanged beyond the cap, SourceUnavailable for what cannot be unpacked."""
        self._packed += len(chunk)
        if self._gzip is None:
            self._body += chunk
        else:
            try:
                self._body += self._gzip.decompress(chunk, self._max_bytes + 1 - len(self._body))
            except zlib.error as error:
                raise SourceUnavailable(f"{self._site} sent gzip that is damaged: {error}.", site=self._site) from error
        if max(len(self._body), self._packed) > self._max_bytes:
            limit = f"{self._max_bytes / 2**20:.0f} MiB"
            raise SourceChanged(f"{self._site} sends more than {limit} for {self._path}.", site=self._site)

    def whole(self) -> bytes:
        """The body, once all chunks are there. Raises SourceUnavailable when the gzip did not end, or went on."""
        if self._gzip is not None and self._packed and (not self._gzip.eof or self._gzip.unused_data):
            raise SourceUnavailable(f"{self._site} sent gzip that does not end where the body ends.", site=self._site)
        return bytes(self._body)
