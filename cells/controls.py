"""The controls all cells of a page share. Their values live in the URL and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, Self, TypeVar

import streamlit as st

from cells import component
from cells.page_view import SHARED, View, read
from data_sources import ask
from data_sources.errors import BadParameter
from data_sources.fields import MAX_NAME, MAX_NAMES, Fields, one
from data_sources.microseconds import ms
from data_sources.scope import format_duration
from data_sources.sealed import bundle
from identity import Person

ZONES = ("Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Kolkata", "Asia/Tokyo")
TAKE_ALL = "*"
FIRST_WAIT_SECONDS = 0.3  # a page waits this long for its first answers, all together; then it shows what is pending


class Readable(Protocol):
    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        ...


Asked = TypeVar("Asked", bound=Readable)


@dataclass(frozen=True)
class Target:
    """A page that was asked for by a click on a link, and its parameters.

    `takes`: the cell of this page that is taken there, TAKE_ALL for all of them; "" for none.
    """

    path: str
    params: tuple[tuple[str, str], ...]
    takes: str = ""


def draw(
    menu: Sequence[tuple[str, str]],
    here: str,
    person: Person,
    sharing: Callable[[View], Mapping[str, Any]],
    on_share: Callable[[], None],
) -> Target | None:
    """Draws the menu (path and title of each page), the controls and who is signed in; the URL's values are the page's.

    A rejected value is named and its default taken. `sharing` says what sharing the page takes; `on_share` is called
    when somebody wants that. Returns the page to go to, when a link to one was followed.
    """
    said = {name: st.query_params[name] for name in SHARED if name in st.query_params}
    if unheard():  # the browser went on to another address, or back
        st.session_state["cn_changed"] = {}
    view = read(said | ({"snapshot": bundle.ID} if ask.desk().bundle else {}), ask.clusters())
    st.session_state["cn_view"] = view
    st.session_state["cn_wait_until"] = time.monotonic() + FIRST_WAIT_SECONDS
    span, scope = view.scope.range, view.scope
    sent = component.draw(
        "controls",
        key="cn_controls",
        data={
            "menu": list(menu),
            "here": here,
            "range": format_duration(span.span) if span.span else None,
            "from": ms(span.start),
            "to": ms(span.end),
            "refresh": format_duration(view.refresh) if view.refresh else "0",
            "clusters": list(ask.clusters()),
            "cluster": scope.cluster,
            "zones": list(ZONES),
            "notices": list(view.notices),
            "person": person.name,
            "leave": person.leave,
            "until": ms(person.until),
            "share": sharing(view),
        },
        on_change_change=_changed,
        on_share_change=on_share,
        on_go_change=lambda: None,
    )
    return read_target(sent.go)


def read_target(sent: object) -> Target | None:
    """What the browser says, read with suspicion."""
    match sent:
        case {"path": str(path), "params": [*pairs], **rest}:
            params = tuple((str(pair[0]), str(pair[1])) for pair in pairs if is_pair(pair))
            return Target(path, params, str(rest.get("takes", ""))[:MAX_NAME])
    return None


def is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2


def fields() -> Fields:
    """The URL's parameters, every value of each."""
    return {name: tuple(st.query_params.get_all(name)) for name in st.query_params}


def asked(kind: type[Asked]) -> Asked:
    """What of this kind the URL asks for, such as a query; what it cannot mean is named, and left out."""
    usable = fields()
    while True:
        try:
            return kind.from_fields(usable)
        except BadParameter as error:
            if error.name not in usable:
                raise
            notice(f"{error.name} {error.message}")
            usable = {name: values for name, values in usable.items() if name != error.name}


def text(name: str) -> str:
    """A parameter of the page's own as it stands, "" without one; one that cannot be meant is named, and left out."""
    try:
        value = one(fields(), name)
        if len(value) > MAX_NAME:
            raise BadParameter(name, f"is longer than {MAX_NAME} characters")
    except BadParameter as error:
        notice(f"{error.name} {error.message}")
        return ""
    return value


def notice(text: str) -> None:
    """A line that says what of the URL could not be used."""
    component.draw("notice", key=f"cn_notice_{text[:80]}", data={"text": text})


def current() -> View:
    view: View = st.session_state["cn_view"]
    return view


def seconds_to_wait() -> float:
    """What is left of the time that this run may wait for first answers."""
    return max(0.0, float(st.session_state["cn_wait_until"]) - time.monotonic())


def set_params(change: Mapping[str, str | Sequence[str]]) -> None:
    """Writes into the URL, in one go; an empty value takes a parameter out.

    A new stretch of time replaces the old one, and the zoom in it.
    """
    replaced = {"range", "from", "to", "zoom"} if {"range", "from", "to"} & change.keys() else set()
    kept = {name: list(values) for name, values in fields().items() if name not in replaced}
    new = {name: [value] if isinstance(value, str) else list(value) for name, value in change.items()}
    st.query_params.from_dict({name: values for name, values in (kept | new).items() if any(values)})
    changed: dict[str, list[str]] = st.session_state.setdefault("cn_changed", {})
    for name in (replaced | new.keys()) & {*SHARED}:  # what else is there the browser may write too
        changed[name] = [*filter(None, new.get(name, []))]


def run_anew() -> NoReturn:
    """The whole page once more, out of a fragment. A tick says the address that the browser had as it sent it, and may
    have crossed a change on its way there: the change counts.
    """
    if missing := unheard():
        set_params(missing)
    st.rerun(scope="app")


def unheard() -> dict[str, list[str]]:
    """What was written last into the part of the URL that all pages share, and does not stand in that of this run."""
    changed: dict[str, list[str]] = st.session_state.get("cn_changed", {})
    here = fields()
    return {name: values for name, values in changed.items() if [*filter(None, here.get(name, ()))] != values}


def said(change: object, names: Sequence[str]) -> dict[str, str | list[str]]:
    """Which of the parameters `names` a component in the browser wants to set; whatever else it says is left out."""
    if not isinstance(change, dict):
        return {}
    known = {name: change[name] for name in names if name in change}
    return {
        name: [str(each)[:MAX_NAME] for each in value[:MAX_NAMES]] if isinstance(value, list) else str(value)[:MAX_NAME]
        for name, value in known.items()
    }


def _changed() -> None:
    # A run that overtakes the change's own brings the trigger alone, without the component.
    if change := said(st.session_state.get("cn_controls", {}).get("change"), SHARED):
        set_params(change)
