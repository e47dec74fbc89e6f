"""Markdown as a tree of known nodes, each drawn as an element or a text: no markup of its own comes through.

Parsed by the rules of CommonMark, with tables and ~~strikes~~. HTML stays text. An image is a link to it, as a page
that loads one tells another server who reads it. A link leads to a page of ours or, by http, elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

Node = str | dict[str, Any]  # a text, or {"tag", "children"} and, of a link, "href"

MARKDOWN = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
TAGS = {
    "blockquote",
    "br",
    "code",
    "em",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
}
MOST_DEEP = 50  # a tree is walked node by node, and sent as JSON
HEADINGS = {"h1": "h2", "h2": "h3", "h3": "h4", "h4": "h5", "h5": "h6", "h6": "h6"}  # the notebook's title is the h1


def tree(markdown: str) -> list[Node]:
    """What is nested deeper than anybody writes is shown as it stands."""
    tokens = MARKDOWN.parse(markdown)
    if depth(tokens) > MOST_DEEP:
        return [{"tag": "pre", "children": [markdown]}]
    return nodes(SyntaxTreeNode(tokens).children)


def words(nodes: Sequence[Node]) -> str:
    """What is read there, however it is drawn."""
    return "".join(node if isinstance(node, str) else words(node["children"]) for node in nodes)


def depth(tokens: Sequence[Token]) -> int:
    deepest = level = 0
    for token in tokens:
        level += token.nesting
        deepest = max(deepest, level + depth(token.children or ()))
    return deepest


def nodes(parsed: Sequence[SyntaxTreeNode]) -> list[Node]:
    return [made for node in parsed for made in node_of(node)]


def node_of(node: SyntaxTreeNode) -> list[Node]:
    match node.type:
        case "inline":
            return nodes(node.children)
        case "text":
            return [node.content]
        case "softbreak":
            return ["\n"]
        case "hardbreak":
            return [{"tag": "br", "children": []}]
        case "code_inline":
            return [{"tag": "code", "children": [node.content]}]
        case "fence" | "code_block":
            return [{"tag": "pre", "children": [node.content.rstrip("\n")]}]
        case "link":
            return [linked(str(node.attrs.get("href", "")), nodes(node.children))]
        case "image":
            return [linked(str(node.attrs.get("src", "")), [node.content or "image"])]
        case "heading":
            return [{"tag": HEADINGS[node.tag], "children": nodes(node.children)}]
    children = nodes(node.children)
    return [{"tag": node.tag, "children": children}] if node.tag in TAGS else [*children] or [node.content]


def linked(address: str, children: list[Node]) -> Node:
    """What leads anywhere else is a text with its address behind it."""
    if is_safe(address):
        return {"tag": "a", "href": address, "children": children}
    return {"tag": "span", "children": [*children, f" ({address})"]}


def is_safe(address: str) -> bool:
    """Whether it is one of ours (`/queues?range=6h`, `#depth`), or http with a host."""
    if any(not sign.isprintable() or sign in "\\ " for sign in address):
        return False
    if address.startswith("#") or (address.startswith("/") and not address.startswith("//")):
        return True
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
