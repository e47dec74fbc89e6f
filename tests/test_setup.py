"""What is connected and what is off, told by real servers, and what the history is."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from celery import Celery

import recorder.sampler
from data_sources import watch
from data_sources.ask import Desk
from data_sources.blank import blank_frame
from data_sources.query import Sources
from data_sources.setup import answer, recording
from data_sources.setup_query import STATES, Recording, Setup
from demo.servers import PostgreSQL, RabbitMQ, Redis, free_port, wait_until
from exports.csv_text import csv_chunks
from headlines.setup import setup
from tests.blocks import prometheus_with, series
from tests.past import START, Past
from tests.recording import RecorderProcess
from tests.watching import LIVE, unwatched, watching, worker

SECRET = "geheim"

Row = dict[str, Any]
Told = dict[str, Row]  # by part


@pytest.fixture(autouse=True)
def sampled_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder.sampler, "EVERY_SECONDS", 0.5)


def rows(desk: Desk, ready: Callable[[Told], bool]) -> Told:
    """What is told of each part, as soon as it is `ready`."""
    told: list[Told] = [{}]

    def look() -> bool:
        frame = desk.ask(Setup(), LIVE, wait_seconds=1).frame
        plain = frame.astype(object).where(frame.notna(), None).to_dict("records")
        told[0] = {row["part"]: row for row in plain}
        return ready(told[0])

    try:
        wait_until(look, "the parts")
    except TimeoutError as error:
        raise TimeoutError(f"{ {name: (row['state'], row['what']) for name, row in told[0].items()} }") from error
    return told[0]


def states(parts: Told) -> dict[str, str]:
    return {name: row["state"] for name, row in parts.items()}


def test_a_broker_alone_tells_what_is_off_and_the_exact_setting(redis_server: Redis) -> None:
    with watching({"CELERY_BROKER_URL": redis_server.url}) as desk:
        told = rows(desk, lambda told: {told[name]["state"] for name in ("redis", "history")} == {"ok"})
        off = desk.ask(Setup(("off",)), LIVE, wait_seconds=60).frame

    assert states(told) == {
        "redis": "ok",
        "workers": "off",
        "task events": "unknown",
        "sent events": "unknown",
        "prometheus": "off",
        "recorder": "ok",
        "history": "ok",
        "expected workers": "off",
        "control": "off",
    }
    assert told["redis"]["address"] == f"127.0.0.1:{redis_server.port}/0"
    assert told["redis"]["what"].startswith("Redis ")
    assert told["redis"]["latency_ms"] > 0
    assert dict(zip(off["part"], off["setting"], strict=True)) == {
        "workers": "celery -A yourapp worker",
        "prometheus": "PROMETHEUS_URL=http://prometheus:9090",
        "expected workers": "CELERY_WORKERS_EXPECTED=mail@*",
        "control": "ACCESS_OPERATORS=ann,ben",
    }
    assert told["redis"]["setting"] is None


def test_events_light_up_one_after_the_other(redis_server: Redis, tmp_path: Path) -> None:
    with (
        watching({"CELERY_BROKER_URL": redis_server.url}) as desk,
        worker(redis_server, "w1@shop", tmp_path),
        Celery(broker=redis_server.url, set_as_current=False) as app,
    ):

        def sending(task: str, part: str, state: str) -> Row:
            """The row of `part`, as soon as it is in this state; until then such tasks are sent."""

            def ready(told: Told) -> bool:
                app.send_task(task, (0,) if task == "shop.sleep" else ())
                return bool(told[part]["state"] == state)

            return rows(desk, ready)[part]

        told = rows(desk, lambda told: bool(told["workers"]["what"] == "1 answered"))
        assert told["task events"]["state"] == "unknown"
        assert sending("shop.refresh_token", "task events", "off")["setting"] == "celery -A yourapp worker -E"

        app.control.enable_events(reply=True, timeout=60, limit=1)
        sending("shop.refresh_token", "task events", "ok")
        unsent = sending("shop.refresh_token", "sent events", "off")
        assert unsent["setting"] == "app.conf.task_send_sent_event = True"
        assert unsent["what"].startswith("None of the newest ")

        app.conf.task_send_sent_event = True
        assert sending("shop.sleep", "sent events", "partly")["what"] == "None come of shop.refresh_token"
        sending("shop.refresh_token", "sent events", "ok")


def test_prometheus_tells_which_exporters_it_scrapes_and_what_it_lacks(redis_server: Redis, tmp_path: Path) -> None:
    began, every = datetime.now(UTC) - timedelta(minutes=20), timedelta(seconds=15)
    boxes = "".join(
        series("container_memory_usage_bytes", {"name": name, "job": "cadvisor"}, [2e8] * 960, began, every)
        for name in ("shop-1", "shop-2")
    )
    up = series("celery_worker_up", {"hostname": "shop", "job": "celery"}, [1.0] * 960, began, every)
    samples = f"# TYPE celery_worker_up gauge\n{up}# TYPE container_memory_usage_bytes gauge\n{boxes}"
    with (
        prometheus_with(samples, tmp_path / "prometheus") as prometheus,
        watching({"CELERY_BROKER_URL": redis_server.url, "PROMETHEUS_URL": prometheus.url}) as desk,
    ):
        told = rows(desk, lambda told: told.get("containers", {}).get("state") == "ok" and told["hosts"]["what"])
        assert told["prometheus"]["what"].startswith("Prometheus ")
        assert told["prometheus"]["address"] == f"127.0.0.1:{prometheus.port}"
        assert (told["task exporter"]["state"], told["task exporter"]["what"]) == ("ok", "celery-exporter")
        assert told["containers"]["what"] == "2 containers"
        assert (told["hosts"]["state"], told["hosts"]["what"]) == ("off", "Prometheus has none")
        assert "node-exporter:9100" in told["hosts"]["setting"]
        assert "cluster labels" not in told

        prometheus.signal(signal.SIGKILL)
        told = rows(desk, lambda told: told["prometheus"]["state"] == "failing")
        assert told["prometheus"]["since"] is not None


def test_clusters_that_share_a_prometheus_are_told_how_to_part_them(tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    with prometheus_with("", tmp_path / "prometheus") as prometheus, Redis(tmp_path / "redis") as redis:
        tables = [
            f'[clusters.{name}]\ncelery_broker_url = "{redis.url[:-1]}{place}"\nprometheus_url = "{prometheus.url}"\n'
            for place, name in enumerate(("default", "mail"))
        ]
        file.write_text("\n".join(tables))
        with watching({"CELERY_NOTEBOOK_CONFIG": str(file)}) as desk:
            told = rows(desk, lambda told: "cluster labels" in told)

    assert told["cluster labels"]["state"] == "off"
    assert told["cluster labels"]["setting"] == 'PROMETHEUS_LABELS={"namespace": "shop"}'
    assert told["task exporter"]["what"] == "No metrics of Celery within the last day"


def test_what_cannot_be_reached_says_where_and_since_when_and_never_a_password(tmp_path: Path) -> None:
    redis, prometheus = free_port(), free_port()
    env = {
        "CELERY_BROKER_URL": f"redis://ann:{SECRET}@127.0.0.1:{redis}/3",
        "PROMETHEUS_URL": f"http://ann:{SECRET}@127.0.0.1:{prometheus}/prom",
        "HISTORY_HIDE_ARGUMENTS": "true",
        "CELERY_NOTEBOOK_LOCAL_OPERATOR": "1",
        "CELERY_WORKERS_EXPECTED": "mail@*",
        "HISTORY_KEEP": "3d",
        "HISTORY_SIZE": "1GB",
    }
    with watching(env) as desk:
        told = rows(desk, lambda told: {told["redis"]["state"], told["prometheus"]["state"]} == {"failing"})
        history = desk.ask(Recording(), LIVE, wait_seconds=60)
        files = [b"".join(csv_chunks(desk.ask(query, LIVE, 60).frame)) for query in (Setup(), Recording())]

    assert told["redis"]["address"] == f"127.0.0.1:{redis}/3"
    assert told["prometheus"]["address"] == f"127.0.0.1:{prometheus}/prom"
    assert "refused" in told["redis"]["what"]
    assert told["redis"]["since"] is not None
    assert told["redis"]["advice"]
    assert states(told)["arguments"] == "off"
    assert (states(told)["control"], states(told)["expected workers"]) == ("ok", "ok")
    row = history.frame.iloc[0]
    assert (row["keep_seconds"], row["most_bytes"], row["store"]) == (3 * 86_400, 10**9, "SQLite")
    assert row["place"].endswith(".db")
    assert all(b"default" in file for file in files[1:])
    assert not any(SECRET.encode() in file for file in files)


def test_a_history_that_is_not_there_is_a_failure_that_keeps_its_place() -> None:
    desk = unwatched({})
    told = rows(desk, lambda told: bool(told["history"]["state"] == "failing"))
    history = desk.ask(Recording(), LIVE, wait_seconds=60)
    desk.stop()

    assert told["history"]["address"].startswith("/nowhere/default-")
    assert "is not there" in told["history"]["what"]
    assert history.failure is not None
    assert history.frame["place"].tolist() == [told["history"]["address"]]
    assert history.frame["size_bytes"].isna().all()


def test_what_the_recorder_asks_is_not_blamed_for_its_silence(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ALIVE_SECONDS", 0.1)  # no recorder is starting
    desk = unwatched({"CELERY_BROKER_URL": redis_server.url})
    desk.start()
    told = rows(desk, lambda told: bool(told["recorder"]["state"] == told["history"]["state"] == "failing"))
    head = setup({"parts": desk.ask(Setup(), LIVE, wait_seconds=60)})
    desk.stop()

    assert {states(told)[name] for name in ("redis", "workers", "task events", "sent events")} == {"unknown"}
    assert str(head.sentence[0]).startswith("Recorder")


def test_the_management_api_of_rabbitmq_is_off_until_it_is_named(rabbitmq: RabbitMQ) -> None:
    env = {"CELERY_BROKER_URL": rabbitmq.url}
    with watching(env) as desk:
        told = rows(desk, lambda told: told["amqp"]["state"] == "ok")
    assert told["rabbitmq management"]["state"] == "off"
    assert told["rabbitmq management"]["setting"].startswith("RABBITMQ_MANAGEMENT_URL=")
    assert rabbitmq.management_url
    with watching({**env, "RABBITMQ_MANAGEMENT_URL": rabbitmq.management_url}) as desk:
        told = rows(desk, lambda told: told["rabbitmq management"]["state"] == "ok")
    assert told["amqp"]["what"].startswith("RabbitMQ ")
    assert told["rabbitmq management"]["address"] == f"127.0.0.1:{rabbitmq.management_port}"


def test_a_recorder_says_how_it_was_started_and_how_much_it_keeps(redis_server: Redis, tmp_path: Path) -> None:
    with RecorderProcess(tmp_path, redis_server.url) as running:
        wait_until(lambda: bool((state := running.history.state()) and state.size_bytes), "the size")
        state = running.history.state()
    assert state is not None
    assert (state.alone, state.keep_seconds, state.most_bytes) == (True, 7 * 86_400, 2 * 10**9)


def test_a_history_in_postgresql_is_named_without_its_password(redis_server: Redis, postgresql: PostgreSQL) -> None:
    url = postgresql.new_database().replace("@", f":{SECRET}@")  # it believes any
    with watching({"CELERY_BROKER_URL": redis_server.url, "HISTORY_URL": url}) as desk:
        told = rows(desk, lambda told: told["history"]["state"] == "ok")
        row = desk.ask(Recording(), LIVE, wait_seconds=60).frame.iloc[0]
    assert row["store"] == told["history"]["what"] == "PostgreSQL"
    assert row["place"] == told["history"]["address"]
    assert row["place"].partition("/")[0] == f"127.0.0.1:{postgresql.port}"
    assert SECRET not in row["place"]
    assert "@" not in row["place"]


def test_what_is_written_tells_since_when_and_which_tasks_are_not_told_of(past: Past) -> None:
    past.set_meta("kept_from_us", START + 100)
    past.add(
        [
            *({"seq": seq, "last": 1000 + seq, "name": "shop.mail", "sent_us": 1} for seq in range(3)),
            *({"seq": 10 + seq, "last": 1000 + seq, "name": "<b>silent</b>"} for seq in range(3)),
            *({"seq": 20 + seq, "last": 1000 + seq, "name": "two.only"} for seq in range(2)),
            {"seq": 30, "last": 2000, "name": "shop.mail", "state": "PENDING", "sent_us": 1},  # by a client alone
        ]
    )
    reader = past.reader
    with reader.reading() as connection:
        told = recording.written(connection, datetime.fromtimestamp(START + 1500, UTC))
        later = recording.written(connection, datetime.fromtimestamp(START + 9000, UTC))
    reader.close()

    assert (told.tasks_seen, told.tasks_sent, told.unsent, told.accepted) == (8, 3, ["<b>silent</b>"], True)
    assert told.began == datetime.fromtimestamp(START, UTC)
    assert told.kept_from == datetime.fromtimestamp(START + 100, UTC)
    assert told.task_seen_last == datetime.fromtimestamp(START + 1002, UTC)
    assert not later.accepted


@pytest.mark.parametrize(
    ("query", "columns"),
    [(Setup(), answer.COLUMNS), (Setup(("off",)), answer.COLUMNS), (Recording(), recording.COLUMNS)],
)
def test_columns_are_promised_when_there_is_no_row(query: Setup | Recording, columns: dict[str, str]) -> None:
    frame = blank_frame(query)
    assert frame.empty
    assert {str(name): str(frame[name].dtype) for name in frame} == {
        name: str(pd.Series([], dtype=kind).dtype) for name, kind in columns.items()
    }


def test_the_states_of_the_strip_are_states_of_this_page(redis_server: Redis) -> None:
    with watching({"CELERY_BROKER_URL": redis_server.url}) as desk:
        told = rows(desk, lambda told: told["redis"]["state"] == "ok")
        strip = desk.ask(Sources(), LIVE, wait_seconds=60).frame
    assert set(strip["source"]) <= set(told)
    assert set(strip["state"]) | set(states(told).values()) <= set(STATES)
