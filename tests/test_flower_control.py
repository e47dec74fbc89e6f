"""What Flower 2.2 changes in a cluster, here: the rows of docs/flower.md that write, on Redis and on RabbitMQ.

Each goes through /api/control/, as a page does: planned, confirmed, given to real workers of every pool, read back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import recorder.sampler
from control import carrying_out, facts
from control.facts import Facts
from data_sources import fetches
from data_sources.ask import Desk
from data_sources.query import Inspect, Workers
from data_sources.task_query import Task
from data_sources.workers import celery_inspect
from demo.servers import Redis, wait_until
from tests.brokers import new_vhost
from tests.crew import POOLS, Crew, crew_on, host, worker
from tests.exports import Exports, exports_of
from tests.steered import ANN, VIEWER
from tests.watching import watching

LONG_SECONDS = 600.0

pool = pytest.mark.parametrize("pool", POOLS)


@dataclass(frozen=True)
class Steered:
    """A cluster and the operator's way to it."""

    crew: Crew
    exports: Exports
    desk: Desk

    def plan(self, order: str, *pools: str, **fields: Any) -> Any:
        """What the order would do to these workers."""
        status, answer = self.asked(order, *pools, **fields)
        assert status == 200, answer
        return answer["plan"]

    def asked(self, order: str, *pools: str, **fields: Any) -> tuple[int, Any]:
        workers = {"workers": [host(pool) for pool in pools]} if pools else {}
        body = {"dry_run": True, **workers, **fields}
        return self.exports.post(order, body, ANN)

    def does(self, order: str, *pools: str, **fields: Any) -> dict[str, tuple[str, str]]:
        """What each replied, by pool or by what else it is about, once the plan is confirmed."""
        plan = self.plan(order, *pools, **fields)
        status, answer = self.exports.post(order, {"nonce": plan["nonce"], "confirm": plan["phrase"]}, ANN)
        assert (status, answer["failure"]) == (200, None), answer
        return {reply["about"].removesuffix("@crew"): (reply["outcome"], reply["text"]) for reply in answer["replies"]}

    def refusal(self, order: str, *pools: str, **fields: Any) -> str:
        """Why it cannot be planned."""
        status, answer = self.asked(order, *pools, **fields)
        assert status == 400, answer
        return str(answer["error"]["message"])

    def done(self, pool: str, task: str) -> int:
        """How many of a task a worker has taken on since it started."""
        return int(self.crew.says("stats", pool)["total"].get(task, 0))


@contextmanager
def steered_on(url: str, folder: Path) -> Iterator[Steered]:
    env = {"CELERY_BROKER_URL": url, "CELERY_NOTEBOOK_LOCAL_OPERATOR": "1", "CELERY_ENABLE_EVENTS": "1"}
    with pytest.MonkeyPatch.context() as patch, crew_on(url, folder) as crew:
        patch.setattr(recorder.sampler, "EVERY_SECONDS", 1.0)
        patch.setattr(carrying_out, "GIVE_SECONDS", 30.0)
        patch.setattr(facts, "WAIT_SECONDS", 60.0)
        patch.setattr(fetches, "INSPECT_SECONDS", 9.0)
        patch.setattr(celery_inspect, "SPARE_SECONDS", 2.0)
        with watching(env) as desk, exports_of(desk) as exports:
            wait_until(lambda: len(exports.rows(Workers())) == len(POOLS), "the workers")
            yield Steered(crew, exports, desk)


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steered]:
    folder = tmp_path_factory.mktemp("steered")
    if request.param == "redis":
        with Redis(folder / "redis") as server, steered_on(server.url, folder) as cluster:
            yield cluster
        return
    with steered_on(new_vhost(request.getfixturevalue("rabbitmq")), folder) as cluster:
        yield cluster


# --- workers ----------------------------------------------------------------------------------------------------


def test_restarting_a_pool(cluster: Steered) -> None:
    before = set(cluster.crew.says("stats", "prefork")["pool"]["processes"])
    assert cluster.does("pool_restart", "prefork") == {"prefork": ("done", "reload started")}

    def renewed() -> bool:
        cluster.crew.send("shop.add", "prefork", 1, 2)  # a process goes when its next task has ended
        return not before & set(cluster.crew.says("stats", "prefork")["pool"]["processes"])

    wait_until(renewed, "other processes")
    for pool in ("threads", "solo", "gevent"):
        assert f"the {pool} pool cannot be restarted" in cluster.refusal("pool_restart", pool)
    assert "its setting worker_pool_restarts is off" in cluster.refusal("pool_restart", "scaled")


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_growing_and_shrinking_a_pool(cluster: Steered, pool: str) -> None:
    def slots() -> int:
        told = cluster.crew.says("stats", pool)["pool"]
        return len(told["processes"]) if pool == "prefork" else int(told["max-concurrency"])

    before = slots()
    assert cluster.does("pool_grow", pool, n=2) == {pool: ("done", "pool will grow")}
    wait_until(lambda: slots() == before + 2, "more slots")
    assert cluster.does("pool_shrink", pool, n=2) == {pool: ("done", "pool will shrink")}
    wait_until(lambda: slots() == before, "less slots")
    for order in ("grow", "shrink"):
        for fixed in ("threads", "solo"):
            assert f"the {fixed} pool cannot {order} while it runs" in cluster.refusal(f"pool_{order}", fixed, n=1)
        assert "it scales by itself" in cluster.refusal(f"pool_{order}", "scaled", n=1)
    assert "one must stay" in cluster.refusal("pool_shrink", pool, n=before)


def test_setting_the_range_of_autoscale(cluster: Steered) -> None:
    assert cluster.does("autoscale", "scaled", max=3, min=2) == {"scaled": ("done", "autoscale now max=3 min=2")}
    told = cluster.crew.says("stats", "scaled")["autoscaler"]
    assert (told["max"], told["min"]) == (3, 2)
    cluster.does("autoscale", "scaled", max=2, min=1)
    for pool in POOLS.keys() - {"scaled"}:
        assert "it was started without --autoscale" in cluster.refusal("autoscale", pool, max=3, min=2)


@pool
def test_adding_and_cancelling_a_consumer(cluster: Steered, pool: str) -> None:
    queue = f"extra-{pool}"

    def consumed() -> set[str]:
        return {one["name"] for one in cluster.crew.says("active_queues", pool)}

    assert cluster.does("add_consumer", pool, queue=queue) == {pool: ("done", f"add consumer {queue}")}
    wait_until(lambda: consumed() == {pool, queue}, "the consumer")
    assert cluster.does("cancel_consumer", pool, queue=queue) == {pool: ("done", f"no longer consuming from {queue}")}
    wait_until(lambda: consumed() == {pool}, "the end of the consumer")


def test_shutting_a_worker_down(cluster: Steered) -> None:
    """Of each pool: tests/test_celery_control.py."""
    with worker(cluster.crew.url, "spare", cluster.crew.folder, *POOLS["threads"]) as spare:
        wait_until(lambda: is_known(cluster, "spare"), "the worker")
        plan = cluster.plan("shutdown", "spare")
        assert plan["phrase"] == host("spare")
        status, answer = cluster.exports.post("shutdown", {"nonce": plan["nonce"], "confirm": host("threads")}, ANN)
        assert (status, answer["error"]["parameter"]) == (400, "confirm")
        assert spare.alive
        assert cluster.does("shutdown", "spare") == {
            "spare": ("no reply", "sent; a worker that shuts down does not reply")
        }
        wait_until(lambda: not spare.alive, "its end")
    wait_until(lambda: not is_known(cluster, "spare"), "the news of its end")  # orders to all would wait for its reply
    assert all(cluster.crew.says("ping", pool) == {"ok": "pong"} for pool in POOLS)


def is_known(cluster: Steered, pool: str) -> bool:
    return any(row["worker"] == host(pool) and row["verdict"] != "gone" for row in cluster.exports.rows(Workers()))


# --- tasks ------------------------------------------------------------------------------------------------------


@pool
def test_sending_a_task(cluster: Steered, pool: str) -> None:
    before = cluster.done(pool, "shop.add")
    fields = {"name": "shop.add", "args": [["Grüße 🐇"], [{"deep": [None, True, -0.5]}]], "kwargs": {}, "queue": pool}
    [(outcome, task_id)] = cluster.does("send_task", **fields).values()
    assert outcome == "done"
    wait_until(lambda: cluster.done(pool, "shop.add") == before + 1, "the task")
    if pool != "solo":  # it sends no events
        wait_until(lambda: succeeded(cluster, task_id), "its record")
        assert recorded(cluster, task_id)["result"] == "['Grüße 🐇', {'deep': [None, True, -0.5]}]"
    status, answer = cluster.exports.post("send_task", {"dry_run": True, **fields, "args": "2, 3"}, ANN)
    assert (status, answer["error"]["parameter"]) == (400, "args")


def succeeded(cluster: Steered, *ids: str) -> bool:
    """As recorded; looked up there, as what a page was answered is not asked again for seconds."""
    runs = Facts(cluster.desk, "default").recorded(ids)
    return all(id in runs and runs[id].state == "SUCCESS" for id in ids)


def recorded(cluster: Steered, task_id: str) -> dict[str, str]:
    return next(iter(cluster.exports.rows(Task(task_id))), {})


def test_aborting_is_left_out(cluster: Steered) -> None:
    status, answer = cluster.exports.post("abort", {"dry_run": True, "id": "a"}, ANN)
    assert (status, answer["error"]["parameter"]) == (400, "order")


def test_limiting_the_rate_of_a_task(cluster: Steered) -> None:
    replies = cluster.does("rate_limit", *POOLS, task="shop.add", rate="600/m")
    assert replies == dict.fromkeys(POOLS, ("done", "new rate limit set successfully"))
    assert all("rate_limit=600/m" in limits(cluster, pool) for pool in POOLS)
    cluster.does("rate_limit", *POOLS, task="shop.add", rate="0")
    assert all("rate_limit=0" in limits(cluster, pool) for pool in POOLS)


def test_limiting_the_time_of_a_task(cluster: Steered) -> None:
    replies = cluster.does("time_limit", *POOLS, task="shop.add", soft=20, hard=30)
    assert {outcome for outcome, _ in replies.values()} == {"done"}
    for pool in replies:
        assert "soft_time_limit=20" in limits(cluster, pool)
        assert " time_limit=30" in limits(cluster, pool)
    cluster.does("time_limit", *POOLS, task="shop.add")
    assert all("time_limit" not in limits(cluster, pool) for pool in POOLS)


def limits(cluster: Steered, pool: str) -> str:
    lines: list[str] = cluster.crew.says("registered", pool)
    return next(line for line in lines if line.split(" ")[0] == "shop.add")


def test_revoking_a_task(cluster: Steered) -> None:
    task_id = str(cluster.crew.app.send_task("shop.sleep", (0,), queue="threads", countdown=3600).id)
    wait_until(lambda: task_id in held(cluster, "threads"), "the task")
    replies = cluster.does("revoke", id=task_id)
    assert {pool: outcome for pool, (outcome, _) in replies.items()} == dict.fromkeys(POOLS, "done")
    assert all(task_id in cluster.crew.says("revoked", pool) for pool in POOLS)


def held(cluster: Steered, pool: str) -> set[str]:
    return {one["request"]["id"] for one in cluster.crew.says("scheduled", pool)}


@pytest.mark.parametrize("pool", ["prefork", "gevent", "threads"])
def test_terminating_a_task(cluster: Steered, pool: str) -> None:
    task_id = cluster.crew.send("shop.sleep", pool, LONG_SECONDS)
    wait_until(lambda: task_id in cluster.crew.runs(pool), "the task")
    outcome, words = cluster.does("revoke", *POOLS, id=task_id, terminate=True)[pool]
    if pool == "threads":
        assert outcome == "refused"
        assert words.startswith("a running task can be terminated in a prefork, gevent or eventlet pool alone")
        assert task_id in cluster.crew.runs(pool)
        return
    assert (outcome, words) == ("done", f"terminate: {task_id}")
    wait_until(lambda: task_id not in cluster.crew.runs(pool), "its end")


# --- the command's options --------------------------------------------------------------------------------------


TELLING = sorted(POOLS.keys() - {"solo"})


@pytest.mark.parametrize("pool", TELLING)
def test_events_are_asked_for(cluster: Steered, pool: str) -> None:
    tell(cluster, pool)


def tell(cluster: Steered, *pools: str) -> None:
    """What they do is recorded, once they were asked to tell: what they did before never is."""

    def told() -> bool:
        sent = [cluster.crew.send("shop.add", pool, 1, 2) for pool in pools]
        with suppress(TimeoutError):
            wait_until(lambda: succeeded(cluster, *sent), "all records", 20)
            return True
        return False

    wait_until(told, "a record of what they do")


def test_events_are_switched_off_and_on(cluster: Steered) -> None:
    tell(cluster, *TELLING)
    assert cluster.does("disable_events", *TELLING) == dict.fromkeys(TELLING, ("done", "task events disabled"))
    on = cluster.does("enable_events", *TELLING)
    for outcome, words in on.values():  # the recorder may have asked for them meanwhile
        assert (outcome, words.replace("already ", "")) == ("done", "task events enabled")
    assert on.keys() == {*TELLING}
    tell(cluster, *TELLING)


@pytest.mark.parametrize("order", ["enable_events", "disable_events"])
def test_a_worker_that_sends_no_events_refuses_to(cluster: Steered, order: str) -> None:
    outcome, words = cluster.does(order, "solo")["solo"]
    assert outcome == "refused"
    assert words.startswith("it was started without events, gossip and heartbeats, and sends nothing")


def test_who_may_only_read_changes_nothing(cluster: Steered) -> None:
    orders: dict[str, dict[str, Any]] = {
        "shutdown": {"workers": [host("solo")]},
        "purge": {"queue": "solo"},
        "revoke": {"id": "a"},
        "send_task": {"name": "shop.add", "queue": "solo"},
    }
    for order, fields in orders.items():
        status, _ = cluster.exports.post(order, {"dry_run": True, **fields}, VIEWER)
        assert status == 403
    plan = cluster.plan("shutdown", "solo")
    status, _ = cluster.exports.post("shutdown", {"nonce": plan["nonce"], "confirm": plan["phrase"]}, VIEWER)
    assert status == 403
    assert {row["worker"] for row in cluster.exports.rows(Inspect("ping"))} == set(map(host, POOLS))
