"""Why a verdict is what it is: what each witness says, and when that was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import orjson

from data_sources.microseconds import ms
from data_sources.workers.verdict import ANSWERS_WHILE_BUSY, Testimony, Verdict

CLOCK_OFF_SECONDS = 2.0  # by less two clocks differ anyway, and heartbeats take their time
MOST_TASKS = 5
MOST_QUEUES = 5


class Fact(NamedTuple):
    """`witness`: heartbeat, answer, mailbox, work or clock; `at`: when it was so, or since when."""

    witness: str
    text: str
    at: datetime | None = None


def evidence(said: Testimony, verdict: Verdict) -> tuple[Fact, ...]:
    return (*of_heartbeat(said), *of_answers(said), *of_work(said, verdict), *of_clock(said))


def to_json(facts: tuple[Fact, ...]) -> str:
    """A list of [witness, text, milliseconds since 1970 or null]."""
    return orjson.dumps([(one.witness, one.text, one.at and round(ms(one.at))) for one in facts]).decode()


def of_heartbeat(said: Testimony) -> Iterator[Fact]:
    if not said.hears:
        yield Fact("heartbeat", "not known: the event stream is not heard")
    elif said.alike:
        yield Fact("heartbeat", "not known: another has its name and its pid, and a heartbeat may be of either")
    elif said.beat is None:
        yield Fact("heartbeat", "none was heard")
    elif said.beat.left:
        yield Fact("heartbeat", "it said that it goes", said.beat.at)
    elif said.beats:
        yield Fact("heartbeat", f"comes every {said.beat.interval.total_seconds():g} s; the last", said.beat.at)
    else:
        yield Fact("heartbeat", "comes no more; the last", said.beat.at)


def of_answers(said: Testimony) -> Iterator[Fact]:
    if said.answered_at is None:
        yield Fact("answer", "has never answered; its remote control may be off", said.unanswered_since)
    elif said.late:
        yield Fact("answer", "answered an older question only then", said.answered_at)
    else:
        yield Fact("answer", "the last came", said.answered_at)
    if said.answered_at is None or said.unanswered_since is None:
        return
    yield Fact("answer", "does not answer since", said.unanswered_since)
    there = {True: "the broker still has it", False: "the broker has it no more", None: "the broker cannot tell"}
    yield Fact("mailbox", there[said.mailbox])


def of_work(said: Testimony, verdict: Verdict) -> Iterator[Fact]:
    if said.active is not None and said.concurrency is not None:
        yield Fact("work", f"{said.active} of {said.concurrency} slots run a task")
    if said.took_at:
        yield Fact("work", "was last seen to take a task", said.took_at)
    for queue, waiting in list(said.waiting.items())[:MOST_QUEUES]:
        leaves = "takes none, with a free slot" if waiting.consumed else "consumes it no more"
        yield Fact("work", f"{waiting.ready:,} wait in {queue}, and it {leaves}, since", waiting.since)
    if verdict.name == "busy_not_answering" and said.pool not in ANSWERS_WHILE_BUSY:
        yield Fact("work", f"a {said.pool or 'pool of this kind'} worker answers between tasks only")
    if verdict.name in ("busy_not_answering", "wedged", "silent"):
        for task in said.tasks[:MOST_TASKS]:
            yield Fact("work", f"said that it runs {task.name} {task.id}, since", task.since)


def of_clock(said: Testimony) -> Iterator[Fact]:
    ahead = said.beat.clock_offset if said.beat else None
    if ahead is not None and abs(ahead) >= CLOCK_OFF_SECONDS:
        yield Fact("clock", f"{abs(ahead):,.1f} s {'ahead of' if ahead > 0 else 'behind'} ours")
