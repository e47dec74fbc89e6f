"""A task's sentence: what happened to it, how long it took or takes, and what that means beside its other runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import median
from urllib.parse import urlencode

from data_sources.answer import Answer
from data_sources.history.task_run import TaskRun
from data_sources.task_query import Task
from headlines.headline import Headline, Part, Words, name

LONG_TEXT = 160  # of an exception in a sentence
GONE = ("gone", "silent", "wedged")  # verdicts of a worker that may never end it
FEW = 3  # runs that are enough to say what is usual


def task(answers: Mapping[str, Answer]) -> Headline:
    """From `task`, `workers`, and `runs` (the newest of its name)."""
    answer = answers["task"]
    for run in TaskRun.all_of(answer.frame):
        now = answer.measured_at or datetime.now(UTC)
        lost = lost_with(run, answers["workers"])
        tone = "bad" if run.state == "FAILURE" or lost else "good" if run.state == "SUCCESS" else "plain"
        sentence = (named(run), *what_happened(run, now), *attempt(run))
        return Headline(sentence, (*lost, *times(run), *usual(run, answers["runs"]), *stale(answer)), tone)
    return unknown(answer)


def what_happened(run: TaskRun, now: datetime) -> Words:
    match run.state:
        case "SUCCESS":
            return (" succeeded", *after(run))
        case "FAILURE":
            return (" failed", *after(run), *with_exception(run))
        case "REVOKED":
            return (" was revoked", *(after(run) if run.began else (" before it started",)))
        case "REJECTED":
            return (" was rejected", *by(run))
        case "RETRY" if run.began is not None and run.since is not None:
            return (" failed", *with_exception(run), " and waits to be tried again since ", seconds(run.since, now))
        case "STARTED" if run.began is not None:
            return (" runs since ", seconds(run.began, now), *by(run, " on "))
    if run.eta is not None and run.eta > now:
        return (" waits for its ETA in ", seconds(now, run.eta), *by(run, ", held by "))
    if run.received is not None:
        return (
            " waits to be started since ",
            seconds(max(run.received, run.eta or run.received), now),
            *by(run, ", held by "),
        )
    where: Words = (" in the queue ", queue(run)) if run.queue else ()
    since: Words = (" since ", seconds(max(run.sent, run.eta or run.sent), now)) if run.sent else ()
    return (" waits", *where, *since)


def after(run: TaskRun) -> Words:
    return (" after ", Part(seconds=run.runtime)) if run.runtime is not None else ()


def with_exception(run: TaskRun) -> Words:
    return (" with ", name(shortened(run.exception))) if run.exception else ()


def by(run: TaskRun, words: str = " by ") -> Words:
    return (words, name(run.worker, f"/worker?{urlencode({'name': run.worker})}")) if run.worker else ()


def queue(run: TaskRun) -> Part:
    return name(run.queue or "", f"/queue?{urlencode({'name': run.queue})}")


def named(run: TaskRun) -> Part:
    return name(run.name, f"/tasks?{urlencode({'name': run.name})}") if run.name else name(run.id)


def attempt(run: TaskRun) -> Words:
    if run.attempt == 1:
        return ()
    place = {2: "2nd", 3: "3rd"}.get(run.attempt, f"{run.attempt}th") if run.attempt < 21 else f"{run.attempt}."
    return (f", the {place} attempt",)


def times(run: TaskRun) -> Words:
    """When it ended, how long it waited and where it came from, as far as the sentence has not said it."""
    ended: Words = ("Ended at ", Part(moment=run.finished), *by(run, " on "), ". ") if run.finished else ()
    waited: Words = ("It waited ", Part(seconds=run.wait)) if run.wait is not None else ()
    if run.queue is None or not (run.ended or run.received):
        return (*ended, *waited, ". ") if waited else ended
    came: Words = ("it came from the queue " if waited else "It came from the queue ", queue(run), ". ")
    return (*ended, *waited, "; " if waited else "", *came)


def usual(run: TaskRun, runs: Answer) -> Words:
    """What its newest other runs took, and how many failed."""
    others = [one for one in TaskRun.all_of(runs.frame) if one.id != run.id and one.ended]
    took = [one.runtime for one in others if one.runtime is not None and one.state == "SUCCESS"]
    failed = sum(one.state == "FAILURE" for one in others)
    if len(others) < FEW:
        return ()
    usually: Words = ("; those that succeeded took ", Part(seconds=median(took)), " (median)") if took else ()
    return (Part(f"Of its last {len(others)} other runs", href="#runs"), f" {failed or 'none'} failed", *usually, ". ")


def lost_with(run: TaskRun, workers: Answer) -> Words:
    """Whether the worker that has it answers no more."""
    if run.ended or run.worker is None:
        return ()
    rows = workers.frame[workers.frame["worker"] == run.worker]
    if rows.empty or rows["verdict"].iloc[0] not in GONE:
        return ()
    verdict = rows["verdict"].iloc[0]
    return ("The worker that has it is ", Part(str(verdict)), ": unless it comes back, this is all there will be. ")


def stale(answer: Answer) -> Words:
    if not answer.failure or answer.measured_at is None:
        return ()
    return ("This is as of ", Part(moment=answer.measured_at), ": nothing newer is recorded.")


def unknown(answer: Answer) -> Headline:
    asked = answer.query.id if isinstance(answer.query, Task) else ""
    if answer.failure:
        return Headline(("It is not known what happened to ", name(asked)), (answer.failure.what, "."), "bad")
    notes = ". ".join(note.text for note in answer.notes)
    help = (
        "What is kept is bounded by HISTORY_KEEP and HISTORY_SIZE, and only tasks of which an event was heard are "
        "recorded: workers send them when started with -E, senders with task_send_sent_event. A new one takes two "
        "seconds to be written.",
        "Below is what the workers say of it now. The result backend is not read here; it may still have its result:",
        "$ celery -A yourapp result ID",
    )
    return Headline(("No task ", name(asked), " is recorded"), (f"{notes}.",) if notes else (), "plain", help)


def seconds(start: datetime, end: datetime) -> Part:
    return Part(seconds=max(0.0, (end - start).total_seconds()))


def shortened(text: str) -> str:
    return text if len(text) <= LONG_TEXT else f"{text[:LONG_TEXT]}…"
