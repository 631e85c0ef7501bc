"""What ``quantlab up`` is asked to run, and where each part of it keeps its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The choices of one start; the command line fills it from the settings.

    Attributes:
        home: QUANTLAB_HOME.
        usual_home: where commands look that are told no QUANTLAB_HOME.
        source: ``sandbox`` or ``exchange``.
        backend: the folder that holds ``app``.
        host, port: where the web listens.
        environment: what every program inherits.
        database_url, redis_url: servers to use instead of embedded ones.
        site_urls: the environment that leads to the exchanges' sites, or to the sandbox on ``sandbox_port``.
        sandbox_port: where to run the sandbox exchange; None for the real ones.
        flower_port: where Flower listens.
    """

    home: Path
    source: str
    backend: Path
    host: str
    port: int
    environment: Mapping[str, str]
    database_url: str | None = None
    redis_url: str | None = None
    site_urls: Mapping[str, str] = field(default_factory=dict)
    sandbox_port: int | None = None
    flower_port: int = 5555
    usual_home: Path | None = None

    @property
    def folder(self) -> Path:
        """All that belongs to this source."""
        return self.home / self.source

    @property
    def logs(self) -> Path:
        """The log file of each program."""
        return self.folder / "logs"

    @property
    def admin_token_file(self) -> Path:
        """The token that state-changing requests need."""
        return self.folder / "admin-token"

    @property
    def web(self) -> str:
        """The address for people."""
        return f"http://{'localhost' if self.host in ('127.0.0.1', '0.0.0.0', '::') else self.host}:{self.port}"  # noqa: S104
