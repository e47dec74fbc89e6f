"""The Setup page's sentence: what does not answer, else what is off and would show more."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from data_sources.answer import Answer
from data_sources.setup.parts import part
from headlines.headline import Headline, Part, Words
from headlines.overview import count

OFF, CONNECTED = "#off", "#connected"


def setup(answers: Mapping[str, Answer]) -> Headline:
    """From `parts`, the answer to Setup()."""
    frame = answers["parts"].frame
    failing = frame[frame["state"] == "failing"]
    lacking = frame[frame["state"].isin(["off", "partly"])]
    if not failing.empty:
        return broken(failing)
    pending = int((frame["state"] == "pending").sum())
    if pending:
        lead = Part(count(pending, "source has", "sources have"), href=CONNECTED)
        return Headline((lead, " not answered yet"), named(lacking), "plain")
    if lacking.empty:
        return Headline(("Everything answers, and nothing is off",))
    things = Part(count(len(lacking), "thing is off", "things are off"), href=OFF)
    if "workers" in set(lacking["part"]):
        return Headline(("No worker answers; ", things), named(lacking), "bad")
    return Headline(("Everything configured answers; ", things), named(lacking))


def broken(failing: pd.DataFrame) -> Headline:
    """What fails first, and what fails for another reason: without the broker most else does for the same."""
    first = failing.iloc[0]
    others = failing[failing["what"] != first["what"]]
    known = pd.notna(first["since"])
    since: Words = (" since ", Part(moment=first["since"].to_pydatetime())) if known else ()
    where = f" at {first['address']}" if pd.notna(first["address"]) else ""
    rest = part(others["part"].iloc[0]).label if len(others) == 1 else f"{len(others)} other sources"
    more: Words = () if others.empty else (" and ", Part(rest, href=CONNECTED))
    verb = "fails" if others.empty else "fail"
    sentence: Words = (f"{part(first['part']).label}{where}", *more, f" {verb}", *since)
    texts = [text for text in (first["what"], first["advice"]) if pd.notna(text)]
    return Headline(sentence, (" ".join(map(whole, texts)),), "bad")


def whole(text: str) -> str:
    """As a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"


def named(lacking: pd.DataFrame) -> Words:
    """What is off, or not on for all."""
    labels = [part(name).label for name in lacking["part"]]
    return (f"{'; '.join(labels)}.",) if labels else ()
