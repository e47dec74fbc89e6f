"""The commands that give the same: safe to paste, and they look where the dashboard looks."""

from __future__ import annotations

import os
import subprocess

import pytest
from kombu import Queue

from cells.commands import WHY_THE_APP, by_hand
from data_sources.config import Cluster
from data_sources.query import Depths, History, Inspect, PromQL, Query, Workers
from data_sources.queue_query import Xray
from data_sources.schedule_query import Schedule
from data_sources.settings import load
from data_sources.task_query import Task
from demo.servers import Redis
from tests.messages import holding, send

RABBITMQ = "amqp://me:S3cr3tPw@rabbit/it%27s%20mail"


def cluster(**settings: str) -> Cluster:
    return load(settings).clusters[0]


@pytest.mark.parametrize(
    ("query", "commands"),
    [
        (PromQL("up"), ["up"]),
        (Inspect("active"), ["celery -A yourapp inspect active"]),
        (Inspect("active", ("a@h", "b@h")), ["celery -A yourapp inspect active -d a@h,b@h"]),
        (Inspect("query_task", ids=("1", "2")), ["celery -A yourapp inspect query_task 1 2"]),
        (
            Inspect("query_task", ("$(reboot)@h",), ("; rm -rf /",)),
            ["celery -A yourapp inspect query_task -d '$(reboot)@h' '; rm -rf /'"],
        ),
        (History("busy_slots"), ["celery -A yourapp inspect active"]),
        (
            Schedule(),
            [
                "celery -A yourapp inspect conf     # beat_schedule",
                'redis-cli -u "$CELERY_BROKER_URL" ZRANGE redbeat::schedule 0 -1 WITHSCORES     '
                "# RedBeat; and HGETALL of each",
            ],
        ),
        (
            Xray("it's"),
            ["redis-cli -u \"$CELERY_BROKER_URL\" LRANGE 'it'\"'\"'s' -10 -1     # those that are taken next"],
        ),
    ],
)
def test_the_command_that_gives_the_same_is_safe_to_paste(query: Query, commands: list[str]) -> None:
    lines = by_hand(query, cluster()).splitlines()
    assert [line for line in lines if line != WHY_THE_APP] == commands


@pytest.mark.parametrize(
    "query", [Workers(), Inspect("ping"), History("slots"), History("wait_p95"), Schedule(), Task("1")]
)
def test_celery_is_told_the_app_and_on_redis_the_reason(query: Query) -> None:
    def lines(url: str) -> list[str]:
        return by_hand(query, cluster(CELERY_BROKER_URL=url)).splitlines()

    asked = [line for line in lines("redis://") if line.startswith("celery ")]
    assert asked
    assert all(line.startswith("celery -A yourapp ") for line in asked)
    assert lines("redis://")[0] == WHY_THE_APP
    assert lines("amqp://") == asked


def test_redis_is_asked_on_the_brokers_own_database_and_prefix(redis_server: Redis) -> None:
    url, prefix = f"{redis_server.url.rpartition('/')[0]}/2", {"global_keyprefix": "shop:"}
    asked = by_hand(
        Depths(), cluster(CELERY_BROKER_URL=url, CELERY_BROKER_TRANSPORT_OPTIONS='{"global_keyprefix": "shop:"}')
    )
    assert url not in asked
    send(url, "QUEUE", [0] * 5, broker_transport_options=prefix)
    with holding(url, Queue("QUEUE"), 2, **prefix):
        env = {"PATH": os.environ["PATH"], "CELERY_BROKER_URL": url}
        said = subprocess.run(asked, shell=True, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split() == ["3", "2"]


def test_rabbitmq_is_asked_for_the_brokers_vhost() -> None:
    asked = by_hand(Depths(), cluster(CELERY_BROKER_URL=RABBITMQ))
    assert asked.startswith("rabbitmqctl -p 'it'\"'\"'s mail' list_queues name messages_ready ")


def test_a_name_that_a_terminal_would_act_on_gets_no_command() -> None:
    assert "redis-cli" not in by_hand(Xray("red\x1b[31m"), cluster())
    prefixed = cluster(CELERY_BROKER_TRANSPORT_OPTIONS='{"global_keyprefix": "\\u001b[31m"}')
    assert by_hand(Depths(), prefixed) == "its name cannot be typed safely"
