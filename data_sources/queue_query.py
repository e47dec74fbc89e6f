"""Questions about queues beyond how deep they are, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params, names, one


@dataclass(frozen=True)
class Xray:
    """What is inside one queue: the messages at both its ends, or, `by` task, what they are made of."""

    kind: ClassVar[str] = "xray"
    queue: str
    by: str = ""

    def to_params(self) -> Params:
        return [("source", self.kind), ("queue", self.queue), *([("by", self.by)] if self.by else [])]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        queues, by = names(fields, "queue"), one(fields, "by")
        if len(queues) != 1:
            raise BadParameter("queue", "must be the name of one queue")
        if by not in ("", "task"):
            raise BadParameter("by", "must be task, or left out")
        return cls(queues[0], by)


@dataclass(frozen=True)
class Leftovers:
    """What stands in the broker and nobody will fetch, or nobody has for long."""

    kind: ClassVar[str] = "leftovers"

    def to_params(self) -> Params:
        return [("source", self.kind)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls()
