"""What can be on or off: what it is called, what it gives, and the setting that turns it on."""

from __future__ import annotations

from dataclasses import dataclass

MANAGEMENT = "rabbitmq management"


@dataclass(frozen=True)
class Part:
    """`gives`: what is to be seen with it. `setting`: as it is typed; `advice`: where, and what else it takes. `is_on`:
    the word for it when it is there.
    """

    label: str
    gives: str
    setting: str
    advice: str = ""
    is_on: str = "answers"


BROKER_GIVES = "What waits in each queue; workers are asked by way of it, and heard"
BROKER_SETTING = "CELERY_BROKER_URL=redis://localhost:6379/0"
SCRAPED = "Under scrape_configs in prometheus.yml"

PARTS = {
    "redis": Part("Redis", BROKER_GIVES, BROKER_SETTING),
    "amqp": Part("RabbitMQ", BROKER_GIVES, BROKER_SETTING),
    MANAGEMENT: Part(
        "RabbitMQ management",
        "What is unacked, what flows and how old it is, of every queue, also of those that no worker consumes",
        "RABBITMQ_MANAGEMENT_URL=http://user:password@rabbit:15672",
        "RabbitMQ has it in its plugin rabbitmq_management.",
    ),
    "workers": Part(
        "Workers",
        "Who is there, what each runs, holds and consumes, and whether it is well",
        "celery -A yourapp worker",
        "If some run, the Overview names the settings that they and this page must share.",
        "answer",
    ),
    "task events": Part(
        "Task events",
        "Every single task: when it ran and for how long, its arguments, result, exception and family",
        "celery -A yourapp worker -E",
        "Or worker_send_task_events = True in the app. With CELERY_ENABLE_EVENTS=true workers are asked to, from here.",
        "come",
    ),
    "sent events": Part(
        "Events of sending",
        "The queue of each task, and how long it waited there",
        "app.conf.task_send_sent_event = True",
        "In each app that sends tasks: clients, beat, and workers whose tasks send others.",
        "come",
    ),
    "prometheus": Part(
        "Prometheus",
        "Memory, processor and network of containers beside their tasks; load of hosts; PromQL; times before the "
        "recording began",
        "PROMETHEUS_URL=http://prometheus:9090",
    ),
    "task exporter": Part(
        "Task exporter",
        "Tasks and queues in Prometheus too: for its alerts, for Grafana, and for longer than the history keeps them",
        '- {job_name: celery, static_configs: [{targets: ["localhost:8501"]}]}',
        f"{SCRAPED}, for this dashboard's own /metrics; from another machine by the name in PUBLIC_URL. "
        "celery-exporter and Flower are understood too.",
        "scraped",
    ),
    "containers": Part(
        "Containers",
        "Memory, processor and network of workers' containers, on the same axis as their tasks",
        '- {job_name: cadvisor, static_configs: [{targets: ["cadvisor:8080"]}]}',
        f"{SCRAPED}, with cAdvisor beside the containers. In Kubernetes each kubelet has it, at /metrics/cadvisor.",
        "scraped",
    ),
    "hosts": Part(
        "Hosts",
        "Load and free memory of hosts, in notebooks and in Explore's library",
        '- {job_name: node, static_configs: [{targets: ["node-exporter:9100"]}]}',
        f"{SCRAPED}, with node-exporter on each host.",
        "scraped",
    ),
    "cluster labels": Part(
        "Labels of this cluster",
        "Only this cluster's tasks and containers, where several clusters share one Prometheus",
        'PROMETHEUS_LABELS={"namespace": "shop"}',
        "The labels that only its series have.",
        "set",
    ),
    "recorder": Part(
        "Recorder",
        "All that is remembered, and what is known of this moment",
        "python -m recorder",
        "The dashboard starts one where none runs; its log says why it does not write.",
        "writes",
    ),
    "history": Part("History", "All that is remembered", "HISTORY_URL=sqlite:///absolute/folder"),
    "expected workers": Part(
        "Workers that should be there",
        "Who is missing is named, also who was never seen",
        "CELERY_WORKERS_EXPECTED=mail@*",
        "Names with a comma between them, * for any part. Without it who was seen in the last 24 h is missed.",
        "named",
    ),
    "arguments": Part(
        "Arguments and results",
        "What each task was called with and gave back; what looks like a secret is masked",
        "HISTORY_HIDE_ARGUMENTS=false",
        "Somebody set it to keep them out of the history, and unseen.",
        "kept",
    ),
    "control": Part(
        "Steering",
        "Operators revoke, retry and run tasks, set limits, grow pools, purge queues and stop workers, from the pages",
        "ACCESS_OPERATORS=ann,ben",
        "With a way to sign in (docs/access.md). At your own machine CELERY_NOTEBOOK_LOCAL_OPERATOR=1 is enough.",
        "on",
    ),
}


def part(name: str) -> Part:
    """A broker of another kind goes by its transport."""
    return PARTS.get(name) or Part(name, BROKER_GIVES, BROKER_SETTING)
