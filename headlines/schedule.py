"""The Schedule's sentence: is beat alive, which entry is late, or what is due next?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

import pandas as pd

from data_sources.answer import Answer
from headlines.headline import Headline, Part, Words, name, names
from headlines.overview import count

BROKEN = ("missed", "doubled", "late")
COMPARED = ("overdue", *BROKEN, "on_time")
TWO_BEATS = "Two beats may be running. "
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
        return Headline(("No schedule is known",), tuple(f"{text}. " for text in warnings(answer)[:1]), "plain")
    return silent(frame, answer) or overdue(frame, answer) or broken(frame, answer) or kept(frame, answer)


def warnings(answer: Answer) -> list[str]:
    return [note.text for note in answer.notes if note.kind == "warning"]


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
    counts = {kind: int(frame[kind].sum()) for kind in BROKEN}
    kind = next((kind for kind in BROKEN if counts[kind]), None)
    if kind is None:
        return None
    some = frame[frame[kind].fillna(0) > 0].sort_values(kind, ascending=False, kind="stable")
    lead, verb = Part(count(counts[kind], "run", "runs"), href="#entries"), "was" if counts[kind] == 1 else "were"
    rest = " and ".join(f"{counts[other]:,} {other}" for other in BROKEN if other != kind and counts[other])
    context: Words = (f"Also {rest}. " if rest else "", TWO_BEATS if counts["doubled"] else "")
    sentence = (lead, " of ", *which_of(some), f" {verb} {kind}")
    return Headline(sentence, (*when_last(some, kind), *context, *signs(frame, answer)), "bad")


def when_last(some: pd.DataFrame, kind: str) -> Words:
    """When it happened last, as far as the strips tell."""
    told = [block["due"] or block["at"] for blocks in some["runs"] for block in blocks if block["kind"] == kind]
    return ("Last at ", Part(moment=datetime.fromisoformat(max(told))), ". ") if told else ()


def kept(frame: pd.DataFrame, answer: Answer) -> Headline:
    by = {verdict: frame[frame["verdict"] == verdict] for verdict in ("on_time", "never_seen", "unknown")}
    on_time, unseen, unknown = (len(some) for some in by.values())
    lead = Part(count(len(frame), "entry", "entries"), href="#entries")
    if on_time == len(frame):
        said = ", all on time" if on_time > 1 else ", on time"
    elif on_time:
        said = f", {on_time} on time"
    else:
        they = "it was" if len(frame) == 1 else "they were"
        said = ", none seen to run yet" if unseen == len(frame) else f"; whether {they} kept is not known"
    rest: Words = ()
    if 0 < unseen < len(frame):
        rest = (*which_of(by["never_seen"]), f" {'was' if unseen == 1 else 'were'} not seen to run yet. ")
    if on_time and unknown:
        rest = (*rest, "It is not known of ", *which_of(by["unknown"]), ". ")
    failed = int(frame["failed"].sum())
    failures: Words = (f"{count(failed, 'run', 'runs')} failed. ",) if failed else ()
    context = (*rest, *failures, *signs(frame, answer))
    return Headline((lead, said, *coming(frame, answer)), context, "good" if on_time else "plain")


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
