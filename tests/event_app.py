"""The tests' app, with tasks that end in every way a task can."""

from __future__ import annotations

from typing import Any

from tests.celery_app import app

app.conf.task_send_sent_event = True  # of the attempts that a worker sends anew


def add(one: int, other: int) -> int:
    return one + other


def fail(password: str) -> None:
    raise KeyError("sku")


def retry(task: Any) -> None:
    if not task.request.retries:
        raise task.retry(exc=OSError("later"), countdown=0.2)


app.task(add, name="shop.add")
app.task(fail, name="shop.fail")
app.task(retry, name="shop.retry", bind=True)
