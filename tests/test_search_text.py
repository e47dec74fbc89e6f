"""What people type to find tasks: read as it is meant, or refused with the character at fault."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.errors import BadParameter
from data_sources.schema import STATES
from data_sources.search_text import FIELDS, And, Node, Not, Or, Text, parse, text_of

words = st.text(min_size=1, max_size=12) | st.sampled_from(["AND", "OR", "NOT", "name:x", "a\\", '"', "(", "http://x"])
texts = st.builds(Text, words, st.sampled_from(["", *(field for field in FIELDS if field != "state")]))
states = st.builds(Text, st.sampled_from(STATES), st.just("state"))


def several(kind: type[And] | type[Or], nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    parts = st.lists(nodes.filter(lambda node: not isinstance(node, kind)), min_size=2, max_size=3)
    return parts.map(lambda found: kind(tuple(found)))


nodes: st.SearchStrategy[Node] = st.recursive(
    texts | states,
    lambda inner: several(And, inner) | several(Or, inner) | inner.map(Not),
    max_leaves=8,
)
typed = st.lists(
    st.sampled_from([*'ab "\\():', "AND ", "OR ", "NOT ", "name:", "state:", "failure "]), max_size=30
).map("".join)


@given(nodes)
def test_a_search_is_read_back_as_it_was_written(node: Node) -> None:
    assert parse(text_of(node)) == node


@given(typed | st.text(max_size=60))
def test_whatever_is_typed_means_something_or_is_refused_at_a_character(search: str) -> None:
    node, refused = None, ""
    try:
        node = parse(search)
    except BadParameter as error:
        refused = f"{error.name} {error.message}"
    place = re.search(r"^search .* at character (\d+)", refused)
    if refused:
        assert (place and 1 <= int(place[1]) <= len(search) + 1) or refused.startswith("search takes at most")
    else:
        assert (node is None) == (not search.strip())
        assert node is None or parse(text_of(node)) == node


@pytest.mark.parametrize(
    ("search", "means"),
    [
        ("  ", None),
        ("a b", And((Text("a"), Text("b")))),
        ("a AND b", And((Text("a"), Text("b")))),
        ("a b OR c", Or((And((Text("a"), Text("b"))), Text("c")))),
        ("a (b OR c)", And((Text("a"), Or((Text("b"), Text("c")))))),
        ("NOT a b", And((Not(Text("a")), Text("b")))),
        ("NOT (a OR b)", Not(Or((Text("a"), Text("b"))))),
        ('"no such order"', Text("no such order")),
        ('args:"say \\"hi\\""', Text('say "hi"', "args")),
        ("Name:shop.send", Text("shop.send", "name")),
        ("state:failure", Text("FAILURE", "state")),
        ("and or not", And((Text("and"), Text("or"), Text("not")))),
        ("KeyError: http://x", And((Text("KeyError:"), Text("http://x")))),
        ("KeyError('sku')", And((Text("KeyError"), Text("'sku'")))),
        ("name:AND", Text("AND", "name")),
    ],
)
def test_it_means_what_people_mean(search: str, means: Node | None) -> None:
    assert parse(search) == means


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("a AND", "lacks a text after the word at character 3"),
        ("OR a", "lacks a text before the OR at character 1"),
        ("(a", "has no ) to the ( at character 1"),
        ("a)", "has no ( to the ) at character 2"),
        ('a "b', "has a quote that is not closed at character 3"),
        ('a ""', "has empty quotes at character 3"),
        ("name: a", "needs a text right after name: at character 6"),
        ("a state:done", f"has a state at character 3 that is none of {', '.join(STATES)}"),
        ("(" * 30 + "a" + ")" * 30, "is nested too deep at character 22"),
        ("a " * 21, "takes at most 20 words"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_goes_wrong(search: str, message: str) -> None:
    with pytest.raises(BadParameter) as caught:
        parse(search)

    assert (caught.value.name, caught.value.message) == ("search", message)
