"""The app of the tests' real beats and their worker; its broker comes from the environment."""

from __future__ import annotations

import os

from celery import Celery
from celery.schedules import crontab

app = Celery("beat", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_send_sent_event=True,
    beat_enable_remote_control=True,
    timezone="Europe/Berlin",
    beat_schedule={
        "often": {
            "task": "shop.tick",
            "schedule": 8.0,
            "kwargs": {"api_key": "s3cret"},
            "options": {"queue": "celery"},
        },
        "weekdays": {"task": "shop.tock", "schedule": crontab(minute=30, hour=18, day_of_week="mon-fri")},
    },
)


@app.task(name="shop.tick")
def tick(**given: str) -> None:
    """What beat sends often."""


@app.task(name="shop.tock")
def tock() -> None:
    """What beat sends seldom."""
