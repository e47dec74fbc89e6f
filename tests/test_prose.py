"""Prose: Markdown as known nodes, from which no markup, no image and no other scheme comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notebooks.prose import HEADINGS, TAGS, Node, is_safe, tree, words

KNOWN = {*TAGS, *HEADINGS.values(), "a", "span"}


def every(nodes: list[Node]) -> Iterator[dict[str, object]]:
    for node in nodes:
        if isinstance(node, dict):
            yield node
            yield from every(node["children"])


def test_prose_is_read_as_markdown() -> None:
    assert tree("# Why\n\n*slow* `mail`\n\n- [queues](/queues?range=6h)\n") == [
        {"tag": "h2", "children": ["Why"]},
        {"tag": "p", "children": [{"tag": "em", "children": ["slow"]}, " ", {"tag": "code", "children": ["mail"]}]},
        {
            "tag": "ul",
            "children": [
                {
                    "tag": "li",
                    "children": [
                        {
                            "tag": "p",
                            "children": [{"tag": "a", "href": "/queues?range=6h", "children": ["queues"]}],
                        }
                    ],
                }
            ],
        },
    ]


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](//evil.example)",
    "[x](/\\evil.example)",
    "[x](http:evil.example)",
    "<javascript:alert(1)>",
    "[x][r]\n\n[r]: vbscript:x",
    "<iframe src=https://evil.example></iframe>",
    "$\\href{javascript:alert(1)}{x}$ :red[x] :material/home:",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_prose_becomes_text_and_links_that_are_looked_at_first(text: str) -> None:
    nodes = [*every(tree(text))]

    assert {str(node["tag"]) for node in nodes} <= KNOWN
    assert all(is_safe(str(node["href"])) for node in nodes if "href" in node)
    # An image's address is one that can be followed; nothing else here leads to another server.
    abroad = {str(node["href"]) for node in nodes if "href" in node and not str(node["href"]).startswith("/")}
    assert abroad <= {"https://evil.example/pixel.png"}
    assert "alert(1)" not in text or "alert(1)" in words(tree(text))  # it is shown, not hidden


@given(st.text(max_size=300) | st.text("[]()<>!*_`#-|\n :/\\javscriptdm\"'&;", max_size=300))
def test_any_text_gives_known_nodes_alone(text: str) -> None:
    for node in every(tree(text)):
        assert node["tag"] in KNOWN
        assert set(node) <= {"tag", "children", "href"}
        assert "href" not in node or is_safe(str(node["href"]))


@pytest.mark.parametrize("part", ["[", "*a", ">", "- ", "![[]()", "`", "<", "&", "[a](", "|a", "a\n=\n"])
def test_prose_of_the_greatest_length_costs_little(part: str) -> None:
    tree((part * 20_000)[:20_000])  # pytest's limit of time is the test


def test_what_is_nested_deeper_than_anybody_writes_stands_as_it_is() -> None:
    deep = "*" * 2_000 + "a" + "*" * 2_000

    assert tree(deep) == [{"tag": "pre", "children": [deep]}]
