"""What an operator may do at one place of a page. Nobody else is sent anything of it.

A quiet row of buttons; behind each a form, what it would do, a confirmation, and what came of it. It is drawn in a
fragment of its own that does not tick, so that no refresh of the page is in its way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from cells import component, controls
from cells.asking import answers_to
from cells.operator import operator
from cells.steer_offer import Asked, Offer, Offers
from cells.steer_payload import steering_payload
from cells.steer_state import KEY, Steering
from cells.steer_words import named
from control import desk
from control.changes import Change
from control.plan import Outcome, Plan
from control.runs import Runs
from data_sources import ask
from data_sources.errors import BadParameter
from data_sources.fields import Fields
from data_sources.query import Query
from identity import Person

LOOK_SECONDS = 0.3  # most plans are made by then; the browser asks again for the others
MOST_MESSAGES = 50  # that a browser says at once
MOST_VALUES, MOST_TEXT = 2_000, 1_000_000  # of a field


@dataclass(frozen=True)
class Place:
    """Where it stands, and whom it is about; `chosen_in`: the table whose rows are chosen for `workers`."""

    key: str
    cluster: str
    workers: tuple[str, ...]
    chosen_in: str


def steer(
    name: str,
    offers: Offers,
    workers: tuple[str, ...] = (),
    /,
    *,
    chosen_in: str = "",
    in_page: bool = False,
    **queries: Query,
) -> None:
    """What `offers` makes of the answers to `queries`, for `workers`, or for those whose rows are chosen in a table.

    `in_page`: the one form stands in the page, and the rest in a dialog.
    """
    if operator() is None or controls.current().scope.snapshot:  # nobody acts on what was
        return
    cluster = controls.current().scope.cluster
    # What was begun about one thing is not gone on with about another.
    about = hashlib.sha256(repr((cluster, workers, queries)).encode()).hexdigest()[:8]
    place = Place(f"{KEY}{name}_{about}", cluster, workers, chosen_in)

    def panel() -> None:
        if operator() is None:  # any more
            return
        steering = steering_of(place)
        if steering.look(LOOK_SECONDS):
            controls.run_anew()  # what other cells tell of it has changed
        answers = answers_to(queries, controls.current().scope, controls.seconds_to_wait())
        offered = {offer.name: offer for offer in offers(answers)}
        data = {
            "name": name,
            "offers": [offer.to_dict() for offer in offered.values()],
            "workers": named("worker", workers),
            "chosen_in": chosen_in,
            "in_page": in_page,
            "cluster": cluster if len(ask.clusters()) > 1 else "",
            "now": steering_payload(steering),
        }
        component.steer(key=place.key, data=data, on_say_change=partial(hear, place, offered))

    st.fragment(panel)()


def changes(runs: Runs) -> Sequence[Change]:
    """What was changed of these processes, and what of that they lost. Raises SourceError."""
    return desk.desk().changes(controls.current().scope.cluster, runs)


def steering_of(place: Place) -> Steering:
    """Of this session; it outlives a visit of the page."""
    kept: dict[str, Steering] = st.session_state.setdefault("cn_steering", {})
    return kept.setdefault(place.key, Steering(desk.desk().act))


def hear(place: Place, offered: Mapping[str, Offer]) -> None:
    """Messages of the browser, read with suspicion."""
    person, steering = operator(), steering_of(place)
    if person is None:
        return  # not any more; what is under way goes on
    said = st.session_state.get(place.key, {}).get("say")
    for message in said[:MOST_MESSAGES] if isinstance(said, list) else ():
        match message:
            case {"n": int(n)} if n > steering.heard:
                steering.heard = n
                obey(message, person, steering, place, offered)


def obey(
    message: Mapping[str, Any], person: Person, steering: Steering, place: Place, offered: Mapping[str, Offer]
) -> None:
    match message:
        case {"do": "plan", "turn": int(turn), "offer": str(name), "fields": dict(fields), "workers": list(chosen)}:
            if offer := offered.get(name):
                workers = tuple(map(str, chosen[:MOST_VALUES])) if place.chosen_in else place.workers
                steering.ask(turn, partial(planned, offer, place.cluster, workers, filled(fields)), person)
        case {"do": "undo", "turn": int(turn), "result": int(number)}:
            if result := steering.result(number):
                steering.ask(turn, partial(undone, result.outcome), person)
        case {"do": "again", "turn": int(turn)}:
            steering.again(turn, person)
        case {"do": "act", "nonce": str(nonce), "typed": str(typed)}:
            steering.confirm(nonce, typed, person)
        case {"do": "leave"}:
            steering.leave()
        case {"do": "dismiss", "result": int(number)}:
            steering.dismiss(number)


def planned(offer: Offer, cluster: str, workers: tuple[str, ...], filled: Fields, person: Person) -> Plan:
    fields = offer.whole(filled)
    return offer.plan(Asked(desk.desk(), person, cluster, offer.workers_of(fields, workers), fields))


def undone(outcome: Outcome, person: Person) -> Plan:
    """Raises BadParameter where there is no way back."""
    if outcome.undo is None:
        raise BadParameter("undo", "there is no way back from this")
    return desk.desk().plan(person, outcome.undo, outcome.plan.cluster, outcome.undo_workers)


def filled(fields: Mapping[Any, Any]) -> Fields:
    """The fields of a form, each a list of texts. What is too much, or no text, is left out whole: nothing is cut."""
    return {
        str(name): tuple(values)
        for name, values in fields.items()
        if isinstance(values, list)
        and len(values) <= MOST_VALUES
        and all(isinstance(one, str) and len(one) <= MOST_TEXT for one in values)
    }
