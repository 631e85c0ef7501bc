"""One request over the network: what can go wrong there, as typed errors. No retry, no quota, no meaning."""

from __future__ import annotations

import functools
import re
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode, urlsplit

import httpx

from app import spans
from app.errors import ConfigurationError, RateLimited, SourceChanged, SourceRefused, SourceUnavailable
from app.sources.base import Reply, Request, Site
from app.sources.body import Body
from app.sources.deadline import Deadline

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) QuantLab/0.1"
"""Of a browser's form, without which TPEx does not answer, and with our own name at its end."""
_REFUSALS = frozenset({401, 403, 451})
_LONGEST_WISH = 86_400.0


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Certificates and host names are checked; only the strict flag of Python ≥ 3.13 is cleared.

    One for all clients of a process: to read the authorities' certificates takes as long as storing a market's day.

    The exchanges' certificate chains lack the Subject Key Identifier extension that it insists on.
    """
    context = httpx.create_ssl_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Transport:
    """Gets bodies whole, of at most ``max_bytes``, within ``total_timeout`` seconds, from the sites' addresses.

    ``tokens`` go to their own sites, as ``Authorization: Bearer``, and nowhere else.
    """

    def __init__(
        self,
        base_urls: Mapping[Site, str],
        *,
        clock: Callable[[], datetime],
        connect_timeout: float,
        read_timeout: float,
        total_timeout: float,
        max_bytes: int,
        tokens: Mapping[Site, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._bases = {site: _base(site, url) for site, url in base_urls.items()}
        self._tokens = dict(tokens or {})
        self._clock = clock
        self._total_timeout = total_timeout
        self._max_bytes = max_bytes
        self._client = httpx.Client(
            headers={
                "User-Agent": USER_AGENT,
                "Accept-Encoding": "gzip",
                "Accept-Language": "zh-TW,zh;q=0.9,en;q=0.5",
            },
            # As a hook, it is asked before httpx takes a redirect's address apart, which may be anything.
            event_hooks={"response": [self._judge]},
            timeout=httpx.Timeout(read_timeout, connect=connect_timeout, pool=total_timeout),
            follow_redirects=False,
            verify=tls_context(),
            transport=transport,
            # A sandbox on this machine is never reached through the environment's proxy.
            mounts={f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")},
        )
        self._deadline = Deadline()
        self._deadline.bind(self._client)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, request: Request) -> Reply:
        """The reply of status 200.

        Raises SourceUnavailable (no answer, 5xx, cut off, too slow), RateLimited (429, 402), SourceRefused (401, 403,
        451, any redirect, 400 to a token), SourceChanged (other states, a body beyond the cap), ConfigurationError
        (no such site, a token that must not be sent).
        """
        site = request.site
        if site not in self._bases:
            raise ConfigurationError(f"There is no base address for the site {site}.")
        try:
            url = self._bases[site] + request.path
            with (
                spans.within(f"GET {site}", "CLIENT", _told(url, request)),
                self._deadline.within(self._total_timeout),
                self._client.stream(
                    "GET",
                    url,
                    params=request.params or None,
                    headers=self._authorization(site),
                    extensions={"quantlab_site": site},
                ) as answer,
            ):
                return Reply(
                    request=request,
                    body=self._read(site, answer),
                    content_type=answer.headers.get("content-type", "")[:200],
                    received_at=self._clock(),
                )
        except httpx.TransportError as error:
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise SourceUnavailable(f"{site} gave no whole answer ({what}).", site=site) from error

    def _authorization(self, site: Site) -> httpx.Headers | None:
        """The token, where it may travel: encrypted, or on this machine. Who prints httpx's headers reads [secure]."""
        token = self._tokens.get(site)
        if token is None:
            return None
        parts = urlsplit(self._bases[site])
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ConfigurationError(f"The token of {site} would travel in the clear: its address must be of https.")
        if not re.fullmatch(r"[!-~]+", token):
            raise ConfigurationError(f"The token of {site} has characters that no token has; copy it again.")
        return httpx.Headers({"Authorization": f"Bearer {token}"})

    def _judge(self, answer: httpx.Response) -> None:
        site, status = answer.request.extensions["quantlab_site"], answer.status_code
        spans.note({"http.response.status_code": status})
        if status == 200:
            return
        retry_after = _retry_after(answer.headers.get("retry-after"), self._clock())
        if status == 429:
            raise RateLimited(f"{site} says that we ask too often (429).", site=site, retry_after=retry_after)
        if status == 402:
            wish = seconds_to_the_hour(self._clock()) if retry_after is None else retry_after
            raise RateLimited(f"{site} says that the hour's requests are used up (402).", site=site, retry_after=wish)
        if status >= 500 or status == 408:
            raise SourceUnavailable(f"{site} answered {status}.", site=site, retry_after=retry_after)
        if answer.has_redirect_location or 300 <= status < 400:
            target = answer.headers.get("location", "nowhere")[:200]
            raise SourceRefused(f"{site} answered {status} and sends us to {target}, as to a block page.", site=site)
        if status in _REFUSALS:
            raise SourceRefused(f"{site} refuses us ({status}).", site=site)
        if status == 400 and site in self._tokens:
            message = f"{site} refuses the request (400), as it does for a wrong token: set another, or none."
            raise SourceRefused(message, site=site)
        raise SourceChanged(
            f"{site} answered {status} for {answer.url.path}, an address that it used to know.", site=site
        )

    def _read(self, site: Site, answer: httpx.Response) -> bytes:
        encoding = answer.headers.get("content-encoding", "")
        body = Body(encoding, max_bytes=self._max_bytes, site=site, path=answer.url.path)
        deadline = time.monotonic() + self._total_timeout
        for chunk in answer.iter_raw():  # as they arrive, so that the deadline holds for a drip too
            body.add(chunk)
            if time.monotonic() > deadline:
                raise SourceUnavailable(f"{site} sends too slowly: {len(body)} bytes so far.", site=site)
        return body.whole()


def _told(url: str, request: Request) -> dict[str, str]:
    """Of a request, for its span: no header, and of the base address, which may hold a password, the host alone."""
    return {
        "http.request.method": "GET",
        "server.address": urlsplit(url).hostname or "",
        "url.path": request.path,
        "url.query": urlencode(request.params or {}),
    }


def _base(site: Site, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"The address of the site {site}, {url!r}, is not one of http or https.")
    return url.rstrip("/")


def seconds_to_the_hour(now: datetime) -> float:
    """How long a quota that counts by the hour stays used up; a minute at least, should clocks differ."""
    return max(60.0, 3600.0 - (now.minute * 60 + now.second))


def _retry_after(text: str | None, now: datetime) -> float | None:
    """The header as seconds from *now*, at most a day: it is a number of seconds or a date."""
    if text is None:
        return None
    if re.fullmatch(r"\s*[0-9]{1,300}\s*", text):
        return min(float(text), _LONGEST_WISH)
    try:
        instant = parsedate_to_datetime(text)
        aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        return min(max(0.0, (aware - now).total_seconds()), _LONGEST_WISH)
    except (ValueError, TypeError, IndexError, OverflowError):  # whatever the library says to a date that is none
        return None
