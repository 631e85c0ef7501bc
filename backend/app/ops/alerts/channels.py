"""Channels to people, through Apprise: https://github.com/caronc/apprise/wiki lists the addresses of all kinds.

An address carries passwords: it is shown, logged and told nowhere. A channel is named by its position and scheme.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from loguru import logger

SEND_WITHIN = 20.0
"""Seconds for one message through one channel, whatever its server does."""

Kind = Literal["warning", "success", "info"]


class Channel(Protocol):
    """Somewhere to tell people."""

    @property
    def name(self) -> str:
        """Its position and kind; nothing secret."""

    def send(self, title: str, body: str, *, kind: Kind) -> str | None:
        """Tell it. None: it was taken; else why not, in a few words without secrets. Never raises."""


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """An address that Apprise understood."""

    name: str
    service: Any

    def send(self, title: str, body: str, *, kind: Kind) -> str | None:
        """Tell it, in at most SEND_WITHIN seconds."""
        import apprise  # noqa: PLC0415 - half a second that only who tells need wait

        told = apprise.Apprise([self.service], asset=_asset())
        try:
            result = told.notify(
                body, title=title, notify_type=apprise.NotifyType(kind), body_format="text", timeout=SEND_WITHIN
            )
        except Exception as error:
            # Its text may hold the address.
            return f"{type(error).__name__} while sending"
        if result:
            return None
        if result.status is apprise.AppriseResultStatus.TIMEOUT:
            return f"no answer within {SEND_WITHIN:.0f} s"
        # Of its log only the number: exceptions of HTTP libraries quote the whole address.
        codes = [match[1] for entry in result.logs() if (match := re.search(r"error=(\d{3})\b", str(entry)))]
        return f"its server answered {codes[-1]}" if codes else "its server did not take it"


@dataclass(frozen=True, slots=True)
class Channels:
    """Those that can be used, and a sentence for each address that cannot."""

    usable: Sequence[Channel] = ()
    wrong: Sequence[str] = ()


def open_channels(addresses: Sequence[str]) -> Channels:
    """What Apprise makes of *addresses*; nothing is sent or connected yet."""
    if not addresses:
        return Channels()
    import apprise  # noqa: PLC0415 - as above

    # What it cannot parse it logs, with the secrets in it: its lines go nowhere but into the result of a sending.
    theirs = logging.getLogger(apprise.LOGGER_NAME)
    theirs.propagate, theirs.handlers = False, [logging.NullHandler()]
    usable: list[Channel] = []
    wrong: list[str] = []
    for number, address in enumerate(addresses, start=1):
        try:
            service = apprise.Apprise.instantiate(address, asset=_asset())
        except Exception as error:
            logger.warning("Alert address number {} cannot be used: {}", number, type(error).__name__)
            service = None
        if service is None:
            wrong.append(
                f"Of the addresses for alerts the one at position {number} is none that Apprise understands; "
                "docs/howto/alerts.md shows how they look."
            )
        else:
            usable.append(AppriseChannel(f"{number} ({address.partition(':')[0].lower()})", service))
    return Channels(usable, wrong)


def _asset() -> Any:
    import apprise  # noqa: PLC0415 - as above

    return apprise.AppriseAsset(
        app_id="QuantLab",
        app_desc="QuantLab",
        app_url="",
        # Nothing of it is written to disk; a redirection must not carry a token to another host.
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        http_redirects=False,
    )
