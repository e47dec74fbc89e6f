"""What is said of workers by their verdicts, on any page."""

from __future__ import annotations

from urllib.parse import urlencode

import pandas as pd

from headlines.headline import Headline, Part, Words, name, names


def wedged(frame: pd.DataFrame, context: Words = ()) -> Headline | None:
    """`context` comes after what is said of them."""
    there = here(frame)
    ill = there[there["verdict"] == "wedged"]
    if ill.empty:
        return None
    verb = "is" if len(ill) == 1 else "are"
    lead = f"{len(ill)} of {len(there)} workers {verb} wedged: " if len(there) > 1 else "The only worker is wedged: "
    first = how(ill.iloc[0])
    if len(ill) == 1:
        return Headline((lead, *first), context, "bad")
    return Headline((lead, *linked(ill)), (*first, ". ", *context), "bad")


def how(worker: pd.Series) -> Words:
    """What a wedged worker does, and does not."""
    lives = "answers" if pd.isna(worker["silent_since"]) else "beats"
    queues = list(worker["neglected"] or ())
    lacks: Words = (" but takes nothing from ", *names(queues)) if queues else (" but does not answer",)
    return (link(worker["worker"]), f" {lives}", *lacks, *since(worker["since"]))


def silent(frame: pd.DataFrame, context: Words = ()) -> Headline | None:
    quiet = frame[frame["verdict"] == "silent"]
    if quiet.empty:
        return None
    verb = "neither beats nor answers" if len(quiet) == 1 else "neither beat nor answer"
    return Headline((*linked(quiet), f" {verb}"), (*since_any(quiet), *context), "bad")


def here(frame: pd.DataFrame) -> pd.DataFrame:
    """Without those who are gone, and those who never came."""
    return frame[(frame["verdict"] != "gone") & frame["last_seen"].notna()]


def answering(frame: pd.DataFrame) -> pd.DataFrame:
    """Who is not silent."""
    return frame[frame["silent_since"].isna()]


def busy_slots(frame: pd.DataFrame) -> str:
    """How many are busy, of all who are there or else of those that answer; empty when neither is known."""
    for some, whose in ((here(frame), ""), (answering(frame), " of those that answer")):
        # A sum of which a part is not known is not known.
        busy, slots = some["active"].sum(skipna=False), some["concurrency"].sum(skipna=False)
        if len(some) and not pd.isna(busy + slots):
            return f"{busy:,} of {slots:,} slot{'' if slots == 1 else 's'}{whose} {'is' if slots == 1 else 'are'} busy"
    return ""


def link(worker: str) -> Part:
    return name(worker, f"/worker?{urlencode({'name': worker})}")


def linked(frame: pd.DataFrame) -> Words:
    parts = names(frame["worker"].tolist())
    return tuple(link(part.text) if isinstance(part, Part) else part for part in parts)


def since(moment: pd.Timestamp) -> Words:
    return () if pd.isna(moment) else (" since ", Part(moment=moment.to_pydatetime()))


def since_any(frame: pd.DataFrame) -> Words:
    first = frame["since"].min()
    return () if pd.isna(first) else ("Since ", Part(moment=first.to_pydatetime()), ". ")
