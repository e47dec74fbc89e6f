"""What is known of one thing, as a value: facts under headings, and long texts below them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from data_sources.answer import Answer


@dataclass(frozen=True)
class Fact:
    """`kind`: as of a table's Column. None is not known, and `unknown` says why."""

    label: str
    value: Any
    kind: str = "text"
    help: str = ""
    unknown: str = "not known"


@dataclass(frozen=True)
class Block:
    """A long text, shown as it stands; `note` says what is to be known of it, such as that it was cut."""

    title: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Facts:
    """`empty`: what is said, a paragraph each, when there is nothing to be shown."""

    sections: tuple[Section, ...] = ()
    blocks: tuple[Block, ...] = ()
    empty: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


FactsView = Callable[[pd.DataFrame, Mapping[str, Answer]], Facts]
