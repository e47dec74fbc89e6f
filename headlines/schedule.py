"""The Schedule's sentence: is beat alive, which entry is late, or what is due next?"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import pandas as pd

from data_sources.answer import Answer
from headlines.headline import Headline, Part, Words, name, names
from headlines.overview import count

COMPARED = ("overdue", "missed", "doubled", "late", "on_time")
SOON_SECONDS = 10  # what is told is some seconds old
NO_BEAT = ("Exactly one beat must run, with the schedule of the same app:", "$ celery -A yourapp beat")


def schedule(answers: Mapping[str, Answer]) -> Headline:
    """From `entries`, the answer to Schedule()."""
    answer = answers["entries"]
    if answer.pending:
        return Headline(("Asking for the schedule",), tone="plain")
    if answer.failure:
        return Headline(("The schedule cannot be read: ", answer.failure.what), (answer.failure.hint,), "bad")
    frame = answer.frame[answer.frame["verdict"] != "disabled"]
    if frame.empty:
        return Headline(("No schedule is known",), tone="plain")
    return silent(frame, answer) or overdue(frame, answer) or broken(frame, answer) or kept(frame, answer)


def silent(frame: pd.DataFrame, answer: Answer) -> Headline | None:
    """Everything that can be compared is overdue: beat sends nothing at all."""
    late = frame[frame["verdict"] == "overdue"]
    if late.empty or len(late) < frame["verdict"].isin(COMPARED).sum():
        return None
    verb = " is overdue" if len(late) == 1 else " are overdue"
    return Headline(
        ("Beat sends nothing: ", *which_of(late), verb), (*since(late), *signs(frame, answer)), "bad", NO_BEAT
    )


def overdue(frame: pd.DataFrame, answer: Answer) -> Headline | None:
    late = frame[frame["verdict"] == "overdue"]
    if late.empty:
        return None
    verb = " is overdue" if len(late) == 1 else " are overdue"
    return Headline((*which_of(late), verb), (*since(late), *signs(frame, answer)), "bad")


def broken(frame: pd.DataFrame, answer: Answer) -> Headline | None:
    """What was missed, doubled or late within the range, though it comes now."""
    for column, said in (("missed", "missed"), ("doubled", "doubled"), ("late", "late")):
        some = frame[frame[column].fillna(0) > 0].sort_values(column, ascending=False, kind="stable")
        if len(some):
            times = Part(f"{count(int(some[column].sum()), 'run was', 'runs were')} {said}", href="#entries")
            hint = ("Two beats may be running. ",) if column == "doubled" else ()
            return Headline((times, " of ", *which_of(some)), (*hint, *signs(frame, answer)), "bad")
    return None


def kept(frame: pd.DataFrame, answer: Answer) -> Headline:
    told = frame["verdict"].value_counts()
    on_time, unseen = int(told.get("on_time", 0)), int(told.get("never_seen", 0))
    lead = Part(count(len(frame), "entry", "entries"), href="#entries")
    if on_time == len(frame):
        said = ", all on time" if on_time > 1 else ", on time"
    elif on_time:
        said = f", {on_time} on time"
    else:
        said = ", none seen to run yet" if unseen else ""
    rest = (
        (*which_of(frame[frame["verdict"] == "never_seen"]), " not seen to run yet. ")
        if 0 < unseen < len(frame)
        else ()
    )
    return Headline(
        (lead, said, *coming(frame, answer)), (*rest, *signs(frame, answer)), "good" if on_time else "plain"
    )


def coming(frame: pd.DataFrame, answer: Answer) -> Words:
    """What is due next, where that is known."""
    ahead = frame[frame["next_run"] > answer.measured_at]
    if ahead.empty:
        return ()
    first = ahead.loc[ahead["next_run"].idxmin()]
    seconds = (first["next_run"] - answer.measured_at).total_seconds()
    when: Words = (" in ", Part(seconds=seconds)) if seconds >= SOON_SECONDS else (" now",)
    return "; next ", name(first["name"], entry(first["name"])), *when


def signs(frame: pd.DataFrame, answer: Answer) -> Words:
    """Of beat's life: what it sent last, and whether one answers."""
    last = frame["last_run"].max()
    sent: Words = () if pd.isna(last) else ("The last run came at ", Part(moment=last.to_pydatetime()), ". ")
    beats = answer.totals.get("beats")
    return (*sent, f"{count(beats, 'beat answers', 'beats answer')}." if beats else "")


def since(late: pd.DataFrame) -> Words:
    return "Since ", Part(moment=late["overdue_since"].min().to_pydatetime()), ". "


def which_of(some: pd.DataFrame) -> Words:
    """The names, the first few."""
    shown = some["name"].tolist()
    return (name(shown[0], entry(shown[0])),) if len(shown) == 1 else names(shown, href="#entries")


def entry(text: str) -> str:
    return f"/schedule?{urlencode({'name': text})}"
