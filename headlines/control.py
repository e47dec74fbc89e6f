"""The sentences of the pages for operators: what was done, and what is about to be run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pandas as pd

from data_sources.answer import Answer
from data_sources.audit_query import Audit
from headlines.headline import Headline, Part, name
from headlines.overview import count

SOON = timedelta(minutes=3)  # an order may take as long as that
RECENT = timedelta(hours=24)


def closed(answers: Mapping[str, Answer]) -> Headline:
    """To anybody who is no operator."""
    help = ("docs/access.md says how somebody becomes one, and how nobody else does.",)
    return Headline(("This page is for operators",), tone="plain", help=help)


def run(task: str, answers: Mapping[str, Answer]) -> Headline:
    what = ("Run ", name(task)) if task else ("Run a task",)
    return Headline(what, ("Its arguments are JSON. What is sent is shown before it is.",), "plain")


def audit(answers: Mapping[str, Answer]) -> Headline:
    """From `entries`: orders of which nobody knows what came, who was turned away, or what was done last."""
    if answers["entries"].failure:
        return Headline(("The audit cannot be read",), ("Without it nothing can be steered.",), "bad")
    frame, now = answers["entries"].frame, answers["entries"].measured_at or datetime.now(UTC)
    if frame.empty:
        return Headline(("Nothing was steered from here",), tone="plain")
    # On an older page what came of its newest orders may stand on the page before.
    if lost := unknown(frame, frame["at"].max() if is_older(answers["entries"]) else now):
        sentence = f"Of {count(lost, 'order', 'orders')} it is not known what came"
        return Headline((sentence,), ("Asked for, and nothing was written of it after that.",), "bad")
    recent = frame[frame["at"] > now - RECENT]
    if turned_away := int((recent["outcome"] == "denied").sum()):
        sentence = f"{count(turned_away, 'attempt was', 'attempts were')} denied in the last 24 h"
        return Headline((sentence,), ("By people who are no operators.",), "bad")
    last = frame.iloc[0]
    words = (name(last["who"]), f": {last['action']} of ", name(last["target"]), f", {last['outcome']}")
    return Headline(words, ("at ", Part(moment=last["at"].to_pydatetime())), "plain")


def is_older(entries: Answer) -> bool:
    """Whether there are newer entries than these."""
    return isinstance(entries.query, Audit) and entries.query.before is not None


def unknown(frame: pd.DataFrame, until: datetime) -> int:
    """Orders among all entries until then that were to be given a while before, and of which none tells what came."""
    told = {arguments.get("asked") for arguments in frame["arguments"]}
    asked = frame[(frame["outcome"] == "asked") & (frame["at"] < until - SOON)]
    return int((~asked["id"].isin(told)).sum())
