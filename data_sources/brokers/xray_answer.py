"""What is inside a queue, as an answer: a sample from Redis; from RabbitMQ what an operator saw there last."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from data_sources.answer import Answer
from data_sources.brokers.looks import KEPT, Looks
from data_sources.brokers.redis_xray import read_sample
from data_sources.brokers.xray import UNITS, Sample, message_frame, mix
from data_sources.config import Broker, Cluster
from data_sources.note import Note
from data_sources.queue_query import Xray

DEADLINE_SECONDS = 5.0

CANNOT = "What is inside a queue of Celery's {} transport cannot be seen without taking it out"
BY_TAKING = "RabbitMQ shows a message only to who takes it out; it comes back marked as redelivered"
AN_OPERATOR = "An operator may look, by “Look inside” on the queue's page; what was seen then stands here for all"
NOBODY = "That is for an operator to decide, and none is configured here (docs/access.md)"
UNSAFE = "It needs RABBITMQ_MANAGEMENT_URL too, which tells whether a look could do harm"
SEEN = "As an operator saw it, who took these messages out and put them back"


def xray_answer(query: Xray, broker: Broker) -> Answer:
    """Columns xray.MESSAGE_COLUMNS; `totals["ready"]` counts all that wait. Raises SourceError."""
    if broker.transport != "redis":
        return unseen(query, broker, CANNOT.format(broker.transport))
    began, at = time.monotonic(), datetime.now(UTC)
    sample = read_sample(broker, query.queue, DEADLINE_SECONDS)
    return seen(query, sample, f"Redis at {broker.address}", at, timedelta(seconds=time.monotonic() - began))


def look_answer(query: Xray, cluster: Cluster, looks: Looks, control: bool) -> Answer:
    """The same of the last look into a queue of RabbitMQ; without one, who may look. `control`: whether anybody may."""
    broker, look = cluster.broker, looks.last(query.queue)
    if look is None:
        unsafe = () if cluster.rabbitmq_management else (UNSAFE,)
        return unseen(query, broker, BY_TAKING, AN_OPERATOR if control else NOBODY, *unsafe)
    answer = seen(query, look.sample, f"RabbitMQ at {broker.address}", look.at, look.took)
    return replace(answer, notes=(Note(SEEN), *answer.notes), lasts=KEPT)


def seen(query: Xray, sample: Sample, origin: str, at: datetime, took: timedelta) -> Answer:
    return Answer(
        message_frame(sample.messages),
        query,
        UNITS,
        origin=origin,
        measured_at=at,
        took=took,
        notes=sample.notes,
        totals={"ready": sample.ready},
    )


def unseen(query: Xray, broker: Broker, *why: str) -> Answer:
    notes = tuple(Note(text, "absent") for text in why)
    return Answer(message_frame(), query, UNITS, origin=broker.address, measured_at=datetime.now(UTC), notes=notes)


def of_what(query: Xray, messages: Answer) -> Answer:
    """`messages`, or what they are made of (columns xray.MIX_COLUMNS), as `query` asks."""
    if not query.by:
        return messages
    return replace(messages, frame=mix(messages.frame, messages.measured_at or datetime.now(UTC)), query=query)
