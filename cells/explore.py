"""The editor of what is explored: its queries, how each of them fares, and three to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from cells import component, controls
from cells.exploration import FIELDS, Exploration
from cells.page_view import View
from cells.show import live
from charts.theme import LETTERS
from data_sources.answer import Answer
from data_sources.errors import BadParameter
from data_sources.fields import Fields
from data_sources.prometheus.place import place_of_error
from data_sources.promql_query import Library

STARTERS = 3

_mount = component.mounted("celery_notebook_explore", "explore.js", "explore.css")


def explore(asked: Exploration) -> None:
    """What is run in the editor becomes the page's URL."""

    def draw(answers: Mapping[str, Answer]) -> None:
        data = explore_payload(asked, answers, controls.current())
        sent = _mount(key="cn_explore", data=data, on_say_change=lambda: None).say
        change = said(sent)
        if change is not None and change != asked:
            new: dict[str, list[str]] = {name: [] for name in FIELDS}
            for name, value in change.to_params():
                new[name].append(value)
            controls.set_params(new)
            st.rerun(scope="app")

    live({**asked.queries, "library": Library()}, draw)


def said(message: object) -> Exploration | None:
    """What the browser wants to be explored, read with suspicion."""
    if not isinstance(message, dict):
        return None
    fields: Fields = {name: [*map(str, message[name])] for name in FIELDS if isinstance(message.get(name), list)}
    try:
        return Exploration.from_fields(fields)
    except BadParameter:
        return None  # which our page never sends


def explore_payload(asked: Exploration, answers: Mapping[str, Answer], view: View) -> dict[str, Any]:
    return {
        "queries": [
            {
                "letter": letter,
                "text": text,
                "on": letter not in asked.off,
                **(fared(text, answers[letter]) if letter in answers else {"told": "off", "problem": None}),
            }
            for letter, text in asked.letters.items()
        ],
        "letters": list(LETTERS.items()),
        "instant": asked.instant,
        "chart": asked.chart,
        "explain": asked.explain,
        "starters": [] if asked.texts else starters(answers["library"].frame),
        "scope": {"cluster": view.scope.cluster, **view.scope.range.to_params()},
    }


def fared(text: str, answer: Answer) -> dict[str, Any]:
    """How a query fared: what it cost, or what is wrong with it and where, in UTF-16 units as the browser counts."""
    if answer.failure:
        place, message = place_of_error(answer.failure.what, text) or (None, answer.failure.what)
        at = None if place is None else len(text[:place].encode("utf-16-le", "surrogatepass")) // 2
        return {"told": "", "problem": {"place": at, "message": message}}
    if answer.pending:
        return {"told": "asking", "problem": None}
    return {"told": ", ".join(cost(answer)), "problem": None}


def cost(answer: Answer) -> list[str]:
    count, totals = answer.series, answer.totals
    told = ["1 series" if count == 1 else f"{count:,} series"]
    if (samples := totals.get("samples")) is not None:
        told.append(f"{samples:,} samples read")
    if (peak := totals.get("peak")) is not None:
        told.append(f"{peak:,} at once")
    if (microseconds := totals.get("microseconds")) is not None:
        told.append(f"{microseconds / 1000:.3g} ms in Prometheus")
    return told


def starters(library: pd.DataFrame) -> list[dict[str, str]]:
    """The first few named queries that find something here, of as many exporters as there are."""
    there = library[library["there"]]
    turns = there.groupby("family", sort=False).cumcount().sort_values(kind="stable").index
    shown = there.loc[turns].head(STARTERS)
    return [{"title": one.title, "text": one.query, "advice": one.advice} for one in shown.itertuples()]
