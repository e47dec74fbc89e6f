"""What stands in a broker and nobody fetches: told from its queues, with the command that mends it. Nothing is done."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from data_sources.brokers.rabbitmq_broker import vhost
from data_sources.config import Broker
from data_sources.now_frames import frame_rows, row_frame

COLUMNS = {
    "what": "str",  # one of WHAT
    "name": "str",  # of the queue
    "count": "Int64",  # messages
    "age": "float64",  # seconds that the oldest of them is there, at least
    "advice": "str",
    "command": "str",  # NA: none that is safe for all names
}
UNITS = {"age": "s"}
WHAT = ("overdue", "nobody", "reply queue", "worker mailbox", "event queue", "event queue without limits")

REPLY_SECONDS = 60.0  # replies are fetched in milliseconds, and no client waits longer
NOBODY_SECONDS = 3600.0

Row = Mapping[str, Any]


def leftovers(queues: pd.DataFrame, broker: Broker) -> pd.DataFrame:
    """The columns of COLUMNS, from those of queue_depths."""
    told_of = queues["internal"] | (queues["overdue"].fillna(0) > 0) | queues["flags"].map(len).astype(bool)
    found = (one for row in frame_rows(queues[told_of]) for one in found_in(row, broker))
    return row_frame(sorted(found, key=lambda row: WHAT.index(row["what"])), COLUMNS)


def found_in(row: Row, broker: Broker) -> Iterator[dict[str, Any]]:
    name, redis = row["queue"], broker.transport == "redis"
    age = row["oldest"] if row["oldest"] is not None else row["oldest_at_least"]
    if not row["internal"]:
        yield from of_work(row, age)
    elif name.endswith(".reply.celery.pidbox"):
        if (redis and row["ready"] and (age or 0) > REPLY_SECONDS) or row["consumers"] == 0:
            advice = "Replies to a client that went away before it read them. They have no time limit."
            yield told("reply queue", row, row["ready"], age, advice, removal(name, broker))
    elif row["consumers"] == 0 and name.endswith(".pidbox"):
        advice = "The mailbox of a worker that is gone."
        yield told("worker mailbox", row, row["ready"], age, advice, removal(name, broker))
    elif row["consumers"] == 0 and name.startswith("celeryev"):
        advice = "Events for a monitor that is gone. Without a limit they pile up."
        yield told("event queue", row, row["ready"], age, advice, removal(name, broker))
    elif broker.transport == "amqp" and name.startswith("celeryev") and is_unlimited(row):
        advice = "Whoever listens here piles up events when it is too slow. Celery's defaults are 5 s and 60 s."
        command = "app.conf.event_queue_ttl, app.conf.event_queue_expires = 5.0, 60.0     # in that monitor's app"
        yield told("event queue without limits", row, row["ready"], age, advice, command)


def of_work(row: Row, age: float | None) -> Iterator[dict[str, Any]]:
    if row["overdue"]:
        advice = (
            "Held longer than the visibility timeout: the worker that has them is dead or stuck, or the task runs "
            "longer. Any worker that starts on this broker has them delivered once more."
        )
        yield told("overdue", row, row["overdue"], row["oldest_unacked"], advice, worker(row["queue"]))
    if "nobody" in row["flags"] and (age is None or age > NOBODY_SECONDS):
        advice = "Nobody consumes this queue. Start a worker on it, or purge it when nobody needs what is in it."
        yield told("nobody", row, row["ready"], age, advice, worker(row["queue"]))


def told(what: str, row: Row, count: int | None, age: float | None, advice: str, command: str | None) -> dict[str, Any]:
    return {"what": what, "name": row["queue"], "count": count, "age": age, "advice": advice, "command": command}


def is_unlimited(row: Row) -> bool:
    """It is not deleted with its client, nor in time, and its messages stay. Only the management API tells."""
    return row["type"] is not None and row["message_ttl"] is None and row["expires"] is None


def worker(queue: str) -> str | None:
    """What starts a worker on `queue`; None when its name cannot be typed safely."""
    return typed("celery", "-A", "yourapp", "worker", "-Q", queue) if "," not in queue else None


def removal(queue: str, broker: Broker) -> str | None:
    match broker.transport:
        case "redis":
            return redis_command(broker, "UNLINK", queue)
        case "amqp":
            return typed("rabbitmqctl", "-p", vhost(broker), "delete_queue", queue)
    return None


def redis_command(broker: Broker, command: str, name: str) -> str | None:
    """On the broker's own server and database, whose URL may hold a password, and with what its keys begin with."""
    words = typed(command, f"{broker.transport_options.get('global_keyprefix', '')}{name}")
    return f'redis-cli -u "$CELERY_BROKER_URL" {words}' if words else None


def typed(*words: str) -> str | None:
    """A command for a shell; None when a name holds what a terminal would act on, or is taken for an option."""
    if not all(word.isprintable() for word in words) or words[-1].startswith("-"):
        return None
    return shlex.join(words)
