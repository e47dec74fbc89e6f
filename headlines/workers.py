"""The sentences of the Workers pages: who is wedged, missing, silent or gone, and since when?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pandas as pd

from data_sources.answer import Answer
from data_sources.workers.evidence import CLOCK_OFF_SECONDS
from headlines import verdicts
from headlines.headline import Headline, Part, Words
from headlines.outage import outage, unasked
from headlines.overview import nobody
from headlines.verdicts import answering, busy_slots, here, link, linked, since, since_any

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
    frame = answers["workers"].frame
    return (
        outage(answers)
        or unasked(answers)
        or verdicts.wedged(frame, (*also(frame, "missing", "silent"), *rest(frame)))
        or nobody(answers)
        or missing(frame, (*also(frame, "silent"), *rest(frame)))
        or verdicts.silent(frame, rest(frame))
        or gone(answers["workers"], rest(frame))
        or calm(frame, rest(frame))
    )


def absent(frame: pd.DataFrame) -> pd.DataFrame:
    """Those whom the configuration names, and who are not there."""
    return frame[frame["expected"].fillna(False) & (frame["last_seen"].isna() | (frame["verdict"] == "gone"))]


def also(frame: pd.DataFrame, *kinds: str) -> Words:
    """What else is wrong, after the worst."""
    told: Words = ()
    for kind in kinds:
        some = absent(frame) if kind == "missing" else frame[frame["verdict"] == kind]
        if not some.empty:
            told = (*told, *linked(some), f" {'is' if len(some) == 1 else 'are'} {kind}. ")
    return told


def missing(frame: pd.DataFrame, context: Words) -> Headline | None:
    who, expected = absent(frame), int(frame["expected"].fillna(False).sum())
    if who.empty:
        return None
    sentence = f"{len(who)} of {expected} expected workers {'is' if len(who) == 1 else 'are'} missing: "
    return Headline((sentence, *linked(who)), (*since_any(who), *context), "bad")


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
        sentence = f"The only worker {WORDS[there['verdict'].iloc[0]]}"
    elif at_work == len(there):
        sentence = f"All {len(there)} workers work"
    elif (there["verdict"] == "unknown").any():
        sentence = f"{len(there)} workers, {at_work or 'none'} of them known to be at work"
    else:
        sentence = f"All {len(there)} workers are well, {at_work or 'none'} of them at work"
    return Headline((Part(sentence, href="#workers"),), context)


def rest(frame: pd.DataFrame) -> Words:
    """How busy they are, and whose clock is wrong."""
    there, busy = answering(frame), busy_slots(frame)
    told: Words = (f"{busy}. ",) if busy else ()
    off = there[there["clock_offset"].abs().fillna(0) >= CLOCK_OFF_SECONDS]
    if not off.empty:
        told = (*told, "The clock of ", *linked(off), f" {'is' if len(off) == 1 else 'are'} wrong.")
    return told


def worker(answers: Mapping[str, Answer]) -> Headline:
    """Of one worker, from `workers`: the processes that have its name."""
    answer = answers["workers"]
    if answer.pending:
        return ASKING
    if blind := outage(answers) or unasked(answers):
        return blind
    if answer.frame.empty:
        return Headline(
            ("No worker of this name was seen in the last 24 h",),
            ("Is it spelled as celery worker -n has it?",),
            "plain",
        )
    there = here(answer.frame)
    if len(there) > 1:
        return several(there)
    first = (answer.frame if there.empty else there).iloc[0]
    ill = first["verdict"] == "wedged"
    does: Words = verdicts.how(first) if ill else (link(first["worker"]), f" {WORDS[first['verdict']]}")
    when: Words = () if ill else since(first["since"])
    tone = {"working": "good", "idle": "good"}.get(first["verdict"], "bad" if ill else "plain")
    return Headline((*does, *when), rest(answer.frame), tone)


def several(frame: pd.DataFrame) -> Headline:
    """Of processes that have one name."""
    does = "; ".join(f"{one} {verdict.replace('_', ' ')}" for verdict, one in frame["verdict"].value_counts().items())
    sentence: Words = (f"{len(frame)} processes have the name ", link(frame["worker"].iloc[0]), f": {does}")
    return Headline(sentence, ("Give each its own (-n). ", *rest(frame)), "bad")
