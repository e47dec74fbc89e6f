"""Who is no operator is sent nothing of control, and changes nothing by sending what an operator's page sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from demo.servers import Dashboard, Process, Redis, celery_worker, wait_until
from tests.faults.site import QUIET, ROOT
from tests.viewer import Viewer
from workspace.audit import Entry, entries
from workspace.store import SqliteHome, Workspace

WORKER = "mail@shop"
PAGES = ("worker", "workers", "task", "tasks", "queue", "run", "audit")
QUERY = f"name={WORKER}&id=7&refresh=0"
SECRET = "between-the-proxy-and-us-5b20"
TRACES = (b"cn_steer", b"steer.js", b"Shut down", b"shutdown", b"Purge", b"Revoke")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(scope="module")
def worker(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    env = {"CELERY_BROKER_URL": redis.url, "PYTHONPATH": str(ROOT)}
    with celery_worker("tests.celery_app", WORKER, tmp_path_factory.mktemp("worker"), ["-P", "solo"], env, ROOT) as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(folder: Path, redis: Redis, worker: Process) -> Iterator[Dashboard]:
    """A proxy says who asks; ann and ben may steer."""
    access = {"ACCESS_PROXY_SECRET": SECRET, "ACCESS_OPERATORS": "ann,ben"}
    with Dashboard(folder, {**QUIET, "CELERY_BROKER_URL": redis.url, **access}) as dashboard:
        yield dashboard


@pytest.fixture(scope="module")
def plain_site(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """Nobody said who may steer."""
    with Dashboard(tmp_path_factory.mktemp("plain"), {**QUIET, "CELERY_BROKER_URL": redis.url}) as dashboard:
        yield dashboard


def by_proxy(name: str) -> dict[str, str]:
    return {"X-Forwarded-User": name, "X-Proxy-Secret": SECRET}


def whole_page(viewer: Viewer) -> Viewer:
    viewer.wait_for(lambda: viewer.runs, "the page")
    return viewer


def steering_of(viewer: Viewer) -> str:
    """The name under which buttons for the worker are drawn."""
    viewer.wait_for(lambda: any(name.startswith("steer_worker_") for name in viewer.ids), "the buttons")
    return next(name for name in viewer.ids if name.startswith("steer_worker_"))


def said(id: str, *messages: dict[str, Any], query: str = QUERY) -> BackMsg:
    """What the browser of an operator says, under the id of its widget."""
    message = BackMsg()
    state = message.rerun_script
    state.query_string, state.page_name = query, "worker"
    state.widget_states.widgets.add(id=id, json_value="{}")
    widget = state.widget_states.widgets.add()
    widget.id = f"$$STREAMLIT_INTERNAL_KEY_{id}__events"
    widget.json_trigger_value = json.dumps([{"event": "say", "value": list(messages)}])
    return message


def audited(folder: Path) -> list[Entry]:
    """Read beside the dashboard that writes it."""
    if not (folder / "history" / "workspace.db").exists():
        return []
    kept = Workspace(SqliteHome(folder / "history" / "workspace.db"))
    try:
        return entries(kept)
    finally:
        kept.close()


PLAN = {"n": 1, "do": "plan", "turn": 1, "offer": "shutdown", "fields": {}, "workers": []}


def traces_in(viewer: Viewer) -> set[bytes]:
    return {trace for trace in TRACES for frame in viewer.frames if trace in frame}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_somebody_who_may_read_holds_nothing_of_control(site: Dashboard, page: str) -> None:
    with Viewer(site.url, QUERY, page, by_proxy("eve")) as viewer:
        whole_page(viewer)

        assert viewer.errors == []
        assert traces_in(viewer) == set()


@pytest.mark.parametrize("page", PAGES)
def test_without_operators_no_page_holds_anything_of_control(plain_site: Dashboard, page: str) -> None:
    """Nor does it when somebody says to be one as a proxy would."""
    for headers in ({}, by_proxy("ann")):
        with Viewer(plain_site.url, QUERY, page, headers) as viewer:
            whole_page(viewer)

            assert viewer.errors == []
            assert traces_in(viewer) == set()


def plan_of(ann: Viewer, name: str) -> tuple[int, str]:
    """Asks for one until the recorder knows the worker; the number of the last message, and the plan's nonce."""

    def now() -> dict[str, Any]:
        return dict(ann.cell(name).get("now", {}))

    def asked(number: int) -> bool:
        def settled() -> bool:
            return now().get("heard") == number and now()["stage"] != "planning"

        def look() -> bool:
            ann.send(said(ann.ids[name], {**PLAN, "n": number}))  # heard once: said again it is a look at what came
            with suppress(TimeoutError):
                ann.wait_for(settled, "a plan", 1)
            return settled()

        wait_until(look, "a plan")
        return bool(now()["stage"] == "planned")

    number = next(filter(asked, range(1, 1_000)))
    return number, str(now()["plan"]["nonce"])


def test_an_operators_triggers_sent_by_others_change_nothing(
    site: Dashboard, plain_site: Dashboard, folder: Path, worker: Process
) -> None:
    with Viewer(site.url, QUERY, "worker", by_proxy("ann")) as ann:
        name = steering_of(ann)
        number, nonce = plan_of(ann, name)
        act = {"n": number + 1, "do": "act", "nonce": nonce, "typed": WORKER}

        for thief in ("eve", "ben"):  # what waits for a yes is not shown to who has the name of the session
            with Viewer(site.url, QUERY, "worker", by_proxy(thief), ann.session) as other:
                whole_page(other)
                assert other.session != ann.session
                assert thief == "eve" or other.cell(steering_of(other))["now"]["stage"] == "resting"
                assert not any(nonce.encode() in frame for frame in other.frames)

        for url, headers in ((site.url, by_proxy("eve")), (plain_site.url, {})):
            with Viewer(url, QUERY, "worker", headers) as other:
                replayed(other, said(ann.ids[name], PLAN, act))
                assert other.errors == []
                assert traces_in(other) == set()

        assert worker.alive
        wait_until(lambda: bool(audited(folder)), "the denial")
        denied = [(entry.who, entry.action, entry.outcome, entry.from_address) for entry in audited(folder)]
        assert denied == [("eve", "act", "denied", "127.0.0.1")]  # where nobody may steer, no audit is kept

        ann.send(said(ann.ids[name], act))  # the same, by whom it belongs to
        wait_until(lambda: not worker.alive, "the worker's end")
    assert {(entry.who, entry.action, entry.target) for entry in audited(folder)[:-1]} == {("ann", "shutdown", WORKER)}


def replayed(viewer: Viewer, message: BackMsg) -> None:
    """Until the run that it asks for is done."""
    runs = whole_page(viewer).runs
    viewer.send(message)
    viewer.wait_for(lambda: viewer.runs > runs, "its run")
