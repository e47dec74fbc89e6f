"""A headline as a value: a sentence, its context, and links from each number to its evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime

from data_sources.microseconds import ms


@dataclass(frozen=True)
class Part:
    """A piece of a sentence that is more than words: a name from outside, a moment, a duration, a link."""

    text: str = ""
    code: bool = False
    href: str | None = None
    moment: datetime | None = None
    seconds: float | None = None

    def to_dict(self) -> dict[str, object]:
        known = {name: value for name, value in asdict(self).items() if value is not None and value is not False}
        if self.moment:
            known["moment"] = ms(self.moment)
        return known


Words = tuple[str | Part, ...]


def sent(words: Words) -> list[object]:
    """As the browser gets them."""
    return [part if isinstance(part, str) else part.to_dict() for part in words]


@dataclass(frozen=True)
class Headline:
    sentence: Words
    context: Words = ()
    tone: str = "good"  # good, bad or plain
    help: tuple[str, ...] = field(default=())  # what to do; a line after "$ " is typed

    def to_dict(self) -> dict[str, object]:
        return {
            "sentence": sent(self.sentence),
            "context": sent(self.context),
            "tone": self.tone,
            "help": list(self.help),
        }


def name(text: str, href: str | None = None) -> Part:
    """A task, queue or worker name, shown as it is."""
    return Part(text=text, code=True, href=href)


def names(texts: list[str], most: int = 3, href: str | None = None) -> Words:
    """`a`, `b` and `c`, or `a`, `b`, `c` and 4 more."""
    shown = [name(text, href) for text in texts[:most]]
    rest = len(texts) - len(shown)
    words: list[str | Part] = []
    for place, part in enumerate(shown):
        last = place == len(shown) - 1 and not rest and place
        words += ([" and "] if last else [", "] if place else []) + [part]
    return (*words, f" and {rest} more") if rest else tuple(words)
