"""Every setting, typed; the only module that reads the environment.

Order: real environment variables, then what a running ``quantlab up`` wrote into ``running.json``, then the defaults.
That is how a plain ``celery -A app.core.celery_app …`` in another terminal finds the running servers.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import stat
import sys
import tomllib
from collections.abc import Collection
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from app.errors import ConfigurationError

PROJECT = Path(__file__).resolve().parents[3]
"""The folder that holds the Makefile."""

Source = Literal["sandbox", "exchange"]

OUR_PREFIXES = ("QUANTLAB_", "CELERYD_")
"""Nobody else reads variables that begin so."""
_FOREVER = 36_500
"""Days: beyond a hundred years a calendar ends, and with it whatever counts back from today."""
_SENTINEL = "sentinel"
_REDIS = frozenset({"redis", "rediss", _SENTINEL})
_RABBITMQ = frozenset({"amqp", "amqps", "pyamqp"})
_WITH_HOST = _REDIS | _RABBITMQ
_KINDS = {
    "redis_url": _REDIS | {"unix"},
    "celery_broker_url": _REDIS | _RABBITMQ | {"redis+socket"},
    "celery_result_backend": _REDIS | {"redis+socket", "rpc"},
}
"""How the address of each server may begin; a socket is called otherwise by Celery than by the client of Redis."""
NOT_SETTINGS = frozenset({"QUANTLAB_CHAOS", "QUANTLAB_FUZZ", "QUANTLAB_LONG", "QUANTLAB_NPM", "QUANTLAB_TRUTH"})
"""What tests and tools read, and the platform does not."""


def others_can_traverse(folder: Path) -> bool:
    """Whether any user may walk down to *folder*: PostgreSQL, which refuses root, runs as `nobody`."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents) if part.exists())


def default_home(project: Path = PROJECT) -> Path:
    """Where data lives unless QUANTLAB_HOME says otherwise: in the project, where PostgreSQL's user can reach it."""
    if os.geteuid() != 0 or others_can_traverse(project):
        return project / ".quantlab"
    digest = hashlib.sha256(str(project).encode()).hexdigest()[:8]
    return Path("/var/lib/quantlab") / digest


def read_home() -> Path:
    """QUANTLAB_HOME, or the default."""
    given = os.environ.get("QUANTLAB_HOME")
    return Path(given).expanduser().resolve() if given else default_home()


def read_running(home: Path) -> dict[str, Any]:
    """What the running platform says of itself; empty when none runs from *home*."""
    try:
        running = json.loads((home / "running.json").read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        message = f"{home / 'running.json'} cannot be read ({error}); stop the platform and start it again."
        raise ConfigurationError(message) from error
    if not isinstance(running, dict) or not isinstance(running.get("environment", {}), dict):
        raise ConfigurationError(
            f"{home / 'running.json'} is not what `quantlab up` writes; stop it and start it again."
        )
    return running


class _InCapitals(EnvSettingsSource):
    """The environment's variables; `host` in small letters is another one than HOST, and somebody else's."""

    def _load_env_vars(self) -> dict[str, str | None]:
        return {name.lower(): value for name, value in os.environ.items() if name.isupper()}


class _RunningPlatform(PydanticBaseSettingsSource):
    """Settings of the platform that runs from this home, as a source below the environment."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # the base class asks for it; __call__ answers for all fields at once

    def __call__(self) -> dict[str, Any]:
        environment: dict[str, str] = read_running(read_home()).get("environment", {})
        return {name.lower(): value for name, value in environment.items()}


class Settings(BaseSettings):
    """All settings; each is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    quantlab_source: Source = Field("exchange", description="sandbox (synthetic or replayed prices) or exchange")
    quantlab_home: Path = Field(default_factory=read_home, description="folder of everything that is stored")

    quantlab_archive: str | None = Field(
        None, description="where raw replies are kept: s3://bucket/prefix or a folder; default: the folder archive"
    )
    quantlab_exports: str | None = Field(
        None, description="s3://bucket/prefix that gets a copy of what is exported; default: none"
    )

    quantlab_ready_file: Path | None = Field(None, description="written by worker and beat when they serve")
    quantlab_alive_file: Path | None = Field(None, description="touched by worker and beat while their loop turns")

    database_url: SecretStr = Field(SecretStr("postgresql://127.0.0.1:5432/quantlab"), description="PostgreSQL")
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), min_length=1, description="Redis of caches and quota"
    )
    celery_broker_url: SecretStr | None = Field(None, description="Celery's broker; default: redis_url")
    celery_result_backend: SecretStr | None = Field(None, description="Celery's results; default: redis_url")
    celery_sentinel_master: str | None = Field(None, description="master name for sentinel:// addresses")
    celery_sentinel_password: SecretStr | None = Field(None, description="password of the Sentinels themselves, if any")

    celeryd_max_tasks_per_child: int = Field(100, ge=1, description="tasks a worker process does before it is renewed")
    celeryd_max_memory_per_child: int = Field(400_000, ge=50_000, description="KiB at which a process is renewed")
    celeryd_prefetch_multiplier: int = Field(1, ge=0, description="messages a worker process reserves ahead")
    celeryd_concurrency: int = Field(2, ge=1, description="worker processes")
    celery_result_expires: int = Field(
        86_400, ge=60, le=86_400 * _FOREVER, description="seconds that results stay in Redis"
    )
    celery_redis_max_connections: int = Field(1_100, ge=20, description="above --concurrency of a gevent pool")

    twse_url: str = Field("https://www.twse.com.tw", description="TWSE")
    twse_openapi_url: str = Field("https://openapi.twse.com.tw/v1", description="TWSE OpenAPI")
    tpex_url: str = Field("https://www.tpex.org.tw", description="TPEx")
    mis_url: str = Field("https://mis.twse.com.tw", description="quotes")
    isin_url: str = Field("https://isin.twse.com.tw", description="securities lists")
    source_seconds_per_request: float = Field(
        2.5,
        ge=0.001,
        allow_inf_nan=False,
        description="the shared quota: one request a site in so many seconds (ban is at 3 in 5 s)",
    )
    backfill_at_once: int = Field(
        1, ge=1, description="runs of the queue backfill that are under way at once, on all machines together"
    )
    finmind_url: str = Field("https://api.finmindtrade.com/api/v4", description="FinMind, to compare with")
    finmind_token: SecretStr | None = Field(None, description="FinMind's token; without one it answers half as often")
    finmind_seconds_per_request: float | None = Field(
        None,
        ge=0.001,
        allow_inf_nan=False,
        description="one request to FinMind in so many seconds; default: 6 with a token, 12 without",
    )
    finlab_api_token: SecretStr | None = Field(None, description="FinLab's token, for the optional package finlab")
    catch_up_days: int = Field(
        30, ge=1, le=366, description="calendar days within which missing sessions are fetched by themselves"
    )
    catch_up_requests: int = Field(200, ge=1, description="requests that a site gets in one run of catching up")
    source_connect_timeout: float = Field(10, gt=0, allow_inf_nan=False, description="seconds")
    source_read_timeout: float = Field(60, gt=0, allow_inf_nan=False, description="seconds")
    archive_quote_days: int = Field(7, ge=1, le=_FOREVER, description="days that raw quote replies are kept")
    archive_days: int | None = Field(
        None, ge=31, le=_FOREVER, description="days that other raw replies are kept, by whole months; default: for ever"
    )
    run_days: int = Field(
        400, ge=30, le=_FOREVER, description="days that ended runs are kept, with their units; more than CATCH_UP_DAYS"
    )
    incident_days: int = Field(400, ge=1, le=_FOREVER, description="days that incidents are kept that are over")
    log_days: int = Field(
        30, ge=1, le=_FOREVER, description="days that lines of the logs are kept, in files and in PostgreSQL"
    )
    log_lines: int = Field(
        1_000_000, ge=1_000, le=1_000_000_000, description="lines of the logs that PostgreSQL keeps at most"
    )
    reading_days: int = Field(
        30, ge=1, le=_FOREVER, description="days that readings of memory, queues and disk are kept"
    )
    quantlab_audit_days: int = Field(730, ge=1, le=_FOREVER, description="days that rows of the audit are kept")
    export_keep: int = Field(3, ge=1, le=10_000, description="snapshots of an export that are kept")

    port: int = Field(3000, ge=1, le=65_535, description="port of the web console and API")
    host: str = Field("127.0.0.1", min_length=1, description="address that the web binds to")
    flower_port: int = Field(5555, ge=1, le=65_535, description="port of Flower")
    quantlab_hosts: str = Field("", description="names, by commas, under which the web answers besides loopback's")
    quantlab_proxies: str = Field(
        "", description="addresses or networks of proxies, by commas, whose X-Forwarded-For and -Proto are believed"
    )
    quantlab_admin_token: SecretStr | None = Field(
        None, description="a token that may change everything; default: the content of the file admin-token"
    )
    quantlab_login: Literal["always", "changes"] | None = Field(
        None, description="what needs a login: also reading, or changes only; default: changes on loopback, else always"
    )
    quantlab_alerts: SecretStr | None = Field(
        None, description="Apprise addresses to tell of incidents, by spaces; default: the lines of the file alerts"
    )
    quantlab_prices: Literal["synthetic", "replay"] = Field(
        "synthetic", description="where the sandbox's prices come from; says so to readers, changes nothing"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severe line shown")

    @field_validator("database_url")
    @classmethod
    def _postgresql_only(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
            message = "DATABASE_URL must be a postgresql:// address"
            raise ValueError(message)
        # Whoever resolves the name later says it, and it is then a piece of the password.
        if value.get_secret_value().partition("?")[0].count("@") > 1:
            message = "write what is special in the password of DATABASE_URL as %40, %2F and the like"
            raise ValueError(message)
        return value

    @field_validator("quantlab_home", mode="before")
    @classmethod
    def _one_home(cls, value: object) -> object:
        """As ``read_home`` reads it: a program in another folder must not have another home."""
        return (Path(value).expanduser().resolve() if value else read_home()) if isinstance(value, str) else value

    @field_validator("quantlab_archive")
    @classmethod
    def _one_archive(cls, value: str | None) -> str | None:
        """Likewise, where it is a folder; no address is none."""
        if not value or not value.strip() or "://" in value:
            return (value or "").strip() or None
        return str(Path(value).expanduser().resolve())

    @field_validator("quantlab_proxies")
    @classmethod
    def _addresses_only(cls, value: str) -> str:
        try:
            return ",".join(str(ip_network(one.strip())) for one in value.split(",") if one.strip())
        except ValueError as error:
            message = f"write addresses or networks by commas, such as 127.0.0.1,10.42.0.0/16: {error}"
            raise ValueError(message) from None

    @model_validator(mode="after")
    def _runs_outlive_catching_up(self) -> Self:
        if self.run_days <= self.catch_up_days:
            message = (
                f"RUN_DAYS is {self.run_days} and CATCH_UP_DAYS is {self.catch_up_days}: what was tried lately is "
                "known from the runs, so they must be kept for longer"
            )
            raise ValueError(message)
        return self

    @field_validator(*_KINDS)
    @classmethod
    def _server_addresses_only(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Whoever parses a wrong one later says what it choked on, which is a piece of the password."""
        for one in value.get_secret_value().split(";") if value else ():
            try:
                parts = urlsplit(one)
                whole = parts.scheme not in _WITH_HOST or (parts.hostname is not None and parts.port != 0)
            except ValueError:
                parts, whole = urlsplit(""), False
            if not whole:
                message = (
                    "it is no address of a server; write redis://:password@host:6379/0, with what is special in the "
                    "password as %2F, %40 and the like"
                )
                raise ValueError(message)
            if one and parts.scheme not in (kinds := _KINDS[str(info.field_name)]):
                message = f"it begins with none of {', '.join(f'{kind}://' for kind in sorted(kinds))}"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _brokers_and_results_have_addresses(self) -> Self:
        """What is not given is REDIS_URL, which must be one that Celery takes; Sentinels are asked for a master."""
        addresses = (self.redis_url.get_secret_value(), self.broker_url, self.result_backend)
        if any(address.startswith("unix:") for address in addresses[1:]):
            message = (
                "Celery writes a socket otherwise than REDIS_URL does: set CELERY_BROKER_URL and CELERY_RESULT_BACKEND "
                "to redis+socket:///path"
            )
            raise ValueError(message)
        if not self.celery_sentinel_master and any(address.startswith(f"{_SENTINEL}:") for address in addresses):
            message = "Sentinels are asked for a master by its name: set CELERY_SENTINEL_MASTER"
            raise ValueError(message)
        return self

    @field_validator("quantlab_exports")
    @classmethod
    def _object_storage_only(cls, value: str | None) -> str | None:
        if value and "://" not in value:
            message = "QUANTLAB_EXPORTS must be an address like s3://bucket/prefix"
            raise ValueError(message)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over running platform over defaults."""
        return init_settings, _InCapitals(settings_cls), _RunningPlatform(settings_cls)

    @property
    def data_dir(self) -> Path:
        """The folder of this source: sandbox and exchange never share one."""
        return self.quantlab_home / self.quantlab_source

    @property
    def archive_address(self) -> Path | str:
        """Where raw replies are kept; sandbox and exchange never share a place."""
        given = self.quantlab_archive
        return f"{given.rstrip('/')}/{self.quantlab_source}" if given else self.data_dir / "archive"

    @property
    def exports_address(self) -> str | None:
        """The object storage that gets a copy of what is exported."""
        given = self.quantlab_exports
        return f"{given.rstrip('/')}/{self.quantlab_source}" if given else None

    @property
    def log_folder(self) -> Path:
        """The folder of the structured logs, a file a day."""
        return self.data_dir / "logs" / "lines"

    @property
    def broker_url(self) -> str:
        """Celery's broker."""
        return (self.celery_broker_url or self.redis_url).get_secret_value()

    @property
    def result_backend(self) -> str:
        """Celery's result backend."""
        return (self.celery_result_backend or self.redis_url).get_secret_value()

    @property
    def sentinel_options(self) -> dict[str, Any]:
        """How the Sentinels themselves are asked."""
        password = self.celery_sentinel_password
        return {
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
            **({"password": password.get_secret_value()} if password else {}),
        }

    @property
    def finmind_pace(self) -> float:
        """Seconds between requests to FinMind, which answers 600 an hour with a token and 300 without."""
        return self.finmind_seconds_per_request or (6.0 if self.finmind_token else 12.0)

    @property
    def login_to_read(self) -> bool:
        """Whether reading market data and runs needs a login, as every change does."""
        on_loopback = self.host in ("127.0.0.1", "localhost", "::1")
        return self.quantlab_login == "always" or (self.quantlab_login is None and not on_loopback)

    @property
    def admin_token_file(self) -> Path:
        """The file with the token for what changes state over HTTP."""
        return self.data_dir / "admin-token"

    @property
    def alerts_file(self) -> Path:
        """The file with the addresses for alerts, one a line."""
        return self.data_dir / "alerts"

    @property
    def prices(self) -> Literal["synthetic", "replay", "real"]:
        """What prices are, so that nobody takes the sandbox's for the market's."""
        return "real" if self.quantlab_source == "exchange" else self.quantlab_prices

    def admin_token(self) -> str:
        """The token itself. Raises ConfigurationError when there is none: then nobody may change anything."""
        given = self.quantlab_admin_token.get_secret_value() if self.quantlab_admin_token else ""
        if not given:
            try:
                given = self.admin_token_file.read_text().strip()
            except OSError as error:
                message = (
                    f"There is no admin token: {self.admin_token_file} cannot be read ({error.strerror}). "
                    "`quantlab up` writes it; or set QUANTLAB_ADMIN_TOKEN."
                )
                raise ConfigurationError(message) from error
        if not given:
            raise ConfigurationError(f"The admin token in {self.admin_token_file} is empty; remove the file and start.")
        return given

    def alert_addresses(self) -> tuple[str, ...]:
        """Addresses to tell of incidents, each a secret; empty when none is set. The file is read anew each time.

        Raises:
            ConfigurationError: the file cannot be read, or others can read it.
        """
        given = self.quantlab_alerts.get_secret_value().split() if self.quantlab_alerts else []
        if given:
            return tuple(given)
        file = self.alerts_file
        try:
            mode = file.stat().st_mode
            if mode & 0o077:
                raise ConfigurationError(f"Others can read {file}, which holds secrets: chmod 600 {file}")
            lines = file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise ConfigurationError(f"{file}, which names whom to alert, cannot be read ({why}).") from error
        return tuple(word for line in lines if not line.lstrip().startswith("#") for word in line.split())


def load_settings(**overrides: Any) -> Settings:
    """Settings of this moment.

    Raises:
        ConfigurationError: names each variable that is wrong, or that looks like ours and is none.
    """
    refuse_unknown(os.environ)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        wrong = "; ".join(
            ": ".join([*(str(name).upper() for name in one["loc"]), one["msg"].removeprefix("Value error, ")])
            for one in error.errors()
        )
        message = f"A setting is wrong: {wrong}."
        raise ConfigurationError(message) from None


def otel(name: str) -> str:
    """One of OpenTelemetry's own variables, without its prefix; empty when it is not set."""
    return os.environ.get(f"OTEL_{name}", "").strip()


def refuse_unknown(environment: Collection[str]) -> None:
    """Raise ConfigurationError for a variable that nobody reads: a misspelt setting would be left out in silence.

    In small letters, too: only those in capitals are read.
    """
    known = {name.upper() for name in Settings.model_fields}
    ours = [name for name in sorted(environment) if name.upper().startswith(OUR_PREFIXES)]
    sentences = []
    for name in ours:
        if name not in known | NOT_SETTINGS:
            close = difflib.get_close_matches(name.upper(), sorted(known), n=1)
            sentences.append(f"{name} is no setting" + (f"; did you mean {close[0]}?" if close else "."))
    if sentences:
        raise ConfigurationError(f"{' '.join(sentences)} `quantlab config` lists every setting.")


@cache
def get_settings() -> Settings:
    """The settings of this process, read once.

    Raises ConfigurationError as ``load_settings``; programs that would show it below a traceback end with its sentence.
    """
    try:
        return load_settings()
    except ConfigurationError as error:
        if f"/{sys.argv[0]}".endswith(_NOT_OURS):
            raise SystemExit(f"Error: {error}") from None
        raise


_NOT_OURS = ("/celery", "/celery/__main__.py", "/uvicorn", "/app/main.py")
"""Programs that show whatever we raise as a traceback; the second and the last are what ``python -m`` makes of them."""


@cache
def load_universes() -> dict[str, tuple[str, ...]]:
    """The named sets of symbols of universes.toml; `all` is not among them, it is asked of the store."""
    text = (Path(__file__).parent / "universes.toml").read_text(encoding="utf-8")
    return {name: tuple(symbols) for name, symbols in tomllib.loads(text).items()}
