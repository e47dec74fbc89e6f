"""What may be ordered of a cluster, as values: each checks itself, can be written into a form, and read back.

The kinds are Celery's own names of the methods. An order says what is to be done; whom it is given to is said beside
it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params, one
from data_sources.workers.order_fields import (
    check_ids,
    check_name,
    check_seconds,
    check_whole,
    given,
    ids_given,
    seconds,
    truth,
    whole,
)

MOST_SLOTS = 10_000
SIGNALS = ("SIGTERM", "SIGQUIT", "SIGKILL", "SIGUSR1")  # SIGUSR1 raises SoftTimeLimitExceeded; SIGINT they ignore
RATE = re.compile(r"\d{1,9}(?:\.\d{1,6})?(?:/[smh])?", re.ASCII)


class Order(Protocol):
    kind: ClassVar[str]

    def to_params(self) -> Params:
        """The order as the fields of a form, `order` first; `from_fields` reads them back to an equal order."""
        ...

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        ...


class WorkerOrder(Order, Protocol):
    """One that workers carry out, each by itself."""

    def arguments(self) -> dict[str, Any]:
        """As celery/worker/control.py names them."""
        ...


@dataclass(frozen=True)
class Revoke:
    """The tasks are not run. With `terminate` the process that runs one now is sent `signal` too."""

    kind: ClassVar[str] = "revoke"
    ids: tuple[str, ...]
    terminate: bool = False
    signal: str = SIGNALS[0]

    def __post_init__(self) -> None:
        check_ids(self.ids)
        if self.signal not in SIGNALS:
            raise BadParameter("signal", f"must be one of {', '.join(SIGNALS)}")

    def arguments(self) -> dict[str, Any]:
        how = {"terminate": True, "signal": self.signal} if self.terminate else {}
        return {"task_id": list(self.ids), **how}

    def to_params(self) -> Params:
        return [
            ("order", self.kind),
            *ids_given(self.ids),
            ("terminate", str(int(self.terminate))),
            ("signal", self.signal),
        ]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(tuple(fields.get("id", ())), truth(fields, "terminate"), one(fields, "signal") or SIGNALS[0])


@dataclass(frozen=True)
class RateLimit:
    """Each worker starts at most so many of a task: `rate` is 10, 10/s, 10/m or 10/h, and 0 lifts it."""

    kind: ClassVar[str] = "rate_limit"
    task: str
    rate: str

    def __post_init__(self) -> None:
        check_name("task", self.task)
        if not RATE.fullmatch(self.rate):
            raise BadParameter("rate", "must be a number a second, or such as 10/s, 10/m or 10/h; 0 lifts the limit")

    def arguments(self) -> dict[str, Any]:
        return {"task_name": self.task, "rate_limit": self.rate}

    def to_params(self) -> Params:
        return [("order", self.kind), ("task", self.task), ("rate", self.rate)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(one(fields, "task"), one(fields, "rate"))


@dataclass(frozen=True)
class TimeLimit:
    """How many seconds a task may run: after `soft` it is told, after `hard` its process is killed; None: no limit.

    Both are always given to a worker: it forgets the one that is not.
    """

    kind: ClassVar[str] = "time_limit"
    task: str
    soft: float | None
    hard: float | None

    def __post_init__(self) -> None:
        check_name("task", self.task)
        check_seconds("soft", self.soft)
        check_seconds("hard", self.hard)
        if self.soft and self.hard and self.soft > self.hard:
            raise BadParameter("soft", "must not be longer than the hard limit, or it would never be reached")

    def arguments(self) -> dict[str, Any]:
        return {"task_name": self.task, "soft": self.soft, "hard": self.hard}

    def to_params(self) -> Params:
        return [("order", self.kind), ("task", self.task), *given("soft", self.soft), *given("hard", self.hard)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(one(fields, "task"), seconds(fields, "soft"), seconds(fields, "hard"))


@dataclass(frozen=True)
class OfSlots:
    kind: ClassVar[str]
    n: int = 1

    def __post_init__(self) -> None:
        check_whole("n", self.n, 1, MOST_SLOTS)

    def arguments(self) -> dict[str, Any]:
        return {"n": self.n}

    def to_params(self) -> Params:
        return [("order", self.kind), ("n", str(self.n))]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(whole(fields, "n"))


class PoolGrow(OfSlots):
    """`n` processes, or greenlets, more."""

    kind = "pool_grow"


class PoolShrink(OfSlots):
    """`n` processes, or greenlets, less."""

    kind = "pool_shrink"


@dataclass(frozen=True)
class Autoscale:
    """Between `min` and `max` processes, as there is to do; of workers that were started with --autoscale."""

    kind: ClassVar[str] = "autoscale"
    max: int
    min: int

    def __post_init__(self) -> None:
        check_whole("max", self.max, 1, MOST_SLOTS)
        check_whole("min", self.min, 0, self.max)

    def arguments(self) -> dict[str, Any]:
        return {"max": self.max, "min": self.min}

    def to_params(self) -> Params:
        return [("order", self.kind), ("max", str(self.max)), ("min", str(self.min))]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(whole(fields, "max"), whole(fields, "min"))


@dataclass(frozen=True)
class OfQueue:
    kind: ClassVar[str]
    queue: str

    def __post_init__(self) -> None:
        check_name("queue", self.queue)

    def to_params(self) -> Params:
        return [("order", self.kind), ("queue", self.queue)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(one(fields, "queue"))


class AddConsumer(OfQueue):
    """A worker takes tasks from `queue` too; one that does not exist is made."""

    kind = "add_consumer"

    def arguments(self) -> dict[str, Any]:
        return {"queue": self.queue}


class CancelConsumer(OfQueue):
    """A worker takes no more tasks from `queue`."""

    kind = "cancel_consumer"

    def arguments(self) -> dict[str, Any]:
        return {"queue": self.queue}


class Purge(OfQueue):
    """All that waits in `queue` is deleted; what workers have taken is not."""

    kind = "purge"


@dataclass(frozen=True)
class Plain:
    """Nothing more is to be said."""

    kind: ClassVar[str]

    def arguments(self) -> dict[str, Any]:
        return {}

    def to_params(self) -> Params:
        return [("order", self.kind)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls()


class EnableEvents(Plain):
    """A worker tells of its tasks."""

    kind = "enable_events"


class DisableEvents(Plain):
    """A worker no longer tells of its tasks, unless it was started with -E."""

    kind = "disable_events"


class PoolRestart(Plain):
    """A worker's processes are replaced; of workers with `worker_pool_restarts`."""

    kind = "pool_restart"


class Shutdown(Plain):
    """A worker ends when what it runs has ended."""

    kind = "shutdown"
