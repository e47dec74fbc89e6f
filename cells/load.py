"""What is to come, by hour and queue, as a value: a picture drawn by cells/browser/load.js."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QueueLoad:
    """`runs` and `busy` (seconds) have a value for each hour; a None is not known."""

    queue: str | None
    colour: str
    runs: tuple[int, ...]
    busy: tuple[float | None, ...]


@dataclass(frozen=True)
class Load:
    """`hours`: when each begins, in milliseconds since 1970."""

    hours: tuple[float, ...] = ()
    queues: tuple[QueueLoad, ...] = ()
    empty: tuple[str, ...] = ()
    form: str = "load"
