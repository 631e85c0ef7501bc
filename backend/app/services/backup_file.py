"""The file of a backup: a tar archive that any tar reads, and behind its end the SHA-256 of all before.

Its members: ``database.dump`` (of pg_dump), ``replies/…`` as the archive has them, ``settings.json``, ``secrets/…`` if
they were asked for, and ``manifest.json``, the last.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Any, cast

from pydantic import Field, TypeAdapter, ValidationError

from app.errors import InvalidParameter

FORMAT = 1
DATABASE, REPLIES, SECRETS, SETTINGS, MANIFEST = "database.dump", "replies", "secrets", "settings.json", "manifest.json"
_MARK = b"\nquantlab backup, sha256 "
_TRAILER = len(_MARK) + 64 + 1
_CHUNK = 1 << 20

Count = Annotated[int, Field(ge=0)]
Told = Callable[[str, int, int], None]
"""What is done, how much of it, of how much."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds."""

    format: int
    made_at: str
    version: str
    source: str
    revision: str
    database_bytes: Count
    """Of the database itself, with its indexes; the dump is smaller."""
    rows: Mapping[str, Count]
    replies: Count | None
    """Files of the archive of raw replies; None: it lies in object storage, and is not in the backup."""
    reply_bytes: Count
    secrets: tuple[str, ...]


_MANIFEST = TypeAdapter(Manifest)


class Writer:
    """Adds members to a file that is open for writing and seeking."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, name: str, content: bytes, *, at: datetime | None = None) -> None:
        """A member of known content, written *at* that instant: by its age it is pruned."""
        self._file.write(_header(name, len(content), at) + content + b"\0" * (-len(content) % tarfile.BLOCKSIZE))

    @contextmanager
    def stream(self, name: str) -> Iterator[IO[bytes]]:
        """A member whose length is known when all of it is written."""
        start = self._file.tell()
        self._file.write(b"\0" * tarfile.BLOCKSIZE)
        yield self._file
        size = self._file.tell() - start - tarfile.BLOCKSIZE
        self._file.write(b"\0" * (-size % tarfile.BLOCKSIZE))
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(_header(name, size))
        self._file.seek(end)

    def seal(self, manifest: Manifest, told: Told) -> str:
        """The manifest, the end, the checksum of it all as it is read back, which it returns; and onto the disk."""
        self.add(MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        self._file.write(b"\0" * 2 * tarfile.BLOCKSIZE)
        self._file.flush()
        size = self._file.tell()
        self._file.seek(0)
        digest = _digest(self._file, size, told)
        self._file.write(_MARK + digest.encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        return digest


def checked(path: Path, told: Told) -> Manifest:
    """What the backup at *path* holds, after a look at each byte of it.

    Raises:
        InvalidParameter: it is no backup, cut, altered, or of a newer QuantLab.
    """
    try:
        if path.exists() and not path.is_file():
            raise InvalidParameter(f"{path} is no file: nothing of a pipe or a folder can be read twice.")
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END) - _TRAILER
            file.seek(max(size, 0))
            trailer = file.read()
            if size < 0 or not trailer.startswith(_MARK):
                raise InvalidParameter(f"{path} is no backup of QuantLab, or its end is missing: take another one.")
            file.seek(0)
            if trailer != _MARK + _digest(file, size, told).encode() + b"\n":
                raise InvalidParameter(f"{path} is damaged: its SHA-256 is not the one it was made with.")
        found: dict[str, Any] = json.loads(b"".join(read(path, MANIFEST)))
        form = found["format"]
        manifest = _MANIFEST.validate_python(found) if form == FORMAT else None
        if manifest:
            _check_members(path)
    except ValidationError as error:  # its checksum is right: somebody wrote it by hand
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidParameter(f"{path} is no backup of QuantLab ({MANIFEST} is wrong: {wrong[:500]}).") from None
    except (tarfile.TarError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidParameter(f"{path} is no backup of QuantLab ({error}).") from error
    except OSError as error:
        raise InvalidParameter(f"{path} cannot be read ({error.strerror or error}).") from error
    if manifest is None:
        raise InvalidParameter(f"{path} has the form {form}, this QuantLab reads {FORMAT}: take a newer one.")
    return manifest


def read(path: Path, name: str) -> Iterator[bytes]:
    """The content of one member, piece by piece."""
    with tarfile.open(path, "r:") as tar:
        if (file := tar.extractfile(name)) is None:
            raise InvalidParameter(f"{path} holds {name}, which no backup does: take another one.")
        while chunk := file.read(_CHUNK):
            yield chunk


def _check_members(path: Path) -> None:
    """See that each is a file, the database is among them, and none lies elsewhere or in another: all can be read."""
    with tarfile.open(path, "r:") as tar:
        names = set()
        for member in tar:
            name = PurePosixPath(member.name)
            alone = len(name.parts) == 1 and member.name not in (DATABASE, SETTINGS, MANIFEST)
            if not member.isreg() or ".." in name.parts or name.is_absolute() or name in names or alone:
                raise InvalidParameter(f"{path} holds {member.name}, which no backup does: take another one.")
            names.add(name)
    if PurePosixPath(DATABASE) not in names:
        raise InvalidParameter(f"{path} holds no {DATABASE}: take another backup.")
    if inside := next((name for name in sorted(names) if names & set(name.parents)), None):
        raise InvalidParameter(f"{path} holds {inside}, which no backup does: take another one.")


def below(path: Path, folder: str) -> Iterator[tuple[PurePosixPath, bytes, float]]:
    """The members below *folder* of a checked file: their names there, contents, and when they were written."""
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if name.parts[:1] != (folder,):
                continue
            content = cast("IO[bytes]", tar.extractfile(member)).read()
            yield name.relative_to(folder), content, float(member.mtime)


def _header(name: str, size: int, at: datetime | None = None) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(at.timestamp()) if at else 0
    return info.tobuf(format=tarfile.GNU_FORMAT)


def _digest(file: IO[bytes], size: int, told: Told) -> str:
    """Of the next *size* bytes."""
    digest, left = hashlib.sha256(), size
    while left and (chunk := file.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
        told("checksum", size - left, size)
    return digest.hexdigest()
