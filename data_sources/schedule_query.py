"""Questions about beat's schedule, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from data_sources.fields import Fields, Params, names


@dataclass(frozen=True)
class Schedule:
    """Beat's entries (`entries`: those of these names), with how each was kept within the scope's range."""

    kind: ClassVar[str] = "schedule"
    entries: tuple[str, ...] = ()

    def to_params(self) -> Params:
        return [("source", self.kind), *[("name", name) for name in self.entries]]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        return cls(names(fields, "name"))


@dataclass(frozen=True)
class ScheduledLoad(Schedule):
    """What these entries will bring in the next 24 hours, by hour and queue."""

    kind: ClassVar[str] = "schedule_load"
