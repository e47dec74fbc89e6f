"""Orders to real workers of every pool, on Redis and on RabbitMQ: what each replies, and what is different then."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery, uuid

from data_sources.config import Broker
from data_sources.errors import QueryRejected, SourceUnreachable
from data_sources.workers.celery_control import MOST_WORKERS, Reply, give
from data_sources.workers.orders import (
    SIGNALS,
    AddConsumer,
    Autoscale,
    CancelConsumer,
    DisableEvents,
    EnableEvents,
    PoolGrow,
    PoolRestart,
    PoolShrink,
    RateLimit,
    Revoke,
    Shutdown,
    TimeLimit,
    WorkerOrder,
)
from data_sources.workers.worker_words import MAX_WORDS
from demo.servers import PATIENCE_SECONDS, Redis, wait_until
from tests.brokers import new_vhost
from tests.celery_puppet import Puppet, Request, Send
from tests.crew import EVERYONE, POOLS, Crew, crew_on, host, worker
from tests.deadline import within
from tests.fault_proxy import FaultProxy
from tests.impostor import hang
from tests.listening import hear_until, listening
from tests.wiretap import wiretap

LONG_SECONDS = 600.0
PREFORKS = ("prefork", "scaled")

pool = pytest.mark.parametrize("pool", POOLS)


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def crew(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    folder = tmp_path_factory.mktemp("crew")
    if request.param == "redis":
        with Redis(folder / "redis") as server, crew_on(server.url, folder) as crew:
            yield crew
        return
    with crew_on(new_vhost(request.getfixturevalue("rabbitmq")), folder) as crew:
        yield crew


def sending(url: str) -> bytes:
    """What stands on the wire when an order is sent."""
    return b"PUBLISH" if url.startswith("redis") else b'"method"'


def given(
    url: str, order: WorkerOrder, workers: Sequence[str], ready: Callable[[Sequence[Reply]], bool] = bool
) -> Sequence[Reply]:
    """What is replied to an order some of whom never answer, when that is `ready`: as their deadline is waited for in
    any case, it is short at first, and longer each time.
    """
    seconds = 2.0
    while True:
        with within(seconds), suppress(SourceUnreachable):
            replies = give(Broker.from_url(url), order, workers, seconds)
            if ready(replies):
                return replies
        assert seconds < PATIENCE_SECONDS, "no such replies"
        seconds *= 2


def outcomes(replies: dict[str, Reply]) -> dict[str, str]:
    return {pool: reply.outcome for pool, reply in replies.items()}


def slots(crew: Crew, pool: str) -> int:
    told = crew.says("stats", pool)["pool"]
    return len(told.get("processes", ())) if pool in PREFORKS else int(told["max-concurrency"])


def limits(crew: Crew, pool: str, task: str) -> str:
    """What it tells of a task, `rate_limit=10/m` and so on."""
    lines: list[str] = crew.says("registered", pool)
    return next(line for line in lines if line.split(" ")[0] == task)


def queues(crew: Crew, pool: str) -> set[str]:
    return {queue["name"] for queue in crew.says("active_queues", pool)}


def accepted(crew: Crew, pool: str, task: str) -> int:
    return int(crew.says("stats", pool)["total"].get(task, 0))


# --- tasks ------------------------------------------------------------------------------------------------------


def test_a_task_that_is_revoked_is_not_run(crew: Crew) -> None:
    task_id, other = uuid(), uuid()
    replies = crew.give(Revoke((task_id, other)))
    assert set(outcomes(replies).values()) == {"done"}
    assert all("flagged as revoked" in reply.text for reply in replies.values())
    for pool in POOLS:
        assert {task_id, other} <= set(crew.says("revoked", pool))
    before = accepted(crew, "threads", "shop.sleep")
    crew.app.send_task("shop.sleep", (LONG_SECONDS,), task_id=task_id, queue="threads")
    after = crew.send("shop.sleep", "threads", 0)
    wait_until(lambda: accepted(crew, "threads", "shop.sleep") > before, "the task that is not revoked")
    assert task_id not in crew.runs("threads"), f"{after} came after it"


@pytest.mark.parametrize(
    ("pool", "signal_name"), [*(("prefork", name) for name in SIGNALS), ("scaled", "SIGKILL"), ("gevent", "SIGTERM")]
)
def test_a_task_that_runs_is_terminated(crew: Crew, pool: str, signal_name: str) -> None:
    task_id = crew.send("shop.sleep", pool, LONG_SECONDS)
    wait_until(lambda: task_id in crew.runs(pool), "the task")
    [process] = {task["worker_pid"] for task in crew.says("active", pool) if task["id"] == task_id}
    replies = crew.give(Revoke((task_id,), terminate=True, signal=signal_name))
    assert set(outcomes(replies).values()) == {"done"}
    assert replies[pool].text == f"terminate: {task_id}"
    elsewhere = {reply.text for other, reply in replies.items() if other != pool}
    assert elsewhere == {"it has none of these tasks now, and will not start them (it said: terminate: tasks unknown)"}
    wait_until(lambda: task_id not in crew.runs(pool), "its end")
    if signal_name == "SIGUSR1":
        wait_until(lambda: "SoftTimeLimitExceeded" in crew.processes[pool].tail(60), "what the task was told")
    elif pool != "gevent":
        wait_until(lambda: not psutil.pid_exists(process), "the end of its process")
    before = accepted(crew, pool, "shop.add")
    crew.send("shop.add", pool, 1, 2)
    wait_until(lambda: accepted(crew, pool, "shop.add") > before, "a task after it")


def test_a_thread_cannot_be_terminated(crew: Crew) -> None:
    task_id = crew.send("shop.sleep", "threads", LONG_SECONDS)
    wait_until(lambda: task_id in crew.runs("threads"), "the task")
    reply = crew.give(Revoke((task_id,), terminate=True))["threads"]
    assert reply.outcome == "refused"
    assert reply.text.startswith("a running task can be terminated in a prefork, gevent or eventlet pool alone")
    assert "kill_job" in reply.text
    assert task_id in crew.runs("threads")


def test_a_solo_worker_cannot_be_told_anything_while_a_task_runs(crew: Crew, tmp_path: Path) -> None:
    task_id = crew.send("shop.wait_for", "solo", str(tmp_path / "done"))
    wait_until(lambda: task_id in crew.processes["solo"].tail(), "the task")
    [reply] = given(crew.url, Revoke((task_id,), terminate=True), [host("solo")])
    assert (reply.outcome, reply.text[:20]) == ("no reply", "sent, not confirmed:")
    (tmp_path / "done").touch()
    wait_until(lambda: task_id in (crew.says("revoked", "solo") or ()), "the order, which is carried out afterwards")


def test_a_rate_limit_is_set_and_lifted(crew: Crew) -> None:
    replies = crew.give(RateLimit("shop.add", "1/h"))
    assert {(reply.outcome, reply.text) for reply in replies.values()} == {("done", "new rate limit set successfully")}
    assert all("rate_limit=1/h" in limits(crew, pool, "shop.add") for pool in POOLS)
    crew.give(RateLimit("shop.add", "0"))
    assert all("rate_limit=0" in limits(crew, pool, "shop.add") for pool in POOLS)
    before = accepted(crew, "threads", "shop.add")
    for _ in range(5):
        crew.send("shop.add", "threads", 1, 2)
    wait_until(lambda: accepted(crew, "threads", "shop.add") == before + 5, "the tasks, one an hour no more")


def test_time_limits_are_set_and_lifted_together(crew: Crew) -> None:
    replies = crew.give(TimeLimit("shop.add", 20.0, 30.0))
    assert {(reply.outcome, reply.text) for reply in replies.values()} == {("done", "time limits set successfully")}
    for pool in POOLS:
        told = limits(crew, pool, "shop.add")
        assert "soft_time_limit=20" in told
        assert " time_limit=30" in told
    crew.give(TimeLimit("shop.add", None, 40.0))
    assert all("soft_time_limit" not in limits(crew, pool, "shop.add") for pool in POOLS)
    assert all("time_limit=40" in limits(crew, pool, "shop.add") for pool in POOLS)
    crew.give(TimeLimit("shop.add", None, None))
    assert all("time_limit" not in limits(crew, pool, "shop.add") for pool in POOLS)


@pytest.mark.parametrize("order", [RateLimit("shop.nowhere", "1/s"), TimeLimit("shop.nowhere", 1.0, 2.0)])
def test_a_task_that_nobody_knows_has_no_limits(crew: Crew, order: RateLimit | TimeLimit) -> None:
    replies = crew.give(order)
    told = {(reply.outcome, reply.text) for reply in replies.values()}
    assert told == {("refused", "it does not know this task (it said: unknown task)")}


# --- pools ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_pool_grows_and_shrinks(crew: Crew, pool: str) -> None:
    before = slots(crew, pool)
    assert crew.give(PoolGrow(2), pool)[pool] == Reply(host(pool), "done", "pool will grow")
    wait_until(lambda: slots(crew, pool) == before + 2, "more slots")
    assert crew.give(PoolShrink(2), pool)[pool] == Reply(host(pool), "done", "pool will shrink")
    wait_until(lambda: slots(crew, pool) == before, "less slots")


@pytest.mark.parametrize("pool", ["threads", "solo"])
@pytest.mark.parametrize(("order", "verb"), [(PoolGrow(1), "grow"), (PoolShrink(1), "shrink")])
def test_other_pools_do_not(crew: Crew, pool: str, order: PoolGrow | PoolShrink, verb: str) -> None:
    before = slots(crew, pool)
    reply = crew.give(order, pool)[pool]
    assert reply.outcome == "refused"
    assert reply.text.startswith(f"a threads or solo pool cannot {verb} while it runs (it said: AttributeError")
    assert slots(crew, pool) == before


@pytest.mark.parametrize("order", [PoolGrow(1), PoolShrink(1)])
def test_a_pool_that_scales_itself_is_not_grown_by_hand(crew: Crew, order: PoolGrow | PoolShrink) -> None:
    reply = crew.give(order, "scaled")["scaled"]
    assert reply.outcome == "refused"
    assert reply.text.startswith("it scales its pool by itself: change the range of that instead (it said: pool_")


def test_the_range_of_autoscale(crew: Crew) -> None:
    replies = crew.give(Autoscale(3, 2))
    assert replies["scaled"] == Reply(host("scaled"), "done", "autoscale now max=3 min=2")
    told = crew.says("stats", "scaled")["autoscaler"]
    assert (told["max"], told["min"]) == (3, 2)
    wait_until(lambda: slots(crew, "scaled") >= 2, "the processes")
    crew.give(Autoscale(2, 1), "scaled")
    others = {(reply.outcome, reply.text) for pool, reply in replies.items() if pool != "scaled"}
    words = "it was started without --autoscale (it said: ValueError('Autoscale not enabled'))"
    assert others == {("refused", words)}


def test_a_prefork_pool_is_restarted_where_that_is_allowed(crew: Crew) -> None:
    before = set(crew.says("stats", "prefork")["pool"]["processes"])
    replies = crew.give(PoolRestart())
    assert replies["prefork"] == Reply(host("prefork"), "done", "reload started")

    def renewed() -> bool:
        crew.send("shop.add", "prefork", 1, 2)  # a process goes when its next task has ended
        return not before & set(crew.says("stats", "prefork")["pool"]["processes"])

    wait_until(renewed, "other processes")
    assert replies["threads"].outcome == "done"  # and nothing happened: celery/worker/worker.py, reload
    for pool in ("scaled", "solo", "gevent"):
        assert replies[pool].outcome == "refused"
        assert replies[pool].text.startswith("its setting worker_pool_restarts is off (it said: ValueError")
    before_add = accepted(crew, "prefork", "shop.add")
    crew.send("shop.add", "prefork", 1, 2)
    wait_until(lambda: accepted(crew, "prefork", "shop.add") > before_add, "a task in the new pool")


def test_a_worker_of_the_eventlet_pool_obeys_too(redis_server: Redis, tmp_path: Path) -> None:
    """What a page offers of it; and it keeps no time limit, which is said before one is set."""
    name = "eventlet"
    with (
        worker(redis_server.url, name, tmp_path, "-P", "eventlet", "-c", "4") as process,
        Celery(broker=redis_server.url, set_as_current=False) as app,
    ):
        crew = Crew(redis_server.url, tmp_path, {name: process}, app)
        process.wait_until(lambda: crew.says("ping", name, 3) is not None)
        for order, words, size in ((PoolGrow(2), "pool will grow", 6), (PoolShrink(1), "pool will shrink", 5)):
            assert crew.give(order, name)[name] == Reply(host(name), "done", words)
            wait_until(lambda size=size: slots(crew, name) == size, "its slots")  # type: ignore[misc]
        crew.give(AddConsumer("more"), name)
        wait_until(lambda: queues(crew, name) == {name, "more"}, "the consumer")
        assert crew.give(TimeLimit("shop.sleep", 0.2, 0.5), name)[name].outcome == "done"
        over, runs = crew.send("shop.sleep", name, 1), crew.send("shop.sleep", name, LONG_SECONDS)
        wait_until(lambda: f"[{over}] succeeded" in process.tail(60), "the end of what was over its limit")
        assert crew.runs(name) == {runs}
        assert crew.give(Revoke((runs,), terminate=True), name)[name].text == f"terminate: {runs}"
        wait_until(lambda: not crew.runs(name), "its end")
        crew.give(Shutdown(), name)
        wait_until(lambda: not process.alive, "its end")


# --- queues and events ------------------------------------------------------------------------------------------


@pool
def test_a_consumer_is_added_and_cancelled(crew: Crew, pool: str) -> None:
    queue = f"more-{pool}"
    assert crew.give(AddConsumer(queue), pool)[pool] == Reply(host(pool), "done", f"add consumer {queue}")
    wait_until(lambda: queues(crew, pool) == {pool, queue}, "the consumer")
    before = accepted(crew, pool, "shop.add")
    crew.app.send_task("shop.add", (1, 2), queue=queue)
    wait_until(lambda: accepted(crew, pool, "shop.add") == before + 1, "a task of the new queue")
    assert crew.give(CancelConsumer(queue), pool)[pool] == Reply(
        host(pool), "done", f"no longer consuming from {queue}"
    )
    wait_until(lambda: queues(crew, pool) == {pool}, "the end of the consumer")


def test_events_are_switched_on_and_off(crew: Crew) -> None:
    pools = sorted(POOLS.keys() - {"solo"})
    with listening(crew.url) as stream:
        for words in ("task events enabled", "task events already enabled"):
            already = "already" in words
            assert crew.give(EnableEvents(), *pools) == {
                pool: Reply(host(pool), "done", words, already) for pool in pools
            }
        told = {crew.send("shop.add", pool, 1, 2) for pool in pools}
        hear_until(stream, lambda heard: told <= {one.id for one in heard.tasks if one.kind == "succeeded"})
        replies = crew.give(DisableEvents(), *pools)
        assert replies == {pool: Reply(host(pool), "done", "task events disabled") for pool in pools}
        before = {pool: accepted(crew, pool, "shop.add") for pool in pools}
        untold = {crew.send("shop.add", pool, 1, 2) for pool in pools}
        wait_until(lambda: all(accepted(crew, pool, "shop.add") > before[pool] for pool in pools), "the tasks")
        heard = hear_until(stream, lambda heard: {beat.worker for beat in heard.workers} >= set(map(host, pools)))
        assert not untold & {one.id for one in heard.tasks}


@pytest.mark.parametrize("order", [EnableEvents(), DisableEvents()])
def test_a_worker_without_events_has_none_to_switch_on(crew: Crew, order: EnableEvents | DisableEvents) -> None:
    reply = crew.give(order, "solo")["solo"]
    assert reply.outcome == "refused"
    assert reply.text.startswith("it was started without events, gossip and heartbeats, and sends nothing")


def test_workers_shut_down_without_a_word(crew: Crew) -> None:
    names = [f"extra-{pool}" for pool in POOLS]
    with ExitStack() as stack:
        extra = [
            stack.enter_context(worker(crew.url, name, crew.folder, *options))
            for name, options in zip(names, POOLS.values(), strict=True)
        ]
        for name, process in zip(names, extra, strict=True):
            process.wait_until(lambda: f"{host(name)} ready" in process.tail(80))  # noqa: B023
            wait_until(lambda: crew.says("ping", name, 3) is not None, name)  # noqa: B023
        told = {(reply.outcome, reply.text) for reply in crew.give(Shutdown(), *names).values()}
        assert told == {("no reply", "sent; a worker that shuts down does not reply")}
        for process in extra:
            wait_until(lambda: not process.alive, f"the end of {process.name}")  # noqa: B023
    assert all(crew.says("ping", pool) is not None for pool in POOLS)


# --- whom an order reaches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [Shutdown(), PoolGrow(1)])
@pytest.mark.parametrize(
    "workers",
    [[], [""], ["*"], ["*@crew"], ["prefork@crew", "threads@*"], ["?refork@crew"], ["[a-z]*@crew"], ["a\nb"]],
)
def test_what_could_reach_others_than_named_never_reaches_the_wire(
    crew: Crew, order: Shutdown | PoolGrow, workers: list[str]
) -> None:
    with wiretap(crew.url) as (url, seen):
        with pytest.raises(QueryRejected):
            give(Broker.from_url(url), order, workers, 30)
        assert seen == []
        with pytest.raises(QueryRejected, match=f"{MOST_WORKERS + 1:,} workers"):
            give(Broker.from_url(url), order, [f"w{number}@crew" for number in range(MOST_WORKERS + 1)], 5)
        assert seen == []
        give(Broker.from_url(url), EnableEvents(), [host("threads")], 30)
        assert sending(crew.url) in b"".join(seen), "the wire is watched"
    assert all(crew.says("ping", pool) for pool in POOLS)


def test_an_order_reaches_those_named_and_nobody_else(crew: Crew) -> None:
    order, expected = RateLimit("shop.refresh_token", "7/s"), ["done", "no reply", "done"]
    workers = [host("gevent"), "nobody@crew", host("gevent"), host("solo")]
    replies = given(crew.url, order, workers, lambda replies: [one.outcome for one in replies] == expected)
    assert [reply.worker for reply in replies] == [host("gevent"), "nobody@crew", host("solo")]
    assert replies[1].text.startswith("sent, not confirmed:")
    limited = {pool for pool in POOLS if "rate_limit=7/s" in limits(crew, pool, "shop.refresh_token")}
    assert limited == {"gevent", "solo"}


# --- brokers, and workers that do not do what they should ---------------------------------------------------------


def test_a_worker_that_is_stopped_has_not_confirmed_and_obeys_when_it_goes_on(crew: Crew) -> None:
    process = crew.processes["threads"]
    process.suspend()
    expected = {host(pool): "no reply" if pool == "threads" else "done" for pool in POOLS}
    try:
        given(
            crew.url,
            RateLimit("shop.fail", "3/h"),
            EVERYONE,
            lambda replies: {one.worker: one.outcome for one in replies} == expected,
        )
    finally:
        process.signal(signal.SIGCONT)
    wait_until(lambda: "rate_limit=3/h" in limits(crew, "threads", "shop.fail"), "the limit")


def test_a_reply_that_is_lost_after_the_effect_is_no_failure(crew: Crew) -> None:
    with wiretap(crew.url, deaf_after=sending(crew.url)) as (url, _):
        [reply] = given(url, RateLimit("shop.retry", "5/h"), [host("prefork")])
    assert reply.outcome == "no reply"
    assert reply.text.startswith("sent, not confirmed")
    wait_until(lambda: "rate_limit=5/h" in limits(crew, "prefork", "shop.retry"), "the limit")


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_an_order_that_cannot_be_sent_is_no_reply_of_a_worker(scheme: str) -> None:
    with FaultProxy(None) as nobody:
        broker = Broker.from_url(f"{scheme}://127.0.0.1:{nobody.port}/")
        with pytest.raises(SourceUnreachable, match="refused the connection") as error:
            give(broker, Shutdown(), EVERYONE, 30)
        assert error.value.hint.startswith("Nothing was sent.")
        nobody.behave(hang)
        with pytest.raises(SourceUnreachable, match="did not answer") as error, within(1):
            give(broker, Shutdown(), EVERYONE, 1)
        assert error.value.hint.startswith("Nothing was sent.")


def test_what_a_user_may_not_publish_is_refused(redis_server: Redis) -> None:
    with redis.Redis(port=redis_server.port) as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", ">word", "~*", "&*", "+@all", "-publish")
    broker = Broker.from_url(f"redis://reader:word@127.0.0.1:{redis_server.port}/0")
    with pytest.raises(QueryRejected, match="does not let this user run the command publish"):
        give(broker, Shutdown(), EVERYONE, 30)


def test_a_hostile_reply_is_masked_and_cut(redis_server: Redis) -> None:
    def answer(request: Request, send: Send) -> None:
        send({"someone@else": {"ok": "in another's name"}})
        send({"w@test": {"ok": "an answer to something else"}}, ticket="0" * 32)
        send({"w@test": {"error": "api_key=hunter2, <b>" + "x" * 10_000}})

    with Puppet(redis_server.url, "w@test", answer):
        [reply] = give(Broker.from_url(redis_server.url), Revoke(("a",)), ["w@test"], 30)
    assert reply.outcome == "refused"
    assert reply.text.startswith("api_key=********, <b>xxx")
    assert len(reply.text) <= MAX_WORDS + 1


@pytest.mark.parametrize("value", [None, [], "done", {"done": 1}, {}])
def test_a_reply_that_says_nothing_confirms_nothing(redis_server: Redis, value: Any) -> None:
    with Puppet(redis_server.url, "w@test", lambda request, send: send({"w@test": value})):
        [reply] = give(Broker.from_url(redis_server.url), Revoke(("a",)), ["w@test"], 30)
    assert (reply.outcome, reply.text) == ("no reply", "sent, and what it replied cannot be read")
