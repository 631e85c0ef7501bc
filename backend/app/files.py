"""A folder of files, on a disk or as objects of a bucket: what the archive keeps its replies in.

An address with a scheme (``s3://bucket/prefix``) is object storage, by way of fsspec, which takes credentials and
endpoint from where the storage's own tools do (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` and so on). There an object
appears whole or not at all; on a disk that is done by renaming.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Protocol

from app.errors import ConfigurationError, StoreUnavailable

_AT_ONCE = 200
"""Objects that are asked for together."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file: its bytes, and when it was written."""

    path: PurePath
    bytes: int
    at: datetime


class Files(Protocol):
    """Files below ``root``. What is wrong with one raises OSError; storage that does not answer StoreUnavailable."""

    @property
    def root(self) -> PurePath:
        """Where they are."""

    def read(self, path: PurePath) -> bytes:
        """The content of one."""

    def read_all(self, paths: Sequence[PurePath]) -> Iterator[tuple[PurePath, bytes | OSError]]:
        """The content of each, or why it cannot be had."""

    def write(self, path: PurePath, content: bytes) -> None:
        """Write all of it or nothing: nobody ever finds half a file."""

    def exists(self, path: PurePath) -> bool:
        """Whether there is such a file."""

    def find(self, pattern: str) -> Sequence[PurePath]:
        """Those whose path below the root matches, part by part, in order of name."""

    def written_before(self, folder: str, oldest: datetime) -> Sequence[Written]:
        """The files below *folder* that were written before *oldest*."""

    def remove(self, paths: Sequence[PurePath]) -> None:
        """Remove these files; one that is gone already is no matter."""


class LocalFiles:
    """A folder of this machine's."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: PurePath) -> bytes:
        """The content of one."""
        return Path(path).read_bytes()

    def read_all(self, paths: Sequence[PurePath]) -> Iterator[tuple[PurePath, bytes | OSError]]:
        """The content of each, or why it cannot be had."""
        for path in paths:
            try:
                yield path, self.read(path)
            except OSError as error:
                yield path, error

    def write(self, path: PurePath, content: bytes) -> None:
        """Write all of it or nothing: aside and onto the disk first, then renamed.

        Not even after a power cut: a name that comes back without its content would stand in the way of the next one.
        """
        folder = Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=folder, prefix=".writing-")
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

    def exists(self, path: PurePath) -> bool:
        """Whether there is such a file."""
        return Path(path).exists()

    def find(self, pattern: str) -> Sequence[PurePath]:
        """Those whose path below the root matches, part by part, in order of name."""
        return sorted(self.root.glob(pattern))

    def written_before(self, folder: str, oldest: datetime) -> Sequence[Written]:
        """The files below *folder* that were written before *oldest*."""
        old = []
        for path in (self.root / folder).rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # it went meanwhile
                facts = path.stat()
                if path.is_file() and facts.st_mtime < oldest.timestamp():
                    old.append(Written(path, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC)))
        return old

    def remove(self, paths: Sequence[PurePath]) -> None:
        """Remove these files; one that is gone already is no matter."""
        for path in paths:
            Path(path).unlink(missing_ok=True)


class ObjectFiles:
    """Objects of a bucket below a prefix."""

    def __init__(self, address: str) -> None:
        try:
            import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - who has a folder does without

            # What is cached of a bucket is wrong as soon as another machine writes there.
            self.storage, root = fsspec.url_to_fs(address, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as error:
            scheme = address.partition("://")[0]
            raise ConfigurationError(
                f"{address} cannot be opened ({error}). For s3:// install the extra: pip install 'quantlab[s3]'."
                if scheme == "s3"
                else f"{address} cannot be opened: {error}."
            ) from error
        self.root = PurePosixPath(root)

    def read(self, path: PurePath) -> bytes:
        """The content of one."""
        with self._answering():
            return bytes(self.storage.cat_file(str(path)))

    def read_all(self, paths: Sequence[PurePath]) -> Iterator[tuple[PurePath, bytes | OSError]]:
        """The content of each, or why it cannot be had; many at once."""
        for start in range(0, len(paths), _AT_ONCE):
            names = [str(path) for path in paths[start : start + _AT_ONCE]]
            with self._answering():
                found: dict[str, Any] = self.storage.cat(names, on_error="return")
            for name in names:
                content = found[name]
                if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                    with self._answering():
                        raise content
                yield PurePosixPath(name), content

    def write(self, path: PurePath, content: bytes) -> None:
        """Write all of it or nothing, as one object."""
        with self._answering():
            self.storage.pipe_file(str(path), content)

    def exists(self, path: PurePath) -> bool:
        """Whether there is such an object."""
        try:
            with self._answering():
                self.storage.info(str(path))
        except FileNotFoundError:
            return False
        return True

    def find(self, pattern: str) -> Sequence[PurePath]:
        """Those whose path below the root matches, part by part, in order of name."""
        parts = pattern.split("/")
        known = next((number for number, part in enumerate(parts) if "*" in part), len(parts) - 1)
        found = (PurePosixPath(name) for name in self._listed(self.root.joinpath(*parts[:known])))
        return sorted(path for path in found if _matches(path.relative_to(self.root).parts, parts))

    def written_before(self, folder: str, oldest: datetime) -> Sequence[Written]:
        """The objects below *folder* that were written before *oldest*."""
        return [
            Written(PurePosixPath(name), int(facts["size"]), facts["LastModified"])
            for name, facts in self._listed(self.root / folder).items()
            if facts["LastModified"] < oldest
        ]

    def upload(self, files: Mapping[Path, PurePath]) -> None:
        """Copy files of this machine to objects, many at once."""
        with self._answering():
            self.storage.put([str(path) for path in files], [str(path) for path in files.values()])

    def download(self, files: Mapping[PurePath, Path]) -> None:
        """Copy objects to files of this machine, many at once; their folders are made."""
        for folder in {path.parent for path in files.values()}:
            folder.mkdir(parents=True, exist_ok=True)
        with self._answering():
            self.storage.get([str(path) for path in files], [str(path) for path in files.values()])

    def sizes(self, folder: PurePath) -> dict[PurePath, int]:
        """Object below *folder* → its bytes."""
        return {PurePosixPath(name): int(facts["size"]) for name, facts in self._listed(folder).items()}

    def remove(self, paths: Sequence[PurePath]) -> None:
        """Remove these objects."""
        if paths:
            with self._answering():
                self.storage.rm([str(path) for path in paths])

    def _listed(self, folder: PurePath) -> dict[str, dict[str, Any]]:
        with self._answering():
            found: dict[str, dict[str, Any]] = self.storage.find(str(folder), detail=True)
        return found

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn what the libraries below raise for storage that does not answer into StoreUnavailable."""
        try:
            yield
        except (FileNotFoundError, PermissionError):
            raise
        except Exception as error:
            why = str(error) or type(error).__name__
            raise StoreUnavailable(f"The object storage of {self.root} does not answer: {why}.") from error


def open_files(address: Path | str) -> Files:
    """The files at that address: a folder, or object storage where it has a scheme."""
    if isinstance(address, str) and "://" in address:
        return ObjectFiles(address)
    return LocalFiles(Path(address))


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))
