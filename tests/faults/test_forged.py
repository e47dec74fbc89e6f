"""A client that is no browser sends what no page of ours would: it harms nobody but its own session."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import WebSocketException

from tests.faults.site import Site
from tests.viewer import Viewer

Forge = Callable[[Viewer], BackMsg | bytes]


def rerun(query: str = "", page: str = "", fragment: str = "", script_hash: str = "") -> Forge:
    def forge(viewer: Viewer) -> BackMsg:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_name = query, page
        state.fragment_id, state.page_script_hash = fragment, script_hash
        return message

    return forge


def trigger(component: str, event: str, value: object) -> Forge:
    """The trigger that `component` of the page sends, with a value that it never sends."""

    def forge(viewer: Viewer) -> BackMsg:
        message = BackMsg()
        widget = message.rerun_script.widget_states.widgets.add()
        widget.id = f"$$STREAMLIT_INTERNAL_KEY_{viewer.ids[component]}__events"
        widget.json_trigger_value = value if isinstance(value, str) else json.dumps([{"event": event, "value": value}])
        return message

    return forge


def widget(name: str, **value: object) -> Forge:
    def forge(viewer: Viewer) -> BackMsg:
        message = BackMsg()
        message.rerun_script.widget_states.widgets.add(id=viewer.ids.get(name, name), **value)
        return message

    return forge


def flag(name: str) -> Forge:
    """A message that is one field, set to true."""

    def forge(viewer: Viewer) -> BackMsg:
        message = BackMsg()
        setattr(message, name, True)
        return message

    return forge


def raw(frame: bytes) -> Forge:
    return lambda viewer: frame


RERUNS: dict[str, Forge] = {
    "a query string of a megabyte": rerun("range=1h&x=" + "a" * 2**20),
    "a hundred thousand parameters": rerun("&".join(f"p{k}={k}" for k in range(100_000))),
    "percent signs that encode nothing": rerun("range=%zz%&from=%00%ff&cluster=%f0%28%8c%28"),
    "times at the ends of the calendar": rerun("from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z"),
    "a parameter given twice": rerun("range=1h&range=6h&refresh=5s&refresh=1s"),
    "a page that is a path": rerun(page="../../../../etc/passwd"),
    "a script nobody knows": rerun(script_hash="0" * 32),
    "a fragment nobody knows": rerun(fragment="../../x"),
    "a button nobody drew": widget("shutdown-workers", trigger_value=True),
    "a number where a component is": widget("controls", int_value=7),
    "bytes where a component is": widget("cockpit", bytes_value=b"\x80\x04\x95pickle"),
    "a change of what is no setting": trigger("controls", "change", {"__class__": "x", "q": "up", "cluster": "../x"}),
    "a change to markup": trigger("controls", "change", {"range": "<img src=x onerror=alert(1)>"}),
    "a change that is a list": trigger("controls", "change", [1, [2, [3]]]),
    "a change of a megabyte": trigger("controls", "change", {"range": "9" * 2**20}),
    "a change that is no JSON": trigger("controls", "change", "{not json"),
    "a change nested ten thousand deep": trigger("controls", "change", "[" * 10_000 + "]" * 10_000),
    "a zoom to no time": trigger("cockpit", "range", ["never", None]),
    "a zoom from after to": trigger("cockpit", "range", ["2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"]),
    "a zoom of three ends": trigger("cockpit", "range", [1, 2, 3]),
    "a zoom to infinity": trigger("cockpit", "range", [1e308, -1e308]),
    "a zoom that is text": trigger("cockpit", "range", "ab"),
}
OTHERS: dict[str, Forge] = {
    "a call to clear everybody's cache": flag("clear_cache"),
    "a call to end the server": flag("debug_shutdown_runtime"),
    "a call to cut the connection": flag("debug_disconnect_websocket"),
    "a call for the repository": flag("load_git_info"),
    "an empty message": raw(b""),
    "a message of the future": raw(b"\xfa\x3f\x04evil"),
    "noise": raw(random.Random(1).randbytes(4096)),
    "three megabytes of noise": raw(random.Random(2).randbytes(3 * 2**20)),
}


@pytest.fixture
def forger(site: Site) -> Viewer:
    viewer = site.open("refresh=0")
    viewer.wait_for(lambda: viewer.runs and viewer.cell("cockpit").get("pending") is False, "the page")
    return viewer


@pytest.mark.parametrize("what", RERUNS)
def test_a_forged_run_shows_the_page_and_no_error(site: Site, forger: Viewer, what: str) -> None:
    runs = forger.runs

    forger.send(RERUNS[what](forger))
    forger.rerun("range=6h")
    forger.wait_for(lambda: forger.runs > runs and forger.cell("controls").get("range") == "6h", "a run after it")

    assert forger.errors == []
    assert_serves_others(site)


@pytest.mark.parametrize("what", OTHERS)
def test_a_forged_message_is_dropped_or_ends_its_own_session_alone(site: Site, forger: Viewer, what: str) -> None:
    bystander = site.open("refresh=0")
    bystander.wait_for(lambda: bystander.runs, "the page")

    forger.send(OTHERS[what](forger))
    try:
        forger.rerun()
    except WebSocketException:
        forger.wait_for(lambda: not forger.open, "the end of the session")
    bystander.rerun()
    bystander.wait_for(lambda: bystander.runs > 1, "a run of somebody else")

    assert bystander.open
    assert bystander.errors == []
    assert_serves_others(site)


def assert_serves_others(site: Site) -> None:
    assert site.dashboard.alive
    assert site.get("/healthz").status == 200
