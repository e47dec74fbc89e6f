"""Real queues with a real worker, on Redis and on RabbitMQ, as a recorder sees them and the desk answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

import recorder.sampler
from data_sources.ask import Desk
from data_sources.query import Depths, Workers
from data_sources.queue_query import Leftovers, Xray
from demo.servers import RabbitMQ, Redis, celery_worker, wait_until
from tests.messages import send
from tests.watching import LIVE, watching

ROOT = Path(__file__).resolve().parents[1]
HOURS = (2, 13, 14)  # the worker's visibility timeout is 12 h, see tests/celery_app.py


@dataclass(frozen=True)
class Stage:
    """A worker `who` that holds three tasks of `mail` for later; `old` has four messages that nobody consumes."""

    desk: Desk
    is_redis: bool
    who: str
    mail: str
    old: str

    def row(self, queue: str) -> dict[str, Any]:
        """None: not known."""
        frame = self.desk.ask(Depths((queue,)), LIVE, 60).frame.astype(object)
        return next(iter(frame.where(frame.notna(), None).to_dict("records")), {})


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("queues")
    names = {name: f"{name}-{folder.name}" for name in ("who", "mail", "old")}
    is_redis = request.param == "redis"
    with (
        pytest.MonkeyPatch.context() as patch,
        Redis(folder / "redis") if is_redis else nullcontext(request.getfixturevalue("rabbitmq")) as server,
    ):
        patch.setattr(recorder.sampler, "EVERY_SECONDS", 1.0)
        yield from staged(server, folder, names)


def staged(server: Redis | RabbitMQ, folder: Path, names: Mapping[str, str]) -> Iterator[Stage]:
    management = "" if isinstance(server, Redis) else server.management_url or ""
    env = {"CELERY_BROKER_URL": server.url, "PYTHONPATH": str(ROOT)}
    arguments = ["--pool", "threads", "-Q", names["mail"]]
    with Celery(broker=server.url, set_as_current=False) as app:
        for hours in HOURS:
            eta = datetime.now(UTC) + timedelta(hours=hours)
            app.send_task("shop.sleep", (0,), queue=names["mail"], eta=eta)
        send(server.url, names["old"], [0, 3, 6, 9])
        with (
            celery_worker("tests.celery_app", f"{names['who']}@shop", folder, arguments, env, ROOT),
            watching({"CELERY_BROKER_URL": server.url, "RABBITMQ_MANAGEMENT_URL": management}) as desk,
        ):
            yield Stage(desk, isinstance(server, Redis), **names)
        with app.connection_for_write() as connection:
            for name in (names["mail"], names["old"]):
                connection.default_channel.queue_delete(name)


def test_what_a_worker_holds_for_later_and_what_of_it_will_run_twice(stage: Stage) -> None:
    held = {"unacked": len(HOURS), "ready": 0, "consumers": 1}
    wait_until(lambda: held.items() <= stage.row(stage.mail).items(), "the tasks that are held")
    row = stage.row(stage.mail)
    if not stage.is_redis:  # there they stay with the worker, however long that takes
        assert (row["twice"], row["flags"]) == (None, [])
        return
    assert row["scheduled"] == len(HOURS)
    assert row["next_eta"] - datetime.now(UTC) == pytest.approx(timedelta(hours=2), abs=timedelta(minutes=30))
    # By what the worker says, not by Celery's default of an hour.
    wait_until(lambda: stage.row(stage.mail)["twice"] == 2, "the worker's visibility timeout")
    assert stage.row(stage.mail)["flags"] == ["twice"]


def test_a_queue_that_nobody_consumes_is_flagged_with_its_priorities(stage: Stage) -> None:
    wait_until(lambda: stage.row(stage.old).get("flags") == ["nobody"], "the flag")
    counts = {"ready": 4, "unacked": 0, "consumers": 0}
    wait_until(lambda: counts.items() <= stage.row(stage.old).items(), "the counts")
    assert stage.row(stage.old)["priorities"].replace(" ", "") == '{"0":1,"3":1,"6":1,"9":1}'


def test_workers_can_be_asked_for_by_the_queue_they_consume(stage: Stage) -> None:
    def workers(queue: str) -> list[str]:
        return list(stage.desk.ask(Workers(queues=(queue,)), LIVE, 60).frame["worker"])

    wait_until(lambda: [name.partition("@")[0] for name in workers(stage.mail)] == [stage.who], "the worker")
    assert workers(stage.old) == []


def test_what_is_inside_is_seen_on_redis_alone_and_stays_inside(stage: Stage) -> None:
    wait_until(lambda: stage.row(stage.old).get("ready") == 4, "the queue")
    answer = stage.desk.ask(Xray(stage.old), LIVE, 60)
    assert answer.frame["task"].tolist() == (["work"] * 4 if stage.is_redis else [])
    mix = stage.desk.ask(Xray(stage.old, "task"), LIVE, 60)
    assert mix.frame["messages"].tolist() == ([4] if stage.is_redis else [])
    assert any("redelivered" in note.text for note in mix.notes) is not stage.is_redis
    assert stage.row(stage.old)["ready"] == 4


def test_what_nobody_fetches_is_told_by_name(stage: Stage) -> None:
    wait_until(lambda: stage.row(stage.old).get("flags") == ["nobody"], "the flag")
    answer = stage.desk.ask(Leftovers(), LIVE, 60)
    # On Redis it is seen for how long it waits: not long enough.
    assert (stage.old in answer.frame["name"].tolist()) is not stage.is_redis
    assert stage.mail not in answer.frame["name"].tolist()
