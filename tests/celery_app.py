"""The app that the tests' real workers run; its broker comes from the environment."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery

app = Celery("tests", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    task_serializer=os.environ.get("TASK_SERIALIZER", "json"),
    accept_content=["json", os.environ.get("TASK_SERIALIZER", "json")],
    broker_transport_options={"global_keyprefix": os.environ.get("KEY_PREFIX", ""), "visibility_timeout": 12 * 3600},
    control_exchange=os.environ.get("CONTROL_EXCHANGE", "celery"),
    worker_pool_restarts=bool(os.environ.get("POOL_RESTARTS")),
)


@app.task(name="shop.sleep", rate_limit="100/s")
def sleep(seconds: float, **secrets: str) -> None:
    time.sleep(seconds)


@app.task(name="shop.wait_for")
def wait_for(path: str, **secrets: str) -> None:
    """Runs until there is a file of this name."""
    while not Path(path).exists():
        time.sleep(0.05)


@app.task(name="shop.refresh_token")
def refresh_token() -> None:
    """A task whose name sounds like a secret."""
