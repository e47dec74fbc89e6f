"""How tasks that run were delivered, as `active` tells it: events never say the priority, and the rest only with
task_send_sent_event.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

import msgspec

from data_sources.events.event_fields import count, identifier, name

MOST = 20_000  # a task runs in a slot, and no cluster has that many


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """Of a task's message. Unknown is None, as is the default exchange, whose name is empty."""

    exchange: str | None = None
    routing_key: str | None = None
    priority: int | None = None


UNKNOWN = Delivery()


def deliveries(active: Iterable[tuple[str, Any]]) -> dict[str, Delivery]:
    """Those that are told by the answers to `active`, by worker, of tasks by id."""
    found = {}
    for task in islice(chain.from_iterable(tasks for _, tasks in active), MOST):
        said = task.get("delivery_info") if isinstance(task, dict) else None
        id = identifier(text(task["id"])) if isinstance(said, dict) and "id" in task else None
        if id is not None and isinstance(said, dict):
            priority = said.get("priority")
            delivery = Delivery(
                name(text(said.get("exchange"))),
                name(text(said.get("routing_key"))),
                count(priority if type(priority) is int else None),
            )
            if delivery != UNKNOWN:
                found[id] = delivery
    return found


def text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
