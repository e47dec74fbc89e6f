"""What changes workers. Nothing else in Celery Notebook may, and this only when an operator said so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from data_sources.brokers.broker_errors import translated
from data_sources.config import Broker
from data_sources.workers.mailbox import Mailbox
from data_sources.workers.messages import Audience, Request


def enable_events(broker: Broker, workers: Sequence[str], deadline_seconds: float) -> None:
    """Asks `workers` to send events of their tasks, until they restart (celery/worker/control.py, enable_events).

    Does not wait for their answers: their events are the answer. Raises SourceUnreachable and QueryRejected.
    """
    with translated(broker), closing(Mailbox(broker, deadline_seconds)) as mailbox:
        mailbox.ask([Request("enable_events", {})], Audience(only=sorted(workers)), deadline_seconds)
