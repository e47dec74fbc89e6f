"""The Overview's sentence: is it the broker, the workers, a queue, a task?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from charts.series import split
from data_sources.answer import Answer
from data_sources.workers.worker_rows import may_consume
from headlines import verdicts
from headlines.growth import growth
from headlines.headline import Headline, Part, Words, name
from headlines.outage import outage, unasked
from headlines.verdicts import answering, busy_slots, here

GROWING = 5  # messages a minute; slower is noise
FAILING = 0.2  # a fifth of what ends
FAILED = "/tasks?state=FAILURE"

NOBODY = (
    "No worker answered. If workers do run, one of these settings of theirs differs from ours: "
    "broker URL and database or vhost, control_exchange (CELERY_CONTROL_EXCHANGE), "
    "broker_transport_options with global_keyprefix or fanout_prefix (CELERY_BROKER_TRANSPORT_OPTIONS), "
    "or TLS options (CELERY_BROKER_USE_SSL). Or their accept_content is without json, in which alone they are asked, "
    "or worker_enable_remote_control is off.",
    "Compare with what a worker prints at start, or ask one from its own machine:",
    "$ celery -A yourapp inspect ping",
)
NOT_JSON = (
    "Workers must accept and write JSON: they reply with their task_serializer, and nothing else is read here, as a "
    "pickle runs whatever code it brings. A task may still have a serializer of its own.",
    '$ app.conf.accept_content, app.conf.task_serializer = ["json", "pickle"], "json"',
)


def overview(answers: Mapping[str, Answer]) -> Headline:
    """From `workers`, `queues`, `depth` (by queue), `throughput` (total) and `failures` (total)."""
    for tell in (outage, wedged, unreadable, nobody, growing, silent, failing):
        if headline := tell(answers):
            return headline
    return calm(answers)


def wedged(answers: Mapping[str, Answer]) -> Headline | None:
    return verdicts.wedged(answers["workers"].frame)


def unreadable(answers: Mapping[str, Answer]) -> Headline | None:
    workers = answers["workers"]
    why = [note.text for note in workers.notes if note.kind == "unreadable"]
    if not why or workers.totals.get("answered") != 0:
        return None
    return Headline(("Workers answer, but nothing that can be read",), (f"{why[0]}.",), "bad", NOT_JSON)


def nobody(answers: Mapping[str, Answer]) -> Headline | None:
    workers = answers["workers"]
    if workers.pending or workers.totals.get("answered") != 0:
        return None
    frame = workers.frame[workers.frame["last_seen"].notna()]
    if (frame["verdict"] == "busy_not_answering").any():
        return None
    if frame.empty:
        ready = answers["queues"].totals.get("ready")
        context: Words = (count(ready, "message waits", "messages wait"), ".") if ready else ()
        return Headline(("The broker answers, but no worker does",), context, "bad", NOBODY)
    missed = frame[frame["verdict"] != "gone"] if (frame["verdict"] != "gone").any() else frame
    who = count(len(missed), "worker", "workers")
    last: Words = ("; the last answer came ", Part(moment=frame["last_seen"].max().to_pydatetime()), ".")
    return Headline(("No worker answers any more",), (Part(who, href="#workers"), " fell silent", *last), "bad")


def growing(answers: Mapping[str, Answer]) -> Headline | None:
    """The queue that grows fastest, and how many workers leave it alone."""
    worst = next(iter(growth(answers["depth"]) or ()), None)
    if worst is None or worst.per_minute < GROWING:
        return None
    per_minute = Part(f"{worst.per_minute:,.0f} a minute", href="#cockpit")
    context: Words = (
        f"{count(worst.now, 'message waits', 'messages wait')} there, up from {worst.least:,.0f} at ",
        Part(moment=worst.least_at),
        ".",
    )
    workers = answers["workers"].frame
    reason = left_by(worst.queue, workers) or (neglect(worst.queue, answering(workers)),)
    return Headline((name(worst.queue, "#queues"), " grows by ", per_minute, *reason), context, "bad")


def left_by(queue: str, workers: pd.DataFrame) -> Words:
    """Who consumed `queue` and fell silent, where nobody is left that does, or may; empty otherwise."""
    seen = workers[workers["last_seen"].notna()]
    consumed = seen[np.array([may_consume(row, queue) for row in seen.to_dict("records")], dtype=bool)]
    lost = consumed[consumed["verdict"].isin(["silent", "gone"]) & consumed["queues"].notna()]
    if lost.empty or len(lost) < len(consumed):
        return ()
    alone = len(lost) == 1
    return (": ", *verdicts.linked(lost), f", {'who alone consumed' if alone else 'who consumed'} it, fell silent")


def neglect(queue: str, workers: pd.DataFrame) -> str:
    """How many of the workers that say what they consume do not consume `queue`; empty when all do."""
    consumed = [queues for queues in workers["queues"] if isinstance(queues, list)]
    missing = sum(queue not in queues for queues in consumed)
    if not missing or len(consumed) == missing < len(workers):  # who has not said may
        return ""
    if missing == len(consumed):
        return f": none of {missing} workers consumes it" if missing > 1 else ": the only worker does not consume it"
    return f": {missing} of {len(consumed)} workers {'does' if missing == 1 else 'do'} not consume it"


def silent(answers: Mapping[str, Answer]) -> Headline | None:
    frame = answers["workers"].frame
    left = len(answering(frame))
    return verdicts.silent(frame, (f"{count(left, 'other worker answers', 'other workers answer')}.",))


def failing(answers: Mapping[str, Answer]) -> Headline | None:
    failures, throughput = latest(answers["failures"]), latest(answers["throughput"])
    if not failures or not throughput or failures / throughput < FAILING:
        return None
    share = Part(percent(100 * failures / throughput), href=FAILED)
    return Headline((share, " of the tasks that end now fail"), (f"{failures:.2g} a second.",), "bad")


def calm(answers: Mapping[str, Answer]) -> Headline:
    if answers["workers"].pending:
        return Headline(("Asking the workers",), tone="plain")
    if headline := unasked(answers):
        ready, where = waiting(answers["queues"])
        if ready is None:
            return headline
        what = count(ready, "message waits", "messages wait") if ready else "Nothing waits"
        lead = Part(f"{what}{where}", href="#queues")
        return replace(headline, sentence=(lead, "; workers cannot be asked on this broker"))
    workers = here(answers["workers"].frame)
    who = Part(count(len(workers), "worker", "workers"), href="#workers")
    rate = latest(answers["throughput"])
    work: Words = ()
    if rate is not None:
        work = (" at ", Part(f"{rate:.3g} tasks a second", href="#cockpit")) if rate else (" with nothing to do",)
    ready, where = waiting(answers["queues"])
    waits: Words = ()
    if ready is not None:
        waits = (", ", Part(f"{ready:,} waiting{where}" if ready else f"nothing waits{where}", href="#queues"))
    facts: list[Words] = [(busy,)] if (busy := busy_slots(workers)) else []
    if growth(answers["depth"]) == []:
        facts.append(("no known queue grows" if where else "no queue grows",))
    if (failed := share_failed(answers)) is not None:
        facts.append((Part(f"{percent(failed)} of what ended failed" if failed else "nothing failed", href=FAILED),))
    return Headline((who, *work, *waits), sentence_of(facts))


def waiting(queues: Answer) -> tuple[int | None, str]:
    """How many messages wait, and where, unless that is everywhere: a broker may have queues that it does not name."""
    ready = queues.totals.get("ready")
    if ready is not None:
        return ready, ""
    known = queues.frame[~queues.frame["internal"]]["ready"]
    if known.empty or known.isna().any():
        return None, ""
    return int(known.sum()), " in the known queue" if len(known) == 1 else f" in the {len(known):,} known queues"


def sentence_of(facts: Sequence[Words]) -> Words:
    """`Facts; one after another.`"""
    words = [word for fact in facts for word in ("; ", *fact)][1:]
    if words and isinstance(words[0], str):
        words[0] = words[0][:1].upper() + words[0][1:]
    return (*words, ".") if words else ()


def percent(share: float) -> str:
    """Nothing but none is 0, and nothing but all is 100."""
    if 99.5 <= share < 100:
        return "more than 99%"
    return f"{share:.0f}%" if share >= 10 else f"{share:.1f}%" if share >= 0.1 else "less than 0.1%"


def share_failed(answers: Mapping[str, Answer]) -> float | None:
    """Percent of what ended, over the window as far as both are known."""
    ended, failed = (
        [one.y.astype(np.float64) for one in split(answer.frame, answer.window)]
        if answer.window and answer.tells_now
        else []
        for answer in (answers["throughput"], answers["failures"])
    )
    if len(ended) != 1 or len(failed) != 1 or len(ended[0]) != len(failed[0]):
        return None
    known = np.isfinite(ended[0]) & np.isfinite(failed[0])
    total = ended[0][known].sum()
    return float(100 * failed[0][known].sum() / total) if total > 0 else None


def latest(answer: Answer) -> float | None:
    """A total at the end of its window; None when it is not known, or that end is not now."""
    if answer.window is None or not answer.tells_now:
        return None
    ends = [one.y[-2:] for one in split(answer.frame, answer.window)]
    known = [float(value) for end in ends for value in end if np.isfinite(value)]
    return known[-1] if known else None


def count(number: float, one: str, many: str) -> str:
    """`1 worker`, `1,200 workers`."""
    return f"{number:,.0f} {one if number == 1 else many}"
