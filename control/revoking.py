"""Taking tasks back: those that have not begun are not run; with terminate those that run are ended too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from control.facts import Facts, Row
from control.plan import Draft, Line
from control.runs import Runs
from control.words import many
from data_sources.errors import BadParameter
from data_sources.history.task_run import TaskRun
from data_sources.workers.orders import Revoke

ENDS = ("prefork", "gevent", "eventlet")  # pools that can end a task that runs (terminate_job in celery/concurrency)
FORGOTTEN = "Workers remember it until they restart: what waits in a queue runs after all when all of them did"


def marked(order: Revoke, facts: Facts, workers: Collection[str]) -> dict[str, str]:
    """How many of the tasks each worker that answers knows as revoked."""
    known: dict[str, set[str]] = {}
    for row in facts.said("revoked", workers):
        known.setdefault(row["worker"], set()).add(row["id"])
    return {name: marked_words(len(known.get(name, set()) & set(order.ids)), order) for name in workers}


def marked_words(count: int, order: Revoke) -> str:
    return f"knows {count:,} of {len(order.ids):,} as revoked"


def plan_revoke(order: Revoke, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    """Of those that have not ended. Raises BadParameter when there are none."""
    recorded = facts.recorded(order.ids)
    held = {row["id"]: row for row in facts.said("query_task", runs, order.ids) if row["state"]}
    ended = {id: run for id, run in recorded.items() if run.ended and id not in held}
    wanted = tuple(id for id in dict.fromkeys(order.ids) if id not in ended)
    if not wanted:
        raise BadParameter("id", f"has ended: {states(ended.values())}")
    order = replace(order, ids=wanted)
    beside = beside_them(facts, held) if order.terminate else {}
    running = [id for id in wanted if id in held and held[id]["state"] == "active"]
    warnings = []
    if ended:
        warnings.append(f"{many(len(ended), 'task')} left out, having ended: {states(ended.values())}")
    if unknown := [id for id in wanted if id not in held and id not in recorded]:
        warnings.append(f"Of {many(len(unknown), 'task')} nothing is known: not recorded, and no worker has it")
    if silent := [name for name in workers if name not in runs]:
        warnings.append(f"{many(len(silent), 'worker')} did not say what runs there")
    if running and not order.terminate:
        warnings.append(f"{many(len(running), 'task')} run already and will run on: terminate ends those")
    if len(running) < len(wanted):
        warnings.append(FORGOTTEN)
    what = f"{'terminate' if order.terminate else 'revoke'} {many(len(wanted), 'task')}"
    return Draft(
        order=order,
        summary=f"{what.capitalize()}, {len(running):,} of them running now; told to {many(len(workers), 'worker')}",
        lines=tuple(
            Line(id, now_words(recorded.get(id), held.get(id)), then_words(order, held.get(id), runs, beside))
            for id in wanted
        ),
        workers=tuple(workers),
        tasks=len(wanted),
        phrase=what if order.terminate or len(wanted) > 1 else "",
        warnings=tuple(warnings),
    )


def states(runs: Collection[TaskRun]) -> str:
    names = [run.state for run in runs]
    return ", ".join(f"{names.count(state):,} {state}" for state in dict.fromkeys(names))


def now_words(recorded: TaskRun | None, held: Row | None) -> str:
    name = (held and held["name"]) or (recorded and recorded.name) or "a task of unknown name"
    if held and held["state"] == "active":
        process = f", process {held['worker_pid']}" if held["worker_pid"] is not None else ""
        return f"{name} runs on {held['worker']}{process}"
    if held:
        return f"{name} is held by {held['worker']} ({held['state']})"
    return f"{name}, {recorded.state} as recorded" if recorded else "nothing is known of it"


def then_words(order: Revoke, held: Row | None, runs: Runs, beside: Mapping[str, int]) -> str:
    if held is None or held["state"] != "active":
        return "is not run"
    if not order.terminate:
        return "runs on"
    run = runs.get(held["worker"])
    if run and run.pool and run.pool not in ENDS:
        return f"runs on: the {run.pool} pool cannot end a task"
    if run and run.pool != "prefork" and run.pool is not None:
        return "is ended where it waits next: its greenlet is killed"
    shared = beside.get(held["id"], 0)
    with_it = f", and with it {many(shared, 'other task')}" if shared else ""
    return f"its process gets {order.signal}{with_it}; another takes its place"


def beside_them(facts: Facts, held: Mapping[str, Row]) -> dict[str, int]:
    """How many other tasks run in the process of each of these tasks."""
    running = {row["id"]: row for row in held.values() if row["state"] == "active"}
    active = facts.said("active", {row["worker"] for row in running.values()})
    processes = [(row["worker"], row["worker_pid"]) for row in active if row["worker_pid"] is not None]
    return {id: max(0, processes.count((row["worker"], row["worker_pid"])) - 1) for id, row in running.items()}
