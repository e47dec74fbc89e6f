"""Processes of one name and one number, as in containers, where a worker's number is always 1.

Nothing they say tells which of them says it. What each said last does, as a rule: how long it runs, and its totals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count

from data_sources.workers.accepted import Accepted, began_anew
from data_sources.workers.seen import Key, Seen, accepted
from data_sources.workers.worker_facts import WorkerFacts

MOST_PAIRS = 2_500  # of a worker and an answer that are held against each other: of 50 workers of one name

Place = tuple[str, int | None, int]  # a worker's name, its process, and which of those that share both


def key_of(place: Place) -> Key:
    return place[:2]


def places_by_key(places: Iterable[Place]) -> dict[Key, list[Place]]:
    by_key: defaultdict[Key, list[Place]] = defaultdict(list)
    for place in places:
        by_key[key_of(place)].append(place)
    return by_key


def placed(
    answers: Mapping[Key, list[WorkerFacts]], seen: Mapping[Place, Seen], steady: float
) -> dict[Place, WorkerFacts]:
    """Each answer at the place of the one that is nearest to it, or at a new one, as are those of too many to be told
    apart.
    """
    taken, known = {}, places_by_key(seen)
    for key, said in answers.items():
        ours, now = known.get(key, []), [accepted(facts, steady) for facts in said]
        if len(ours) * len(now) > MOST_PAIRS:
            ours = []
        pairs = sorted(
            (distance(seen[place].accepted, one), place, number) for place in ours for number, one in enumerate(now)
        )
        by_number: dict[int, Place] = {}
        left = set(ours)
        for _, place, number in pairs:
            if number not in by_number and place in left:
                by_number[number] = place
                left.remove(place)
        free = (place for ordinal in count() if (place := (*key, ordinal)) not in seen)
        for number, facts in enumerate(said):
            taken[by_number[number] if number in by_number else next(free)] = facts
    return taken


def distance(earlier: Accepted | None, now: Accepted | None) -> float:
    """How far two are from having been said by one process: in seconds that it runs, and in tasks."""
    if earlier is None or now is None:
        return 0.0
    elapsed, up, was_up = now.at - earlier.at, now.uptime_seconds, earlier.uptime_seconds
    moved = 0.0 if up is None or was_up is None else abs(up - was_up - elapsed)
    tasks = now.totals.keys() | earlier.totals.keys()
    return moved + sum(abs(now.totals.get(task, 0) - earlier.totals.get(task, 0)) for task in tasks)


def alike(places: Collection[Place], gone: Collection[Place] = ()) -> set[Place]:
    """Those beside which another of the same name and number is there."""
    return {
        place
        for ours in places_by_key(places).values()
        for place in ours
        if any(other != place and other not in gone for other in ours)
    }


def untold(
    twins: Iterable[Place], current: Mapping[Place, WorkerFacts], before: Mapping[Place, Seen], steady: float
) -> Iterator[Place]:
    """Of the `twins` those of whom not even together it can be told what they accepted. Unless all of a name and number
    answered both times, and none was restarted, what one seems to have accepted may be what tells it from another.
    """
    for ours in places_by_key(twins).values():
        both = [
            (before[one].accepted, accepted(current[one], steady)) for one in ours if one in before and one in current
        ]
        pairs = [(was, said) for was, said in both if was is not None and said is not None]
        at_once = len({was.at for was, _ in pairs}) == 1
        if len(pairs) < len(ours) or not at_once or any(began_anew(*pair) for pair in pairs):
            yield from ours
