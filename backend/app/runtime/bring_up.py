"""``quantlab up``: from nothing to ready, and back, in one call."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from app.runtime import programs
from app.runtime.account import Account, make_folder, server_account
from app.runtime.instance import announced, sole_instance
from app.runtime.layout import Layout
from app.runtime.leftovers import ProgramRecord
from app.runtime.machine import check_port, check_room
from app.runtime.merged_log import MergedLog
from app.runtime.ports import free_port, is_taken, next_free
from app.runtime.postgres import Postgres
from app.runtime.program import Program
from app.runtime.ready_text import ready_text
from app.runtime.secret_file import kept_secret
from app.runtime.supervisor import Supervisor
from app.runtime.valkey import Valkey
from app.services.identity import local_user, operator
from app.services.users import first_admin
from app.store.engine import make_engine
from app.store.migrate import upgrade

SAME_KEYSTROKE = 1.0
"""Seconds within which a second signal is the first one's echo: `make` and `timeout` both pass it on."""


def run_platform(layout: Layout, log: MergedLog) -> None:
    """Bring everything up, serve until SIGINT, SIGTERM or SIGHUP, and stop it all.

    Raises:
        ConfigurationError: one sentence about why it cannot start; nothing is left running.
        StoreUnavailable: a database given in the settings does not answer.
    """
    account = None if layout.database_url else server_account()
    with sole_instance(layout.home, account=account):
        check_port(layout.port, layout.host)
        check_room(layout.home)
        make_folder(layout.folder, account=account)
        make_folder(layout.logs, account=None)
        log.write_files_to(layout.logs)
        asyncio.run(_Start(layout, log, account).run())


class _Start:
    def __init__(self, layout: Layout, log: MergedLog, account: Account | None) -> None:
        self._layout = layout
        self._log = log
        self._account = account
        self._record = ProgramRecord(layout.home / "programs.json")
        self._supervisor = Supervisor(log=log, record=self._record)
        self._stop = asyncio.Event()
        self._asked_at = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ask_to_stop, number)
        async with contextlib.AsyncExitStack() as at_end:
            at_end.callback(self._log.say, "stopped")
            at_end.push_async_callback(self._supervisor.stop)
            coming_up = asyncio.create_task(self._come_up(at_end))
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait([coming_up, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set():
                await coming_up  # raises what went wrong
                await stopping
            coming_up.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await coming_up

    async def _come_up(self, at_end: contextlib.AsyncExitStack) -> None:
        layout, log = self._layout, self._log
        found = await asyncio.to_thread(self._record.end_leftovers)
        if found:
            log.say(f"ended what a killed start had left: {', '.join(found)}")
        servers, stage = await asyncio.to_thread(self._servers)
        if layout.sandbox_port:
            stage.append(programs.sandbox(layout, layout.sandbox_port))
        if stage:
            log.say(f"starting {', '.join(program.name for program in stage)}")
            await self._supervisor.start(stage)
        log.say("migrating the database")
        await asyncio.to_thread(upgrade, servers["DATABASE_URL"], source=layout.source)
        kept_secret(layout.admin_token_file)
        password = await asyncio.to_thread(_first_admin, servers["DATABASE_URL"])
        at_end.enter_context(announced(layout.home, source=layout.source, environment=servers, web=layout.web))
        stage = programs.platform(layout, servers)
        with_flower = not is_taken(layout.flower_port)
        if with_flower:
            stage.append(programs.flower(layout, servers))
        else:
            log.say(
                f"port {layout.flower_port} is taken, so Flower is not started; all else works without it "
                f"(another port for it: FLOWER_PORT={next_free(layout.flower_port)})"
            )
        log.say(f"starting {', '.join(program.name for program in stage)}")
        await self._supervisor.start(stage)
        log.say(ready_text(layout, with_flower=with_flower, password=password), secret=password)

    def _servers(self) -> tuple[dict[str, str], list[Program]]:
        """What every other program needs to know, and the servers to start for it."""
        layout, log, stage = self._layout, self._log, []
        database_url, redis_url = layout.database_url, layout.redis_url
        if database_url is None:
            postgres = Postgres(layout.folder / "postgres", free_port(), self._account)
            if not postgres.data.exists():
                log.say("making a new PostgreSQL cluster (some seconds)")
            postgres.prepare()
            stage.append(postgres.program())
            database_url = postgres.url()
        if redis_url is None:
            valkey = Valkey(layout.folder / "valkey", free_port())
            valkey.prepare()
            stage.append(valkey.program())
            redis_url = valkey.url()
        return {
            **layout.site_urls,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "QUANTLAB_SOURCE": layout.source,
            "QUANTLAB_HOME": str(layout.home),
        }, stage

    def _ask_to_stop(self, number: signal.Signals) -> None:
        now = asyncio.get_running_loop().time()
        if not self._stop.is_set():
            self._asked_at = now
            self._stop.set()
            again = "; Ctrl-C again hastens it" if number == signal.SIGINT else ""
            self._log.say(f"stopping everything in order{again}")
        elif now - self._asked_at > SAME_KEYSTROKE:
            self._log.say("hastening: tasks at work go back to the queue")
            self._supervisor.hasten()


def _first_admin(url: str) -> str | None:
    """The password of the first admin, made now; None: there are users."""
    engine = make_engine(url, application_name="quantlab up", pool_size=1)
    try:
        return first_admin(engine, by=operator(local_user()))
    finally:
        engine.dispose()
