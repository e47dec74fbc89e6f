"""The sample app: a shop's background work, believable in its names, durations, failures and memory.

Broker and result backend come from CELERY_BROKER_URL and CELERY_RESULT_BACKEND, which Celery reads itself.
Work waits more than it computes, so that the whole demo costs a part of one core.
"""

from __future__ import annotations

import hashlib
import time
from random import Random

from celery import Celery, Task
from celery.schedules import crontab

app = Celery("shop")
app.conf.update(
    task_default_queue="default",
    task_routes={
        "mail.*": {"queue": "mail"},
        "images.*": {"queue": "images"},
        "imports.*": {"queue": "imports"},
        "reports.*": {"queue": "reports"},
    },
    worker_send_task_events=True,
    task_send_sent_event=True,  # the only event that names the queue
    task_track_started=True,
    task_default_priority=3,
    broker_transport_options={"priority_steps": [0, 3, 6, 9], "queue_order_strategy": "priority"},
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,  # what waits is in the queue, where it is counted
    result_expires=600,
    beat_schedule={
        "exchange rates": {"task": "imports.exchange_rates", "schedule": 20.0},
        "expire baskets": {"task": "orders.expire_baskets", "schedule": crontab(), "kwargs": {"older_than_hours": 48}},
        "stock of suppliers": {"task": "imports.stock", "schedule": crontab(minute="*/2"), "args": ["north"]},
        "weekday digest": {
            "task": "mail.digest",
            "schedule": crontab(minute=30, hour=18, day_of_week="mon-fri"),
            "options": {"queue": "mail"},
        },
        "close the month": {"task": "reports.close_month", "schedule": crontab(minute=0, hour=4, day_of_month=1)},
    },
)


class MailServerBusyError(Exception):
    """The mail server asks to come back later."""


class SupplierDownError(Exception):
    """The supplier's feed does not answer."""


def luck(task: Task) -> Random:
    """The same for the same attempt at the same task, so that a run can be understood afterwards."""
    return Random(f"{task.request.id}-{task.request.retries}")


def compute(seconds: float) -> None:
    """Keeps one core busy for `seconds` of its time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        hashlib.sha256(b"pixel" * 10_000).digest()


def megabytes(count: int) -> bytes:
    """Memory that is really there: bytes of zeros would only be promised by the kernel."""
    return b"\x01" * (count * 1_000_000)


def deliver(task: Task, seconds: float) -> None:
    """Hands a message to a mail server that is slow at times and busy in one case of fifty."""
    fate = luck(task)
    time.sleep(seconds * fate.uniform(0.5, 2))
    if fate.random() < 0.02:
        raise MailServerBusyError("451 4.7.1 try again later")


retried_mail = {
    "bind": True,
    "autoretry_for": (MailServerBusyError,),
    "retry_backoff": 4,
    "max_retries": 4,
}


@app.task(name="mail.confirm_order", **retried_mail)
def confirm_order(self: Task, order_id: int) -> str:
    deliver(self, 0.15)
    return f"order {order_id} confirmed"


@app.task(name="mail.reset_password", priority=0, **retried_mail)
def reset_password(self: Task, customer_id: int) -> None:
    deliver(self, 0.1)


@app.task(name="mail.newsletter", priority=9, **retried_mail)
def newsletter(self: Task, issue: str, customer_id: int) -> None:
    deliver(self, 0.4)


@app.task(name="mail.remind_of_basket", priority=6, **retried_mail)
def remind_of_basket(self: Task, customer_id: int) -> None:
    deliver(self, 0.2)


@app.task(name="orders.check_payment", bind=True)
def check_payment(self: Task, order_id: int) -> str:
    fate = luck(self)
    time.sleep(fate.uniform(0.05, 0.3))
    if fate.random() < 0.01:
        raise ValueError(f"order {order_id}: card number has {fate.randint(9, 15)} digits")
    return "paid"


@app.task(name="images.resize", bind=True, acks_late=True)
def resize(self: Task, photo_id: int, width: int) -> dict[str, int]:
    time.sleep(luck(self).uniform(0.2, 0.9))
    compute(0.02)
    return {"photo": photo_id, "width": width}


@app.task(name="images.remove_background", bind=True, acks_late=True)
def remove_background(self: Task, photo_id: int) -> None:
    """Holds the decoded picture and its mask while it works."""
    fate = luck(self)
    picture = megabytes(fate.randint(40, 90))
    time.sleep(fate.uniform(1, 3))
    compute(0.05)
    del picture


@app.task(name="imports.catalogue", bind=True, max_retries=3)
def import_catalogue(self: Task, supplier: str) -> int:
    """Flaky: the supplier's feed is often down, and now and then it is broken."""
    fate = luck(self)
    time.sleep(fate.uniform(0.5, 2.5))
    if fate.random() < 0.35:
        down = SupplierDownError(f"{supplier}: no answer after 2 s")
        raise self.retry(exc=down, countdown=fate.uniform(5, 15))
    if fate.random() < 0.08:
        raise KeyError("sku")
    return fate.randint(200, 4000)


@app.task(name="imports.exchange_rates", bind=True)
def exchange_rates(self: Task) -> int:
    """What beat sends most often; the bank's server closes at times."""
    fate = luck(self)
    time.sleep(fate.uniform(0.1, 0.4))
    if fate.random() < 0.05:
        raise ConnectionResetError("rates.bank.example closed the connection")
    return fate.randint(30, 40)


@app.task(name="imports.stock", bind=True)
def stock(self: Task, warehouse: str) -> str:
    time.sleep(luck(self).uniform(1, 4))
    return f"{warehouse} counted"


@app.task(name="orders.expire_baskets", bind=True)
def expire_baskets(self: Task, older_than_hours: int) -> int:
    time.sleep(luck(self).uniform(0.2, 0.8))
    return older_than_hours // 2


@app.task(name="mail.digest", bind=True)
def digest(self: Task) -> None:
    deliver(self, 0.5)


@app.task(name="reports.close_month", bind=True)
def close_month(self: Task) -> None:
    time.sleep(luck(self).uniform(5, 15))


@app.task(name="reports.sales_of_shop", bind=True)
def sales_of_shop(self: Task, shop_id: int) -> int:
    time.sleep(luck(self).uniform(0.3, 1.2))
    return shop_id * 1000


@app.task(name="reports.daily_sales")
def daily_sales(parts: list[int]) -> int:
    """The chord's body: adds up what every shop reported."""
    return sum(parts)


@app.task(name="reports.export_year", bind=True)
def export_year(self: Task, year: int) -> int:
    """Hungry: reads the whole year into memory, month by month, before it writes a line."""
    rows: list[bytes] = []
    for _month in range(12):
        rows.append(megabytes(18))
        time.sleep(luck(self).uniform(0.6, 1.6))
    return sum(map(len, rows))
