"""What a snapshot says of each worker, as far as it says it: unknown is None."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from data_sources.workers.snapshot import BEAT, Snapshot
from data_sources.workers.verdict import Running

MOST_RUNNING = 10
MAX_NAME = 255
RATE_LIMIT = re.compile(r" \[.*\brate_limit=(\d{1,9}(?:\.\d{1,9})?)(?:/([smh]))?[ \]]")
PERIOD_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
MAX_GAP_SECONDS = 86_400.0
MAX_EPOCH = 10**11  # seconds; some thousand years on


@dataclass(frozen=True)
class WorkerFacts:
    """One process that answers as `worker`."""

    worker: str
    pid: int | None = None
    pool: str | None = None  # prefork, threads, solo, gevent, eventlet
    concurrency: int | None = None  # tasks it can run at once
    active: int | None = None
    reserved: int | None = None
    scheduled: int | None = None
    processed: int | None = None  # tasks accepted since it started, not finished ones
    totals: Mapping[str, int] = field(default_factory=dict)  # the same by task name
    queues: tuple[str, ...] | None = None
    may_consume: tuple[str, ...] | None = None  # of two of one name that do not say the same: what either says
    uptime_seconds: int | None = None
    prefetch_count: int | None = None
    clock: int | None = None
    software: str | None = None  # "celery 5.7.0", when `report` was asked
    tasks: tuple[Running, ...] = ()  # those it runs, the first few


def workers_facts(snapshot: Snapshot) -> tuple[WorkerFacts, ...]:
    """The facts of each process that answered, by name; beats are no workers.

    Two processes of one name are told apart by their `stats` alone: the rest does not say whose it is, and is None
    unless all say the same.
    """
    said: dict[str, dict[str, list[Any]]] = {name: {} for name in sorted(snapshot.answered)}
    for reply in snapshot.replies:
        said[reply.worker].setdefault(reply.method, []).append(reply.value)
    return tuple(
        process_facts(name, stats, agreed(answers), may_consume(answers))
        for name, answers in said.items()
        if not name.startswith(BEAT)
        for stats in answers.get("stats", [{}])
    )


def agreed(answers: Mapping[str, list[Any]]) -> dict[str, Any]:
    """By method what every process of a name answered; which of them gave one that is different nobody can tell."""
    processes = max(map(len, answers.values()), default=0)
    return {
        method: values[0]
        for method, values in answers.items()
        if len(values) == processes and all(value == values[0] for value in values)
    }


def may_consume(answers: Mapping[str, list[Any]]) -> tuple[str, ...] | None:
    """The queues that all of one name consume together; None while one of them has not said."""
    said = answers.get("active_queues", [])
    if len(said) < max(map(len, answers.values()), default=1):
        return None
    return tuple(dict.fromkeys(name for queues in said for name in queue_names(queues)))


def process_facts(
    worker: str, stats: Mapping[str, Any], only: Mapping[str, Any], together: tuple[str, ...] | None
) -> WorkerFacts:
    """`only`: the answers by method that are its own; `together`: see may_consume."""
    totals = task_totals(stats)
    queues = tuple(queue_names(only["active_queues"])) if "active_queues" in only else None
    return WorkerFacts(
        worker,
        pid=whole(stats.get("pid")),
        pool=pool_name(stats),
        concurrency=concurrency(stats),
        active=count(only.get("active")),
        reserved=count(only.get("reserved")),
        scheduled=count(only.get("scheduled")),
        processed=None if totals is None else whole(sum(totals.values())),
        totals=totals or {},
        queues=queues,
        may_consume=together if queues is None else None,
        uptime_seconds=whole(stats.get("uptime")),
        prefetch_count=whole(stats.get("prefetch_count")),
        clock=whole(only.get("clock", {}).get("clock", stats.get("clock"))),
        software=software(only.get("report", {})),
        tasks=tuple(running(only.get("active", []))),
    )


def pool_name(stats: Mapping[str, Any]) -> str | None:
    """`celery.concurrency.prefork:TaskPool` is prefork, `...thread:TaskPool` threads."""
    implementation = part(stats, "pool").get("implementation")
    if not isinstance(implementation, str) or not implementation:
        return None
    module = implementation.partition(":")[0].rpartition(".")[2]
    return "threads" if module == "thread" else module


def concurrency(stats: Mapping[str, Any]) -> int | None:
    """With autoscaling `max-concurrency` stays what it was at start, so the current size goes first."""
    current = whole(part(stats, "autoscaler").get("current"))
    pool = part(stats, "pool")
    processes = pool.get("processes")
    return current or (len(processes) if isinstance(processes, list) else None) or whole(pool.get("max-concurrency"))


def task_totals(stats: Mapping[str, Any]) -> dict[str, int] | None:
    """Tasks accepted since the start, by name; None when that was not said."""
    if not isinstance(stats.get("total"), dict):
        return None
    return {name: number for name, value in stats["total"].items() if (number := whole(value)) is not None}


def queue_names(queues: list[Any]) -> Iterator[str]:
    return (queue["name"] for queue in queues if isinstance(queue, dict) and isinstance(queue.get("name"), str))


def running(tasks: list[Any]) -> Iterator[Running]:
    for task in tasks[:MOST_RUNNING]:
        if isinstance(task, dict):
            id, name, began = (task.get(key) for key in ("id", "name", "time_start"))
            yield Running(str(id)[:MAX_NAME], str(name)[:MAX_NAME], epoch(began))


def epoch(seconds: Any) -> datetime | None:
    """Seconds since 1970 as a time."""
    if type(seconds) not in (int, float) or not 0 <= seconds < MAX_EPOCH:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def slowest(registered: list[Any]) -> timedelta:
    """Between two tasks of the strictest rate limit, of `name [rate_limit=10/m]`; 0 when there is none."""
    limits = (RATE_LIMIT.search(str(task)) for task in registered)
    gaps = (PERIOD_SECONDS[limit[2] or "s"] / float(limit[1]) for limit in limits if limit and float(limit[1]))
    return timedelta(seconds=min(max(gaps, default=0.0), MAX_GAP_SECONDS))


def software(report: Mapping[str, Any]) -> str | None:
    found = re.search(r"software -> celery:(\S{1,30})", str(report.get("ok", ""))[:1000])
    return f"celery {found[1]}" if found else None


def part(stats: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = stats.get(name)
    return value if isinstance(value, dict) else {}


def count(values: Any) -> int | None:
    return len(values) if isinstance(values, list) else None


def whole(value: Any) -> int | None:
    """A whole number of 0 to 2**63 - 1, also as text (`stats.clock`); None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,19}", value, re.ASCII):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 2**63 else None
