"""The sentence of a task's page: what happened, how long it took or takes, what of it is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from data_sources.answer import Answer
from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.now_frames import worker_frame
from data_sources.query import Workers
from data_sources.run_query import Runs
from headlines.headline import Headline, Words
from headlines.task import task
from tests.task_frames import NOON, answer, row

FAILURE = Failure("unreachable", "Recorder", "process 7 has written nothing", "", NOON, None)


def told(
    *rows: dict[str, Any], runs: Answer | None = None, verdict: str = "working", notes: tuple[Note, ...] = ()
) -> Headline:
    frame = worker_frame()
    frame = pd.DataFrame({column: [None] for column in frame}).assign(worker="w1@shop", verdict=verdict)
    others = runs or answer(*rows, query=Runs("a"))
    return task({"task": replace(answer(*rows), notes=notes), "workers": Answer(frame, Workers()), "runs": others})


def said(words: Words) -> str:
    """As it is read: moments as seconds after noon."""
    read = (
        part
        if isinstance(part, str)
        else f"{part.seconds:g} s"
        if part.seconds is not None
        else f"12:00:{(part.moment - NOON).total_seconds():02g}"
        if part.moment
        else part.text
        for part in words
    )
    return "".join(read)


SENT = {"name": "shop.send", "worker": "w1@shop", "queue": "mail", "sent": 0}


@pytest.mark.parametrize(
    ("given", "sentence", "tone"),
    [
        (
            row("a", "FAILURE", **SENT, finished=3, runtime=1.2, exception="KeyError('sku')", retries=2),
            "shop.send failed after 1.2 s with KeyError('sku'), the 3rd attempt",
            "bad",
        ),
        (row("a", "FAILURE", **SENT), "shop.send failed", "bad"),
        (row("a", "SUCCESS", **SENT, finished=3, runtime=0.5), "shop.send succeeded after 0.5 s", "good"),
        (row("a", "REVOKED", **SENT, finished=3), "shop.send was revoked before it started", "plain"),
        (
            row("a", "REVOKED", **SENT, received=1, started=2, finished=3, runtime=1),
            "shop.send was revoked after 1 s",
            "plain",
        ),
        (row("a", "REJECTED", **SENT, finished=3), "shop.send was rejected by w1@shop", "plain"),
        (row("a", "STARTED", **SENT, received=1, started=40), "shop.send runs since 60 s on w1@shop", "plain"),
        (
            row("a", "RECEIVED", **SENT, received=1, eta=280),
            "shop.send waits for its ETA in 180 s, held by w1@shop",
            "plain",
        ),
        (
            row("a", "RECEIVED", **SENT, received=1, eta=70),
            "shop.send waits to be started since 30 s, held by w1@shop",
            "plain",
        ),
        (
            row("a", "PENDING", name="shop.send", queue="mail", sent=90),
            "shop.send waits in the queue mail since 10 s",
            "plain",
        ),
        (
            row("a", "RETRY", **SENT, received=1, started=2, since=95, exception="OSError('busy')", retries=1),
            "shop.send failed with OSError('busy') and waits to be tried again since 5 s, the 2nd attempt",
            "plain",
        ),
        (row("a", "SUCCESS", retries=20), "a succeeded, the 21. attempt", "good"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_happened(given: dict[str, Any], sentence: str, tone: str) -> None:
    headline = told(given)

    assert (said(headline.sentence), headline.tone) == (sentence, tone)


def test_the_context_says_when_it_ended_how_long_it_waited_and_what_is_usual() -> None:
    own = row("a", "FAILURE", **SENT, finished=3, runtime=1.2, wait=0.4)
    others = [row(f"b{k}", "SUCCESS", **SENT, finished=9, runtime=k) for k in (1, 2, 3)]
    runs = answer(own, *others, row("c", "FAILURE", **SENT, finished=9, runtime=50), row("d", "STARTED"))

    assert said(told(own, runs=runs).context) == (
        "Ended at 12:00:03 on w1@shop. It waited 0.4 s; it came from the queue mail. "
        "Of its last 4 other runs 1 failed; those that succeeded took 2 s (median). "
    )


def test_names_lead_to_their_pages() -> None:
    headline = told(row("a", "SUCCESS", **{**SENT, "name": "a&b"}, finished=3))
    links = [part.href for part in (*headline.sentence, *headline.context) if not isinstance(part, str) and part.href]

    assert links == ["/tasks?name=a%26b", "/worker?name=w1%40shop", "/queue?name=mail"]


@pytest.mark.parametrize("verdict", ["gone", "silent", "wedged"])
def test_a_task_whose_worker_answers_no_more_is_not_simply_running(verdict: str) -> None:
    running = row("a", "STARTED", **SENT, started=40)

    lost = told(running, verdict=verdict)
    assert lost.tone == "bad"
    assert said(lost.context).startswith(f"The worker that has it is {verdict}")
    assert told(running).tone == "plain"
    assert told(row("a", "SUCCESS", **SENT, finished=50), verdict=verdict).tone == "good"  # it ended before


def test_an_old_answer_says_as_of_when() -> None:
    running = row("a", "STARTED", **SENT, started=40)
    stale = answer(running, now=45).failed(FAILURE)
    headline = task({"task": stale, "workers": Answer(worker_frame(), Workers()), "runs": answer(running)})

    assert said(headline.sentence) == "shop.send runs since 5 s on w1@shop"
    assert said(headline.context).endswith("This is as of 12:00:45: nothing newer is recorded.")


def test_an_id_that_is_not_recorded_teaches_and_one_that_cannot_be_looked_up_does_not() -> None:
    nobody = told(notes=(Note("Recording began yesterday", "absent"),))
    assert said(nobody.sentence) == "No task a is recorded"
    assert said(nobody.context) == "Recording began yesterday."
    assert any("HISTORY_KEEP" in line for line in nobody.help)
    assert any("result backend is not read" in line for line in nobody.help)

    broken = replace(answer(), measured_at=None).failed(FAILURE)
    headline = task({"task": broken, "workers": Answer(worker_frame(), Workers()), "runs": broken})
    assert said(headline.sentence) == "It is not known what happened to a"
    assert headline.help == ()


def test_a_long_exception_is_cut_in_the_sentence() -> None:
    headline = told(row("a", "FAILURE", **SENT, exception="x" * 1_000))

    assert len(said(headline.sentence)) < 200
