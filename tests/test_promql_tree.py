"""An expression taken apart, and where an error stands in it. No text does more than be refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.prometheus.place import place_of_error
from data_sources.prometheus.tree import MOST_WORDS, NotParsed, prettified, take_apart
from data_sources.promql_query import MAX_PROMQL

MOST = 24
WORDS = (
    "sum",
    "rate",
    "up",
    "(",
    ")",
    "{",
    "}",
    "[5m]",
    "by",
    "(a)",
    "a=",
    '"x\\"y"',
    "'",
    "+",
    "-",
    "3",
    "1e400",
    "#",
    "é",
)
expressions = st.recursive(
    st.sampled_from(["up", 'up{a="b\\"c"}', 'up{a=~"x|\\\\.y"}', "{__name__=~`a b`}", "3", "time()", "up offset 5m"]),
    lambda one: st.one_of(
        st.builds("sum by (a) ({})".format, one),
        st.builds("({}) / on (a) group_left (b) ({})".format, one, one),
        st.builds("rate(({})[5m:1m])".format, one),
        st.builds('label_replace({}, "a", "$1\\n", "b", "(.*)\\\\d")'.format, one),
        st.builds("topk(3, {}) > bool 2".format, one),
        st.builds("-({})".format, one),
    ),
    max_leaves=6,
)  # fmt: skip


def told(text: str) -> list[tuple[int, str, str]]:
    return [(part.depth, part.type, part.text) for part in take_apart(text, MOST)]


def test_each_part_stands_under_what_it_is_part_of() -> None:
    assert told('histogram_quantile(0.9, sum by (le) (rate(a_bucket{b="c"}[5m]))) > 3 and on (x) (d)') == [
        (0, "vector", 'histogram_quantile(0.9, sum by (le) (rate(a_bucket{b="c"}[5m]))) > 3 and on (x) (d)'),
        (1, "vector", 'histogram_quantile(0.9, sum by (le) (rate(a_bucket{b="c"}[5m]))) > 3'),
        (2, "vector", 'histogram_quantile(0.9, sum by (le) (rate(a_bucket{b="c"}[5m])))'),
        (3, "vector", 'sum by (le) (rate(a_bucket{b="c"}[5m]))'),
        (4, "vector", 'rate(a_bucket{b="c"}[5m])'),
        (5, "range", 'a_bucket{b="c"}[5m]'),
        (1, "vector", "d"),
    ]


def test_a_selector_tells_its_metric_and_its_matchers_as_they_are_written() -> None:
    (part,) = take_apart(r'up{job="a\"b", x=~"1|\\d", y!="", z!~"q"}', MOST)
    assert (part.metric, part.matchers) == ("up", (r'job="a\"b"', r'x=~"1|\\d"', 'y!=""', 'z!~"q"'))


def test_two_vectors_are_joined_and_a_vector_with_a_number_is_not() -> None:
    assert [take_apart(text, MOST)[0].joins for text in ("a / b", "a / 2", "a / scalar(b)", "sum(a)")] == [
        True, False, False, False,
    ]  # fmt: skip


@given(expressions)
def test_what_is_written_anew_means_the_same(text: str) -> None:
    try:
        parts = take_apart(text, MOST)
    except NotParsed:
        return
    for part in parts:
        assert take_apart(part.text, MOST)[0].text == part.text
        assert "\n" not in part.text


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_any_text_is_taken_apart_or_refused(text: str) -> None:
    try:
        assert take_apart(text, MOST)
        assert prettified(text)
    except NotParsed:
        return


@pytest.mark.parametrize("text", ["(" * 2000 + "1" + ")" * 2000, "1" + "+1" * 2000, "abs(" * 800 + "a" + ")" * 800])
def test_what_is_nested_too_deep_is_refused_before_it_is_parsed(text: str) -> None:
    assert len(text) <= MAX_PROMQL + 1
    with pytest.raises(NotParsed, match=f"more than {MOST_WORDS}"):
        take_apart(text, MOST)


@pytest.mark.parametrize(
    ("what", "text", "place"),
    [
        ('invalid parameter "query": 1:9: parse error: unclosed', "sum( foo", (8, "unclosed")),
        ("2:2: parse error: unexpected character: 'é'", "sum(\n é", (6, "unexpected character: 'é'")),
        ("1:8: parse error: no é", 'a{b="é"}}', (6, "no é")),
        ("9:99: parse error: far away", "up", (2, "far away")),
        ("query timed out", "up", None),
    ],
)  # fmt: skip
def test_an_error_is_found_in_the_text_by_its_line_and_its_bytes(
    what: str, text: str, place: tuple[int, str] | None
) -> None:
    assert place_of_error(what, text) == place
