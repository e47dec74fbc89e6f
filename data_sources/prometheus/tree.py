"""A PromQL expression taken apart: it, and each expression it is made of, by promql-parser.

Texts are written anew from what was parsed, so they may read otherwise than what was typed, and mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import promql_parser as parser

from data_sources.prometheus.selectors import label_name, quote

# Deeper ones take seconds of all threads, only to end at Python's limit of recursion.
MOST_WORDS = 400
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`|[\w:.]+|[^\w\s]')
SIGNS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
BREAK = re.compile(r"(?<=\()\n\s*|\n\s*(?=\))")


class NotParsed(ValueError):
    """The text is no PromQL as far as the parser knows it; the server may know more."""


@dataclass(frozen=True)
class Part:
    """An expression within another. `depth`: within how many. `type`: vector, range or scalar.

    `joins`: two vectors, series by series. `metric` and `matchers`: of a selector of one moment.
    """

    text: str
    depth: int
    type: str
    joins: bool = False
    metric: str = ""
    matchers: tuple[str, ...] = ()

    @property
    def counted(self) -> str:
        """A vector with its series, of a stretch as of its last moment; "" where there is nothing to count."""
        return {"vector": self.text, "range": f"last_over_time({self.text})"}.get(self.type, "")


def take_apart(text: str, most: int) -> list[Part]:
    """The first `most` parts, each before those it is made of; plain numbers and texts are none. Raises NotParsed."""
    return list(islice(parts(parsed(text), 0), most))


def parsed(text: str) -> Any:
    if len(WORD.findall(text)) > MOST_WORDS:
        raise NotParsed(f"is too long to be taken apart: more than {MOST_WORDS} words and signs")
    try:
        return parser.parse(text)
    except (ValueError, RecursionError) as exc:
        raise NotParsed(str(exc)) from exc


def prettified(text: str) -> str:
    """Laid out over lines. Raises NotParsed."""
    return str(parsed(text).prettify())


def parts(node: Any, depth: int) -> Iterator[Part]:
    if isinstance(node, parser.ParenExpr):
        yield from parts(node.expr, depth)
        return
    below = [one for one in made_of(node) if not isinstance(one, parser.NumberLiteral | parser.StringLiteral)]
    joins = len(below) == 2 and isinstance(node, parser.BinaryExpr) and {*map(type_of, below)} == {"vector"}
    yield Part(written(node), depth, type_of(node), joins, *selected(node))
    for one in below:
        yield from parts(one, depth + 1)


def made_of(node: Any) -> list[Any]:
    match node:
        case parser.BinaryExpr():
            return [node.lhs, node.rhs]
        case parser.Call():
            return list(node.args)
        case parser.AggregateExpr():
            return [node.param, node.expr] if isinstance(node.param, parser.Expr) else [node.expr]
        case parser.UnaryExpr() | parser.SubqueryExpr():
            return [node.expr]
    return []


def type_of(node: Any) -> str:
    match node:
        case parser.ParenExpr() | parser.UnaryExpr():
            return type_of(node.expr)
        case parser.MatrixSelector() | parser.SubqueryExpr():
            return "range"
        case parser.VectorSelector() | parser.AggregateExpr():
            return "vector"
        case parser.BinaryExpr():
            return "vector" if "vector" in (type_of(node.lhs), type_of(node.rhs)) else "scalar"
        case parser.Call():
            return "vector" if node.func.return_type == parser.ValueType.Vector else "scalar"
    return "scalar"


def selected(node: Any) -> tuple[str, tuple[str, ...]]:
    """Metric and matchers of a selector, over a stretch too; the alternatives of an `or` in it are not told."""
    match node:
        case parser.MatrixSelector():
            return selected(node.vector_selector)
        case parser.VectorSelector(name=str(name)) if not node.offset and not node.at:
            return name, tuple(map(written_matcher, node.matchers.matchers))
    return "", ()


def written_matcher(matcher: Any) -> str:
    """As it stands in a selector; the parser's own text of it quotes nothing."""
    return f"{label_name(matcher.name)}{SIGNS[str(matcher.op)]}{quote(matcher.value)}"


def written(node: Any) -> str:
    """On one line. Newlines stand between words alone: those in texts are escaped."""
    return re.sub(r"\n\s*", " ", BREAK.sub("", str(node.prettify())).strip())
