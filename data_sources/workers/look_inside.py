"""The order to look into a queue whose messages are seen only by who takes them; see data_sources/workers/orders.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from data_sources.fields import Fields, Params, one
from data_sources.workers.order_fields import check_name, check_whole, whole

MOST_MESSAGES = 200
FEW = 50


@dataclass(frozen=True)
class LookInside:
    """The first `n` messages of `queue` are taken out and put back."""

    kind: ClassVar[str] = "look_inside"
    queue: str
    n: int = FEW

    def __post_init__(self) -> None:
        check_name("queue", self.queue)
        check_whole("n", self.n, 1, MOST_MESSAGES)

    def to_params(self) -> Params:
        return [("order", self.kind), ("queue", self.queue), ("n", str(self.n))]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        return cls(one(fields, "queue"), whole(fields, "n") if one(fields, "n") else FEW)
