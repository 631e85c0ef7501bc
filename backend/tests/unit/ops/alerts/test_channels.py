"""What Apprise makes of addresses; never their content in what is said."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.ops.alerts.channels import open_channels
from app.ops.checks import check_alerts
from app.ops.health import Level

SECRETS = ("hunter2", "123456789:abcdefghijklmnopqrstuvwxyz012345678")
ADDRESSES = [
    "mailtos://someone:hunter2@example.com?to=ops@example.com",
    "tgram://123456789:abcdefghijklmnopqrstuvwxyz012345678/12315544/",
    "line://hunter2/U1234",
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts",
    "jsons://someone:hunter2@example.com/hook",
]


def test_addresses_of_the_page_are_understood() -> None:
    channels = open_channels(ADDRESSES)
    assert [one.name for one in channels.usable] == ["1 (mailtos)", "2 (tgram)", "3 (line)", "4 (slack)", "5 (jsons)"]
    assert channels.wrong == []


@pytest.mark.parametrize(
    "wrong", ["nonsense://hunter2@x", "hunter2", "mailto://", "tgram://hunter2/", "file:///etc/passwd"]
)
def test_a_wrong_address_is_named_by_its_position(
    wrong: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        channels = open_channels(["json://127.0.0.1/", wrong])
    assert [one.name for one in channels.usable] == ["1 (json)"]
    (sentence,) = channels.wrong
    assert "position 2" in sentence
    assert "docs/howto/alerts.md" in sentence
    output = capfd.readouterr()
    assert not any("hunter2" in text for text in (sentence, caplog.text, output.out, output.err))


def test_the_doctor() -> None:
    file = Path("/data/alerts")

    def refused() -> list[str]:
        raise ConfigurationError("Others can read it.")

    assert check_alerts(list, file=file).level is Level.WARNING
    assert "QUANTLAB_ALERTS" in (check_alerts(list, file=file).remedy or "")
    assert check_alerts(lambda: ["json://127.0.0.1/", "x"], file=file).level is Level.ERROR
    assert check_alerts(refused, file=file).detail == "Others can read it."
    found = check_alerts(lambda: ADDRESSES, file=file)
    assert (found.level, found.detail.count("(")) == (Level.OK, 5)
    assert not any(secret in found.detail for secret in SECRETS)
