"""Which tasks a page is about: a search, and what there is to choose from, with how many of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cells import component
from cells.show import live
from data_sources.answer import Answer
from data_sources.task_query import Facets, TaskFilter

FACETS = ("state", "name", "queue", "worker")
SHOWN = 100  # values of a facet, the most frequent


def filters(chosen: TaskFilter) -> None:
    """A search box, what is chosen with a way out of it, and the values of each facet among the tasks of the others."""

    def draw(answers: Mapping[str, Answer]) -> None:
        component.draw("filters", key="cn_filters", data=filters_payload(chosen, answers))

    live({facet: Facets(chosen.without(facet)) for facet in FACETS}, draw)


def filters_payload(chosen: TaskFilter, answers: Mapping[str, Answer]) -> dict[str, Any]:
    params = [(name, value) for name, value in chosen.to_params() if name != "search"]
    notes = dict.fromkeys(note.text for answer in answers.values() for note in answer.notes if note.kind == "cut")
    failures = dict.fromkeys(answer.failure.what for answer in answers.values() if answer.failure)
    return {
        "search": chosen.search,
        "chosen": params,
        "facets": [
            {
                "name": facet,
                "pending": answers[facet].pending,
                "values": known[:SHOWN],
                "left_out": max(0, len(known) - SHOWN),
                "chosen": [value for name, value in params if name == facet],
            }
            for facet in FACETS
            for known in [values(answers[facet], facet)]
        ],
        "notes": [*failures, *notes],
    }


def values(answer: Answer, facet: str) -> list[tuple[str, int]]:
    """The known values and how many tasks have each, the most frequent first."""
    of = answer.frame[(answer.frame["facet"] == facet) & answer.frame["value"].notna()]
    return [*zip(of["value"].tolist(), of["count"].tolist(), strict=True)]
