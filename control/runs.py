"""Which process answers to a worker's name, so that one that was started anew is not taken for the one before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

ROUNDING = timedelta(seconds=1.5)  # an uptime is told in whole seconds


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a worker said of itself within `took` after `asked_at`. None: it did not say."""

    worker: str
    pid: int | None = None
    uptime: timedelta | None = None
    asked_at: datetime
    took: timedelta = timedelta(0)
    pool: str | None = None  # prefork, threads, solo, gevent, eventlet
    slots: int | None = None
    scale: tuple[int, int] | None = None  # min and max, where it scales by itself

    @property
    def began(self) -> datetime | None:
        return None if self.uptime is None else self.asked_at - self.uptime

    def goes_on_in(self, later: Run) -> bool:
        """Whether `later` is the same process. In containers a worker that was started anew has the same number."""
        if self.pid != later.pid:
            return False
        if self.uptime is None or later.uptime is None:
            return True
        return later.uptime >= self.uptime + (later.asked_at - self.asked_at) - self.took - ROUNDING


Runs = Mapping[str, Run]  # of those that answer, by worker


def changed(before: Runs, now: Runs, workers: Collection[str]) -> str:
    """Why what `before` tells of `workers` does not hold `now`; empty where it does."""
    for name in workers:
        if name in before and name not in now:
            return f"{name} does not answer any more"
        if name in before and not before[name].goes_on_in(now[name]):
            return f"{name} was started anew"
    return ""
