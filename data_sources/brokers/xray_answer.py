"""What is inside a queue, as an answer: a sample from Redis; from RabbitMQ, where a look changes it, why not."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from data_sources.answer import Answer
from data_sources.brokers.redis_xray import read_sample
from data_sources.brokers.xray import UNITS, message_frame, mix
from data_sources.note import Note
from data_sources.queue_query import Xray
from data_sources.watch import Watch

DEADLINE_SECONDS = 5.0

ONLY_BY_TAKING = {
    "amqp": "RabbitMQ shows a message only to who takes it out: it would come back marked as redelivered, behind "
    "others. That is for an operator to decide, and none is configured here"
}
CANNOT = "What is inside a queue of Celery's {} transport cannot be seen without taking it out"


def xray_answer(query: Xray, watch: Watch) -> Answer:
    """Columns xray.MESSAGE_COLUMNS; `totals["ready"]` counts all that wait. Raises SourceError."""
    broker, began, at = watch.cluster.broker, time.monotonic(), datetime.now(UTC)
    blank = Answer(message_frame(), query, UNITS, origin=broker.address, measured_at=at)
    if broker.transport != "redis":
        why = ONLY_BY_TAKING.get(broker.transport, CANNOT.format(broker.transport))
        return replace(blank, notes=(Note(why, "absent"),))
    sample = read_sample(broker, query.queue, DEADLINE_SECONDS)
    return replace(
        blank,
        frame=message_frame(sample.messages),
        origin=f"Redis at {broker.address}",
        took=timedelta(seconds=time.monotonic() - began),
        notes=sample.notes,
        totals={"ready": sample.ready},
    )


def of_what(query: Xray, messages: Answer) -> Answer:
    """`messages`, or what they are made of (columns xray.MIX_COLUMNS), as `query` asks."""
    if not query.by:
        return messages
    return replace(messages, frame=mix(messages.frame, messages.measured_at or datetime.now(UTC)), query=query)
