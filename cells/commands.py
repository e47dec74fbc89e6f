"""How a question would be asked by hand: the PromQL, or the commands that give the same."""

from __future__ import annotations

import shlex
from urllib.parse import urlencode

from data_sources.audit_query import Audit
from data_sources.brokers.leftovers import redis_command, typed
from data_sources.brokers.rabbitmq_broker import vhost
from data_sources.config import Broker, Cluster
from data_sources.derived_query import Derived
from data_sources.promql_query import Formatted
from data_sources.query import Depths, History, Inspect, PromQL, Query, Workers
from data_sources.queue_query import Leftovers, Xray
from data_sources.schedule_query import Schedule
from data_sources.task_query import Task

WHY_THE_APP = "# With -A: told the URL alone, celery puts tasks that workers hold back into their queues"
DEPTHS = ("depth", "unacked")
SAMPLED = {
    "throughput": ("stats", "`total`, its growth from one sample to the next"),
    "busy_slots": ("active", ""),
    "slots": ("stats", "`pool`"),
}


def by_hand(query: Query, cluster: Cluster) -> str:
    broker = cluster.broker
    match query:
        case PromQL() | Formatted() | Derived():
            return query.text
        case Workers():
            commands = (inspect(method) for method in ("ping", "stats", "active", "active_queues"))
            return with_the_app(broker, *commands)
        case Inspect():
            whom = ["-d", ",".join(query.workers)] if query.workers else []
            return with_the_app(broker, inspect(query.method, *whom, *query.ids))
        case Xray(queue=queue) if broker.transport == "redis":
            command = redis_command(broker, "LRANGE", queue)
            return f"{command} -10 -1     # those that are taken next" if command else urlencode(query.to_params())
        case Depths() | Leftovers():
            return depths(broker)
        case Schedule():
            return with_the_app(broker, noted(inspect("conf"), "beat_schedule"), *redbeat(cluster))
        case Task(kind="task", id=id):
            return with_the_app(broker, noted(inspect("query_task", id), "while a worker has it"))
        case Audit():
            return f'curl -H "Authorization: Bearer TOKEN" "ADDRESS/export.csv?{urlencode(query.to_params())}"'
        case History() if query.name in SAMPLED:
            method, what = SAMPLED[query.name]
            return with_the_app(broker, noted(inspect(method), what))
        case History() if query.name in DEPTHS:
            return depths(broker)
        case History():
            dump = noted("celery -A yourapp events --dump", "what goes by from now on; Celery keeps none of it")
            return with_the_app(broker, dump)
    return urlencode(query.to_params())


def inspect(*words: str) -> str:
    return shlex.join(["celery", "-A", "yourapp", "inspect", *words])


def noted(command: str, note: str) -> str:
    return f"{command}     # {note}" if note else command


def with_the_app(broker: Broker, *commands: str) -> str:
    """With the reason, which is Redis's alone, why the app is named (kombu's QoS.restore_visible)."""
    return "\n".join([WHY_THE_APP, *commands] if broker.transport == "redis" else commands)


def depths(broker: Broker) -> str:
    command: str | None = "the transport's own size of each queue"
    match broker.transport:
        case "redis":
            ready = redis_command(broker, "LLEN", "QUEUE")
            unacked = redis_command(broker, "HLEN", str(broker.transport_options.get("unacked_key", "unacked")))
            command = f"{ready}     # and of each of its priority lists\n{unacked}" if ready and unacked else None
        case "amqp":
            what = ("name", "messages_ready", "messages_unacknowledged", "consumers")
            command = typed("rabbitmqctl", "-p", vhost(broker), "list_queues", *what)
    return command or "its name cannot be typed safely"


def redbeat(cluster: Cluster) -> tuple[str, ...]:
    if cluster.redbeat is None:
        return ()
    url = "CELERY_BROKER_URL" if cluster.redbeat.redis is cluster.broker else "REDBEAT_REDIS_URL"
    key = shlex.quote(f"{cluster.redbeat.key_prefix}:schedule")
    return (noted(f'redis-cli -u "${url}" ZRANGE {key} 0 -1 WITHSCORES', "RedBeat; and HGETALL of each"),)
