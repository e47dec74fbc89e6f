"""What is known of one task, put together from its events in whatever order they come.

Each rule takes the greatest, or the least, of what was said, so neither order nor repetition changes the outcome.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from data_sources.events.celery_events import TaskEvent
from data_sources.schema import FINAL, STATES
from data_sources.workers.delivery import Delivery

STATE_OF = {
    "sent": "PENDING",
    "received": "RECEIVED",
    "started": "STARTED",
    "retried": "RETRY",
    "succeeded": "SUCCESS",
    "failed": "FAILURE",
    "revoked": "REVOKED",
    "rejected": "REJECTED",
}
PLACE = {kind: STATES.index(state) for kind, state in STATE_OF.items()}
PENDING, RECEIVED, RETRY, SUCCESS = map(STATES.index, ("PENDING", "RECEIVED", "RETRY", "SUCCESS"))

# What a client says counts less than what a worker does, whose clock is another; an end counts most. REJECTED goes
# with a FAILURE, before or after it (worker/request.py, on_failure), and tells less.
CLIENT, WORKER, GIVEN_UP, END = range(4)
RANKS = [END if state in FINAL else WORKER for state in STATES]
RANKS[PENDING] = CLIENT
RANKS[STATES.index("REJECTED")] = GIVEN_UP

# A client stamps `sent` when the message is out (app/amqp.py, send_task_message); a quick worker has it by then.
SENT_LATE_US = 1_000_000

OUTCOME_TEXTS = ("result", "exception", "traceback")

Value = TypeVar("Value", int, str)


class TaskRecord(msgspec.Struct, gc=False):
    """One task. Unknown is None. Times are microseconds since 1970; `state` is a place in `schema.STATES`.

    Sent, received and ETA are those of the last attempt, which `retries` numbers. `finished_us` and `runtime_us` are
    known only of tasks in a final state; the runtime of a success is what the worker measured (it measures none when
    it lost the process), of any other end it is finished less started.
    """

    id: str
    state: int = PENDING
    state_us: int = 0  # of the event that gave `state` and `worker`
    outcome_us: int | None = None  # of the event that gave result, exception, traceback and runtime
    name: str | None = None
    worker: str | None = None
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    priority: int | None = None
    retries: int | None = None
    eta_us: int | None = None
    sent_us: int | None = None
    received_us: int | None = None
    started_us: int | None = None
    finished_us: int | None = None
    runtime_us: int | None = None
    root: str | None = None
    parent: str | None = None
    group: str | None = None
    args: str | None = None
    kwargs: str | None = None
    result: str | None = None
    exception: str | None = None
    traceback: str | None = None
    cut: dict[str, int] | None = None  # true lengths of what was cut, by field

    @property
    def wait_us(self) -> int | None:
        """From when the last attempt could have started (sent, else received; not before its ETA) to its start."""
        ready_us, received_us, started_us = self.sent_us, self.received_us, self.started_us
        if ready_us is None or (received_us is not None and 0 < ready_us - received_us < SENT_LATE_US):
            ready_us = received_us
        if started_us is None or ready_us is None:
            return None
        if self.eta_us is not None and self.eta_us > ready_us:
            ready_us = self.eta_us
        return started_us - ready_us if started_us >= ready_us else None  # two hosts' clocks

    @property
    def last_us(self) -> int:
        """When it did last what is known of it: finished, else started, else received, else sent."""
        if self.finished_us is not None:
            return self.finished_us
        for at_us in (self.started_us, self.received_us, self.sent_us):
            if at_us is not None:
                return at_us
        return self.state_us


def merge(record: TaskRecord | None, event: TaskEvent) -> TaskRecord:
    """`record`, changed by one more event of its task; a new one for the first. Any order, any repetition: the same."""
    kind = event.kind
    if record is None:
        if kind == "received":
            return received(event)
        record = TaskRecord(event.id)
    if kind == "started":
        if record.started_us is None or event.at_us > record.started_us:
            record.started_us = event.at_us
    elif kind == "sent" or kind == "received":
        take_request(record, event)
    take_state(record, event)
    if kind == "retried" and rank(record.state, record.worker) <= WORKER:
        outcome_us = record.outcome_us if record.outcome_us is not None else -1
        if (event.at_us, outcome(event, RETRY)) > (outcome_us, outcome(record, RETRY)):
            take_outcome(record, event)
    if record.finished_us is not None and record.state != SUCCESS:
        started_us = record.started_us
        known = started_us is not None and started_us <= record.finished_us
        record.runtime_us = record.finished_us - started_us if known and started_us is not None else None
    return record


def received(event: TaskEvent) -> TaskRecord:
    """What an empty record takes from this event, made at once: most tasks begin so, and it saves 0.5 us an event."""
    return TaskRecord(
        event.id,
        RECEIVED,
        event.at_us,
        name=event.name,
        worker=event.worker,
        queue=event.queue,
        exchange=event.exchange,
        routing_key=event.routing_key,
        retries=event.retries,
        eta_us=event.eta_us,
        received_us=event.at_us,
        root=event.root,
        parent=event.parent,
        args=event.args,
        kwargs=event.kwargs,
        cut=event.cut,
    )


def take_request(record: TaskRecord, event: TaskEvent) -> None:
    """What sent and received tell: what is to be done. The times belong to one attempt, the last."""
    attempt, last_attempt = event.retries or 0, record.retries or 0
    if attempt > last_attempt:
        record.sent_us = record.received_us = record.eta_us = None
    if attempt >= last_attempt:
        record.eta_us = greater(record.eta_us, event.eta_us)
        if event.kind == "sent":
            record.sent_us = event.at_us if record.sent_us is None else min(record.sent_us, event.at_us)
        else:
            record.received_us = event.at_us if record.received_us is None else min(record.received_us, event.at_us)
    record.retries = greater(record.retries, event.retries)
    if event.name != record.name:  # most of these agree, and to ask is quicker than to call
        record.name = greater(record.name, event.name)
    if event.queue != record.queue:
        record.queue = greater(record.queue, event.queue)
    if event.exchange != record.exchange:
        record.exchange = greater(record.exchange, event.exchange)
    if event.routing_key != record.routing_key:
        record.routing_key = greater(record.routing_key, event.routing_key)
    if event.root != record.root:
        record.root = greater(record.root, event.root)
    if event.parent != record.parent:
        record.parent = greater(record.parent, event.parent)
    if record.args != event.args or record.kwargs != event.kwargs or record.cut != event.cut:
        take_arguments(record, event)


def take_delivery(record: TaskRecord, told: Delivery) -> bool:
    """What a worker told of the message; whether that is news."""
    before = record.exchange, record.routing_key, record.priority
    record.exchange = greater(record.exchange, told.exchange)
    record.routing_key = greater(record.routing_key, told.routing_key)
    record.priority = greater(record.priority, told.priority)
    return before != (record.exchange, record.routing_key, record.priority)


def take_arguments(record: TaskRecord, event: TaskEvent) -> None:
    if not record.cut and not event.cut:
        record.args, record.kwargs = greater(record.args, event.args), greater(record.kwargs, event.kwargs)
        return
    ours, theirs = record.cut or {}, event.cut or {}
    if (event.args or "", theirs.get("args", 0)) > (record.args or "", ours.get("args", 0)):
        record.args = event.args
        record.cut = recut(record, event, ("args",))
    if (event.kwargs or "", theirs.get("kwargs", 0)) > (record.kwargs or "", ours.get("kwargs", 0)):
        record.kwargs = event.kwargs
        record.cut = recut(record, event, ("kwargs",))


def take_state(record: TaskRecord, event: TaskEvent) -> None:
    """The state, and at an end the outcome with it, if `event` counts more than what gave the present one."""
    state = PENDING if event.requeue else PLACE[event.kind]
    said = RANKS[state] or rank(state, event.worker)
    known = RANKS[record.state] or rank(record.state, record.worker)
    if said > known or (said == known and is_later(record, event, state)):
        record.state, record.state_us, record.worker = state, event.at_us, event.worker
        if said > WORKER:
            record.finished_us = event.at_us
            take_outcome(record, event)


def is_later(record: TaskRecord, event: TaskEvent, state: int) -> bool:
    """Which of two that count the same is taken; at one moment anything must decide, and always the same way."""
    if event.at_us != record.state_us:
        return event.at_us > record.state_us
    new, old = (state, event.worker or ""), (record.state, record.worker or "")
    if new != old:
        return new > old
    return RANKS[state] > WORKER and outcome(event, state) > outcome(record, state)


def rank(state: int, worker: str | None) -> int:
    """How much it counts. A worker that gives a task back says PENDING as a client does that sends it."""
    return RANKS[state] or (CLIENT if worker is None else WORKER)


def outcome(source: TaskRecord | TaskEvent, state: int) -> tuple[object, ...]:
    """What decides between two outcomes of one state at one moment."""
    texts = [(getattr(source, text) or "", (source.cut or {}).get(text, 0)) for text in OUTCOME_TEXTS]
    measured_us = source.runtime_us if state == SUCCESS else None
    return *texts, -1 if measured_us is None else measured_us


def take_outcome(record: TaskRecord, event: TaskEvent) -> None:
    record.outcome_us, record.runtime_us = event.at_us, event.runtime_us
    record.result, record.exception, record.traceback = event.result, event.exception, event.traceback
    if record.cut or event.cut:
        record.cut = recut(record, event, OUTCOME_TEXTS)


def recut(record: TaskRecord, event: TaskEvent, fields: tuple[str, ...]) -> dict[str, int] | None:
    """The lengths of `record`, those of `fields` taken from `event`."""
    kept = {name: length for name, length in (record.cut or {}).items() if name not in fields}
    return kept | {name: length for name, length in (event.cut or {}).items() if name in fields} or None


def greater(one: Value | None, other: Value | None) -> Value | None:
    return other if one is None or (other is not None and other > one) else one
