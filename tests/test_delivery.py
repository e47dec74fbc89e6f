"""What a task's message was, told by the worker that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

import recorder.sampler
from data_sources.config import Secret
from data_sources.workers.delivery import MOST, Delivery, deliveries
from demo.servers import RabbitMQ, Redis, celery_worker, wait_until
from tests.recording import ROOT
from tests.test_recorder_faults import Past


def told(**info: Any) -> dict[str, Delivery]:
    return deliveries([("w1@shop", [{"id": "a", "delivery_info": info}])])


def test_what_workers_tell_of_the_tasks_they_run() -> None:
    one = {"id": "a", "delivery_info": {"exchange": "", "routing_key": "mail", "priority": 0, "redelivered": False}}
    other = {"id": "b", "delivery_info": {"exchange": "shop", "routing_key": "pay.eu", "priority": 7}}

    assert deliveries([("w1@shop", [one]), ("w2@shop", [other])]) == {
        "a": Delivery(None, "mail", 0),
        "b": Delivery("shop", "pay.eu", 7),
    }


@pytest.mark.parametrize(
    "task",
    [
        None,
        "a",
        {},
        {"id": "a"},
        {"id": ["a"], "delivery_info": {"priority": 1}},
        {"id": "a\n", "delivery_info": {"priority": 1}},
        {"id": "a", "delivery_info": "priority 1"},
        {"id": "a", "delivery_info": {"exchange": None, "routing_key": 5, "priority": None}},
        {"delivery_info": {"priority": 1}},
    ],
)
def test_what_cannot_be_read_is_not_told(task: object) -> None:
    assert deliveries([("w1@shop", [task])]) == {}


@pytest.mark.parametrize("priority", [-1, 2**31, 1.5, True, "7", float("nan"), [7]])
def test_a_priority_that_is_none_is_unknown(priority: object) -> None:
    assert told(routing_key="mail", priority=priority) == {"a": Delivery(None, "mail")}


def test_texts_are_cut_and_cleaned_and_tasks_bounded() -> None:
    found = told(exchange="x" * 1_000, routing_key="a\0b")["a"]
    assert found == Delivery("x" * 255, "a\N{REPLACEMENT CHARACTER}b")

    many = [{"id": str(number), "delivery_info": {"priority": 1}} for number in range(MOST + 1)]
    assert len(deliveries([("w1@shop", many)])) == MOST


@pytest.mark.parametrize("broker", ["redis_server", "rabbitmq"])
def test_a_task_that_was_seen_to_run_has_its_priority_and_its_routing_key(
    broker: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event tells the priority, and what sends it tells nothing here (task_send_sent_event is off)."""
    monkeypatch.setattr(recorder.sampler, "EVERY_SECONDS", 0.5)
    server: Redis | RabbitMQ = request.getfixturevalue(broker)
    env = {"CELERY_BROKER_URL": server.url, "PYTHONPATH": str(ROOT)}
    past = Past(server.url, Secret(f"sqlite://{tmp_path}/history"))
    with (
        past.recorded_here(),
        celery_worker("tests.celery_app", "w1@shop", tmp_path, ["-P", "threads", "-c", "2", "-E"], env, ROOT),
        Celery(broker=server.url, set_as_current=False) as app,
    ):
        urgent = app.send_task("shop.sleep", [4.0], priority=7).id
        usual = app.send_task("shop.sleep", [4.0]).id
        wait_until(lambda: {urgent, usual} <= set(past.succeeded()), "their end")
        rows = past.rows("SELECT id, priority, routing_key, exchange FROM tasks")

    assert set(map(tuple, rows)) == {(urgent, 7, "celery", None), (usual, 0, "celery", None)}
