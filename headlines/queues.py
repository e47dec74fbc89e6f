"""The sentences of the Queues pages: what nobody consumes, what only grows, what runs twice, and when all is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from data_sources.answer import Answer
from data_sources.brokers.leftovers import worker
from headlines.headline import Headline, Part, Words, name
from headlines.outage import outage
from headlines.overview import count, neglect
from headlines.verdicts import answering

LONG_DRAIN = 60.0  # seconds; a queue that is empty sooner is no news


def queues(answers: Mapping[str, Answer]) -> Headline:
    """From `queues` and `workers`."""
    if down := outage(answers):
        return down
    frame = answers["queues"].frame
    work = frame[~frame["internal"]]
    for tell in (nobody, grows, twice, drains):
        if headline := tell(work, answers["workers"].frame):
            return headline
    return calm(work, answers["queues"].totals.get("ready", 0) is not None)


def queue(answers: Mapping[str, Answer]) -> Headline:
    """The same of one queue."""
    frame = answers["queues"].frame
    if frame.empty and not answers["queues"].failure:
        asked = dict(answers["queues"].query.to_params()).get("queue", "")
        return Headline(("There is no queue ", name(asked)), tone="plain")
    told = queues(answers)
    if len(frame) != 1 or told.tone != "good":
        return told
    one = frame.iloc[0]
    waits = count(one["ready"], "message waits", "messages wait") if one["ready"] else "Nothing waits"
    return replace(told, sentence=(waits, " in ", name(one["queue"])))


def nobody(work: pd.DataFrame, _workers: pd.DataFrame) -> Headline | None:
    found = flagged(work, "nobody")
    if found.empty:
        return None
    first = found.iloc[0]
    wait = found["ready"].sum()
    others = len(found) - 1
    sentence: Words = (link(first["queue"]), " is consumed by nobody")
    if others:
        sentence = (link(first["queue"]), f" and {count(others, 'other queue', 'other queues')} are consumed by nobody")
    context: Words = (f"{count(wait, 'message waits', 'messages wait')} there", *since(first), ".")
    command = None if others else worker(first["queue"])
    return Headline(sentence, context, "bad", ("A worker that takes it:", f"$ {command}") if command else ())


def since(row: pd.Series) -> Words:
    """How long the first message has waited, as far as that is known."""
    if pd.notna(row["oldest"]):
        return (", the first for ", Part(seconds=float(row["oldest"])))
    if pd.notna(row["oldest_at_least"]) and row["oldest_at_least"] >= 1:
        return (", the first for at least ", Part(seconds=float(row["oldest_at_least"])))
    return ()


def grows(work: pd.DataFrame, workers: pd.DataFrame) -> Headline | None:
    found = flagged(work, "grows").dropna(subset=["growth", "ready"]).sort_values("growth", ascending=False)
    if found.empty:
        return None
    worst = found.iloc[0]
    per_minute = Part(f"{worst['growth'] * 60:,.3g} a minute", href="#flow")
    context: Words = (f"{count(worst['ready'], 'message waits', 'messages wait')} there", *since(worst), "; ")
    if pd.notna(worst["in_rate"]) and pd.notna(worst["out_rate"]):
        context += (f"{worst['in_rate'] * 60:,.3g} come a minute and {worst['out_rate'] * 60:,.3g} go. ",)
    others = len(found) - 1
    context += (f"{count(others, 'other queue grows', 'other queues grow')} too.",) if others else ()
    context = (*context[:-1], ".") if context[-1] == "; " else context
    reason = neglect(worst["queue"], answering(workers))
    return Headline((link(worst["queue"]), " only grows, by ", per_minute, reason), context, "bad")


def twice(work: pd.DataFrame, _workers: pd.DataFrame) -> Headline | None:
    found = flagged(work, "twice").sort_values("twice", ascending=False, kind="stable")
    if found.empty:
        return None
    number = int(found["twice"].sum())
    where = [link(queue) for queue in found["queue"].head(3)]
    listed = tuple(part for one in where for part in (one, ", "))[:-1]
    sentence = (f"{'This task' if number == 1 else f'These {number:,} tasks'} will run twice, of ", *listed)
    context = "A worker holds them for an ETA that is further away than the visibility timeout: before it comes, "
    help = (
        "Set a visibility_timeout above the longest ETA, in every worker and whatever else reads this broker:",
        '$ app.conf.broker_transport_options = {"visibility_timeout": 43200}',
    )
    return Headline(sentence, (f"{context}they are delivered once more.",), "bad", help)


def drains(work: pd.DataFrame, _workers: pd.DataFrame) -> Headline | None:
    """The queue that is done last, if it is, and that takes a while."""
    slow = work[(work["drain"] > LONG_DRAIN) & np.isfinite(work["drain"])]
    if slow.empty:
        return None
    worst = slow.loc[slow["drain"].idxmax()]
    sentence = (link(worst["queue"]), " will be empty in about ", Part(seconds=float(worst["drain"])))
    others = "" if work["grows"].isna().any() else "; no queue only grows"
    return Headline(sentence, (f"{count(worst['ready'], 'message waits', 'messages wait')} there{others}.",), "plain")


def calm(work: pd.DataFrame, complete: bool) -> Headline:
    """`complete`: there are no other queues, as far as the broker tells."""
    if work.empty:
        return Headline(("No queue is found here",), tone="plain")
    waiting = work[work["ready"].fillna(0) > 0]
    ready, unknown = waiting["ready"].sum(), int(work["ready"].isna().sum())
    queues = Part(count(len(work), "queue", "queues"), href="#queues")
    if unknown:
        some = "what waits is not known" if unknown == len(work) else f"of {unknown:,} it is not known what waits"
        return Headline((queues, f"; {some}"), tone="plain")
    if not complete:
        queues = replace(queues, text=count(len(work), "known queue", "known queues"))
    if waiting.empty:
        return Headline((queues, ", nothing waits"))
    sentence = (queues, ", ", count(ready, "message waits", "messages wait"))
    consumed = bool((waiting["consumers"].fillna(0) > 0).all())
    return Headline(sentence, ("Each queue that holds messages is consumed.",) if consumed else ())


def flagged(work: pd.DataFrame, flag: str) -> pd.DataFrame:
    """Those with this flag, the fullest first."""
    found = np.array([flag in flags for flags in work["flags"]], dtype=bool)
    return work[found].sort_values("ready", ascending=False, kind="stable")


def link(queue: str) -> Part:
    return name(queue, f"/queue?{urlencode({'name': queue})}")
