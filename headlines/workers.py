"""The sentences of the Workers pages: who is wedged, missing, silent or gone, and since when?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pandas as pd

from data_sources.answer import Answer
from data_sources.evidence import CLOCK_OFF_SECONDS
from headlines import verdicts
from headlines.headline import Headline, Part, Words
from headlines.overview import broker_down, count, nobody
from headlines.verdicts import answering, here, link, linked, since, since_any

RECENT = timedelta(hours=1)  # who is gone longer is no news
ASKING = Headline(("Asking the workers",), tone="plain")
WORDS = {
    "working": "works",
    "idle": "has nothing to do",
    "busy_not_answering": "is too busy to answer",
    "silent": "neither beats nor answers",
    "gone": "is gone",
    "unknown": "has not said what it does",
}


def workers(answers: Mapping[str, Answer]) -> Headline:
    """From `workers` and `queues`."""
    if answers["workers"].pending:
        return ASKING
    frame, context = answers["workers"].frame, rest(answers["workers"].frame)
    return (
        broker_down(answers)
        or verdicts.wedged(frame, context)
        or nobody(answers)
        or missing(frame, context)
        or verdicts.silent(frame, context)
        or gone(answers["workers"], context)
        or calm(frame, context)
    )


def missing(frame: pd.DataFrame, context: Words) -> Headline | None:
    """Those whom the configuration names."""
    expected = frame[frame["expected"].fillna(False)]
    absent = expected[expected["last_seen"].isna() | (expected["verdict"] == "gone")]
    if absent.empty:
        return None
    sentence = f"{len(absent)} of {len(expected)} expected workers {'is' if len(absent) == 1 else 'are'} missing: "
    return Headline((sentence, *linked(absent)), (*since_any(absent), *context), "bad")


def gone(answer: Answer, context: Words) -> Headline | None:
    frame = answer.frame[answer.frame["verdict"] == "gone"]
    left = frame[answer.measured_at - frame["last_seen"] < RECENT] if answer.measured_at else frame
    if left.empty:
        return None
    sentence: Words = (*linked(left), f" {'is' if len(left) == 1 else 'are'} gone")
    return Headline(sentence, (*since_any(left), *context), "plain")


def calm(frame: pd.DataFrame, context: Words) -> Headline:
    there = here(frame)
    at_work = there["verdict"].isin(["working", "busy_not_answering"]).sum()
    if len(there) == 1:
        sentence = "The only worker works" if at_work else "The only worker has nothing to do"
    elif at_work == len(there):
        sentence = f"All {len(there)} workers work"
    else:
        sentence = f"All {len(there)} workers are well, {at_work or 'none'} of them at work"
    return Headline((Part(sentence, href="#workers"),), context)


def rest(frame: pd.DataFrame) -> Words:
    """How busy those are that answer, and whose clock is wrong."""
    there = answering(frame)
    busy, slots = there["active"].sum(skipna=False), there["concurrency"].sum(skipna=False)
    told: Words = ()
    if len(there) and not pd.isna(busy + slots):
        told = (f"{busy} of {count(slots, 'slot is', 'slots are')} busy. ",)
    off = there[there["clock_offset"].abs().fillna(0) >= CLOCK_OFF_SECONDS]
    if not off.empty:
        told = (*told, "The clock of ", *linked(off), f" {'is' if len(off) == 1 else 'are'} wrong.")
    return told


def worker(answers: Mapping[str, Answer]) -> Headline:
    """Of one worker, from `workers`: the processes that have its name."""
    answer = answers["workers"]
    if answer.pending:
        return ASKING
    if answer.failure and answer.frame.empty:
        return Headline(("Workers cannot be asked: ", answer.failure.what), (answer.failure.hint,), "bad")
    if answer.frame.empty:
        return Headline(
            ("No worker of this name was seen in the last 24 h",), ("Is it spelled as `celery -n` has it?",), "plain"
        )
    first, several = answer.frame.iloc[0], len(answer.frame) > 1
    twins: Words = (f"{len(answer.frame)} processes have this name: give each its own (-n). ",) if several else ()
    ill = first["verdict"] == "wedged"
    does: Words = verdicts.how(first) if ill else (link(first["worker"]), f" {WORDS[first['verdict']]}")
    when: Words = () if ill else since(first["since"])
    tone = {"working": "good", "idle": "good"}.get(first["verdict"], "bad" if ill else "plain")
    return Headline((*does, *when), (*twins, *rest(answer.frame)), "bad" if several else tone)
