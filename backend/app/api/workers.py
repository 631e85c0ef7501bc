"""What an operator tells a worker while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import TheChanger
from app.api.replies import Reply, TheSettings, failures
from app.core import workers

router = APIRouter(prefix="/api/v1/workers", tags=["workers"])

Name = Annotated[str, Path(max_length=255, examples=["celery@host"], description="as `quantlab workers` lists it")]


class SaidReply(Reply):
    """What the worker answered."""

    worker: str
    said: str = Field(examples=["takes nothing more from data_sync, export"])


class RestartingReply(Reply):
    """Whom it concerns."""

    workers: list[str] = Field(examples=[["celery@host"]], description="in the order in which they restart")


class Size(BaseModel):
    """How many tasks it does at once."""

    model_config = ConfigDict(extra="forbid")

    slots: int = Field(strict=True, ge=1, le=workers.MOST_SLOTS)


@router.post("/{name}/drain", summary="Take nothing more", responses=failures(401, 403, 404, 422, 504))
def drain(settings: TheSettings, name: Name, changer: TheChanger) -> SaidReply:
    """It takes nothing more from its queues and finishes what it has in hand. A restart ends that."""
    return _tell(settings, changer, name, "worker.drain", lambda: workers.drain(name))


@router.post("/{name}/resume", summary="Take again", responses=failures(401, 403, 404, 422, 504))
def resume(settings: TheSettings, name: Name, changer: TheChanger) -> SaidReply:
    """It takes again from the queues that it left."""
    return _tell(settings, changer, name, "worker.resume", lambda: workers.resume(name))


@router.put("/{name}/slots", summary="Change its slots", responses=failures(401, 403, 404, 422, 504))
def resize(settings: TheSettings, name: Name, size: Size, changer: TheChanger) -> SaidReply:
    """It works on so many tasks at once, until it restarts.

    422 when it would have to give up a process that works, or its machine has neither cores nor memory for as many.
    """
    return _tell(settings, changer, name, "worker.resize", lambda: workers.resize(name, size.slots))


@router.post("/{name}/restart", summary="Restart it gracefully", responses=failures(401, 403, 404, 422, 504))
def restart(settings: TheSettings, name: Name, changer: TheChanger) -> SaidReply:
    """It ends when its tasks have; its supervisor starts it again, with the newest code. Nothing is lost."""
    return _tell(settings, changer, name, "worker.restart", lambda: workers.restart(name))


@router.post(
    "/restart", summary="Restart all, one after the other", status_code=202, responses=failures(401, 403, 404, 409)
)
def restart_all(settings: TheSettings, changer: TheChanger) -> RestartingReply:
    """Each ends when its tasks have and is waited for before the next is told, so that the rest go on meanwhile.

    It stops at one that does not come back; the heartbeats show how far it is. 409 while somebody does so already.
    """
    with changer.change("worker.restart-all", "all") as row:
        names = workers.begin_restart_of_all(changer.by())
        row.after = {"workers": names}
    return RestartingReply(source=settings.quantlab_source, workers=names)


def _tell(settings: TheSettings, changer: TheChanger, name: str, action: str, command: Callable[[], str]) -> SaidReply:
    with changer.change(action, name) as row:
        said = command()
        row.after = {"said": said}
    return SaidReply(source=settings.quantlab_source, worker=name, said=said)
