"""What there is to ask of Celery: by celery-exporter's names, by our recorder's, by Flower's."""

from __future__ import annotations

from data_sources.prometheus.named_queries.named import Named, measured
from data_sources.prometheus.promql import FOLD, Family
from data_sources.prometheus.selectors import selected
from data_sources.prometheus.whose import Whose


def of_celery(family: Family, whose: Whose) -> list[Named]:
    """Those of celery-exporter's names, which our recorder has too."""

    def fold(metric: str, of: str = "{}") -> str:
        return f"{FOLD} (" + of.format(selected(f"celery_{metric}", whose.matchers(family))) + ")"

    def named(name: str, title: str, text: str, unit: str, advice: str, needs: str) -> Named:
        return Named(family, name, title, text, unit, advice, f"celery_{needs}")

    throughput = measured(family, "throughput", "name", "Tasks a second, by task", "celery_task_succeeded_total", whose)
    failures = measured(family, "failures", "name", "Failures a second, by task", "celery_task_failed_total", whose)
    runtime, growth = fold("task_runtime_bucket", "rate({}[5m])"), fold("queue_length", "deriv({}[15m])")
    waited = fold("task_queue_wait_time_bucket", "rate({}[5m])")
    return [
        throughput,
        measured(family, "depth", "queue", "Messages waiting, by queue", "celery_queue_length", whose),
        named(
            "slots_by_name",
            "Slots a task keeps busy",
            f"sum by (name) (\n  {fold('task_runtime_sum', 'rate({}[5m])')}\n)",
            "",
            "Seconds of work a second. The largest is where a faster task, or a worker more, is felt.",
            "task_runtime_sum",
        ),
        named(
            "failure_ratio_by_name",
            "Share of tasks that failed, by task",
            f"{failures.text}\n/\n{throughput.text}",
            "",
            "Of those that ended. One task high: its code, or what it calls. All high: something they share.",
            "task_failed_total",
        ),
        named(
            "runtime_p95_by_name",
            "95th percentile of runtime, by task",
            f"histogram_quantile(0.95,\n  sum by (name, le) (\n    {runtime}\n  )\n)",
            "s",
            "As coarse as the exporter's buckets. A step up is a deploy, or what the task calls.",
            "task_runtime_bucket",
        ),
        named(
            "runtime_mean_by_name",
            "Mean runtime, by task",
            f"sum by (name) ({fold('task_runtime_sum', 'rate({}[5m])')})\n/\n"
            f"sum by (name) ({fold('task_runtime_count', 'rate({}[5m])')})",
            "s",
            "Exact, where a percentile is coarse. It hides a few very slow ones.",
            "task_runtime_sum",
        ),
        named(
            "wait_p95_by_queue",
            "95th percentile of waiting, by queue",
            f"histogram_quantile(0.95,\n  sum by (queue_name, le) (\n    {waited}\n  )\n)",
            "s",
            "What users feel. It needs task_send_sent_event where tasks are sent.",
            "task_queue_wait_time_bucket",
        ),
        named(
            "growth_by_queue",
            "Growth of each queue a minute",
            f"60 * sum by (queue_name) (\n  {growth}\n)",
            "",
            "Above 0 for long: more comes than goes. Add workers, or send less.",
            "queue_length",
        ),
        named(
            "drained_in_by_queue",
            "Seconds until a queue is empty",
            f"sum by (queue_name) ({fold('queue_length')})\n/\n"
            f"-(sum by (queue_name) ({growth}) < 0)  # of those that fall",
            "s",
            "As it goes now. A queue that does not fall has no line.",
            "queue_length",
        ),
        named(
            "unconsumed",
            "Queues that wait for nobody",
            f"sum by (queue_name) ({fold('queue_length')}) > 0\nunless\n"
            f"sum by (queue_name) ({fold('active_worker_count')}) > 0",
            "",
            "Messages, and no worker that consumes them: a typo in a queue's name, or a worker that is missing.",
            "queue_length",
        ),
        failures,
        named(
            "exceptions",
            "What failed in the last hour",
            f"sum by (name, exception) (\n  {fold('task_failed_total', 'increase({}[1h])')}\n) > 0",
            "",
            "By the exception's class. Best as a table.",
            "task_failed_total",
        ),
        named(
            "retries_by_name",
            "Retries a second, by task",
            f"sum by (name) (\n  {fold('task_retried_total', 'rate({}[5m])')}\n)",
            "1/s",
            "Work done again. Retries that rise before failures do are the first sign.",
            "task_retried_total",
        ),
        named(
            "sent_less_received",
            "Sent, less received, a second",
            f"sum by (queue_name) ({fold('task_sent_total', 'rate({}[5m])')})\n-\n"
            f"sum by (queue_name) ({fold('task_received_total', 'rate({}[5m])')})",
            "1/s",
            "Above 0 tasks pile up; below it workers catch up.",
            "task_sent_total",
        ),
        named(
            "than_yesterday",
            "Tasks done, as a share of a day ago",
            f"sum ({fold('task_succeeded_total', 'rate({}[1h])')})\n/\n"
            f"sum ({fold('task_succeeded_total', 'rate({}[1h] offset 1d)')})",
            "",
            "1 is a day like yesterday.",
            "task_succeeded_total",
        ),
        measured(family, "busy_slots", "worker", "Tasks being run, by worker", "celery_worker_tasks_active", whose),
        named(
            "workers_down",
            "Workers that are down",
            f"{fold('worker_up')} == 0",
            "",
            "No heartbeat and no answer for minutes.",
            "worker_up",
        ),
    ]


def of_recorder(whose: Whose) -> list[Named]:
    """What celery-exporter lacks."""
    own = selected("", whose.matchers("recorder"))
    return [
        Named(
            "recorder",
            name,
            title,
            text.replace(" NOTEBOOK", own),
            unit,
            advice,
            f"celery_notebook_{needs}",
        )
        for name, title, text, unit, advice, needs in (
            (
                "busy_share",
                "Share of slots that are busy",
                "sum (celery_worker_tasks_active NOTEBOOK)\n/\nsum (celery_notebook_worker_slots NOTEBOOK)",
                "",
                "Near 1 with a queue that grows: add workers. Near 0 with a queue that grows: look at the workers.",
                "worker_slots",
            ),
            (
                "oldest",
                "Age of the oldest message, by queue",
                "max by (queue_name) (celery_notebook_queue_oldest_age_seconds NOTEBOOK)",
                "s",
                "Depth says how much waits, age whether anybody comes for it.",
                "queue_oldest_age_seconds",
            ),
            (
                "unacked",
                "Messages that workers hold, by queue",
                "sum by (queue_name) (celery_notebook_queue_unacked NOTEBOOK)",
                "",
                "Delivered and not acknowledged: running, prefetched, or held for an ETA.",
                "queue_unacked",
            ),
            (
                "restarted",
                "Workers that started within the last 10 minutes",
                "celery_notebook_worker_uptime_seconds NOTEBOOK < 600",
                "s",
                "After no deploy: something kills them. See containers' memory.",
                "worker_uptime_seconds",
            ),
            (
                "lag",
                "How far the recorder is behind",
                "max (celery_notebook_recorder_lag_seconds NOTEBOOK)",
                "s",
                "Above some seconds the disk or the machine is too slow for the events that come.",
                "recorder_lag_seconds",
            ),
        )
    ]


def of_flower(whose: Whose) -> list[Named]:
    def own(metric: str, *matchers: str) -> str:
        return selected(metric, [*matchers, *whose.matchers("flower")])

    runtime = own("flower_task_runtime_seconds_bucket")
    p95 = f"histogram_quantile(0.95,\n  sum by (task, le) (rate({runtime}[5m]))\n)"
    active = "flower_worker_number_of_currently_executing_tasks"
    retried = own("flower_events_total", 'type="task-retried"')
    return [
        measured("flower", "throughput", "name", "Tasks a second, by task", "flower_events_total", whose),
        measured("flower", "failures", "name", "Failures a second, by task", "flower_events_total", whose),
        measured("flower", "busy_slots", "worker", "Tasks being run, by worker", active, whose),
        Named("flower", "runtime_p95_by_name", "95th percentile of runtime, by task", p95, "s",
              "As coarse as Flower's buckets.", "flower_task_runtime_seconds_bucket"),
        Named("flower", "prefetched", "Tasks taken and not started, by worker",
              f"sum by (worker) ({own('flower_worker_prefetched_tasks')})", "",
              "Many on one worker while others idle: lower worker_prefetch_multiplier.",
              "flower_worker_prefetched_tasks"),
        Named("flower", "prefetch_time", "Seconds from received to started, by task",
              f"max by (task) ({own('flower_task_prefetch_time_seconds')})", "s",
              "Held by a worker that is busy with others.", "flower_task_prefetch_time_seconds"),
        Named("flower", "retries_by_name", "Retries a second, by task",
              f"sum by (task) (rate({retried}[5m]))", "1/s",
              "Work done again. Retries that rise before failures do are the first sign.", "flower_events_total"),
        Named("flower", "workers_down", "Workers that are offline", f"{own('flower_worker_online')} == 0", "",
              "No heartbeat came.", "flower_worker_online"),
    ]  # fmt: skip
