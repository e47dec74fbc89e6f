"""Asking real workers on real brokers: everyone at once, within a deadline, and without disturbing anybody."""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery
from celery.beat import BeatPidbox, Service

from data_sources.config import Broker
from data_sources.errors import QueryRejected, SourceUnreachable
from data_sources.workers import celery_inspect, roster
from data_sources.workers.celery_inspect import CeleryInspector, Conversation
from data_sources.workers.mailbox import Mailbox
from data_sources.workers.snapshot import Reply, Snapshot
from data_sources.workers.worker_facts import workers_facts
from demo.servers import Process, RabbitMQ, Redis, celery_worker, wait_until
from tests.celery_puppet import Puppet, Request, Send
from tests.crew import answering

ROOT = Path(__file__).parent.parent
SAMPLED = ("ping", "stats", "active", "active_queues")
POOLS = {"prefork": ["-P", "prefork", "-c", "2"], "solo": ["-P", "solo"], "threads": ["-P", "threads", "-c", "3"]}
EVERYONE = {f"{pool}@test" for pool in POOLS}
BUSY = (EVERYONE - {"solo@test"}, {"solo@test"})  # as `told` while the solo worker runs something
WAITED_SECONDS = 45.0  # less than that, and it ended before its deadline of 90 s
REPLIES = "reply.celery.pidbox"


class Patient(CeleryInspector):
    """Waits for who is sure to answer, unless told for how long."""

    def snapshot(self, methods: Sequence[str], **question: Any) -> Snapshot:
        return super().snapshot(methods, **{"deadline_seconds": 90.0, **question})


@contextmanager
def inspecting(server: Redis | RabbitMQ, **rest: Any) -> Iterator[CeleryInspector]:
    inspector = Patient(Broker.from_url(server.url, **rest))
    try:
        yield inspector
    finally:
        inspector.close()


@contextmanager
def workers_on(server: Redis | RabbitMQ, folder: Path) -> Iterator[None]:
    """A worker of each pool, each on a queue of its own; waits until all of them answer."""
    with ExitStack() as stack:
        for pool, options in POOLS.items():
            arguments = [*options, "-Q", pool, "--without-gossip", "--without-mingle", "--without-heartbeat"]
            environment = {"CELERY_BROKER_URL": server.url}
            worker = celery_worker("tests.celery_app", f"{pool}@test", folder, arguments, environment, ROOT)
            stack.enter_context(worker)
            stack.callback(worker.signal, signal.SIGKILL)  # a warm shutdown takes seconds
        with inspecting(server) as inspector:
            wait_until(lambda: answering(inspector) == EVERYONE, "workers")
        yield


@pytest.fixture(autouse=True)
def asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owes an answer is not asked again, however long a test takes."""
    for name in ("ASK_AGAIN_SECONDS", "ASK_AGAIN_AT_START_SECONDS", "ASK_AGAIN_AWAKE_SECONDS"):
        monkeypatch.setattr(roster, name, 3600.0)


@pytest.fixture(scope="module")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    folder = tmp_path_factory.mktemp("redis-cluster")
    with Redis(folder) as server, workers_on(server, folder):
        yield server


@pytest.fixture(scope="module")
def rabbitmq_cluster(rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with workers_on(rabbitmq, tmp_path_factory.mktemp("rabbitmq-cluster")):
        yield rabbitmq


@pytest.fixture(params=["redis", "rabbitmq"])
def cluster(request: pytest.FixtureRequest) -> Redis | RabbitMQ:
    """Three workers, on either broker."""
    server: Redis | RabbitMQ = request.getfixturevalue(f"{request.param}_cluster")
    return server


def send_task(server: Redis | RabbitMQ, queue: str, until: Path, **arguments: object) -> None:
    """It runs until the file `until` is there."""
    with Celery(broker=server.url) as app:
        app.send_task("shop.wait_for", args=[str(until)], kwargs=arguments, queue=queue)


def ask_until(ask: Callable[[], Snapshot], ready: Callable[[Snapshot], object]) -> Snapshot:
    """Asks again and again until the snapshot is `ready`."""
    taken: list[Snapshot] = []

    def look() -> bool:
        with suppress(SourceUnreachable):  # a broker that does not answer in time is asked again
            taken.append(ask())
            return bool(ready(taken[-1]))
        return False

    try:
        wait_until(look, "the snapshot")
    except TimeoutError as error:
        error.add_note(f"in {len(taken)} rounds; the last: {', '.join(map(str, map(told, taken[-3:])))}")
        raise
    return taken[-1]


def told(taken: Snapshot) -> tuple[set[str], set[str]]:
    """Who answered, and who owes."""
    return set(taken.answered), set(taken.owing)


# What is asked, and of whom


def test_every_worker_answers_every_method_in_one_exchange(cluster: Redis | RabbitMQ) -> None:
    methods = ("stats", "active", "scheduled", "reserved", "active_queues", "registered", "revoked")
    with inspecting(cluster) as inspector:
        inspector.snapshot(["ping"], expected=EVERYONE)
        taken = inspector.snapshot(methods)
    assert sorted((reply.worker, reply.method) for reply in taken.replies) == sorted(
        (worker, method) for worker in EVERYONE for method in methods
    )
    assert (taken.owing, taken.errors, taken.unreadable) == (frozenset(), (), ())
    assert taken.took.total_seconds() < WAITED_SECONDS


def test_the_facts_of_each_pool(cluster: Redis | RabbitMQ) -> None:
    with inspecting(cluster) as inspector:
        facts = workers_facts(inspector.snapshot([*SAMPLED, "clock", "report"], expected=EVERYONE))
    assert [(one.worker, one.pool, one.concurrency, one.queues) for one in facts] == [
        ("prefork@test", "prefork", 2, ("prefork",)),
        ("solo@test", "solo", 1, ("solo",)),
        ("threads@test", "threads", 3, ("threads",)),
    ]
    for one in facts:
        assert one.pid is not None
        assert one.uptime_seconds is not None
        assert one.clock is not None
        assert one.software == "celery 5.7.0"


def test_only_the_selected_workers_are_asked(cluster: Redis | RabbitMQ) -> None:
    with inspecting(cluster) as inspector:
        assert inspector.snapshot(["ping"], workers=["solo@test"]).answered == {"solo@test"}


@pytest.mark.parametrize(
    ("methods", "question"),
    [
        (["shutdown"], {}),
        (["ping", "hello"], {}),
        (["objgraph"], {}),
        (["PING"], {}),
        ([], {}),
        (["ping"], {"workers": []}),
        (["query_task"], {}),
        (["ping"], {"arguments": {"ping": {"destination": "x"}}}),
        (["active"], {"arguments": {"active": {"unsafe": True}}}),
    ],
)
def test_what_is_not_in_the_closed_lists_is_refused_before_a_byte_is_sent(methods: Any, question: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        inspector = CeleryInspector(Broker.from_url(f"redis://127.0.0.1:{listener.getsockname()[1]}/0"))
        with pytest.raises(QueryRejected):
            inspector.snapshot(methods, **question)
        with pytest.raises(BlockingIOError):  # nobody has connected
            listener.accept()
        inspector.close()


def test_on_the_wire_there_is_what_was_asked_and_nothing_else(redis_server: Redis) -> None:
    client: Any = redis.Redis(port=redis_server.port)
    with inspecting(redis_server) as inspector, client.monitor() as monitor:
        inspector.snapshot(SAMPLED)
        client.echo("end")
        seen = []
        while not (command := monitor.next_command()["command"]).startswith("ECHO"):
            seen.append(command)
    requests = [published(command) for command in seen if command.startswith("PUBLISH")]
    assert [(request["method"], request["arguments"]) for request in requests] == [
        ("ping", {}),
        ("stats", {}),
        ("active", {"safe": True}),
        ("active_queues", {}),
    ]
    assert all(request["destination"] is None and request["pattern"] is None for request in requests)
    commands = {command.split(" ")[0] for command in seen}
    assert commands <= {"HELLO", "CLIENT", "SELECT", "PING", "SSCAN", "MULTI", "EXEC", "LLEN", "SADD", "PUBLISH"}


def published(command: str) -> Any:
    """The body of a request, from MONITOR's line."""
    envelope = json.loads(command.split(" ", 2)[2].encode().decode("unicode_escape"))
    return json.loads(base64.b64decode(envelope["body"]))


# Nothing is disturbed


def test_a_message_held_for_two_hours_is_still_held_after_a_hundred_snapshots(redis_cluster: Redis) -> None:
    client = redis.Redis(port=redis_cluster.port)
    message = {"body": "", "headers": {}, "properties": {"priority": 0, "delivery_info": {}, "delivery_tag": "t"}}
    client.hset("unacked", "t", json.dumps([message, "", "held"]))
    client.zadd("unacked_index", {"t": time.time() - 7200})
    careless = {"visibility_timeout": 60, "ack_emulation": True}
    with inspecting(redis_cluster, transport_options=careless) as inspector:
        for _ in range(100):
            assert inspector.snapshot(["ping"]).answered == EVERYONE
    mailbox = Mailbox(Broker.from_url(redis_cluster.url, transport_options=careless), 3)
    for _ in range(20):
        assert mailbox.next(0.01) is None  # it is on an empty queue that kombu puts messages back
    mailbox.close()
    assert client.hkeys("unacked") == [b"t"]
    assert client.zcard("unacked_index") == 1
    assert not client.exists("held")
    client.delete("unacked", "unacked_index")


def test_a_busy_worker_is_asked_once_until_it_has_answered(redis_cluster: Redis, tmp_path: Path) -> None:
    client: Any = redis.Redis(port=redis_cluster.port)
    with inspecting(redis_cluster) as inspector, client.monitor() as monitor:
        assert inspector.snapshot(SAMPLED).answered == EVERYONE
        send_task(redis_cluster, "solo", tmp_path / "done")
        wait_until(lambda: client.llen("solo") == 0, "the task to be taken")
        # it may have answered the first questions of a round before the task came to it
        ask_until(lambda: inspector.snapshot(SAMPLED, deadline_seconds=3.0), lambda taken: told(taken) == BUSY)
        for _ in range(5):
            assert told(inspector.snapshot(SAMPLED)) == BUSY
        assert inspector.snapshot(["stats"], workers=["solo@test"]).owing == {"solo@test"}
        (tmp_path / "done").touch()
        back = ask_until(lambda: inspector.snapshot(SAMPLED), lambda taken: "solo@test" in taken.late)
        assert "solo@test" not in back.owing
        # who does not answer in time is left alone for half a minute, so it is given time
        ask_until(lambda: inspector.snapshot(SAMPLED, deadline_seconds=20.0), lambda taken: taken.answered == EVERYONE)
        client.echo("end")
        tickets: dict[str, set[str]] = {}
        while not (command := monitor.next_command()["command"]).startswith("ECHO"):
            if command.startswith("LPUSH celery-notebook@"):
                envelope = json.loads(command.split(" ", 2)[2].encode().decode("unicode_escape"))
                (worker,) = json.loads(base64.b64decode(envelope["body"]))
                tickets.setdefault(worker, set()).add(envelope["headers"]["ticket"])
    asked_while_busy = len(tickets["prefork@test"]) - len(tickets["solo@test"])
    assert asked_while_busy >= 5 * len(SAMPLED)


def test_a_worker_that_was_busy_is_late_and_not_lost(rabbitmq_cluster: RabbitMQ, tmp_path: Path) -> None:
    with inspecting(rabbitmq_cluster) as inspector:
        assert inspector.snapshot(SAMPLED, expected=EVERYONE).answered == EVERYONE
        send_task(rabbitmq_cluster, "solo", tmp_path / "done")
        # it may have answered the first questions of a round before the task came to it
        ask_until(lambda: inspector.snapshot(SAMPLED, deadline_seconds=3.0), lambda taken: told(taken) == BUSY)
        (tmp_path / "done").touch()
        ask_until(lambda: inspector.snapshot(SAMPLED, deadline_seconds=1.0), lambda taken: "solo@test" in taken.late)
        ask_until(lambda: inspector.snapshot(SAMPLED), lambda taken: taken.answered == EVERYONE)


def test_a_worker_nobody_knew_is_named_when_it_is_busy_from_the_start(redis_server: Redis) -> None:
    with Puppet(redis_server.url, "idle@h"), Puppet(redis_server.url, "busy@h", stay_silent) as busy:
        with inspecting(redis_server) as inspector:
            first = inspector.snapshot(["ping"], deadline_seconds=5.0)
            assert told(first) == ({"idle@h"}, {"busy@h"})
            assert first.asked_count == 2
            for _ in range(3):
                assert inspector.snapshot(["ping"]).owing == {"busy@h"}
        assert len(busy.requests) == 1


def test_the_reply_key_is_gone_when_we_leave(redis_cluster: Redis) -> None:
    client = redis.Redis(port=redis_cluster.port, decode_responses=True)
    with inspecting(redis_cluster) as inspector:
        inspector.snapshot(SAMPLED)
        assert ours(client) == 1
    assert ours(client) == 0
    assert list(client.scan_iter("celery-notebook@*")) == []


def ours(client: Any) -> int:
    bound = client.smembers(f"_kombu.binding.{REPLIES}") | client.smembers(f"_kombu.binding_permanent.{REPLIES}")
    return sum(member.startswith("celery-notebook@") for member in bound)


def test_what_a_killed_monitor_left_is_swept_and_nothing_else(redis_server: Redis) -> None:
    client: Any = redis.Redis(port=redis_server.port, decode_responses=True)
    program = (
        "import os, signal\n"
        "from data_sources.workers.celery_inspect import CeleryInspector\n"
        "from data_sources.config import Broker\n"
        f"CeleryInspector(Broker.from_url({redis_server.url!r})).snapshot(['ping'], deadline_seconds=60)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == -signal.SIGKILL
    (dead,) = [member.split("\x06\x16")[2] for member in client.smembers(f"_kombu.binding.{REPLIES}")]
    others = [f"someone-else.{REPLIES}", f"celery-notebook@elsewhere.1.abcd.{REPLIES}"]
    others.append(f"celery-notebook@{socket.gethostname()}.{os.getppid()}.abcd.{REPLIES}")
    for queue in [dead, *others]:
        client.lpush(queue, "an answer that came too late")
    for queue in others:
        client.sadd(f"_kombu.binding.{REPLIES}", "\x06\x16".join([queue.removesuffix(f".{REPLIES}"), "", queue]))
    with inspecting(redis_server) as inspector:
        inspector.snapshot(["ping"])
    assert sorted(client.scan_iter("*.pidbox", _type="list")) == sorted(others)
    assert client.scard(f"_kombu.binding.{REPLIES}") == len(others)
    assert client.exists(f"_kombu.binding_permanent.{REPLIES}") == 0


def test_the_users_key_prefix_is_kept(redis_server: Redis) -> None:
    options = {"global_keyprefix": "shop:"}
    with (
        Puppet(redis_server.url, "a@h", transport_options=options),
        inspecting(redis_server, transport_options=options) as inspector,
    ):
        assert told(inspector.snapshot(["ping"])) == ({"a@h"}, set())
        assert all(key.startswith(b"shop:") for key in redis.Redis(port=redis_server.port).scan_iter())


# Who answers, and what


def test_nobody_there_is_an_empty_snapshot(redis_server: Redis) -> None:
    with inspecting(redis_server) as inspector:
        taken = inspector.snapshot(["ping"])
    assert (taken.answered, taken.replies, taken.owing, taken.asked_count) == (frozenset(), (), frozenset(), 0)


def test_who_was_expected_and_is_gone_is_named_without_waiting_for_it(redis_server: Redis) -> None:
    with Puppet(redis_server.url, "a@h"), inspecting(redis_server) as inspector:
        taken = inspector.snapshot(["ping"], expected=["gone@h"])
    assert told(taken) == ({"a@h"}, {"gone@h"})
    assert taken.took.total_seconds() < WAITED_SECONDS  # Redis counts who listens


def stay_silent(request: Request, send: Send) -> None:
    pass


@pytest.mark.parametrize("server", ["redis_server", "rabbitmq"])
def test_a_worker_that_starts_is_found_and_one_that_is_silent_does_not_slow_the_rest(
    server: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(server).url
    with (
        inspecting(request.getfixturevalue(server)) as inspector,
        Puppet(url, "a@h"),
        Puppet(url, "mute@h", stay_silent),
    ):
        ask_until(
            lambda: inspector.snapshot(["ping"], expected=["mute@h"], deadline_seconds=1),
            lambda taken: "a@h" in taken.answered and "mute@h" in taken.owing,
        )
        with Puppet(url, "new@h"):
            found = ask_until(
                lambda: inspector.snapshot(["ping"]), lambda taken: "new@h" in taken.answered | taken.late
            )
            assert found.took.total_seconds() < WAITED_SECONDS
            assert "new@h" in inspector.snapshot(["ping"]).answered


def test_a_worker_that_owes_an_answer_is_asked_again_after_a_while(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "ASK_AGAIN_SECONDS", 4.0)
    with Puppet(redis_server.url, "a@h"), inspecting(redis_server) as inspector:
        inspector.snapshot(["ping"])
        with Puppet(redis_server.url, "mute@h", stay_silent) as mute:
            began = time.monotonic()
            ask_until(lambda: inspector.snapshot(["ping"], deadline_seconds=3.0), lambda taken: len(mute.requests) == 2)
            assert time.monotonic() - began >= 4


def test_a_worker_that_left_rabbitmq_is_neither_waited_for_nor_overlooked_when_it_returns(rabbitmq: RabbitMQ) -> None:
    with Puppet(rabbitmq.url, "stays@h"), inspecting(rabbitmq) as inspector:
        with Puppet(rabbitmq.url, "leaves@h"):
            ask_until(lambda: inspector.snapshot(["ping"]), lambda taken: "leaves@h" in taken.answered)
        ask_until(
            lambda: inspector.snapshot(["ping"], expected=["leaves@h"], deadline_seconds=1),
            lambda taken: "leaves@h" in taken.owing,
        )
        gone = inspector.snapshot(["ping"], expected=["leaves@h"])
        assert "leaves@h" in gone.owing
        assert gone.took.total_seconds() < WAITED_SECONDS
        with Puppet(rabbitmq.url, "leaves@h"):
            ask_until(lambda: inspector.snapshot(["ping"]), lambda taken: "leaves@h" in taken.answered)


def test_an_answer_that_is_about_to_come_at_the_deadline_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is when this process stood still."""
    none: frozenset[str] = frozenset()
    nobody = Snapshot((), (), none, none, none, (), 0, datetime.now(UTC), timedelta())
    ends = time.monotonic() + 0.3

    def exchange(talk: Conversation, question: object, until: float) -> Snapshot:
        time.sleep(max(0.0, ends - time.monotonic()))
        return nobody

    monkeypatch.setattr(Conversation, "exchange", exchange)
    monkeypatch.setattr(celery_inspect, "SPARE_SECONDS", 60.0)
    inspector = CeleryInspector(Broker.from_url("redis://127.0.0.1:1/0"))

    assert inspector.snapshot(["ping"], deadline_seconds=0.1) is nobody


def test_slow_answers_end_at_the_deadline(redis_server: Redis) -> None:
    def answer_slowly(request: Request, send: Send) -> None:
        time.sleep(2)
        send({f"{request['method']}@h": []})

    with Puppet(redis_server.url, "slow@h", answer_slowly), inspecting(redis_server) as inspector:
        taken = inspector.snapshot(["active", "reserved", "scheduled", "revoked"], deadline_seconds=6.0)
    assert 0 < len(taken.replies) < 4


def test_two_workers_of_one_name_are_both_there(redis_server: Redis) -> None:
    with Puppet(redis_server.url, "twin@h"), Puppet(redis_server.url, "twin@h"), inspecting(redis_server) as inspector:
        taken = inspector.snapshot(["stats", "active"])
        assert [reply.worker for reply in taken.replies] == ["twin@h"] * 4
        assert len({facts.pid for facts in workers_facts(taken)}) == 2
        assert len(inspector.snapshot(["stats"], workers=["twin@h"]).replies) == 2


def test_what_is_no_answer_is_told_apart_from_an_answer(redis_server: Redis, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "exploded",))

    def misbehave(request: Request, send: Send) -> None:
        send(pickle.dumps({"odd@h": Bomb()}), content_type="application/x-python-serialize")
        send("no json", content_type="application/json")
        send({})
        send({"a": 1, "b": 2})
        send({"odd@h": {"ok": "pong"}}, ticket="of another round")
        send({"odd@h": {"error": "KeyError('redis://:pw@host')"}})
        send({"odd@h": "not what stats are"})
        send({"odd@h": {"pid": 7, "broker": {"password": "pw", "transport_options": {"x": 1}, "alternates": ["u"]}}})

    with Puppet(redis_server.url, "odd@h", misbehave), inspecting(redis_server) as inspector:
        inspector.snapshot(["ping"])  # nobody is known yet, and Redis counts one answer a worker
        taken = inspector.snapshot(["stats"], workers=["odd@h"], deadline_seconds=10.0)
        queue = next(redis.Redis(port=redis_server.port).sscan_iter(f"_kombu.binding.{REPLIES}")).split(b"\x06\x16")[2]
        redis.Redis(port=redis_server.port).lpush(queue, "garbage", "[]", "{}", '{"properties": 7}')
        assert inspector.snapshot(["stats"], workers=["odd@h"], deadline_seconds=10.0).answered == {"odd@h"}
    assert Reply("odd@h", "stats", "KeyError('redis://***@host')") in taken.errors
    assert "odd@h" in taken.late
    assert "not JSON but application/x-python-serialize" in taken.unreadable
    assert not (tmp_path / "exploded").exists()


def test_secrets_do_not_leave_the_inspector(redis_cluster: Redis, tmp_path: Path) -> None:
    secrets = {"password": "c4n4ry", "url": "https://ann:c4n4ry@host/x", "pin": 47114711, "note": "hello"}
    with inspecting(redis_cluster) as inspector:
        send_task(redis_cluster, "prefork", tmp_path / "done", **secrets)
        running = ask_until(
            lambda: inspector.snapshot(["active"]), lambda taken: any(v for _, v in taken.values("active"))
        )
        every = inspector.snapshot(["stats", "conf", "report", "active"], arguments={"active": {"safe": False}})
        (tmp_path / "done").touch()
    for taken in (running, every):
        assert "c4n4ry" not in str(taken)
        assert "47114711" not in str(taken)
        assert "hello" in str(taken)
    for _, stats in every.values("stats"):
        assert not {"transport_options", "alternates", "password"} & stats["broker"].keys()


def test_a_beat_answers_ping_and_is_not_waited_for_otherwise(redis_server: Redis) -> None:
    app = Celery(broker=redis_server.url)
    service = Service(app)
    service.hostname = "h"
    beat = BeatPidbox(service)
    beat.start()
    with Puppet(redis_server.url, "a@h"), inspecting(redis_server) as inspector:
        found = ask_until(lambda: inspector.snapshot(["ping"]), lambda taken: len(taken.answered) == 2)
        assert found.answered == {"a@h", "celerybeat@h"}
        taken = inspector.snapshot(SAMPLED)
        assert told(taken) == ({"a@h", "celerybeat@h"}, set())
        assert inspector.snapshot(["stats"]).took.total_seconds() < WAITED_SECONDS
        assert [facts.worker for facts in workers_facts(taken)] == ["a@h"]
    beat.stop()


# Faults


def test_a_broker_that_was_restarted_is_asked_again_at_once(tmp_path: Path) -> None:
    with Redis(tmp_path / "first") as server, inspecting(server) as inspector:
        with Puppet(server.url, "a@h"):
            assert inspector.snapshot(["ping"]).answered == {"a@h"}
        server.stop()
        with Redis(tmp_path / "second", port=server.port), Puppet(server.url, "b@h"):
            assert inspector.snapshot(["ping"]).answered == {"b@h"}


def test_a_redis_that_was_emptied_is_asked_again_at_once(redis_server: Redis) -> None:
    with Puppet(redis_server.url, "a@h"), inspecting(redis_server) as inspector:
        assert inspector.snapshot(["ping"]).answered == {"a@h"}
        redis.Redis(port=redis_server.port).flushall()
        assert inspector.snapshot(["ping"]).answered == {"a@h"}


def test_connections_that_rabbitmq_closed_are_opened_again(rabbitmq_cluster: RabbitMQ) -> None:
    with inspecting(rabbitmq_cluster) as inspector:
        assert inspector.snapshot(["ping"], expected=EVERYONE).answered >= EVERYONE
        close_ours(rabbitmq_cluster)
        ask_until(lambda: inspector.snapshot(["ping"]), lambda taken: taken.answered >= EVERYONE)


def close_ours(rabbitmq: RabbitMQ) -> None:
    """By the node. Not those of workers: Celery's solo and threads pools may stand still for ever after that."""
    ends = psutil.Process().net_connections("tcp")
    ours = {end.laddr.port for end in ends if end.raddr and end.raddr.port == rabbitmq.port}
    listed = (line.split() for line in rabbitmq.ctl("list_connections", "pid", "peer_port").splitlines())
    pids = [pid for pid, port in listed if port.isdecimal() and int(port) in ours]
    assert pids
    for pid in pids:
        rabbitmq.ctl("close_connection", pid, "a test")


def test_a_worker_that_is_suspended_costs_one_deadline_and_comes_back(redis_server: Redis, tmp_path: Path) -> None:
    program = f"import time, tests.celery_puppet as t; t.Puppet({redis_server.url!r}, 'stopped@h'); time.sleep(600)"
    with (
        Process("puppet", [sys.executable, "-c", program], tmp_path, cwd=ROOT) as process,
        Puppet(redis_server.url, "a@h"),
        inspecting(redis_server) as inspector,
    ):
        ask_until(lambda: inspector.snapshot(["ping"]), lambda taken: len(taken.answered) == 2)
        process.suspend()
        assert inspector.snapshot(["ping"], deadline_seconds=5.0).owing == {"stopped@h"}
        again = inspector.snapshot(["ping"])
        assert again.owing == {"stopped@h"}
        assert again.took.total_seconds() < WAITED_SECONDS
        process.signal(signal.SIGCONT)
        ask_until(lambda: inspector.snapshot(["ping"]), lambda taken: len(taken.answered) == 2)


def test_threads_take_turns(redis_cluster: Redis) -> None:
    taken: list[Snapshot] = []
    with inspecting(redis_cluster) as inspector:
        threads = [threading.Thread(target=lambda: taken.append(inspector.snapshot(SAMPLED))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [snapshot.answered for snapshot in taken] == [EVERYONE] * 6
    assert all(len(snapshot.replies) == len(EVERYONE) * len(SAMPLED) for snapshot in taken)
