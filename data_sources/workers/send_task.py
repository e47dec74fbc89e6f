"""The order for a new task; see data_sources/workers/orders.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from data_sources.fields import Fields, Params, one
from data_sources.workers.order_fields import check_name, check_seconds, check_whole, given, seconds, whole
from data_sources.workers.task_arguments import check_args, check_kwargs


@dataclass(frozen=True)
class SendTask:
    """A new task. `args` and `kwargs` are the JSON of a list and an object, sent as they stand; seconds from now.

    `retry_of`: the id of the task whose arguments it takes up.
    """

    kind: ClassVar[str] = "send_task"
    name: str
    args: str
    kwargs: str
    queue: str
    countdown: float | None = None
    expires: float | None = None
    priority: int | None = None
    retry_of: str = ""

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_args("args", self.args)
        check_kwargs("kwargs", self.kwargs)
        check_name("queue", self.queue)
        check_seconds("countdown", self.countdown)
        check_seconds("expires", self.expires)
        if self.priority is not None:
            check_whole("priority", self.priority, 0, 255)
        if self.retry_of:
            check_name("retry_of", self.retry_of)

    def to_params(self) -> Params:
        return [
            ("order", self.kind),
            *[(name, getattr(self, name)) for name in ("name", "args", "kwargs", "queue")],
            *given("countdown", self.countdown),
            *given("expires", self.expires),
            *given("priority", self.priority),
            *([("retry_of", self.retry_of)] if self.retry_of else []),
        ]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(
            one(fields, "name"),
            one(fields, "args") or "[]",
            one(fields, "kwargs") or "{}",
            one(fields, "queue"),
            seconds(fields, "countdown"),
            seconds(fields, "expires"),
            whole(fields, "priority") if one(fields, "priority") else None,
            one(fields, "retry_of"),
        )
