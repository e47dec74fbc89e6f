"""Explore: the URL is the exploration, each query tells how it fared, and tables say where series go missing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cells.exploration import CHARTS, FIELDS, Exploration
from cells.explore import explore_payload, fared, said, starters
from cells.page_view import View
from cells.views import promql as views
from charts.theme import LETTERS
from data_sources.answer import Answer
from data_sources.blank import blank_frame
from data_sources.errors import BadParameter
from data_sources.failure import Failure
from data_sources.prometheus.explained import EXPLAINED_COLUMNS
from data_sources.prometheus.named_queries.answer import LIBRARY_COLUMNS
from data_sources.promql_query import MAX_PROMQL, Explained, Library, Metrics
from data_sources.query import PromQL
from data_sources.range_frame import tidy_frame
from data_sources.scope import Range, Scope
from headlines.explore import explore

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
VIEW = View(Scope("shop", Range(span=timedelta(hours=1))), timedelta(seconds=5), ())
PARSE = Failure("rejected", "Prometheus", "1:3: parse error: unexpected é", "", NOW, None, "q")

text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda one: bool(one.strip()))
explorations = st.lists(text, max_size=len(LETTERS)).flatmap(
    lambda texts: st.builds(
        Exploration,
        st.just(tuple(texts)),
        st.sets(st.sampled_from([*LETTERS][: len(texts)])).map(lambda off: tuple(sorted(off)))
        if texts
        else st.just(()),
        st.booleans(),
        st.sampled_from(CHARTS),
        st.sampled_from(["", *[*LETTERS][: len(texts)]]),
    )
)


def named(**there: list[str]) -> pd.DataFrame:
    """A library of queries by family, of which the last of each is not there."""
    rows = [
        (family, name, f"{name} title", f"q_{name}", "s", "Conclude.", "m", name != names[-1], "some exporter")
        for family, names in there.items()
        for name in names
    ]
    return pd.DataFrame(rows, columns=list(LIBRARY_COLUMNS)).astype(LIBRARY_COLUMNS)


def answered(query: Any, frame: pd.DataFrame | None = None, **more: Any) -> Answer:
    return Answer(blank_frame(query) if frame is None else frame, query, measured_at=NOW, **more)


@given(explorations)
def test_an_exploration_survives_its_url(asked: Exploration) -> None:
    params = asked.to_params()
    assert Exploration.from_fields(parse_qs(urlencode(params), keep_blank_values=True)) == asked
    assert {name for name, _ in params} <= {*FIELDS}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"q": ["up"] * (len(LETTERS) + 1)}, "q"),
        ({"q": ["x" * (MAX_PROMQL + 1)]}, "q"),
        ({"q": ["up"], "off": ["B"]}, "off"),
        ({"q": ["up"], "explain": ["B"]}, "explain"),
        ({"q": ["up"], "explain": ["A", "A"]}, "explain"),
        ({"chart": ["bars"]}, "chart"),
    ],
)
def test_what_cannot_be_explored_is_refused_by_its_name(fields: dict[str, list[str]], name: str) -> None:
    with pytest.raises(BadParameter) as refused:
        Exploration.from_fields(fields)
    assert refused.value.name == name


@pytest.mark.parametrize(
    "message", [None, 7, "up", ["up"], {"q": "up", "off": 3, "explain": [["A"]]}, {"q": ["x" * 9999]}]
)
def test_a_browser_may_say_anything(message: object) -> None:
    assert said(message) in (None, Exploration())


def test_only_queries_that_are_on_are_asked_and_letters_stay() -> None:
    asked = Exploration(("a", "b", "c"), off=("B",), instant=True)
    assert asked.queries == {"A": PromQL("a", True), "C": PromQL("c", True)}


def test_an_error_stands_at_its_place_as_the_browser_counts() -> None:
    answer = answered(PromQL("🥕{}"), None).failed(replace(PARSE, what="1:5: parse error: unexpected é"))
    assert fared("🥕{}", answer)["problem"] == {"place": 2, "message": "unexpected é"}
    away = replace(PARSE, what="cannot be connected to")
    assert fared("up", answer.failed(away))["problem"] == {"place": None, "message": "cannot be connected to"}


def test_what_a_query_cost_is_told_and_what_is_not_known_left_out() -> None:
    frame = tidy_frame([], [], ("queue",))
    assert fared("up", answered(PromQL("up"), frame))["told"] == "0 series"
    cost = {"samples": 1234, "peak": 12, "microseconds": 1500}
    told = fared("up", answered(PromQL("up"), frame, totals=cost))["told"]
    assert told == "0 series, 1,234 samples read, 12 at once, 1.5 ms in Prometheus"
    assert fared("up", Answer(frame, PromQL("up")))["told"] == "asking"


def test_one_begins_with_queries_that_find_something_of_each_exporter_first() -> None:
    library = named(celery=["c1", "c2", "c3", "no"], hosts=["h1", "h2", "no"], none=["no"])
    assert [one["text"] for one in starters(library)] == ["q_c1", "q_h1", "q_c2"]
    payload = explore_payload(Exploration(), {"library": answered(Library(), library)}, VIEW)
    assert (len(payload["starters"]), payload["queries"]) == (3, [])
    asked = Exploration(("up", "down"), off=("B",))
    answers = {"library": answered(Library(), library), "A": answered(PromQL("up"))}
    payload = json.loads(json.dumps(explore_payload(asked, answers, VIEW)))
    assert [(one["letter"], one["on"], one["told"]) for one in payload["queries"]] == [
        ("A", True, "0 series"), ("B", False, "off"),
    ]  # fmt: skip
    assert (payload["starters"], payload["scope"]) == ([], {"cluster": "shop", "range": "1h"})


def test_values_stand_behind_their_labels_and_nothing_found_says_what_to_do() -> None:
    points = pd.array([1])
    frame = tidy_frame([{"b": "2", "a": "1"}, {"a": "3"}], [(points.to_numpy(), points.to_numpy(float))] * 2, ())
    table = views.values(frame, {"rows": answered(PromQL("up", True), frame, units={"value": "bytes"})})
    assert [(column.name, column.kind) for column in table.columns] == [
        ("a", "text"),
        ("b", "text"),
        ("value", "bytes"),
    ]
    assert table.rows == [["1", "2", 1.0], ["3", None, 1.0]]
    empty = tidy_frame([], [], ())
    assert "Explain" in views.values(empty, {"rows": answered(PromQL("up", True), empty)}).empty[1]


def test_a_text_is_shown_as_it_is() -> None:
    frame = pd.DataFrame({"time": pd.to_datetime([NOW]), "value": ["<b>"]})
    assert views.values(frame, {"rows": answered(PromQL('"<b>"', True), frame)}).rows == [["<b>"]]


def test_parts_stand_under_each_other_and_say_what_is_lost() -> None:
    rows = [
        (0, "sum(up)", "vector", 1, [], ["job"], 0.002, 5, ""),
        (1, "up", "vector", 3, ["job"], [], None, None, "why"),
        (2, "time()", "scalar", None, None, [], None, None, ""),
    ]
    frame = pd.DataFrame(
        {
            name: pd.Series([row[place] for row in rows], dtype=kind)
            for place, (name, kind) in enumerate(EXPLAINED_COLUMNS.items())
        }
    )
    table = views.explained(frame, {"rows": answered(Explained("sum(up)"), frame)})
    assert json.loads(json.dumps(table.rows)) == [
        ["sum(up)", 1, "", [["job", "warn", "Gone from here on"]], [], 2.0, 5],
        ["└\u00a0up", 3, "why", [], ["job"], None, None],
        ["\u00a0\u00a0└\u00a0time()", None, "", [], None, None, None],
    ]


def test_the_library_leads_to_each_query_and_keeps_apart_what_is_not_here() -> None:
    frame = named(celery=["c1", "no"])
    table = views.named_queries(frame, {"rows": answered(Library(), frame)})
    assert table.rows == [[{"value": "c1 title", "href": "/explore?q=q_c1"}, "Conclude.", "celery", "s"]]
    assert [row[1] for row in table.apart] == ["Conclude. From some exporter."]


def test_the_sentence_says_what_there_is_to_ask() -> None:
    metrics = pd.DataFrame({"name": ["up", "x"], "type": "", "help": "", "unit": ""})

    def sentence(metrics: Answer, library: pd.DataFrame) -> tuple[str, int]:
        told = explore({"metrics": metrics, "library": answered(Library(), library)})
        return "".join(part if isinstance(part, str) else part.text for part in (*told.sentence, *told.context)), len(
            told.help
        )

    asked = answered(Metrics(), metrics)
    assert sentence(asked, named(celery=["a", "no"], hosts=["b", "no"])) == (
        "Ask anything of 2 metrics2 queries by name, of celery and hosts.", 0,
    )  # fmt: skip
    assert sentence(asked, blank_frame(Library()))[0].endswith("None of them is of an exporter we know.")
    assert sentence(answered(Metrics()), blank_frame(Library())) == ("Prometheus has no metrics in this range", 2)
    unset = replace(PARSE, what="no Prometheus is configured; set PROMETHEUS_URL", parameter="source")
    assert sentence(answered(Metrics()).failed(unset), blank_frame(Library())) == ("No Prometheus is configured", 2)
    away = replace(PARSE, kind="unreachable", what="refuses", hint="Start it.", parameter="")
    assert (
        sentence(answered(Metrics()).failed(away), blank_frame(Library()))[0]
        == "Prometheus cannot be asked: refusesStart it."
    )
