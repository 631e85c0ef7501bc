"""A snapshot as one tar archive, written while it is read: of a length that is known, in memory never whole."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Tar:
    """An archive that holds *folder* under its own name."""

    folder: Path
    files: tuple[tuple[str, int], ...]
    """Name below the folder, and bytes; in order of name."""

    @property
    def length(self) -> int:
        """Its bytes."""
        parts = sum(len(_header(self.folder.name, name, size)) + size + _padding(size) for name, size in self.files)
        return parts + _end(parts)

    def parts(self) -> Iterator[bytes]:
        """Its content, many small files at once. Raises OSError when one went or shrank: half an archive is none."""
        held = bytearray()
        for piece in self._pieces():
            held += piece
            if len(held) >= _CHUNK:
                yield bytes(held)
                held.clear()
        if held:
            yield bytes(held)

    def _pieces(self) -> Iterator[bytes]:
        written = 0
        for name, size in self.files:
            header = _header(self.folder.name, name, size)
            yield header
            left = size
            with (self.folder / name).open("rb") as file:
                while left:
                    chunk = file.read(min(left, _CHUNK))
                    if not chunk:
                        raise OSError(f"{name} is shorter than when the download began")
                    left -= len(chunk)
                    yield chunk
            yield b"\0" * _padding(size)
            written += len(header) + size + _padding(size)
        yield b"\0" * _end(written)


def tar_of(folder: Path) -> Tar:
    """Look at the files of *folder*."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return Tar(folder, tuple((str(path.relative_to(folder)), path.stat().st_size) for path in paths))


def _header(folder: str, name: str, size: int) -> bytes:
    info = tarfile.TarInfo(f"{folder}/{name}")
    info.size, info.mode = size, 0o644
    return info.tobuf(format=tarfile.GNU_FORMAT)


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE


def _end(written: int) -> int:
    """Two empty blocks, and as many as fill the record."""
    return 2 * tarfile.BLOCKSIZE + -(written + 2 * tarfile.BLOCKSIZE) % tarfile.RECORDSIZE
