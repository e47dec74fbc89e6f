"""The sentence of the Tasks page: what fails most, waits longest or costs most."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

import pandas as pd

from data_sources.answer import Answer
from data_sources.history.failure_text import class_of
from data_sources.history.failures import SPANS
from headlines.headline import Headline, Part, Words, name
from headlines.overview import count, percent

FAILING = 0.05  # of those of a name that end
LEAST = 3  # failures; fewer are chance
WAITING = 60.0  # seconds that one of twenty waits


def tasks(answers: Mapping[str, Answer]) -> Headline:
    """From `names` (TaskNames) and `failures` (Failures)."""
    names = answers["names"]
    if names.failure and names.measured_at is None:
        return Headline(("What ran is not known: ", names.failure.what), (names.failure.hint,), "bad")
    frame = names.frame
    if frame.empty:
        return Headline(("No task did anything in this time",), (f"As far as is recorded{lost(names)}.",), "plain")
    return failing(frame, answers["failures"].frame) or waiting(frame) or calm(frame)


def lost(answer: Answer) -> str:
    """The last of what was not recorded."""
    gaps = [note.text for note in answer.notes if note.kind == "gap"]
    return f": {gaps[-1][:1].lower()}{gaps[-1][1:]}" if gaps else ""


def failing(names: pd.DataFrame, failures: pd.DataFrame) -> Headline | None:
    """The name that fails most often of those that fail much."""
    much = names[(names["failure_ratio"] >= FAILING) & (names["failures"] >= LEAST)]
    if much.empty:
        return None
    worst = much.loc[much["failures"].astype("int64").idxmax()]
    share = Part(percent(100 * worst["failure_ratio"]), href=listed(worst["name"], state="FAILURE"))
    because, since = why(failures, worst["name"], int(worst["failures"]))
    others = len(much) - 1
    also = f"{count(others, 'other task fails', 'other tasks fail')} as often. " if others else ""
    return Headline(
        (subject(worst["name"]), " fails ", share, " of the time", *because), (*since, also, *costs(names)), "bad"
    )


def why(failures: pd.DataFrame, task: object, times: int) -> tuple[Words, Words]:
    """What most of the `times` it failed said, and since when: in the shortest stretch that has as many of them."""
    own = [(row, one) for row in failures.to_dict("records") for one in row["by_name"] or () if one["name"] == task]
    spans = [f"last_{span}" for span in SPANS if all(one[f"last_{span}"] is not None for _, one in own)]
    if not own or not spans:
        return (), ()
    span = next((span for span in spans if sum(one[span] for _, one in own) >= times), spans[-1])
    row, most = max(own, key=lambda found: found[1][span])
    if not row["exception"]:
        return (), ()
    ago = (row["until"] - datetime.fromisoformat(most["first"])).total_seconds()
    since: Words = ("In the last 7 days first seen ", Part(seconds=ago, href="#failures"), " ago. ")
    return (": ", Part(class_of(row["exception"]), code=True, href="#failures")), since


def waiting(names: pd.DataFrame) -> Headline | None:
    """The name whose tasks wait longest before they start."""
    late = names[names["wait_p95"] >= WAITING]
    if late.empty:
        return None
    worst = late.loc[late["wait_p95"].astype("float64").idxmax()]
    long = Part(seconds=float(worst["wait_p95"]), href=listed(worst["name"], sort="-wait"))
    return Headline(
        (subject(worst["name"]), " waits up to ", long, " before it starts"),
        ("One of twenty waits longer. ", *costs(names)),
        "bad",
    )


def calm(names: pd.DataFrame) -> Headline:
    ended, failed, rate = int(names["ended"].sum()), int(names["failures"].sum()), names["rate"].sum(min_count=1)
    if pd.isna(rate) or not ended or round(rate * 3600) == 0:
        return Headline((Part(count(names["count"].sum(), "task", "tasks"), href="#tasks"),), costs(names))
    busy = Part(count(round(rate * 3600), "task an hour", "tasks an hour"), href="#names")
    if names["failure_ratio"].isna().all():
        return Headline((busy, " of those that were looked for"), costs(names))
    share = f"{percent(100 * failed / ended)} fail" if failed else "none fails"
    return Headline((busy, ", ", Part(share, href="#failures")), costs(names))


def costs(names: pd.DataFrame) -> Words:
    """Which name takes most of the time that workers spend."""
    spent = names["runtime_total"].dropna()
    whole = float(spent.sum())
    if len(spent) < 2 or whole <= 0:
        return ()
    most = names.loc[spent.astype("float64").idxmax()]
    if not isinstance(most["name"], str):
        return ()
    share = float(most["runtime_total"]) / whole
    return (
        name(most["name"], "#names"),
        f" takes {percent(100 * share)} of the time spent, ",
        Part(seconds=whole),
        " in all.",
    )


def subject(task: object) -> Part:
    return name(task, "#names") if isinstance(task, str) else Part("A task whose name is not known")


def listed(task: object, **params: str) -> str | None:
    return f"/tasks?{urlencode({'name': task, **params})}" if isinstance(task, str) else None
