"""What changes workers. Nothing else in Celery Notebook may, and this only when an operator said so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NoReturn

from data_sources.brokers.broker_errors import SOURCE, alarmed
from data_sources.brokers.errand import Errand, run
from data_sources.config import Broker
from data_sources.errors import NotConfirmed, QueryRejected
from data_sources.mask import mask_text
from data_sources.workers.mailbox import Mailbox
from data_sources.workers.messages import Audience, Request
from data_sources.workers.orders import Shutdown, WorkerOrder
from data_sources.workers.worker_words import EXPECTED, SILENCE, Outcome, understood

MOST_WORKERS = 1_000
WILD = "*?["  # no name of one worker
SPARE_SECONDS = 0.2  # of the deadline: to take leave of the broker
SHUTDOWN_SECONDS = 0.5  # for those that do not know the order; the others never reply


@dataclass(frozen=True)
class Reply:
    """What one worker said. `no reply`: the order was sent, and whether it was carried out is not known.

    `already`: it says that it was so before, as workers do of events alone (celery/worker/control.py).
    """

    worker: str
    outcome: Outcome
    text: str
    already: bool = False


def give(broker: Broker, order: WorkerOrder, workers: Sequence[str], deadline_seconds: float) -> tuple[Reply, ...]:
    """Gives `order` to `workers`, and tells what each of them replied, in their order.

    Raises QueryRejected before a byte is sent when they are none, too many, or not named one by one, and when the
    broker refuses; SourceUnreachable when it cannot be reached. Once the order is on its way there is a reply for each.
    """
    check(workers)
    heard: dict[str, Any] = {}
    silence = EXPECTED if isinstance(order, Shutdown) else SILENCE
    try:
        run(broker, deadline_seconds, lambda errand: exchange(broker, order, workers, heard, errand))
    except NotConfirmed as error:
        silence = f"sent, not confirmed: {error.what}"
    return tuple(
        reply_of(worker, heard[worker]) if worker in heard else Reply(worker, "no reply", silence)
        for worker in dict.fromkeys(workers)
    )


def reply_of(worker: str, value: Any) -> Reply:
    outcome, text = understood(value)
    return Reply(worker, outcome, text, already=text.startswith("task events already"))


def check(workers: Sequence[str]) -> None:
    """Refuses a selection that could reach others than it shows."""
    if not workers:
        refuse("no worker is selected", "To Celery an empty selection means everyone, so it is not sent.")
    if len(workers) > MOST_WORKERS:
        refuse(f"{len(workers):,} workers are selected", f"Give an order to at most {MOST_WORKERS:,} at once.")
    for name in workers:
        if not names_one(name):
            refuse(f"“{mask_text(name[:40])}” does not name one worker", "Name each worker as it names itself.")


def names_one(worker: str) -> bool:
    """Whether it is the name of one worker, and not a pattern, nor what could hide another name."""
    return bool(worker) and worker.isprintable() and not any(mark in worker for mark in WILD)


def exchange(broker: Broker, order: WorkerOrder, workers: Sequence[str], heard: dict[str, Any], errand: Errand) -> None:
    """Puts into `heard` what was answered, by worker, until all have answered or the time is up."""
    owing = {mask_text(worker): worker for worker in workers}  # answers name them masked
    request = Request(order.kind, order.arguments())
    with closing(Mailbox(broker, errand.left)) as mailbox:
        errand.send()
        mailbox.ask([request], Audience(only=sorted(set(workers))), errand.left)
        ends = errand.ends - SPARE_SECONDS
        if isinstance(order, Shutdown):
            ends = min(ends, time.monotonic() + SHUTDOWN_SECONDS)
        while owing and (left := ends - time.monotonic()) > 0:
            answer = mailbox.next(left)
            if answer and answer.ticket == request.ticket and answer.worker in owing:
                heard[owing.pop(answer.worker)] = answer.value
        if not heard and not mailbox.delivered:
            raise alarmed(broker) if mailbox.blocked else TimeoutError("the order was not confirmed")


def refuse(what: str, hint: str) -> NoReturn:
    raise QueryRejected(SOURCE, what, hint)
