"""The Overview's sentence: is it the broker, the workers, a queue, a task?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data_sources.answer import Answer
from headlines.headline import Headline, Part, Words, name, names

GROWING = 5  # messages a minute; slower is noise
LOOK_BACK = pd.Timedelta(minutes=10)
FAILING = 0.2  # a fifth of what ends

NOBODY = (
    "No worker answered. If workers do run, one of these settings of theirs differs from ours: "
    "broker URL and database or vhost, control_exchange (CELERY_CONTROL_EXCHANGE), "
    "broker_transport_options with global_keyprefix or fanout_prefix (CELERY_BROKER_TRANSPORT_OPTIONS), "
    "task_serializer and accept_content (CELERY_ACCEPT_CONTENT), TLS options (CELERY_BROKER_USE_SSL), "
    "or worker_enable_remote_control is off.",
    "Compare with what a worker prints at start, or ask one from its own machine:",
    "$ celery -A yourapp inspect ping",
)


def overview(answers: Mapping[str, Answer]) -> Headline:
    """From `workers`, `queues`, `depth` (by queue), `throughput` (total) and `failures` (total)."""
    for tell in (broker_down, nobody, growing, silent, failing):
        if headline := tell(answers):
            return headline
    return calm(answers)


def broker_down(answers: Mapping[str, Answer]) -> Headline | None:
    queues, workers = answers["queues"].failure, answers["workers"].failure
    failure = queues or workers
    if failure is None:
        return None
    if queues and workers:
        sentence: Words = ("The broker cannot be reached: ", failure.what)
    elif queues:
        sentence = ("Workers answer, but the queues cannot be read: ", failure.what)
    else:
        sentence = ("The broker answers, but workers cannot be asked: ", failure.what)
    return Headline(sentence, ("Since ", Part(moment=failure.since), ". ", failure.hint), "bad")


def nobody(answers: Mapping[str, Answer]) -> Headline | None:
    workers = answers["workers"]
    if workers.pending or workers.totals.get("answered") != 0:
        return None
    frame = workers.frame
    if frame.empty:
        ready = answers["queues"].totals.get("ready")
        context: Words = (f"{ready:,} messages wait.",) if ready else ()
        return Headline(("The broker answers, but no worker does",), context, "bad", NOBODY)
    since = frame["last_seen"].max().to_pydatetime()
    return Headline(
        ("No worker answers any more",),
        (
            "All ",
            Part(f"{len(frame)}", href="#workers"),
            " fell silent; the last answer came ",
            Part(moment=since),
            ".",
        ),
        "bad",
    )


def growing(answers: Mapping[str, Answer]) -> Headline | None:
    """The queue that grows fastest, over the last ten minutes of the window."""
    rates = growth(answers["depth"].frame)
    if rates.empty or rates.iloc[0]["per_minute"] < GROWING:
        return None
    worst = rates.iloc[0]
    queue, consumers = str(worst["queue"]), consumers_of(str(worst["queue"]), answers["workers"].frame)
    total = int((answers["workers"].frame["silent_since"].isna()).sum())
    per_minute = f"{worst['per_minute']:,.0f} a minute"
    sentence: Words = (name(queue, "#queues"), " grows by ", Part(per_minute, href="#cockpit"))
    if not consumers and total:
        sentence = (*sentence, f": none of {total} workers consumes it")
    elif len(consumers) < total:
        missing = total - len(consumers)
        sentence = (*sentence, f": {missing} of {total} workers {'does' if missing == 1 else 'do'} not consume it")
    context: Words = (
        f"{worst['now']:,.0f} messages wait there; it has grown since ",
        Part(moment=worst["since"].to_pydatetime()),
        ".",
    )
    return Headline(sentence, context, "bad")


def growth(depth: pd.DataFrame) -> pd.DataFrame:
    """Per queue: `per_minute` over the last ten minutes, `now`, and `since`, its lowest moment. Steepest first."""
    rows = []
    for queue, line in depth.groupby("queue", observed=True) if "queue" in depth else ():
        end = line["time"].max()
        if end < depth["time"].max():
            continue  # ended before the window did
        recent = line[line["time"] >= end - LOOK_BACK]
        minutes = (recent["time"] - end).dt.total_seconds().to_numpy() / 60
        if len(recent) < 4 or minutes[0] > -1:
            continue
        slope = float(np.polyfit(minutes, recent["value"].to_numpy(), 1)[0])
        lowest = recent.loc[recent["value"][::-1].idxmin(), "time"]
        half = recent["value"].iloc[len(recent) // 2 :].mean() > recent["value"].iloc[: len(recent) // 2].mean()
        if half:
            rows.append({"queue": queue, "per_minute": slope, "now": recent["value"].iloc[-1], "since": lowest})
    frame = pd.DataFrame(rows, columns=["queue", "per_minute", "now", "since"])
    return frame.sort_values("per_minute", ascending=False, ignore_index=True)


def consumers_of(queue: str, workers: pd.DataFrame) -> list[str]:
    answering = workers[workers["silent_since"].isna()]
    return [row.worker for row in answering.itertuples() if row.queues is not None and queue in row.queues]


def silent(answers: Mapping[str, Answer]) -> Headline | None:
    frame = answers["workers"].frame
    gone = frame[frame["verdict"] == "silent"]
    if gone.empty:
        return None
    since = gone["silent_since"].min().to_pydatetime()
    verb = "does" if len(gone) == 1 else "do"
    return Headline(
        (*names(gone["worker"].tolist(), href="#workers"), f" {verb} not answer"),
        ("Since ", Part(moment=since), f". {len(frame) - len(gone)} of {len(frame)} workers answer."),
        "bad",
    )


def failing(answers: Mapping[str, Answer]) -> Headline | None:
    failures, throughput = latest(answers["failures"]), latest(answers["throughput"])
    if not failures or not throughput or failures / throughput < FAILING:
        return None
    share = f"{failures / throughput:.0%}"
    return Headline(
        (Part(share, href="#cockpit"), " of the tasks that end now fail"), (f"{failures:.2g} a second.",), "bad"
    )


def latest(answer: Answer) -> float | None:
    """The last value of a total; None when it is not known."""
    if answer.frame.empty or answer.failure:
        return None
    return float(answer.frame["value"].iloc[-1])


def calm(answers: Mapping[str, Answer]) -> Headline:
    workers, ready = answers["workers"], answers["queues"].totals.get("ready")
    if workers.pending:
        return Headline(("Asking the workers",), tone="plain")
    answered = workers.totals.get("answered") or 0
    known = workers.frame[workers.frame["silent_since"].isna()]
    busy, slots = known["active"].sum(min_count=1), known["concurrency"].sum(min_count=1)
    rate = latest(answers["throughput"])
    who: Words = (Part(f"{answered} worker{'s' if answered != 1 else ''}", href="#workers"),)
    work: Words = (" at ", Part(f"{rate:.3g} tasks a second", href="#cockpit")) if rate else (" with nothing to do",)
    if rate is None:
        work = ()
    waiting: Words = ("",)
    if ready is not None:
        waiting = (", ", Part(f"{ready:,} waiting" if ready else "nothing waits", href="#queues"))
    context: Words = (
        () if pd.isna(busy) or pd.isna(slots) else (f"{int(busy)} of {int(slots)} slots are busy; no queue grows.",)
    )
    return Headline((*who, *work, *waiting), context)
