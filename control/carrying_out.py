"""Doing what was planned, and looking what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from control.facts import Facts
from control.plan import Line, Plan
from control.planning import READERS, Again, short
from control.revoking import marked_words
from control.shutting import doubted
from control.words import NO_ANSWER, many
from data_sources.brokers import purge, rabbitmq_xray
from data_sources.brokers.looks import Look
from data_sources.brokers.publish import Publisher
from data_sources.errors import NotConfirmed, QueryRejected, SourceError
from data_sources.failure import Failure
from data_sources.workers import celery_control
from data_sources.workers.celery_control import Reply
from data_sources.workers.look_inside import LookInside
from data_sources.workers.orders import Order, Purge, Revoke, Shutdown, WorkerOrder

log = logging.getLogger(__name__)

GIVE_SECONDS = 5.0
SEND_SECONDS = 5.0  # a task
SENDING_SECONDS = 120.0  # all tasks of a plan
READ_BACK_SECONDS = 5.0  # effects come later than the answer: a consumer is added in the worker's next round
LOOK_AGAIN_SECONDS = 0.3


def carried_out(plan: Plan, facts: Facts) -> tuple[tuple[Reply, ...], Failure | None]:
    """What each said; and the failure, where the broker was not reached, or refused, before anything was sent.

    Never raises. Where it is not known whether something was done, each reply is "no reply".
    """
    replies: list[Reply] = []
    try:
        for some in carry_out(plan, facts):
            replies += some
    except NotConfirmed as error:
        replies += unheard(plan, replies, error.what)
    except SourceError as error:
        return tuple(replies), Failure.from_error(error, datetime.now(UTC), None)
    except Exception:
        log.exception("unexpected error while an order was given")
        replies += unheard(plan, replies, "an unexpected error of Celery Notebook's own; its log has the details")
    return tuple(replies), None


def carry_out(plan: Plan, facts: Facts) -> Iterator[Sequence[Reply]]:
    """Raises SourceError."""
    cluster = facts.cluster
    if isinstance(plan.order, Purge):
        deleted = purge.purge(cluster, plan.order.queue, GIVE_SECONDS)
        yield [Reply(plan.order.queue, "done", f"{many(deleted, 'message')} deleted")]
    elif isinstance(plan.order, LookInside):
        yield [looked(plan.order, facts)]
    elif plan.sends:
        with closing(Publisher(cluster)) as publisher:
            yield from ([reply] for reply in published(plan, publisher))
    elif isinstance(plan.order, Again):
        for part in plan.order.orders:
            replies = celery_control.give(cluster.broker, cast(WorkerOrder, part), plan.workers, GIVE_SECONDS)
            yield [replace(reply, text=f"{short(part)}: {reply.text}") for reply in replies]
    else:
        yield celery_control.give(cluster.broker, cast(WorkerOrder, plan.order), plan.workers, GIVE_SECONDS)


def looked(order: LookInside, facts: Facts) -> Reply:
    """What was seen stands on the queue's page, and not in the reply. Raises SourceError."""
    began, at = time.monotonic(), datetime.now(UTC)
    sample = rabbitmq_xray.look(facts.cluster, order, GIVE_SECONDS)
    facts.desk.keep_look(facts.name, order.queue, Look(sample, at, timedelta(seconds=time.monotonic() - began)))
    told = f"{many(len(sample.messages), 'message')} seen and put back; “What is inside” (source=xray) shows them"
    return Reply(order.queue, "done", told)


def unheard(plan: Plan, heard: Sequence[Reply], why: str) -> list[Reply]:
    """A reply for each that has none: they come in the order of the plan."""
    parts = len(plan.order.orders) if isinstance(plan.order, Again) else 1
    names = (plan.workers or tuple(line.about for line in plan.lines)) * parts
    return [Reply(name, "no reply", f"sent, not confirmed: {why}") for name in names[len(heard) :]]


def published(plan: Plan, publisher: Publisher) -> Iterator[Reply]:
    """One after the other; of a broker that is gone nothing more is asked."""
    ends, gone = time.monotonic() + SENDING_SECONDS, ""
    for send in plan.sends:
        about = send.retry_of or send.name
        if gone or time.monotonic() > ends:
            yield Reply(about, "refused", f"not sent: {gone or 'the time was up'}")
            continue
        try:
            yield Reply(about, "done", publisher.publish(send, SEND_SECONDS))
        except QueryRejected as error:
            yield Reply(about, "refused", ". ".join(filter(None, (error.what, error.hint))))
        except NotConfirmed as error:
            gone = error.what
            yield Reply(about, "no reply", f"sent, not confirmed: {error.what}")
        except SourceError as error:
            gone = error.what
            yield Reply(about, "refused", f"not sent: {error.what}")


def read_back(plan: Plan, facts: Facts, replies: Sequence[Reply]) -> tuple[Line, ...]:
    """What it is now at those who did not refuse, once it is as planned or READ_BACK_SECONDS are over.

    Nothing where Celery cannot tell. Raises SourceError.
    """
    ends = time.monotonic() + READ_BACK_SECONDS
    if isinstance(plan.order, Again):
        parts = zip(plan.order.orders, plan.lines, replies, strict=False)  # what broke in between has fewer replies
        return tuple(
            replace(became, about=line.about)
            for part, line, reply in parts
            if is_worth_asking(reply, part)
            for became in looked_up(part, {reply.worker: line.then}, facts, ends)
        )
    told = [reply.worker for reply in replies if is_worth_asking(reply, plan.order)]
    lines = looked_up(plan.order, wanted(plan, told), facts, ends)
    return doubted(lines, plan.runs) if isinstance(plan.order, Shutdown) else lines


def looked_up(order: Order, then: Mapping[str, str], facts: Facts, ends: float) -> tuple[Line, ...]:
    """What it is now at the workers of `then`, once it is as it says there, or the time is up."""
    reader = READERS.get(type(order))
    if reader is None or not then:
        return ()
    while True:
        now = reader(order, facts, then.keys())
        if now == then or time.monotonic() > ends:
            return tuple(Line(name, now.get(name, NO_ANSWER), wished) for name, wished in then.items())
        time.sleep(LOOK_AGAIN_SECONDS)


def is_worth_asking(reply: Reply, order: Order) -> bool:
    """Who did not answer before would be waited for in vain; but who shuts down does not answer."""
    return reply.outcome == "done" or (reply.outcome == "no reply" and isinstance(order, Shutdown))


def wanted(plan: Plan, workers: Sequence[str]) -> dict[str, str]:
    if isinstance(plan.order, Revoke):
        return dict.fromkeys(workers, marked_words(len(plan.order.ids), plan.order))
    then = {line.about: line.then for line in plan.lines}
    return {name: then[name] for name in workers}
