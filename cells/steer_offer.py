"""What an operator may do at one place of a page, as values: a button, and the form behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control.desk import Desk
from control.plan import Plan
from control.planning import from_fields
from data_sources.answer import Answer
from data_sources.fields import Fields
from data_sources.workers.orders import Order
from identity import Person

Objects = tuple[tuple[str, tuple[str, ...]], ...]  # what an order is about: ("worker", names), ("queue", names) ...

WORKER = "worker"


@dataclass(frozen=True)
class Option:
    """A value to choose. `fills`: what other fields of the form are then, unless somebody has changed them."""

    value: str
    label: str = ""
    fills: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """`kind`: text, number or json, for which `options` are suggestions; choice (one of them) or several (of them)."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    options: tuple[Option, ...] = ()
    help: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Told:
    """Something that `who` did at `at` (milliseconds since 1970); `lost`: it does not hold any more."""

    text: str
    at: float | None = None
    who: str = ""
    lost: bool = False


@dataclass(frozen=True)
class Asked:
    """Who asks what an order would do, and all that it is made of."""

    desk: Desk
    person: Person
    cluster: str
    workers: tuple[str, ...]
    fields: Fields


def plan(asked: Asked) -> Plan:
    """Of the order that the fields tell. Raises what control.desk raises."""
    return asked.desk.plan(asked.person, from_fields(asked.fields), asked.cluster, asked.workers)


@dataclass(frozen=True)
class Offer:
    """A button with `label`; none without one. `given` are fields that nobody fills in; `plan` makes a plan of all.

    `about`: what it is about, beside workers; `destroys`: it stands apart; `told`: what was done of the kind. `refused`
    says why it cannot be done here, and `instead` is a link (text and address) to where something like it can. What
    `leads_to` another page is a link alone.
    """

    name: str
    label: str
    title: str = ""
    fields: tuple[Field, ...] = ()
    given: tuple[tuple[str, str], ...] = ()
    plan: Callable[[Asked], Plan] = plan
    about: Objects = ()
    line: str = ""
    destroys: bool = False
    refused: str = ""
    instead: tuple[str, str] | None = None
    told: tuple[Told, ...] = ()
    leads_to: str = ""

    def whole(self, filled: Fields) -> Fields:
        """What is given, and what is filled in; whatever else a browser says is left out."""
        fields: dict[str, tuple[str, ...]] = {one.name: tuple(filled.get(one.name, ())) for one in self.fields}
        for name in dict.fromkeys(name for name, _ in self.given):
            fields[name] = tuple(value for own, value in self.given if own == name)
        return fields

    def workers_of(self, filled: Fields, workers: tuple[str, ...]) -> tuple[str, ...]:
        """Those that its form names, where it has a field for them."""
        named = any(one.name == WORKER for one in self.fields)
        return tuple(filled.get(WORKER, ())) if named else workers

    def to_dict(self) -> dict[str, Any]:
        """As the browser draws it."""
        plain = {name: value for name, value in vars(self).items() if name not in ("given", "plan")}
        fields = [{**vars(one), "options": [vars(option) for option in one.options]} for one in self.fields]
        return {**plain, "fields": fields, "told": [vars(one) for one in self.told]}


def plain(order: type[Order], label: str, title: str, *fields: Field, name: str = "", **more: Any) -> Offer:
    """The offer of an order that is made of a form."""
    given = (("order", order.kind), *more.pop("given", ()))
    return Offer(name or order.kind, label, title, fields, given, **more)


def options(names: Iterable[str]) -> tuple[Option, ...]:
    return tuple(Option(name) for name in sorted(set(names)))


Offers = Callable[[Mapping[str, Answer]], Sequence[Offer]]
