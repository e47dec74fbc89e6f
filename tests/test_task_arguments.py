"""The arguments of a recorded task, as its worker was sent them, or the reason why they are not known."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from celery.utils.saferepr import saferepr
from hypothesis import example, given
from hypothesis import strategies as st
from kombu.utils.json import dumps

from data_sources.errors import QueryRejected
from data_sources.events.event_fields import LIMITS, text
from data_sources.workers.task_arguments import recorded_arguments

ARGS_SIZE = 1024  # celery/app/amqp.py, argsrepr_maxsize
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.text() | st.integers() | st.booleans() | st.none()
VALUES = st.recursive(
    PLAIN | st.text(st.characters()) | st.text("a'\\.,[] "),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)


def recorded(value: Any, what: str = "args") -> tuple[str | None, dict[str, int]]:
    """What the history has of it: as a client's Celery writes it into the message, and a recorder keeps it."""
    cut: dict[str, int] = {}
    return text(saferepr(value, ARGS_SIZE), what, cut), cut


def read_back(args: Any, kwargs: Any = None) -> tuple[Any, Any]:
    (args_text, cut), (kwargs_text, also_cut) = recorded(args), recorded(kwargs or {}, "kwargs")
    back = recorded_arguments(args_text, kwargs_text, cut | also_cut)
    return json.loads(back[0]), json.loads(back[1])


@given(st.lists(VALUES, max_size=4).map(tuple), st.dictionaries(st.text(), VALUES, max_size=3))
@example(("a\\",), {})
@example(("a\\", ", ", ", "), {})
@example(("\\'", "a', 'b"), {})
@example(("it's", 'he said "no"', "new\nline", "Grüße 🐇"), {"'": "'"})
@example(("wait...", "x" * 2000), {})
@example(([[[[1]]]],), {})
@example(("x" * 500 + " " + "y" * 600, 1), {})
@example((2**70, 1e16, -0.0, 1e-7), {"a": {1: 2, "1": 3}})
def test_arguments_are_read_back_as_they_were_sent_or_not_at_all(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        back = read_back(args, kwargs)
    except QueryRejected:
        return
    assert json.dumps(back) == json.dumps(json.loads(dumps([args, kwargs])))


@pytest.mark.parametrize(
    "args",
    [
        (),
        (2,),
        (2, 3),
        ("it's", "Grüße 🐇", 'say "no"', "new\nline", "", " ,)", "a: b", "x...y"),
        ([1, 2, "a"], {"a": None}, True, -1.5, 1e300, 2**80),
        ({1: "one", None: "none", False: "no"},),
        tuple(range(200)),
    ],
)
def test_what_celery_tells_as_a_whole_is_read_back(args: tuple[Any, ...]) -> None:
    assert json.dumps(read_back(args)[0]) == json.dumps(args)
    assert json.dumps(read_back((), {"given": args})[1]) == json.dumps({"given": args})


def test_three_levels_are_told() -> None:
    assert read_back(([1, ("a",)],)) == ([[1, ["a"]]], {})


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("x" * 2000,), "may have cut"),
        (("wait...",), "may have cut"),
        (("short",) * 400, "the client has cut them"),
        ([[[[1]]]], "nested deeply"),
        (({"a": {"b": {"c": {}}}},), "nested deeply"),
        (("C:\\new",), "a backslash or a quote"),
        (("the dogs', the cats",), "a backslash or a quote"),
        ((Decimal("1.5"),), "JSON does not know"),
        ((UUID(int=1),), "JSON does not know"),
        ((b"bytes",), "JSON does not know"),
        (({1, 2},), "JSON does not know"),
        ((float("nan"),), "JSON does not know"),
        ((float("-inf"),), "JSON does not know"),
        ((object(),), "JSON does not know"),
        (({1: "a", "1": "b"},), "JSON does not know"),
        (("a\0b",), "a character that is not recorded"),
        (("half a pair \ud83d",), "a character that is not recorded"),
        (({"password": "hunter2"},), "a secret"),
        (("https://user:word@host/",), "a secret"),
    ],
)
def test_what_is_not_known_exactly_is_refused_with_the_reason(args: tuple[Any, ...], why: str) -> None:
    with pytest.raises(QueryRejected, match=why) as error:
        read_back(args)
    assert error.value.parameter == "args"


def test_recorded_arguments_that_were_cut_are_refused_with_their_true_length() -> None:
    whole = repr((["a"] * 1_000,))  # of a client that tells more than Celery does
    cut: dict[str, int] = {}
    kept = text(whole, "args", cut)
    assert kept == whole[: LIMITS["args"]]
    with pytest.raises(QueryRejected, match=f"they are {len(whole):,} characters long"):
        recorded_arguments(kept, "{}", cut)
    with pytest.raises(QueryRejected, match="keyword arguments are not recorded as a whole"):
        recorded_arguments("()", "{'a': 1}", {"kwargs": 5_000})


def test_what_else_was_cut_does_not_matter() -> None:
    assert recorded_arguments("(1,)", "{}", {"result": 9_999}) == ("[1]", "{}")


@pytest.mark.parametrize("missing", [None, ""])
def test_arguments_that_are_not_recorded_are_refused(missing: str | None) -> None:
    with pytest.raises(QueryRejected, match="not recorded"):
        recorded_arguments(missing, "{}", None)
    with pytest.raises(QueryRejected, match="not recorded") as error:
        recorded_arguments("()", missing, None)
    assert error.value.parameter == "kwargs"


@pytest.mark.parametrize("args", ["{}", "'a'", "(1", "1", "(1,)]", "<hidden>", "***", "[1 2]", "(__import__('os'),)"])
def test_what_is_no_list_of_arguments_is_refused(args: str) -> None:
    with pytest.raises(QueryRejected):
        recorded_arguments(args, "{}", None)
