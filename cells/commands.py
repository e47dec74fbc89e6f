"""How a question would be asked by hand: the PromQL, or the commands that give the same."""

from __future__ import annotations

import shlex
from urllib.parse import urlencode

from data_sources.audit_query import Audit
from data_sources.derived_query import Derived
from data_sources.promql_query import Formatted
from data_sources.query import Depths, History, Inspect, PromQL, Query, Workers
from data_sources.queue_query import Leftovers, Xray
from data_sources.schedule_query import Schedule
from data_sources.task_query import Task

READY = {
    "redis": "redis-cli LLEN QUEUE     # and of each of its priority lists\nredis-cli HLEN unacked",
    "amqp": "rabbitmqctl list_queues name messages_ready messages_unacknowledged consumers",
}
DEPTHS = ("depth", "unacked")
EVENTS = "celery events --dump     # what goes by from now on; Celery keeps none of it"
SCHEDULE = (
    "celery inspect conf     # beat_schedule; with RedBeat:\n"
    "redis-cli ZRANGE redbeat::schedule 0 -1 WITHSCORES     # and HGETALL of each"
)
SAMPLED = {
    "throughput": "celery inspect stats     # `total`, its growth from one sample to the next",
    "busy_slots": "celery inspect active",
    "slots": "celery inspect stats     # `pool`",
}


def by_hand(query: Query, transport: str) -> str:
    match query:
        case PromQL() | Formatted() | Derived():
            return query.text
        case Workers():
            return "\n".join(f"celery inspect {method}" for method in ("ping", "stats", "active", "active_queues"))
        case Inspect():
            whom = ["-d", ",".join(query.workers)] if query.workers else []
            return shlex.join(["celery", "inspect", query.method, *whom, *query.ids])
        case Xray(queue=queue) if transport == "redis":
            return shlex.join(["redis-cli", "LRANGE", queue, "-10", "-1"]) + "     # those that are taken next"
        case Depths() | Leftovers():
            return READY.get(transport, "the transport's own size of each queue")
        case Schedule():
            return SCHEDULE
        case Task(kind="task", id=id):
            return shlex.join(["celery", "inspect", "query_task", id]) + "     # while a worker has it"
        case Audit():
            return f'curl -H "Authorization: Bearer TOKEN" "ADDRESS/export.csv?{urlencode(query.to_params())}"'
        case History():
            return SAMPLED.get(query.name) or (by_hand(Depths(), transport) if query.name in DEPTHS else EVENTS)
    return urlencode(query.to_params())
