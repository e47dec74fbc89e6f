"""Asking when something is missing: nobody there, somebody wedged, a broker that goes away, one that never answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import data_sources.ask
import recorder.sampler
from data_sources import settings
from data_sources.answer import Answer
from data_sources.ask import Desk
from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.query import Depths, History, Inspect, PromQL, Signal, Workers
from demo.servers import Redis, free_port, wait_until
from recorder.run import Recorder
from tests.celery_puppet import Puppet
from tests.deadline import within
from tests.impostor import hang, impostor
from tests.watching import LIVE, NOTHING, unwatched, watching, worker


@pytest.fixture(autouse=True)
def sampled_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder.sampler, "EVERY_SECONDS", 0.5)


def workers_once(desk: Desk, ready: Callable[[Answer], bool]) -> Answer:
    """The first answer without a failure that is `ready`: of a new round not all have been heard."""
    answers: list[Answer] = []

    def look() -> bool:
        answers.append(desk.ask(Workers(), LIVE))
        return answers[-1].failure is None and ready(answers[-1])

    wait_until(look, "the workers")
    return answers[-1]


def test_nobody_answering_and_nobody_to_ask_are_different(redis_server: Redis) -> None:
    with watching({"CELERY_BROKER_URL": redis_server.url}) as desk:
        assert workers_once(desk, lambda answer: answer.totals == {"answered": 0}).frame.empty
        throughput = desk.ask(History("throughput"), LIVE, wait_seconds=60)
        assert throughput.frame.empty
    with watching({"CELERY_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}) as desk:
        unreachable = desk.ask(Workers(), LIVE, wait_seconds=60)
        assert unreachable.totals == {"answered": None}
        assert unreachable.failure
        assert unreachable.failure.kind == "unreachable"
        assert not unreachable.pending


def test_a_fault_of_our_own_while_asking_names_the_source_as_an_outage_does(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_self: object) -> None:
        raise TypeError("of our own")

    for method in ("_ask_workers", "_read_queues"):
        monkeypatch.setattr(recorder.sampler.Sampler, method, stumble)
    with watching({"CELERY_BROKER_URL": redis_server.url}) as desk:
        for query in (Workers(), Depths()):
            failure = desk.ask(query, LIVE, wait_seconds=60).failure
            assert failure
            assert (failure.source, failure.what) == ("broker", "unexpected TypeError")


def test_a_worker_that_falls_silent_is_silent_and_the_broker_is_not_to_blame(redis_server: Redis) -> None:
    wedged = threading.Event()

    def answer(request: dict[str, Any], send: Callable[..., None]) -> None:
        if not wedged.is_set():
            send({"w1@shop": {"ok": "pong"} if request["method"] == "ping" else []})

    with Puppet(redis_server.url, "w1@shop", answer), watching({"CELERY_BROKER_URL": redis_server.url}) as desk:
        heard = workers_once(desk, lambda answer: answer.totals == {"answered": 1})
        wedged.set()
        silent = workers_once(desk, lambda answer: answer.frame["verdict"].tolist() == ["silent"])
    assert (silent.failure, silent.totals) == (None, {"answered": 0})
    assert silent.frame["silent_since"][0] > silent.frame["last_seen"][0] >= heard.frame["last_seen"][0]


def test_a_beat_is_no_worker_that_answers(redis_server: Redis) -> None:
    with Puppet(redis_server.url, "celerybeat@shop"), watching({"CELERY_BROKER_URL": redis_server.url}) as desk:
        assert workers_once(desk, lambda answer: answer.totals == {"answered": 0}).frame.empty


@pytest.mark.parametrize("pid", [1, 2])  # in containers they have the same
def test_two_workers_of_one_name_are_two_rows_all_their_slots_and_a_note(redis_server: Redis, pid: int) -> None:
    def answer_as(pid: int, tasks: list[dict[str, str]], total: int) -> Callable[..., None]:
        pool = {"implementation": "celery.concurrency.prefork:TaskPool", "max-concurrency": 4}
        stats = {"pid": pid, "total": {"shop.mail": total}, "uptime": 9_000, "pool": pool}
        values = {"ping": {"ok": "pong"}, "stats": stats, "active": tasks}
        return lambda request, send: send({"same@shop": values.get(request["method"], [])})

    with (
        Puppet(redis_server.url, "same@shop", answer_as(1, [], 100)),
        Puppet(redis_server.url, "same@shop", answer_as(pid, [{"id": "a"}], 5_000)),
        watching({"CELERY_BROKER_URL": redis_server.url}) as desk,
    ):
        answer = workers_once(desk, lambda answer: answer.frame["pid"].tolist() == [1, pid])
        assert sorted(answer.frame["processed"]) == [100, 5_000]
        assert "same@shop" in answer.notes[0].text
        wait_until(lambda: 8.0 in desk.ask(History("slots"), LIVE).frame["value"].tolist(), "the slots")
        busy = desk.ask(History("busy_slots"), LIVE, wait_seconds=60)
        assert busy.measured_at
        assert busy.frame.empty  # which of the two runs something is not known


def test_an_answer_that_cannot_be_read_is_a_note_and_hides_nobody(redis_server: Redis) -> None:
    def pickled(request: object, send: Callable[..., None]) -> None:
        send(b"\x80\x04.", content_type="application/x-python-serialize")

    with (
        Puppet(redis_server.url, "good@shop"),
        Puppet(redis_server.url, "bad@shop", pickled),
        watching({"CELERY_BROKER_URL": redis_server.url}) as desk,
    ):
        answer = workers_once(desk, lambda answer: answer.totals == {"answered": 1} and len(answer.notes) > 0)
    assert answer.frame["worker"].tolist() == ["good@shop"]
    assert "application/x-python-serialize" in answer.notes[0].text
    assert answer.notes[0].kind == "unreadable"


def test_a_broker_that_goes_away_leaves_the_last_good_answer_a_hole_and_heals(tmp_path: Path) -> None:
    port = free_port()
    redis = Redis(tmp_path / "one", port=port)
    with worker(redis, "w1@shop", tmp_path), watching({"CELERY_BROKER_URL": redis.url}) as desk:
        wait_until(lambda: len(desk.ask(Workers(), LIVE).frame) == 1, "the worker")
        for recorded in (History("slots"), History("depth")):
            wait_until(lambda: len(desk.ask(recorded, LIVE).frame) > 0, "some samples")  # noqa: B023

        gone_at = datetime.now(UTC)
        redis.stop()
        wait_until(lambda: desk.ask(Workers(), LIVE).failure is not None, "the failure")
        wait_until(lambda: desk.ask(Depths(), LIVE).failure is not None, "the failure")
        for query in (Workers(), Depths(), History("slots"), History("depth")):
            answer = desk.ask(query, LIVE)
            assert answer.stale
            assert not answer.frame.empty
            assert answer.failure
            assert gone_at - timedelta(seconds=4) < answer.failure.since < datetime.now(UTC)
            assert answer.failure.retry_at
            assert answer.failure.retry_at - datetime.now(UTC) < timedelta(seconds=10)
        since = desk.ask(Workers(), LIVE).failure
        assert since
        wait_until(lambda: tried_again(desk, since), "another try")
        still = desk.ask(Workers(), LIVE).failure
        assert still
        assert since.since == still.since

        back_at = datetime.now(UTC)
        with Redis(tmp_path / "two", port=port):
            wait_until(lambda: desk.ask(Depths(), LIVE).failure is None, "the queues")
            wait_until(lambda: desk.ask(Workers(), LIVE).failure is None, "the workers")
            wait_until(lambda: desk.ask(Workers(), LIVE).totals["answered"] == 1, "the worker")
            for recorded in (History("slots"), History("depth")):
                wait_until(lambda: len(gaps(desk.ask(recorded, LIVE), back_at)) > 0, "the gap's end")  # noqa: B023
                gap = gaps(desk.ask(recorded, LIVE), back_at)[0]
                assert gap.start
                assert gap.end
                assert gone_at - timedelta(seconds=10) < gap.start < back_at
                assert gap.end < datetime.now(UTC)
                assert f"127.0.0.1:{port}" in gap.text


def tried_again(desk: Desk, failure: Failure) -> bool:
    now = desk.ask(Workers(), LIVE).failure
    return now is not None and now.retry_at != failure.retry_at


def gaps(answer: Answer, since: datetime) -> list[Note]:
    """Those that have an end, since then."""
    return [note for note in answer.notes if note.kind == "gap" and note.start and note.end and note.end > since]


@pytest.mark.parametrize("broker", ["redis://:S3cr3t@127.0.0.1:{}/0", "amqp://guest:S3cr3t@127.0.0.1:{}//"])
def test_stopping_is_prompt_although_nothing_ever_answers(broker: str) -> None:
    with impostor(hang) as broker_port, impostor(hang) as prometheus_port:
        env = {"CELERY_BROKER_URL": broker.format(broker_port), "PROMETHEUS_URL": f"http://127.0.0.1:{prometheus_port}"}
        desk = unwatched(env)
        desk.start()
        for query in (PromQL("up"), Inspect("ping"), Inspect("stats"), Signal("memory", "container")):
            assert desk.ask(query, LIVE).pending
        waiting = threading.Thread(target=desk.ask, args=(PromQL("up"), LIVE, 60))
        waiting.start()
        with within(4):
            desk.stop()
        waiting.join(60)
        assert not waiting.is_alive()


def test_there_is_one_desk_a_process(redis_server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sources.ask, "_desk", None)
    with pytest.raises(RuntimeError, match="nothing is watched yet"):
        data_sources.ask.ask(Workers(), LIVE)
    env = {"CELERY_BROKER_URL": redis_server.url, "HISTORY_URL": f"sqlite://{tmp_path}"}
    given = settings.load({**NOTHING, **env})
    recorder = Recorder(given)
    recorder.start()
    data_sources.ask.start(given)
    try:
        desk = data_sources.ask.desk()
        data_sources.ask.start(desk.settings)
        assert data_sources.ask.desk() is desk
        assert data_sources.ask.clusters() == ("default",)
        wait_until(lambda: data_sources.ask.ask(Workers(), LIVE, 60).failure is None, "the workers")
    finally:
        data_sources.ask.stop()
        recorder.stop()
    data_sources.ask.stop()
    assert data_sources.ask.ask(Workers(), LIVE).measured_at  # to a page that still runs
