"""A notebook's variables: what a link chose goes into questions as values, and never as language."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlencode

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.answer import Answer
from data_sources.errors import BadParameter
from data_sources.prometheus.tree import parsed
from data_sources.promql_query import Explained, LabelValues
from data_sources.query import Depths, History, PromQL, Query, Signal, Workers
from data_sources.queue_query import Xray
from data_sources.task_query import TaskFilter, TaskNames, Tasks
from notebooks.notebook import Ask, Layer, Row
from notebooks.question import SOURCES
from notebooks.variable import Variable
from notebooks.variables import (
    choices,
    choices_of,
    chosen,
    literal,
    named,
    query,
    to_params,
)
from tests.notebook_values import shown
from tests.test_query import queries

QUEUE = Variable("queue", "queue", ("mail",))
TASK = Variable("task", "task")
POD = Variable("pod", "label", label="pod", metric="kube_pod_info")
NOTE = Variable("note", "text", ("x",))
WHERE = Variable("where", "cluster")
VARIABLES = (QUEUE, TASK, POD, NOTE, WHERE)
HOSTILE = "a\"b\\c\nd`'}) or vector(1) # .*|[x]"


def layer(source: str, *params: tuple[str, str]) -> Layer:
    return Layer((("source", source), *params), "lines")


def promql(text: str, **values: tuple[str, ...]) -> str:
    asked = query(layer("promql", ("q", text)), values)
    assert isinstance(asked, PromQL)
    return asked.text


def test_without_a_choice_the_defaults_hold_and_a_cluster_is_the_pages() -> None:
    assert chosen(VARIABLES, {}, "north") == {
        "queue": ("mail",),
        "task": (),
        "pod": (),
        "note": ("x",),
        "where": ("north",),
    }


def test_a_link_chooses_one_several_or_all() -> None:
    fields = {"var-queue": [""], "var-task": ["a", "b", "a"], "var-note": [""], "range": ["6h"]}

    assert chosen(VARIABLES, fields, "north") == {
        "queue": (),
        "task": ("a", "b"),
        "pod": (),
        "note": ("",),
        "where": ("north",),
    }


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=10)


@given(st.lists(names, max_size=3, unique=True), st.lists(names, max_size=3, unique=True), names | st.just(""))
def test_what_was_chosen_survives_the_url(queues: list[str], tasks: list[str], note: str) -> None:
    values = {"queue": tuple(queues), "task": tuple(tasks), "pod": (), "note": (note,), "where": ("north",)}

    url = urlencode(to_params(VARIABLES, values))
    assert chosen(VARIABLES, parse_qs(url, keep_blank_values=True), "north") == values


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"var-qeue": ["mail"]}, "var-qeue"),
        ({"var-where": ["south"]}, "var-where"),
        ({"var-note": ["a", "b"]}, "var-note"),
        ({"var-queue": ["q" * 501]}, "var-queue"),
        ({"var-queue": ["a\x00"]}, "var-queue"),
        ({"var-queue": ["a\nb"]}, "var-queue"),
        ({"var-queue": [str(number) for number in range(51)]}, "var-queue"),
    ],
)
def test_a_choice_that_cannot_be_is_named(fields: dict[str, list[str]], name: str) -> None:
    with pytest.raises(BadParameter) as refused:
        chosen(VARIABLES, fields, "north")

    assert refused.value.name == name


@pytest.mark.parametrize(
    ("asked", "values", "expected"),
    [
        (layer("queues", ("queue", "$queue")), ("mail",), Depths(("mail",))),
        (layer("queues", ("queue", "${queue}")), ("a", "b"), Depths(("a", "b"))),
        (layer("queues", ("queue", "$queue")), (), Depths()),
        (layer("queues", ("queue", "x-$queue")), ("mail",), Depths(("x-mail",))),
        (layer("queues", ("queue", "$$queue")), ("mail",), Depths(("$queue",))),
        (layer("queues", ("queue", "5$")), ("mail",), Depths(("5$",))),
        (layer("queues", ("queue", "$queue")), (HOSTILE,), Depths((HOSTILE,))),
        (layer("signal", ("q", "depth"), ("by", "queue"), ("queue", "$queue")), ("a", "b"),
         Signal("depth", "queue", ("a", "b"))),
        (layer("history", ("q", "depth"), ("by", "queue"), ("queue", "$queue")), (), History("depth", "queue")),
        (layer("tasks", ("queue", "$queue"), ("limit", "5")), ("a",), Tasks(TaskFilter(queues=("a",)), limit=5)),
        (layer("tasks", ("search", "$queue")), ("",), Tasks()),
    ],
)  # fmt: skip
def test_a_variable_stands_for_its_values(asked: Layer, values: tuple[str, ...], expected: Query) -> None:
    assert query(asked, {"queue": values}) == expected


@pytest.mark.parametrize(
    ("asked", "values", "name"),
    [
        (layer("queues", ("queue", "$qeue")), ("a",), "queue"),
        (layer("queues", ("queue", "x-$queue")), ("a", "b"), "queue"),
        (layer("queues", ("queue", "x-$queue")), (), "queue"),
        (layer("xray", ("queue", "$queue")), (), "queue"),
        (layer("xray", ("queue", "$queue")), ("a", "b"), "queue"),
        (layer("inspect", ("q", "$queue")), ("shutdown",), "q"),
        (layer("queues", ("queue", "$queue"), ("sort", "x")), ("a",), "sort"),
        (layer("promql", ("q", "x{$queue}")), ('a="b"',), "q"),
        (layer("promql", ("q", "x{a=$queue}")), ("b",), "q"),
        (layer("promql", ("q", "x{a='$queue'}")), ("b",), "q"),
        (layer("promql", ("q", "x{a=`$queue`}")), ("b",), "q"),
        (layer("promql", ("q", 'x{a="\\$queue"}')), ("b",), "q"),
        (layer("promql", ("q", 'x{a="$queue"}')), (), "q"),
        (layer("promql", ("q", 'x{a="$queue"}')), ("a", "b"), "q"),
        (layer("promql", ("q", 'x{a="$queue"}')), ("b" * 5_000,), "q"),
        (layer("promql", ("q", "rate(x[$queue])")), ("5m]) or (y[5m",), "q"),
        (layer("explain", ("q", "x{a=$queue}")), ("b",), "q"),
        (layer("label_values", ("q", "pod"), ("match", "$queue")), ("{}",), "match"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_with_these_values_is_named(asked: Layer, values: tuple[str, ...], name: str) -> None:
    with pytest.raises(BadParameter) as refused:
        query(asked, {"queue": values})

    assert refused.value.name == name


def test_in_promql_a_value_is_escaped_and_several_are_an_alternation() -> None:
    text = 'rate(x{a="$one",b=~"$two",c =~ "$none",d!~"${two}.*",e="$$5"}[$span]) > $least # $one'

    assert (
        promql(text, one=('q"',), two=("a.b", "c"), none=(), span=("1h30m",), least=("0.5",))
        == 'rate(x{a="q\\"",b=~"(?:a\\\\.b|c)",c =~ ".*",d!~"(?:a\\\\.b|c).*",e="$5"}[1h30m]) > 0.5 # $one'
    )
    assert query(layer("label_values", ("q", "pod"), ("match", 'x{a="$one"}')), {"one": ('"',)}) == LabelValues(
        "pod", 'x{a="\\""}'
    )
    assert query(layer("explain", ("q", 'x{a=~"$one"}')), {"one": ()}) == Explained('x{a=~".*"}')


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12) | st.just(HOSTILE))
def test_no_value_leaves_its_string(value: str) -> None:
    asked = promql('sum(x{a="$v",b="before $v after"}) or y', v=(value,))

    selected = parsed(asked).lhs.expr
    assert [(one.name, one.value) for one in selected.matchers.matchers] == [
        ("a", value),
        ("b", f"before {value} after"),
    ]
    assert str(parsed(asked).rhs) == "y{}"


@given(queries.filter(lambda query: query.kind in SOURCES and all(shown(value) for _, value in query.to_params())))
def test_a_text_made_literal_means_itself(asked: Query) -> None:
    source, *params = asked.to_params()

    assert query(Layer((source, *((name, literal(value)) for name, value in params)), "table"), {}) == asked


def test_a_cell_says_which_variables_it_names() -> None:
    rows = (
        Row((layer("queues", ("queue", "$queue")), layer("promql", ("q", '${pod} $$price "$note"')))),
        Row((layer("workers", ("queue", "$queue"), ("worker", "w@$host")),)),
    )

    assert named(Ask("x", "", "", rows)) == {"queue", "pod", "note", "host"}


def test_what_there_is_to_choose_from_is_asked_like_all_else() -> None:
    assert [choices(variable) for variable in VARIABLES] == [
        Depths(),
        TaskNames(),
        PromQL("group by (pod) (kube_pod_info)", instant=True),
        None,
        None,
    ]
    assert choices(Variable("worker", "worker")) == Workers()


@pytest.mark.parametrize(
    ("variable", "column"),
    [
        (QUEUE, "queue"),
        (TASK, "name"),
        (POD, "pod"),
        (Variable("worker", "worker"), "worker"),
        (Variable("at", "label", label="time", metric="up"), "exported_time"),
    ],
)
def test_the_choices_are_the_answers_values(variable: Variable, column: str) -> None:
    frame = pd.DataFrame({column: ["b", "a", None, "", "b"], "value": 1.0})
    answer = Answer(frame, Xray("any"), {}, took=timedelta())

    assert choices_of(variable, answer) == ("a", "b")


def test_queues_that_are_not_for_work_are_no_choice() -> None:
    frame = pd.DataFrame({"queue": ["mail", "celeryev.1"], "internal": [False, True]})

    assert choices_of(QUEUE, Answer(frame, Depths(), {})) == ("mail",)


def test_without_an_answer_there_is_nothing_to_choose_from() -> None:
    assert choices_of(POD, Answer(pd.DataFrame({"value": []}), Depths(), {})) == ()
