"""Ending a worker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from control.consumers import left_alone
from control.facts import Facts
from control.plan import Draft, Line
from control.runs import Runs
from control.words import NO_ANSWER, many, running_words
from data_sources.workers.orders import Shutdown
from data_sources.workers.worker_rows import consumed

GONE, THERE = "answers no more", "still answers: it ends once what it runs has ended"
SILENT = "did not answer before either: whether it is gone is not known"


def presence(order: Shutdown, facts: Facts, workers: Collection[str]) -> dict[str, str]:
    """Whether each still answers."""
    there = {row["worker"] for row in facts.said("ping", workers)}
    return {name: THERE if name in there else GONE for name in workers}


def doubted(lines: Sequence[Line], runs: Runs) -> tuple[Line, ...]:
    """What was read back; who was silent before it was told has not said by its silence that it is gone."""
    return tuple(replace(one, now=SILENT) if one.now == GONE and one.about not in runs else one for one in lines)


def plan_shutdown(order: Shutdown, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    queues = {queue for row in facts.processes if row["worker"] in workers for queue in consumed(row) or ()}
    active = facts.active(workers)
    return Draft(
        order=order,
        summary=f"{many(len(workers), 'worker')} will end once what runs there has ended; {running_words(active)}",
        lines=tuple(Line(name, runs_words(facts, name) if name in runs else NO_ANSWER, GONE) for name in workers),
        workers=tuple(workers),
        tasks=active,
        phrase=workers[0] if len(workers) == 1 else f"shut down {len(workers)} workers",
        warnings=(
            *left_alone(facts, queues, workers),
            "What they have taken and not begun goes back to its queue. Nothing here starts them again",
        ),
    )


def runs_words(facts: Facts, worker: str) -> str:
    active = facts.active((worker,))
    return "what it runs is not known" if active is None else f"runs {active:,}"
