"""Deleting what waits in a queue."""

from __future__ import annotations

from collections.abc import Sequence

from control.facts import Facts
from control.plan import Draft, Line
from control.runs import Runs
from control.words import many, wait_words
from data_sources.workers.orders import Purge


def plan_purge(order: Purge, facts: Facts, workers: Sequence[str], runs: Runs) -> Draft:
    row = facts.own_queue(order.queue)
    ready, unacked = row["ready"], row["unacked"]
    taken = "how many workers have taken is not known" if unacked is None else f"{unacked:,} are with workers"
    stay = (
        "what workers have taken stays" if unacked is None else f"the {unacked:,} with workers stay" if unacked else ""
    )
    return Draft(
        order=order,
        summary=f"{'All messages' if ready is None else many(ready, 'message')} in {order.queue}: deleted for good",
        lines=(Line(order.queue, f"{wait_words(ready)}, {taken}", ", ".join(filter(None, ("nothing waits", stay)))),),
        tasks=ready,
        phrase=order.queue,
        warnings=("What comes in until then is deleted too",),
    )
