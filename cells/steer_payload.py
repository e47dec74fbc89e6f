"""Plans, and what came of them, as the JSON that cells/browser/steer.js draws."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cells.steer_state import Result, Steering
from cells.steer_words import objects, sentence
from control.plan import Plan
from control.words import who
from data_sources.microseconds import ms

MOST_LINES = 200  # of a plan or a result that are shown; the rest is counted
WORDS = {"done": "done", "refused": "refused", "no reply": "sent, not confirmed"}


def steering_payload(steering: Steering) -> dict[str, Any]:
    newest = steering.results[0].number if steering.results else None
    return {
        "heard": steering.heard,
        "turn": steering.turn,
        "stage": steering.stage,
        "problem": steering.problem,
        "field": steering.field,
        "plan": plan_payload(steering.plan) if steering.plan else None,
        "result": newest if steering.stage == "done" else None,
        "results": [result_payload(result) for result in steering.results],
    }


def plan_payload(plan: Plan) -> dict[str, Any]:
    return {
        "nonce": plan.nonce,
        "does": sentence(plan.order, plan.workers, plan.tasks),
        "about": [[kind, list(names)] for kind, names in objects(plan.order, plan.workers)],
        "summary": plan.summary,
        "lines": [[line.about, line.now, line.then] for line in plan.lines[:MOST_LINES]],
        "more": max(0, len(plan.lines) - MOST_LINES),
        "warnings": list(plan.warnings),
        "phrase": plan.phrase,
        "back": way_back(plan),
        "lives_seconds": max(0.0, (plan.expires - datetime.now(UTC)).total_seconds()),
    }


def way_back(plan: Plan) -> str:
    if plan.undo is None:
        return "There is no way back from here."
    if {*plan.workers} <= {*plan.undo_for}:
        return "It can be taken back from here."
    return f"It can be taken back from here of {who(plan.undo_for)} alone: what it is now is not known of the others."


def result_payload(result: Result) -> dict[str, Any]:
    """A line for each that was told, with what it became where that could be read back."""
    outcome, plan = result.outcome, result.outcome.plan
    became = {line.about: line.now for line in outcome.read_back}
    told = [[reply.worker, reply.outcome, WORDS[reply.outcome], reply.text] for reply in outcome.replies]
    lines = [[*line, became.pop(line[0], "")] for line in sorted(told, key=lambda line: line[1] == "done")]
    failure = outcome.failure
    return {
        "number": result.number,
        "at": ms(result.at),
        "by": result.by,
        "audit": outcome.audit_id,
        "does": sentence(plan.order, plan.workers, plan.tasks),
        "lines": lines[:MOST_LINES],
        "more": max(0, len(lines) - MOST_LINES),
        "read": [list(pair) for pair in became.items()][:MOST_LINES],
        "warnings": list(outcome.warnings),
        "failure": ". ".join(filter(None, (f"{failure.source}: {failure.what}", failure.hint))) if failure else "",
        "undo": sentence(outcome.undo, outcome.undo_workers or plan.workers) if outcome.undo else "",
    }
