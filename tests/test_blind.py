"""While our own recorder or its history fails, nothing is said against a broker that may be well."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT

import pytest
from starlette.requests import Request

import data_sources.ask
import data_sources.watch
from data_sources import settings
from data_sources.ask import Desk
from data_sources.query import Depths, Signal, Sources, Workers
from data_sources.setup_query import Setup
from demo.servers import Process, Redis, wait_until
from headlines import queues, workers
from headlines.headline import Headline, Words
from headlines.overview import overview
from identity import HEADER, Person, to_header
from routes import health
from tests.watching import LIVE, NOTHING, ROOT

READER = to_header(Person("", "nobody", reads=True, controls=False))
BLIND = {"redis": "unknown", "workers": "unknown", "prometheus": "off", "recorder": "failing"}
WELL = dict.fromkeys(BLIND, "ok") | {"prometheus": "off"}


@pytest.fixture(autouse=True)
def missed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sources.watch, "ALIVE_SECONDS", 3.0)


@contextmanager
def watched(redis: Redis, history_url: str) -> Iterator[tuple[Desk, Mapping[str, str]]]:
    """A desk whose recorder is yet to be started, in the environment beside it."""
    env = {**NOTHING, "CELERY_BROKER_URL": redis.url, "HISTORY_URL": history_url}
    desk = Desk(settings.load(env))
    desk.start()
    try:
        yield desk, env
    finally:
        desk.stop()


def recording(env: Mapping[str, str], folder: Path) -> Process:
    return Process("recorder", [sys.executable, "-m", "recorder"], folder, env, ROOT)


def states(desk: Desk) -> dict[str, str]:
    frame = desk.ask(Sources(), LIVE).frame
    return dict(zip(frame["source"], frame["state"], strict=True))


def told(desk: Desk) -> list[Headline]:
    """What the Overview, Workers, one worker's page, Queues and one queue's page say."""
    named = {
        "workers": desk.ask(Workers(), LIVE),
        "queues": desk.ask(Depths(), LIVE),
        "depth": desk.ask(Signal("depth", "queue"), LIVE),
        "throughput": desk.ask(Signal("throughput"), LIVE),
        "failures": desk.ask(Signal("failures"), LIVE),
    }
    alone = {"workers": named["workers"]}
    return [overview(named), workers.workers(named), workers.worker(alone), queues.queues(named), queues.queue(named)]


def text(words: Words) -> str:
    return "".join(part if isinstance(part, str) else part.text or "TIME" for part in words)


def probed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(data_sources.ask, "_desk", desk)
    request = Request({"type": "http", "headers": [(HEADER.encode(), READER.encode())]})
    reply = asyncio.run(health.healthz(request))
    assert reply.status_code == 200
    return {source["name"]: source["state"] for source in json.loads(bytes(reply.body))["sources"]}


def test_a_recorder_that_hangs_is_not_a_broker_that_is_down(
    redis_server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(redis_server, f"sqlite://{tmp_path}/h") as (desk, env), recording(env, tmp_path) as recorder:
        wait_until(lambda: states(desk) == WELL, "the sources")
        recorder.suspend()
        wait_until(lambda: states(desk) == BLIND, "the silence")
        said = told(desk)
        parts = desk.ask(Setup(), LIVE).frame.set_index("part")["state"]
        assert probed(desk, monkeypatch) == BLIND
        recorder.signal(SIGCONT)
        wait_until(lambda: states(desk) == WELL, "the sources again")
    assert {text(one.sentence) for one in said} == {"Nothing newer than TIME is known: the recorder is silent"}
    assert all(text(one.context).startswith("The broker and the workers may be well") for one in said)
    assert parts[["redis", "workers", "recorder"]].tolist() == ["unknown", "unknown", "failing"]


def test_a_history_that_cannot_be_written_is_not_a_broker_that_is_down(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(redis_server, "sqlite:////proc/nowhere") as (desk, _):
        wait_until(lambda: states(desk) == BLIND, "the silence")
        said = told(desk)
        assert probed(desk, monkeypatch) == BLIND
    assert {text(one.sentence) for one in said} == {"Nothing is known: the history cannot be read"}
    assert {text(one.context) for one in said} == {
        "The broker and the workers may be well: the recorder alone asks them."
    }


def test_a_broker_that_is_down_is_still_to_blame(tmp_path: Path) -> None:
    with (
        Redis(tmp_path / "redis") as redis,
        watched(redis, f"sqlite://{tmp_path}/h") as (desk, env),
        recording(env, tmp_path),
    ):
        wait_until(lambda: states(desk) == WELL, "the sources")
        redis.stop()
        down = WELL | {"redis": "failing", "workers": "failing"}
        wait_until(lambda: states(desk) == down, "the failure")
        said = told(desk)
    assert text(said[0].sentence).startswith("The broker cannot be reached: ")
    assert all("may be well" not in text(one.context) for one in said)
