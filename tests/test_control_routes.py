"""Control by program: the guard, tokens and routes together, and the examples of docs/control.md as they stand."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware

import control.desk
import data_sources.ask
from control import carrying_out
from control.planning import KINDS
from data_sources.config import Access, Broker, Secret, Settings, Token
from data_sources.errors import BadParameter, SourceUnreachable
from data_sources.workers.celery_control import Reply
from data_sources.workers.orders import PoolGrow, PoolShrink, Revoke
from data_sources.workers.send_task import SendTask
from demo.servers import accepts, free_port, wait_until
from identity import HEADER, to_header
from identity.tokens import digest
from identity.who import Identity
from routes import control as routes
from routes import export
from routes.guard import Guard
from tests.steered import ANN, Stage, steering
from workspace.audit import entries

DOCS = Path(__file__).resolve().parents[1] / "docs" / "control.md"
OPERATOR, READER = "cnb_operator", "cnb_reader"
ACCESS = Access(
    operators=("ann",),
    tokens=(
        Token("deploy", Secret(digest(OPERATOR)), controls=True),
        Token("prom", Secret(digest(READER)), controls=False),
    ),
)
A, B = "celery@mail-1", "celery@mail-2"
SEEN = "20 messages seen and put back; “What is inside” (source=xray) shows them"
GROW = {"dry_run": True, "workers": [A], "n": 2}
FOUND = {"dry_run": True, "filter": {"name": "shop.mail"}}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(carrying_out, "READ_BACK_SECONDS", 0.0)
    stage = Stage(Settings(access=ACCESS))
    stage.add(A, "prefork", "mail")
    stage.add(B, "prefork", "mail")
    stage.add_queue("mail", 120, unacked=3)
    stage.add_task("4f1c", "FAILURE", finished=9, args="(1,)")
    stage.add_task("5a2d", "RECEIVED", received=9)
    return stage


@dataclass
class Api:
    port: int
    desk: control.desk.Desk

    def call(self, path: str, body: object = None, token: str = OPERATOR, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"Authorization": f"Bearer {token}", **headers} if token else headers
        try:
            text = body if isinstance(body, str | bytes | None) else json.dumps(body)
            connection.request("GET" if body is None else "POST", path, text, given)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(said) if answer.headers[
            "content-type"
        ] == "application/json" else said.decode()

    def plan(self, order: str, **fields: object) -> Any:
        status, answer = self.call(f"/api/control/{order}", {"dry_run": True, **fields})
        assert status == 200, answer
        return answer["plan"]

    def refused(self, order: str, body: object) -> tuple[int, str]:
        status, answer = self.call(f"/api/control/{order}", body)
        return status, answer["error"].get("parameter")


@pytest.fixture
def api(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    app = Starlette(
        routes=[*routes.routes, *export.routes],
        middleware=[Middleware(Guard, identity=Identity(stage.settings.access))],
    )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=free_port(), log_level="critical"))
    thread = threading.Thread(target=server.run)
    with steering(stage, tmp_path) as desk:
        monkeypatch.setattr(control.desk, "_desk", desk)
        monkeypatch.setattr(data_sources.ask, "clusters", lambda: ("default", "shop"))
        monkeypatch.setattr(data_sources.ask, "ask", answering(stage))
        thread.start()
        try:
            wait_until(lambda: accepts(server.config.port), "the server")
            yield Api(server.config.port, desk)
        finally:
            server.should_exit = True
            thread.join()


def answering(stage: Stage) -> Any:
    """As `ask` does of the audit."""
    return lambda query, scope, wait_seconds=0.0: stage.audit(query, scope.cluster)  # type: ignore[operator]


def test_an_order_is_planned_confirmed_and_told_per_worker(api: Api, stage: Stage) -> None:
    plan = api.plan("pool_grow", workers=[A], n=2)
    status, outcome = api.call("/api/control/pool_grow", {"nonce": plan["nonce"]})

    assert plan["lines"] == [{"about": A, "now": "2 processes", "then": "4 processes"}]
    assert (plan["order"], plan["phrase"], plan["cluster"]) == ({"order": "pool_grow", "n": "2"}, "", "default")
    assert status == 200
    assert outcome["replies"] == [{"about": A, "outcome": "done", "text": "ok"}]
    assert outcome["undo"] == {"order": "pool_shrink", "n": "2", "workers": [A]}
    assert stage.given == [(PoolGrow(2), (A,))]
    asked = entries(api.desk.workspace)[-1]
    assert (asked.who, asked.arguments["how"], asked.from_address) == ("deploy", "token", "127.0.0.1")
    assert PoolShrink(2) == api.desk.plan(ANN, PoolGrow(2), "default", (A,)).undo


def test_what_destroys_needs_confirm(api: Api, stage: Stage) -> None:
    plan = api.plan("purge", queue="mail")

    assert api.refused("purge", {"nonce": plan["nonce"]}) == (400, "confirm")
    assert api.refused("purge", {"nonce": plan["nonce"], "confirm": "other"}) == (400, "confirm")
    status, outcome = api.call("/api/control/purge", {"nonce": plan["nonce"], "confirm": "mail"})
    assert (status, outcome["replies"][0]["text"]) == (200, "120 messages deleted")


def test_what_is_seen_by_a_look_is_kept_for_its_queue_and_not_told_in_the_reply(api: Api, stage: Stage) -> None:
    stage.broker = Broker.from_url("amqp://guest@nowhere//")
    plan = api.plan("look_inside", queue="mail", n=20)
    assert plan["order"] == {"order": "look_inside", "queue": "mail", "n": "20"}
    status, outcome = api.call("/api/control/look_inside", {"nonce": plan["nonce"]})
    assert (status, outcome["replies"]) == (
        200,
        [{"about": "mail", "outcome": "done", "text": SEEN}],
    )
    assert stage.looks == [("default", "mail", 20)]
    assert [one.action for one in entries(api.desk.workspace)] == ["look_inside", "look_inside"]


def test_a_nonce_is_good_for_one_act_of_its_order(api: Api, stage: Stage) -> None:
    plan = api.plan("pool_grow", workers=[A], n=2)

    assert api.refused("shutdown", {"nonce": plan["nonce"]}) == (400, "nonce")
    assert api.call("/api/control/pool_grow", {"nonce": plan["nonce"]})[0] == 200
    status, answer = api.call("/api/control/pool_grow", {"nonce": plan["nonce"]})
    assert (status, list(answer["error"])) == (409, ["stale"])
    assert len(stage.given) == 1


@pytest.mark.parametrize(
    ("order", "body", "parameter"),
    [
        ("pool_grow", {"workers": [A], "n": 2}, "nonce"),
        ("pool_grow", {**GROW, "n": "x"}, "n"),
        ("pool_grow", {**GROW, "n": 0}, "n"),
        ("pool_grow", {**GROW, "n": [1, 2]}, "n"),
        ("pool_grow", {**GROW, "n": {}}, "n"),
        ("pool_grow", {**GROW, "workers": []}, "workers"),
        ("revoke", {"dry_run": True, "id": ["a"], "workers": []}, "workers"),
        ("revoke", {**FOUND, "workers": []}, "workers"),
        ("pool_grow", {**GROW, "workers": ["*"]}, "worker"),
        ("pool_grow", {**GROW, "workers": None}, "workers"),
        ("pool_grow", {**GROW, "worker": [A]}, "worker"),
        ("pool_grow", {**GROW, "cluster": "other"}, "cluster"),
        ("pool_grow", {**GROW, "cluster": 1}, "cluster"),
        ("pool_grow", {**GROW, "filter": {}}, "order"),
        ("unheard_of", GROW, "order"),
        ("again", {"dry_run": True, "workers": [A]}, "worker"),
        ("again", GROW, "n"),
        ("again", {"dry_run": True}, "workers"),
        ("revoke", {"dry_run": True}, "id"),
        ("revoke", {"dry_run": True, "filter": "x"}, "filter"),
        ("revoke", {"dry_run": True, "filter": {"state": "x"}}, "state"),
        ("revoke", {"dry_run": True, "filter": {}, "range": "x"}, "range"),
        ("revoke", {"dry_run": True, "filter": {"state": "RETRY"}}, "filter"),
        *(("revoke", {**FOUND, "filter": {name: ["shop.mail"]}}, name) for name in ("names", "workers", "nmae", "id")),
        ("retry", {**FOUND, "filter": {"state": "FAILURE", "nmae": "x"}}, "nmae"),
        ("revoke", {**FOUND, "id": ["a"]}, "id"),
        ("revoke", {**FOUND, "queue": "mail"}, "queue"),
        ("revoke", {**FOUND, "terminate": "x"}, "terminate"),
        ("revoke", {**FOUND, "workers": ["*"]}, "worker"),
        ("retry", {**FOUND, "terminate": True}, "terminate"),
        ("retry", {**FOUND, "workers": [A]}, "workers"),
        ("revoke", {"dry_run": True, "id": "a", "range": "6h"}, "range"),
        ("purge", {"dry_run": True, "queue": "mail", "workers": [A]}, "workers"),
        ("pool_grow", {**GROW, "order": "pool_grow"}, "order"),
        ("send_task", {"dry_run": True, "name": "a", "queue": "mail", "args": {"no": "list"}}, "args"),
        ("purge", [], "body"),
        ("purge", "{", "body"),
        ("purge", '{"dry_run": true, "queue": "a", "queue": "b"}', "body"),
        ("purge", {"nonce": 7}, "nonce"),
        ("send_task", b'{"dry_run": true, "name": "a", "queue": "mail", "args": ["\xe4"]}', "body"),
    ],
)
def test_what_cannot_be_done_names_the_parameter(
    order: str, body: object, parameter: str, api: Api, stage: Stage
) -> None:
    assert api.refused(order, body) == (400, parameter)
    assert stage.given == []


def test_arguments_are_sent_as_they_stand_in_the_body(api: Api, stage: Stage) -> None:
    args = [1, 1.5, -0.0, 10**30, "ä\u2028\\n'\"", None, True, [[], {}], {"a": {"b": ["…"]}}]
    kwargs = {"to": "x" * 100_000, "n": 1e-7}

    plan = api.plan("send_task", name="shop.mail", queue="mail", args=args, kwargs=kwargs)
    api.call("/api/control/send_task", {"nonce": plan["nonce"]})

    (sent,) = stage.sent
    assert isinstance(sent, SendTask)
    assert (json.loads(sent.args), json.loads(sent.kwargs)) == (args, kwargs)


def test_revoke_tells_everyone_when_nobody_is_named(api: Api, stage: Stage) -> None:
    plan = api.plan("revoke", id=["a", "b"], terminate=True)
    status, _ = api.call("/api/control/revoke", {"nonce": plan["nonce"], "confirm": "terminate 2 tasks"})

    assert status == 200
    assert stage.given == [(Revoke(("a", "b"), terminate=True), (A, B))]


def test_what_stands_beside_a_filter_is_part_of_the_order(api: Api, stage: Stage) -> None:
    filter = {"name": "shop.mail"}
    plan = api.plan("revoke", filter=filter, terminate=True, signal="SIGKILL", workers=[B])
    api.call("/api/control/revoke", {"nonce": plan["nonce"], "confirm": "terminate 1 task"})

    assert stage.given == [(Revoke(("5a2d",), terminate=True, signal="SIGKILL"), (B,))]
    (sent,) = api.plan("retry", filter=filter, queue="slow")["sends"]
    assert (sent["retry_of"], sent["queue"]) == ("4f1c", "slow")


@pytest.mark.parametrize("order", ["revoke", "retry"])
def test_a_filter_without_a_condition_is_said_to_mean_all(order: str, api: Api) -> None:
    everything = "There is no condition: all tasks of this time are meant"

    assert everything in api.plan(order, filter={})["warnings"]
    assert everything not in api.plan(order, filter={"name": "shop.mail"})["warnings"]


def test_who_may_not_is_told_so(api: Api, stage: Stage) -> None:
    plan = api.plan("pool_grow", workers=[A], n=2)
    act = {"nonce": plan["nonce"]}

    for unknown in ("", "cnb_other"):
        assert api.call("/api/control/pool_grow", GROW, token=unknown)[0] == 401
        assert api.call("/api/control/pool_grow", act, token=unknown)[0] == 401
    assert api.call("/api/control/pool_grow", GROW, token=READER)[0] == 403
    assert api.call("/api/control/pool_grow", act, token=READER)[0] == 403
    assert api.call("/api/control/audit", token=READER)[0] == 403
    assert api.call("/api/control/audit", token="")[0] == 401
    assert stage.given == []
    assert {(one.who, one.outcome) for one in entries(api.desk.workspace)} == {("prom", "denied")}


def test_what_is_sent_by_who_may_not_is_not_read_and_not_kept(api: Api) -> None:
    for body in ("{", {**GROW, "workers": ["x" * 2_000] * 100}):
        assert api.call("/api/control/pool_grow", body, token=READER)[0] == 403

    (entry,) = entries(api.desk.workspace)
    assert (entry.action, entry.target, entry.arguments) == ("pool_grow", "", {"how": "token", "workers": []})


def test_a_header_that_says_who_asks_is_not_believed(api: Api, stage: Stage) -> None:
    status, _ = api.call("/api/control/pool_grow", GROW, token=READER, **{HEADER: to_header(ANN)})

    assert status == 403


def test_a_page_elsewhere_cannot_use_a_token(api: Api, stage: Stage) -> None:
    status, _ = api.call("/api/control/pool_grow", GROW, Origin="http://evil.example")

    assert status == 403
    assert stage.given == []


def test_a_workspace_that_cannot_be_written_is_a_502(api: Api, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise SourceUnreachable("Workspace", "the disk is full", "Nothing was changed")

    plan = api.plan("pool_grow", workers=[A], n=2)
    monkeypatch.setattr("control.journal.record_asked", refuse)
    status, answer = api.call("/api/control/pool_grow", {"nonce": plan["nonce"]})

    assert (status, answer["error"]["source"], answer["error"]["what"]) == (502, "Workspace", "the disk is full")
    assert stage.given == []


def test_a_worker_that_did_not_answer_is_no_error(api: Api, stage: Stage) -> None:
    stage.replies = {A: Reply(A, "no reply", "sent, not confirmed")}
    plan = api.plan("pool_grow", workers=[A], n=2)
    status, outcome = api.call("/api/control/pool_grow", {"nonce": plan["nonce"]})

    assert (status, outcome["replies"][0]["outcome"]) == (200, "no reply")


def test_the_audit_is_read_in_pages_as_json_and_csv(api: Api) -> None:
    for n in (1, 2):
        plan = api.plan("pool_grow", workers=[A], n=n)
        api.call("/api/control/pool_grow", {"nonce": plan["nonce"]})

    status, first = api.call("/api/control/audit?limit=3")
    _, second = api.call(f"/api/control/audit?limit=3&before={first['rows'][-1]['id']}")
    _, csv = api.call("/export.csv?source=audit")

    assert status == 200
    assert [row["outcome"] for row in first["rows"] + second["rows"]] == ["done", "asked", "done", "asked"]
    assert first["meta"]["next"].startswith("source=audit&limit=3&before=2")
    assert second["meta"]["next"] is None
    assert csv.splitlines()[0] == "id,at,who,from_address,action,target,outcome,detail,arguments"


def test_what_was_changed_is_told_and_ordered_again_where_it_was_lost(api: Api, stage: Stage) -> None:
    plan = api.plan("pool_grow", workers=[A], n=2)
    api.call("/api/control/pool_grow", {"nonce": plan["nonce"]})
    stage.says[A]["stats"] |= {"uptime": 0}

    status, told = api.call("/api/control/changes")
    again = api.plan("again", workers=[A])
    _, outcome = api.call("/api/control/again", {"nonce": again["nonce"]})

    assert status == 200
    assert [(one["worker"], one["order"], one["lost"]) for one in told["changes"]] == [
        (A, {"order": "pool_grow", "n": "2"}, True)
    ]
    assert [reply["outcome"] for reply in outcome["replies"]] == ["done"]
    assert stage.given == [(PoolGrow(2), (A,))] * 2
    assert api.call("/api/control/changes?cluster=other")[0] == 400
    assert api.call("/api/control/changes", token=READER)[0] == 403


def test_without_access_there_is_nothing_here(api: Api, stage: Stage) -> None:
    stage.settings = Settings()

    for body in (GROW, None):
        status, answer = api.call("/api/control/audit" if body is None else "/api/control/pool_grow", body)
        assert status == 404
        assert "docs/access.md" in answer["error"]["message"]


def examples() -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("script", examples(), ids=range(len(examples())))
def test_the_examples_of_the_docs_do_what_they_say(script: str, api: Api) -> None:
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "NOTEBOOK": f"http://127.0.0.1:{api.port}", "TOKEN": OPERATOR}

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=env, capture_output=True, text=True, check=True
    )

    assert "error" not in done.stdout
    assert re.match(r'\{"(plan|replies|meta|changes)"', done.stdout)
    if "purge" in script:
        documented = re.findall(r"^```json\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)[1]
        assert json.loads(done.stdout) == {**json.loads(documented), "audit": 1}


def test_every_order_is_in_the_docs() -> None:
    named = set(re.findall(r"`(\w+)`", DOCS.read_text()))

    assert set(routes.ORDERS) <= named


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
names = st.sampled_from(
    ["id", "task", "rate", "n", "queue", "name", "args", "kwargs", "soft", "max", "signal", "order"]
)


@given(st.sampled_from(list(KINDS)), st.dictionaries(names | st.text(max_size=8), values, max_size=5))
def test_whatever_a_body_holds_is_an_order_or_a_bad_parameter(kind: str, body: dict[str, Any]) -> None:
    with suppress(BadParameter):
        assert routes.order_of(kind, body).kind == kind
