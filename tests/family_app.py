"""An app of chains, groups and chords, whose parts wait for a file to be there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery, chord, group

app = Celery("family", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_RESULT_BACKEND"])
app.conf.update(
    task_send_sent_event=True,
    result_chord_retry_interval=0.3,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


def step(number: int) -> int:
    time.sleep(0.05)
    return number + 1


def part(number: int, gate: str | None = None, fail: bool = False) -> int:
    """Ends when there is a file `gate`."""
    while gate and not Path(gate).exists():
        time.sleep(0.02)
    if fail:
        raise KeyError("sku")
    return number


def total(parts: list[int]) -> int:
    return sum(parts)


def fan(gate: str | None = None, fail: bool = False) -> None:
    chord([parts.s(1), parts.s(2), parts.s(3, gate, fail)])(totals.s())


def crowd() -> None:
    group([steps.s(1), steps.s(2)])()


def flaky(task: Any, sku: str) -> str:
    """Fails twice; the third attempt fails for `bad`."""
    if task.request.retries < 2:
        raise task.retry(exc=OSError("busy"), countdown=0.3)
    return {"good": "done"}[sku]


steps, parts, totals = (app.task(of, name=f"shop.{of.__name__}") for of in (step, part, total))
fans, crowds = (app.task(of, name=f"shop.{of.__name__}") for of in (fan, crowd))
flakys = app.task(flaky, name="shop.flaky", bind=True, max_retries=5)
