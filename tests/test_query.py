"""Queries as URLs say them: read back equal, or refused by the field that is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.audit_query import Audit
from data_sources.errors import BadParameter
from data_sources.fields import MAX_NAME, MAX_NAMES
from data_sources.promql_query import MAX_PROMQL, Explained, Formatted, LabelNames, LabelValues, Library, Metrics
from data_sources.query import (
    KINDS,
    METHODS,
    SIGNALS,
    Depths,
    History,
    Inspect,
    PromQL,
    Query,
    Signal,
    Sources,
    Workers,
    from_fields,
)
from data_sources.queue_query import Leftovers, Xray
from data_sources.run_query import Compared, Held, Runs
from data_sources.schedule_query import Schedule, ScheduledLoad
from data_sources.schema import STATES
from data_sources.search_text import Text, text_of
from data_sources.setup_query import STATES as SETUP_STATES
from data_sources.setup_query import Recording, Setup
from data_sources.task_query import (
    MAX_ROWS,
    SORTS,
    Cursor,
    Facets,
    Failures,
    Family,
    Histogram,
    Task,
    TaskFilter,
    TaskNames,
    Tasks,
)

MANUAL = Path(__file__).resolve().parents[1] / "docs/export.md"

text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
names = st.lists(text, max_size=4).map(tuple)
signals = st.sampled_from([(name, by) for name, labels in SIGNALS.items() for by in labels])
searches = text.map(lambda found: text_of(Text(found)))
filters = st.builds(
    TaskFilter,
    names,
    st.lists(st.sampled_from(STATES), max_size=3).map(tuple),
    names,
    names,
    st.just("") | searches,
    st.sampled_from(["", "0123456789ab"]),
)
promql = text.filter(lambda promql: bool(promql.strip()))
sorts = st.sampled_from([*SORTS, *(f"-{sort}" for sort in SORTS)])
limits = st.integers(1, MAX_ROWS)
cursors = st.builds(Cursor, sorts, st.integers(-(10**18) + 1, 10**18 - 1), st.integers(0, 10**18 - 1))
queries: st.SearchStrategy[Query] = st.one_of(
    st.builds(Tasks, filters, sorts, limits),
    st.builds(lambda filter, limit, cursor: Tasks(filter, cursor.sort, limit, cursor), filters, limits, cursors),
    *(st.builds(kind, filters) for kind in (Facets, TaskNames, Histogram, Failures)),
    st.builds(Task, text),
    st.builds(Family, text),
    st.builds(Runs, text),
    st.builds(Held, text),
    st.builds(Compared, text, st.just("") | text),
    st.builds(PromQL, promql, st.booleans()),
    *(st.builds(kind, promql) for kind in (Formatted, Explained)),
    *(st.just(kind()) for kind in (Metrics, Library)),
    st.builds(LabelNames, st.just("") | promql),
    st.builds(LabelValues, text.filter(bool), st.just("") | promql),
    st.builds(Inspect, st.sampled_from([method for method in METHODS if method != "query_task"]), names),
    st.builds(Inspect, st.just("query_task"), names, names.filter(bool)),
    st.builds(Workers, names, names),
    st.builds(Depths, names),
    st.builds(Xray, text, st.sampled_from(["", "task"])),
    st.just(Leftovers()),
    st.builds(Audit, limits, st.none() | st.integers(0, 10**18 - 1)),
    st.just(Sources()),
    st.builds(Setup, st.lists(st.sampled_from(SETUP_STATES), max_size=3).map(tuple)),
    st.just(Recording()),
    st.builds(Schedule, names),
    st.builds(ScheduledLoad, names),
    signals.map(lambda signal: Signal(*signal)),
    signals.map(lambda signal: History(*signal)),
    st.builds(
        lambda signal, of: History(signal[0], signal[1], of), signals.filter(lambda signal: bool(signal[1])), names
    ),
)
FIELDS = (
    *("source", "q", "by", "instant", "match", "worker", "queue", "id", "with"),
    *("name", "state", "search", "failure", "sort", "limit", "after", "before", "container"),
)
hostile = st.dictionaries(
    st.sampled_from(FIELDS) | text,
    st.lists(
        st.sampled_from([*KINDS, *METHODS, *SIGNALS, *STATES, *SORTS, "shutdown", "1", ""]) | st.text(max_size=20),
        max_size=3,
    ),
)


@given(queries)
def test_a_query_survives_its_url(query: Query) -> None:
    params = query.to_params()

    assert params[0] == ("source", query.kind)
    assert from_fields(parse_qs(urlencode(params), keep_blank_values=True)) == query


@given(hostile, st.sampled_from(list(KINDS)))
def test_any_fields_give_a_query_or_a_refusal_that_names_one_of_them(fields: dict[str, list[str]], source: str) -> None:
    query, refused = None, ""
    try:
        query = from_fields({"source": [source], **fields})
    except BadParameter as error:
        refused = error.name
    assert (query is None) == (refused in FIELDS)
    if isinstance(query, Inspect):
        assert query.method in METHODS


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "source"),
        ({"source": ["shutdown"]}, "source"),
        ({"source": ["promql", "promql"], "q": ["up"]}, "source"),
        ({"source": ["promql"]}, "q"),
        ({"source": ["promql"], "q": [" \n"]}, "q"),
        ({"source": ["promql"], "q": ["é" * (MAX_PROMQL // 2 + 1)]}, "q"),
        ({"source": ["explain"], "q": ["up", "up"]}, "q"),
        ({"source": ["format"], "q": [""]}, "q"),
        ({"source": ["label_values"], "q": ["x" * (MAX_NAME + 1)]}, "q"),
        ({"source": ["label_values"], "q": ["job"], "match": ["x" * (MAX_PROMQL + 1)]}, "match"),
        ({"source": ["inspect"], "q": ["objgraph"]}, "q"),
        ({"source": ["inspect"], "q": ["Ping"]}, "q"),
        ({"source": ["inspect"], "q": ["query_task"]}, "id"),
        ({"source": ["workers"], "worker": [""]}, "worker"),
        ({"source": ["workers"], "worker": ["w"] * (MAX_NAMES + 1)}, "worker"),
        ({"source": ["queues"], "queue": ["q" * (MAX_NAME + 1)]}, "queue"),
        ({"source": ["signal"], "q": ["speed"]}, "q"),
        ({"source": ["setup"], "state": ["SUCCESS"]}, "state"),
        ({"source": ["xray"]}, "queue"),
        ({"source": ["xray"], "queue": ["a", "b"]}, "queue"),
        ({"source": ["xray"], "queue": ["a"], "by": ["body"]}, "by"),
        ({"source": ["history"], "q": ["memory"]}, "by"),
        ({"source": ["history"], "q": ["wait_p90"]}, "q"),
        ({"source": ["tasks"], "state": ["DONE"]}, "state"),
        ({"source": ["tasks"], "state": ["success"]}, "state"),
        ({"source": ["tasks"], "name": ["t"] * (MAX_NAMES + 1)}, "name"),
        ({"source": ["tasks"], "search": ["a", "b"]}, "search"),
        ({"source": ["facets"], "search": ["a " * 21]}, "search"),
        ({"source": ["tasks"], "search": ["(a"]}, "search"),
        ({"source": ["task_names"], "failure": ["KeyError"]}, "failure"),
        ({"source": ["tasks"], "sort": ["name; drop table tasks"]}, "sort"),
        ({"source": ["tasks"], "sort": ["--last"]}, "sort"),
        ({"source": ["tasks"], "limit": ["0"]}, "limit"),
        ({"source": ["tasks"], "limit": ["10001"]}, "limit"),
        ({"source": ["tasks"], "limit": ["٣"]}, "limit"),
        ({"source": ["tasks"], "after": ["-last"]}, "after"),
        ({"source": ["tasks"], "after": ["-runtime.1.2"]}, "after"),
        ({"source": ["tasks"], "after": ["-last.1.2; drop"]}, "after"),
        ({"source": ["task"]}, "id"),
        ({"source": ["family"], "id": ["a", "b"]}, "id"),
        ({"source": ["compared"], "id": ["a"], "with": ["b", "c"]}, "with"),
        ({"source": ["compared"], "id": ["a"], "with": ["b" * (MAX_NAME + 1)]}, "with"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_by_its_field(fields: dict[str, list[str]], name: str) -> None:
    with pytest.raises(BadParameter) as caught:
        from_fields(fields)

    assert caught.value.name == name


@pytest.mark.parametrize(
    "method", ["shutdown", "hello", "objgraph", "memdump", "memsample", "pool_grow", "enable_events"]
)
def test_what_changes_a_worker_is_no_inspect_method(method: str) -> None:
    with pytest.raises(BadParameter, match=r"^q: must be one of ping, "):
        from_fields({"source": ["inspect"], "q": [method]})


def test_a_long_promql_at_the_limit_is_taken() -> None:
    assert from_fields({"source": ["promql"], "q": ["x" * MAX_PROMQL]}) == PromQL("x" * MAX_PROMQL)


@given(st.text(max_size=30) | cursors.map(str), sorts)
def test_a_place_in_a_list_is_read_back_or_refused(text: str, sort: str) -> None:
    read, refused = None, ""
    try:
        read = Cursor.parse(text, sort)
    except BadParameter as error:
        refused = error.name
    assert (read is None) == (refused == "after")
    if read is not None:
        assert read.sort == sort
        assert Cursor.parse(str(read), sort) == read


def test_each_kind_of_question_stands_in_the_manual_of_files() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", MANUAL.read_text(), re.MULTILINE)
    assert sorted(re.findall(r"\w+", " ".join(rows))) == sorted(KINDS)
