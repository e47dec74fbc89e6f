"""Why nothing newer is known of broker and workers: we ourselves are blind, or the broker is away."""

from __future__ import annotations

from collections.abc import Mapping

from data_sources.answer import Answer
from headlines.headline import Headline, Part, Words


def outage(answers: Mapping[str, Answer]) -> Headline | None:
    """From `queues` and `workers`, or `workers` alone. A failure of our own says nothing against the broker."""
    return blind(answers) or broker_down(answers)


def blind(answers: Mapping[str, Answer]) -> Headline | None:
    """The recorder, which alone asks them, is silent, or what it wrote cannot be read; the page says why above."""
    failures = [answer.failure for answer in asked(answers) if answer.failure and answer.failure.is_of_recording]
    if not failures:
        return None
    last = max((answer.measured_at for answer in asked(answers) if answer.measured_at), default=None)
    known: Words = ("Nothing newer than ", Part(moment=last), " is known: ") if last else ("Nothing is known: ",)
    why = "the recorder is silent" if failures[0].source == "Recorder" else "the history cannot be read"
    return Headline((*known, why), ("The broker and the workers may be well: the recorder alone asks them.",), "bad")


def broker_down(answers: Mapping[str, Answer]) -> Headline | None:
    workers, queues = answers["workers"], answers.get("queues")
    failures = [answer.failure for answer in asked(answers) if answer.failure and not answer.failure.is_of_transport]
    if not failures:
        return None
    if len(failures) == 2:
        lead = "The broker cannot be reached: "
    elif queues and queues.failure:
        lead = f"{'Workers answer, but the' if workers.totals.get('answered') else 'The'} queues cannot be read: "
    else:
        known = queues and not queues.pending
        lead = f"{'The broker answers, but workers' if known else 'Workers'} cannot be asked: "
    since = min(failure.since for failure in failures)
    return Headline((lead, failures[0].what), ("Since ", Part(moment=since), ". ", failures[0].hint), "bad")


def unasked(answers: Mapping[str, Answer]) -> Headline | None:
    """Nothing is wrong, and nothing is known of workers: the broker's transport has no way to ask them."""
    failure = answers["workers"].failure
    if failure is None or not failure.is_of_transport:
        return None
    return Headline(("Workers cannot be asked on this broker",), (f"{failure.what}. {failure.hint}",), "plain")


def asked(answers: Mapping[str, Answer]) -> list[Answer]:
    return [answers[name] for name in ("queues", "workers") if name in answers]
