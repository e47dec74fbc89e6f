"""What a notebook works out from other answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params
from data_sources.scope import Range


@dataclass(frozen=True)
class Derived:
    """SQL over the answers to the questions `of`, each with its table's name and the time it was asked of.

    No source answers it, so it is none of `query.KINDS`: it means something in its notebook alone.
    """

    kind: ClassVar[str] = "sql"
    text: str
    of: tuple[tuple[str, object, Range], ...] = ()

    def to_params(self) -> Params:
        return [("source", self.kind), ("q", self.text)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        raise BadParameter("source", "sql is asked in a notebook")
