"""Steering through real dashboards: one that is killed in between, two of one workspace, one that nobody set up."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from demo.servers import wait_until
from identity.tokens import digest
from tests.asking import ask
from tests.faults.conftest import OpenSite, Shop
from tests.faults.site import Site

TOKEN = "cnb_of-the-tests"
OPERATORS = {
    "ACCESS_OPERATORS": "ann",
    "ACCESS_TOKENS": json.dumps({"deploy": {"sha256": digest(TOKEN), "scope": "control"}}),
}
WORKER = "w1@shop"


@pytest.fixture
def env(shop: Shop, tmp_path: Path) -> dict[str, str]:
    return {**shop.env, **OPERATORS, "HISTORY_URL": f"sqlite://{tmp_path}/histories"}


def call(site: Site, path: str, body: Any = None, **more: str) -> tuple[int, Any]:
    headers = [("Authorization", f"Bearer {TOKEN}"), *more.items()]
    text = None if body is None else json.dumps(body)
    reply = ask(site.dashboard.url, path, "GET" if body is None else "POST", headers, text)
    return reply.status, json.loads(reply.body)


def plan(site: Site, rate: str) -> Any:
    """Of a rate limit, once the worker is known."""
    body = {"dry_run": True, "workers": [WORKER], "task": "shop.sleep", "rate": rate}
    answers: list[tuple[int, Any]] = []

    def look() -> bool:
        answers.append(call(site, "/api/control/rate_limit", body))
        return answers[-1][0] == 200

    wait_until(look, "the worker")
    return answers[-1][1]["plan"]


def act(site: Site, nonce: str) -> tuple[int, Any]:
    return call(site, "/api/control/rate_limit", {"nonce": nonce})


def outcomes(site: Site) -> list[str]:
    """In the audit, oldest first."""
    return [row["outcome"] for row in call(site, "/api/control/audit")[1]["rows"]][::-1]


def test_a_plan_does_not_outlive_the_dashboard_that_made_it(open_site: OpenSite, env: dict[str, str]) -> None:
    first = open_site(env)
    done = plan(first, "50/s")
    assert act(first, done["nonce"])[0] == 200
    left = plan(first, "60/s")
    first.dashboard.signal(signal.SIGKILL)
    wait_until(lambda: not first.dashboard.alive, "its end")

    second = open_site(env)

    assert plan(second, "70/s")["lines"] == [{"about": WORKER, "now": "50/s", "then": "70/s"}]
    for nonce in (done["nonce"], left["nonce"]):
        status, answer = act(second, nonce)
        assert (status, list(answer["error"])) == (409, ["stale"])
    assert outcomes(second) == ["asked", "done"]
    (change,) = call(second, "/api/control/changes")[1]["changes"]
    assert (change["order"]["rate"], change["lost"]) == ("50/s", False)


def test_beside_a_dashboard_that_holds_the_workspace_nothing_is_done(open_site: OpenSite, env: dict[str, str]) -> None:
    first, second = open_site(env), open_site(env)
    assert act(first, plan(first, "20/s")["nonce"])[0] == 200

    status, answer = act(second, plan(second, "30/s")["nonce"])

    assert (status, answer["error"]["source"]) == (502, "Workspace")
    assert "another dashboard" in answer["error"]["what"]
    assert plan(first, "1/s")["lines"][0]["now"] == "20/s"
    assert outcomes(second) == ["asked", "done"]


def test_where_nobody_is_named_no_route_of_control_answers(site: Site) -> None:
    body = {"dry_run": True, "workers": [WORKER], "task": "shop.sleep", "rate": "1/s"}
    for path, given in (("rate_limit", body), ("audit", None), ("changes", None), ("shutdown", {"nonce": "x"})):
        status, answer = call(site, f"/api/control/{path}", given, Origin=site.dashboard.url)
        assert (status, "docs/access.md" in answer["error"]["message"]) == (404, True)
