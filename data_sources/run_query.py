"""Questions about one task beside others, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from data_sources.errors import BadParameter
from data_sources.fields import MAX_NAME, Fields, Params, one
from data_sources.task_query import Task


@dataclass(frozen=True)
class Runs(Task):
    """The newest tasks of the same name as one task, whatever the range, and itself among them."""

    kind: ClassVar[str] = "runs"


@dataclass(frozen=True)
class Compared(Task):
    """One task and `other` (`with` in a URL); without it the last success of the same name."""

    kind: ClassVar[str] = "compared"
    other: str = ""

    def to_params(self) -> Params:
        return super().to_params() + ([("with", self.other)] if self.other else [])

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        other = one(fields, "with")
        if len(other) > MAX_NAME:
            raise BadParameter("with", "must be the id of one task")
        return cls(super().from_fields(fields).id, other)


@dataclass(frozen=True)
class Held(Task):
    """What the worker that has a task says of it now; of one that is recorded as ended nobody is asked."""

    kind: ClassVar[str] = "held"
