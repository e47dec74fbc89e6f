r"""What people type to find tasks, as a value: words, "phrases", field:value, AND, OR, NOT and parentheses.

    any  = all { OR all }
    all  = one { [AND] one }
    one  = NOT one | "(" any ")" | [field:] text
    text = a word without spaces, quotes and parentheses, or anything in quotes, with \" for a quote and \\ for a \

Operators are in capitals; `KeyError:` and `http://host` are words, as no such field is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from data_sources.errors import BadParameter
from data_sources.schema import STATES

FIELDS = ("name", "id", "args", "kwargs", "result", "exception", "worker", "queue", "state")
MAX_TEXTS = 20
MAX_DEPTH = 20

FIELD = re.compile(rf"(?P<field>{'|'.join(FIELDS)}):", re.IGNORECASE)
TOKEN = re.compile(
    rf"""(?P<mark>[()])|(?:{FIELD.pattern})?(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s()"]+))""",
    re.DOTALL | re.IGNORECASE,
)
SPACE = re.compile(r"\s*")
ESCAPED = re.compile(r'\\(["\\])')
PLAIN = re.compile(r'[^\s()"]+')


@dataclass(frozen=True)
class Text:
    """`text` stands in `field`, in whatever case; without a field in any of them. A `state` is that, and no part."""

    text: str
    field: str = ""


@dataclass(frozen=True)
class Not:
    of: Node


@dataclass(frozen=True)
class And:
    """All of `parts`: two or more, of which none is an And."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """Any of `parts`: two or more, of which none is an Or."""

    parts: tuple[Node, ...]


Node = Text | Not | And | Or


def parse(search: str) -> Node | None:
    """None where nothing is looked for. Raises BadParameter, which names the character at fault."""
    tokens = list(tokenized(search))
    if sum(isinstance(token.means, Text) for token in tokens) > MAX_TEXTS:
        raise BadParameter("search", f"takes at most {MAX_TEXTS} words")
    return Reader(tokens).whole() if tokens else None


def text_of(node: Node) -> str:
    """Read back, it is `node` again."""
    match node:
        case Text(text, field):
            return f"{field}:{quoted(text)}" if field else quoted(text)
        case Not(of):
            return f"NOT {in_parentheses(of, And, Or)}"
        case And(parts):
            return " ".join(in_parentheses(part, Or) for part in parts)
        case Or(parts):
            return " OR ".join(text_of(part) for part in parts)


def in_parentheses(node: Node, *kinds: type) -> str:
    return f"({text_of(node)})" if isinstance(node, kinds) else text_of(node)


def quoted(text: str) -> str:
    if PLAIN.fullmatch(text) and text not in ("AND", "OR", "NOT") and not FIELD.match(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True)
class Token:
    """`means`: a text, or one of ( ) AND OR NOT; `place` is its first character, counted from 1."""

    means: Text | str
    place: int


def tokenized(search: str) -> Iterator[Token]:
    at = 0
    while (at := end_of_space(search, at)) < len(search):
        match = TOKEN.match(search, at)
        if match is None:
            place = search.index('"', at) + 1
            raise BadParameter("search", f"has a quote that is not closed at character {place}")
        yield Token(meaning(match), at + 1)
        at = match.end()


def end_of_space(search: str, at: int) -> int:
    space = SPACE.match(search, at)
    return space.end() if space else at


def meaning(match: re.Match[str]) -> Text | str:
    mark, field, phrase, word = match.group("mark", "field", "phrase", "word")
    if mark or (word in ("AND", "OR", "NOT") and not field):
        return str(mark or word)
    text, field = ESCAPED.sub(r"\1", phrase) if word is None else word, (field or "").lower()
    if not text:
        raise BadParameter("search", f"has empty quotes at character {match.start('phrase')}")
    if word and not field and (bare := FIELD.fullmatch(word)):
        place = match.end() + 1
        raise BadParameter("search", f"needs a text right after {bare['field']}: at character {place}")
    if field == "state":
        text = text.upper()
        if text not in STATES:
            known = ", ".join(STATES)
            raise BadParameter("search", f"has a state at character {match.start() + 1} that is none of {known}")
    return Text(text, field)


class Reader:
    """Goes through the tokens once, from left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def whole(self) -> Node:
        found = self.any(0)
        if self._at < len(self._tokens):
            raise self.refusal("has no ( to the )")
        return found

    def any(self, depth: int) -> Node:
        parts = [self.all(depth)]
        while self.takes("OR"):
            parts.append(self.all(depth))
        return joined(Or, parts)

    def all(self, depth: int) -> Node:
        parts = [self.one(depth)]
        while self.takes("AND") or self.next not in (None, "OR", ")"):
            parts.append(self.one(depth))
        return joined(And, parts)

    def one(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.refusal("is nested too deep")
        if isinstance(text := self.next, Text):
            self._at += 1
            return text
        if self.takes("NOT"):
            return Not(self.one(depth + 1))
        opened = self._at
        if self.takes("("):
            inside = self.any(depth + 1)
            if not self.takes(")"):
                raise self.refusal("has no ) to the (", opened)
            return inside
        missing = f"before the {self.next}" if self.next else "after the word"
        raise self.refusal(f"lacks a text {missing}")

    @property
    def next(self) -> Text | str | None:
        return self._tokens[self._at].means if self._at < len(self._tokens) else None

    def takes(self, word: str) -> bool:
        """Goes on behind `word`, if it is next."""
        taken = self.next == word
        self._at += taken
        return taken

    def refusal(self, why: str, at: int | None = None) -> BadParameter:
        token = self._tokens[min(self._at if at is None else at, len(self._tokens) - 1)]
        return BadParameter("search", f"{why} at character {token.place}")


def joined(kind: type[And] | type[Or], parts: list[Node]) -> Node:
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, kind) else (part,))]
    return kind(tuple(flat)) if len(flat) > 1 else flat[0]
