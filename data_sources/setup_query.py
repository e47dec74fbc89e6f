"""Questions about Celery Notebook's own set-up, as values: what is connected, what is off, what the history is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params, names

# `off`: it is not there, and `setting` turns it on. `partly`: it is there, and not for all. `pending`: not asked yet.
# `unknown`: nothing tells, as long as no task runs or who could tell is silent.
STATES = ("ok", "failing", "pending", "unknown", "partly", "off")


@dataclass(frozen=True)
class Setup:
    """Each source and each feature that can be on or off; of `states`, those that are so."""

    kind: ClassVar[str] = "setup"
    states: tuple[str, ...] = ()

    def to_params(self) -> Params:
        return [("source", self.kind), *[("state", state) for state in self.states]]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        states = names(fields, "state")
        if not set(states) <= set(STATES):
            raise BadParameter("state", f"must be one of {', '.join(STATES)}")
        return cls(states)


@dataclass(frozen=True)
class Recording:
    """Where the history is, how much it takes, how long it keeps what, and who writes it."""

    kind: ClassVar[str] = "recording"

    def to_params(self) -> Params:
        return [("source", self.kind)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls()
