"""Settings: environment over running platform over defaults; wrong ones are named in a sentence."""

import json
import re
from pathlib import Path

import pytest

from app.core.config import default_home, load_settings, read_home, refuse_unknown
from app.errors import ConfigurationError
from tests.conftest import PROJECT


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "QUANTLAB_SOURCE", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QUANTLAB_HOME", str(tmp_path))


def _running(home: Path, **environment: str) -> None:
    (home / "running.json").write_text(json.dumps({"source": "sandbox", "environment": environment}))


def test_defaults_bind_to_loopback() -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert "127.0.0.1" in settings.broker_url


def test_a_running_platform_is_found(tmp_path: Path) -> None:
    _running(tmp_path, DATABASE_URL="postgresql://u:p@127.0.0.1:5555/quantlab", QUANTLAB_SOURCE="sandbox")
    settings = load_settings()
    assert settings.database_url.get_secret_value().endswith(":5555/quantlab")
    assert settings.data_dir == tmp_path / "sandbox"


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _running(tmp_path, REDIS_URL="redis://127.0.0.1:1/0")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:2/0")
    assert load_settings().broker_url == "redis://127.0.0.1:2/0"


def test_broker_and_results_may_live_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:3/0")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://127.0.0.1:4/0")
    settings = load_settings()
    assert (settings.broker_url, settings.result_backend) == ("redis://127.0.0.1:3/0", "redis://127.0.0.1:4/0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "99999"),
        ("PORT", "web"),
        ("CELERYD_MAX_TASKS_PER_CHILD", "0"),
        ("QUANTLAB_SOURCE", "both"),
        ("LOG_DAYS", "1000000"),  # before the calendar began: nothing could count back so far
        ("RUN_DAYS", "99999999999"),
        ("LOG_LINES", "99999999999999999999"),
        ("SOURCE_SECONDS_PER_REQUEST", "inf"),
        ("SOURCE_SECONDS_PER_REQUEST", "1e-320"),  # its inverse is no number
        ("HOST", ""),  # would be every address of the machine
        ("REDIS_URL", ""),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        load_settings()


def test_a_wrong_address_does_not_show_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hunter2@127.0.0.1/x")
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "redis://:hunter2/x@127.0.0.1:6379/0",
        "redis://:hunter2#x@127.0.0.1:6379/0",
        "redis://:22/hunter2@127.0.0.1:6379/0",
        "amqp://me:hunter2/x@127.0.0.1//",
        "sentinel://:p@one:26379;sentinel://:hunter2/x@two:26379/0",
    ],
)
@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"])
def test_half_a_password_is_not_taken_for_a_port(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(ConfigurationError, match=f"{name}.*no address of a server") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "redis://:p%2Fw@h/0",
        "rediss://h:1",
        "sentinel://:p@one:1;sentinel://two:2/0",
        "amqp://u:p@h//",
        "redis+socket:///r",
        "",
    ],
)
def test_addresses_of_every_kind_are_taken(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", address)
    monkeypatch.setenv("CELERY_SENTINEL_MASTER", "main")
    load_settings()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"REDIS_URL": "http://:hunter2@h"},
            "REDIS_URL: .*begins with none of redis://, rediss://, sentinel://, unix://",
        ),
        ({"REDIS_URL": "hunter2"}, "REDIS_URL: .*begins with none of"),
        ({"REDIS_URL": "amqp://me:hunter2@h//"}, "REDIS_URL: .*begins with none of"),
        ({"CELERY_BROKER_URL": "kafka://:hunter2@h"}, "CELERY_BROKER_URL: .*begins with none of amqp://"),
        ({"CELERY_BROKER_URL": "unix:///hunter2"}, "CELERY_BROKER_URL: .*redis\\+socket://"),
        ({"CELERY_RESULT_BACKEND": "amqp://me:hunter2@h//"}, "CELERY_RESULT_BACKEND: .*begins with none of"),
        ({"REDIS_URL": "unix:///hunter2"}, "set CELERY_BROKER_URL and CELERY_RESULT_BACKEND to redis\\+socket:///path"),
        ({"REDIS_URL": "sentinel://:hunter2@h"}, "set CELERY_SENTINEL_MASTER"),
        ({"CELERY_BROKER_URL": "sentinel://:hunter2@h"}, "set CELERY_SENTINEL_MASTER"),
        ({"CELERY_RESULT_BACKEND": "sentinel://:hunter2@h"}, "set CELERY_SENTINEL_MASTER"),
    ],
)
def test_an_address_that_no_client_takes_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], why: str
) -> None:
    """Each was a traceback out of somebody else's library, from every command that came to need the server."""
    for name, address in given.items():
        monkeypatch.setenv(name, address)
    with pytest.raises(ConfigurationError, match=why) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_sockets_of_redis_are_taken_where_celery_has_its_own_word_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "unix:///run/redis.sock")
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, "redis+socket:///run/redis.sock")
    load_settings()


def test_secrets_are_not_shown() -> None:
    assert "postgresql://" not in repr(load_settings())


@pytest.mark.parametrize("text", ["{", "[]", '{"environment": "x"}'])
def test_a_torn_running_file_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "running.json").write_text(text)
    with pytest.raises(ConfigurationError, match="start it again"):
        load_settings()


def test_home_is_where_the_servers_account_can_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "private" / "project"
    project.mkdir(parents=True)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert default_home(project) == project / ".quantlab"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (tmp_path / "private").chmod(0o700)
    assert default_home(project).parent == Path("/var/lib/quantlab")
    assert default_home(project) == default_home(project)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("QUANTLAB_HOSTT", "did you mean QUANTLAB_HOST"),
        ("quantlab_sourse", "did you mean QUANTLAB_SOURCE"),
        ("quantlab_source", "did you mean QUANTLAB_SOURCE"),
        ("Celeryd_Concurrency", "did you mean CELERYD_CONCURRENCY"),
        ("CELERYD_CONCURENCY", "did you mean CELERYD_CONCURRENCY"),
        ("QUANTLAB_XYZZY_PLUGH", "quantlab config"),
    ],
)
def test_a_name_that_nobody_reads_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, hint: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigurationError, match=f"{name} is no setting.*{hint}"):
        load_settings()


def test_small_letters_are_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("host", "0.0.0.0")
    monkeypatch.setenv("Port", "80")
    monkeypatch.setenv("LOG_DAYS", "12")
    settings = load_settings()
    assert (settings.host, settings.port, settings.log_days) == ("127.0.0.1", 3000, 12)


def test_names_of_tests_and_of_others_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUANTLAB_CHAOS", "QUANTLAB_FUZZ", "CELERY_TRACE_APP", "LOG_LEVELS"):
        monkeypatch.setenv(name, "x")
    load_settings()


def test_every_name_of_ours_that_the_project_uses_is_known() -> None:
    """Compose, tools, tests and documents: none of them would be refused."""
    used = set()
    for path in (*PROJECT.glob("*"), *PROJECT.glob("tools/*"), *PROJECT.glob("docs/**/*.md"), PROJECT / ".ci/run"):
        if path.is_file() and path.suffix in ("", ".md", ".py", ".yml", ".sh", ".example"):
            used |= set(re.findall(r"\b(?:QUANTLAB|CELERYD)_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")))
    refuse_unknown(used)
    assert {"QUANTLAB_HOME", "QUANTLAB_SOURCE"} <= used


@pytest.mark.parametrize("given", ["", "~/somewhere", "some/where", "."])
def test_there_is_one_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str) -> None:
    """Who reads the settings and who looks for the running platform mean the same folder, from wherever they start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUANTLAB_HOME", given)
    home = load_settings().quantlab_home
    assert home == read_home()
    assert home.is_absolute()
    monkeypatch.setenv("QUANTLAB_ARCHIVE", given)
    archive = Path(load_settings().archive_address)
    assert archive == (read_home() / "exchange" / "archive" if not given else read_home() / "exchange")


@pytest.mark.parametrize("password", ["one@TAIL", "one@TAIL/x", "a@b@TAIL"])
def test_an_unquoted_password_of_postgresql_is_refused_without_a_piece_of_it(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """Its end was taken for the name of the host, and said by who could not resolve that."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{password}@127.0.0.1:5/x")
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as refused:
        load_settings()
    assert "TAIL" not in str(refused.value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:one%40TAIL@127.0.0.1:5/x?application_name=a@b")
    assert load_settings()
