"""celery-exporter's alert rules and panels on what we expose, with their own thresholds and times.

Half an hour of scrapes is laid before Prometheus's own engine (`promtool test rules`), which needs no half hour for it.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data_sources.brokers.queue_depths import DepthReading, depth_rows
from data_sources.events.celery_events import TaskEvent
from data_sources.history.task_record import TaskRecord
from data_sources.latest import RecorderState
from data_sources.microseconds import microseconds
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.worker_rows import WorkersReading
from demo.servers import program
from recorder.counters import Counters
from recorder.exposition import Known, families
from tests.test_exposition import SECOND, worker

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MINUTES = 40
ENDED = 5  # the minute in which one worker leaves, one falls silent, and mail begins to wait and to fail
JOB = "celery"

# The rules of its mixin, each with how long it must hold before it fires.
COUNT = "sum by (job, namespace, queue_name, name) (increase(celery_task_{}_total{{{}}}[10m]))"
TASKS = 'job=~".*celery.*", queue_name!~"None", name!~"None"'
FAILED, SUCCEEDED = COUNT.format("failed", TASKS), COUNT.format("succeeded", TASKS)
RULES = {
    "CeleryTaskHighFailRate": (f"{FAILED} / ({FAILED} + {SUCCEEDED}) * 100 > 5", "1m"),
    "CeleryHighQueueLength": (
        'sum by (job, namespace, queue_name) (celery_queue_length{job=~".*celery.*", queue_name!~"None"}) > 100',
        "20m",
    ),
    "CeleryWorkerDown": ('celery_worker_up{job=~".*celery.*"} == 0', "15m"),
}


def at(minute: float) -> datetime:
    return BEGAN + minute * MINUTE


def known_at(minute: int, counted: Counters) -> Known:
    """Of four workers one says that it goes, one beats no more, and one answers no more, all in minute ENDED."""
    now, ended = at(minute), min(at(minute), at(ENDED))
    silent_since = ended if minute > ENDED else None
    rows = [
        worker("busy@h1", last_seen=now),
        worker("replaced@pod", last_seen=ended, silent_since=silent_since, verdict="gone" if silent_since else "idle"),
        worker("mute@h3", last_seen=ended, silent_since=silent_since),
    ]
    beats = {
        "busy@h1": Heartbeat(microseconds(now)),
        "replaced@pod": Heartbeat(microseconds(ended + timedelta(seconds=10)), left=minute >= ENDED),
        "killed@h2": Heartbeat(microseconds(ended)),
    }
    state = RecorderState(1, "h", "1", microseconds(BEGAN), "/x.db", workers=beats)
    queues = depth_rows(["mail", "slow"], ready=[150 if minute >= ENDED else 3, 100])
    reading = DepthReading(queues, {}, (), "Redis", timedelta(0), now)
    return Known(counted.cells, WorkersReading(rows, len(rows), ()), reading, state)


def count(counted: Counters, minute: int) -> None:
    """20 tasks a minute of each name: of shop.mail 2 fail from minute ENDED on, of shop.bill 1 always."""
    for name, queue, runtime_us in (("shop.mail", "mail", SECOND // 5), ("shop.bill", "slow", 2 * SECOND)):
        task = TaskRecord("1", name=name, queue=queue)
        failing = 1 if name == "shop.bill" else 2 * (minute >= ENDED)
        for number in range(20):
            end = {"exception": "KeyError('sku')"} if number < failing else {"runtime_us": runtime_us}
            kinds = ("sent", "received", "started", "failed" if number < failing else "succeeded")
            events = [
                TaskEvent(kind, "1", 0, None if kind == "sent" else "busy@h1", **(end if kind == kinds[-1] else {}))
                for kind in kinds
            ]
            counted.absorb(events, [task])


def scraped() -> list[dict[str, str]]:
    """Each series and its values, a minute apart, as promtool reads them: stale from where it is absent."""
    series: defaultdict[str, dict[int, float]] = defaultdict(dict)
    counted = Counters()
    for minute in range(MINUTES + 1):
        count(counted, minute)
        for metric in families({"default": known_at(minute, counted)}, at(minute)):
            for sample in metric.samples:
                labels = ", ".join(f'{name}="{value}"' for name, value in {**sample.labels, "job": JOB}.items())
                series[f"{sample.name}{{{labels}}}"][minute] = sample.value
    return [
        {"series": name, "values": " ".join(written(values, minute) for minute in range(MINUTES + 1))}
        for name, values in series.items()
    ]


def written(values: Mapping[int, float], minute: int) -> str:
    if minute in values:
        return repr(values[minute])
    return "stale" if minute - 1 in values else "_"


def complaints(folder: Path, **tests: object) -> str:
    """What promtool finds wrong."""
    rules = [{"alert": name, "expr": text, "for": lasts} for name, (text, lasts) in RULES.items()]
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "celery", "rules": rules}]}))
    asked = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": scraped(), **tests}],
    }
    (folder / "tests.yml").write_text(json.dumps(asked))
    run = subprocess.run(
        [program("promtool"), "test", "rules", folder / "tests.yml"],
        capture_output=True,
        check=False,
        timeout=180,
    )
    return "" if run.returncode == 0 else run.stdout.decode() + run.stderr.decode()


def test_its_alert_rules_fire_when_and_for_whom_they_should(tmp_path: Path) -> None:
    """A worker that a deploy replaced is no alarm at any time, as with celery-exporter; one that fell silent is."""

    def fires(rule: str, minute: int, *found: Mapping[str, str]) -> dict[str, object]:
        alerts = [{"exp_labels": {"job": JOB, **labels}} for labels in found]
        return {"eval_time": f"{minute}m", "alertname": rule, "exp_alerts": alerts}

    ours = {"recorder": "celery-notebook"}
    down = [{"hostname": name.split("@")[1], "worker": name, **ours} for name in ("killed@h2", "mute@h3")]
    expected = [
        fires("CeleryTaskHighFailRate", ENDED),
        fires("CeleryTaskHighFailRate", ENDED + 15, {"name": "shop.mail", "queue_name": "mail"}),
        fires("CeleryHighQueueLength", ENDED + 19),
        fires("CeleryHighQueueLength", ENDED + 20, {"queue_name": "mail"}),
        *(fires("CeleryWorkerDown", minute) for minute in range(ENDED + 20)),
        *(fires("CeleryWorkerDown", minute, *down) for minute in range(ENDED + 20, MINUTES + 1)),
    ]
    assert complaints(tmp_path, alert_rule_test=expected) == ""


def test_a_worker_that_left_is_down_at_once_and_absent_ten_minutes_later(tmp_path: Path) -> None:
    series = next(one for one in scraped() if 'celery_worker_up{hostname="pod"' in one["series"])

    values = series["values"].split(" ")
    assert values[:ENDED] == ["1.0"] * ENDED
    assert values[ENDED : ENDED + 11] == ["0.0"] * 11
    assert set(values[ENDED + 11 :]) == {"stale", "_"}


WHERE = 'job="celery", queue_name=~"mail|slow"'
QUANTILE = "round(histogram_quantile({}, sum by ({}) (irate(celery_task_runtime_bucket{{{}}}[5m]) > 0)), 0.001)"
SUM, RUNS = (f"sum {{by}} (rate(celery_task_runtime_{end}{{{{{WHERE}}}}}[20m]))" for end in ("sum", "count"))

# What its dashboards ask for, and what that is in minute 40: of mail 18 of 20 a minute succeed, in 0.2 s, of bill 19 in
# 2 s. Its `> 0` leaves out the buckets below the first that holds any, so quantiles are reckoned from 0.
PANELS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "workers": ('count(celery_worker_up{job="celery"} == 1)', {"{}": 1}),
    "active tasks": ('sum(celery_worker_tasks_active{job="celery"})', {"{}": 1}),
    "received": (f"sum(round(increase(celery_task_received_total{{{WHERE}}}[20m])))", {"{}": 800}),
    "sent": (f"sum(round(increase(celery_task_sent_total{{{WHERE}}}[20m])))", {"{}": 800}),
    "success ratio": (
        f"sum(round(increase(celery_task_succeeded_total{{{WHERE}}}[20m])))"
        f" / (sum(round(increase(celery_task_succeeded_total{{{WHERE}}}[20m])))"
        f" + sum(round(increase(celery_task_failed_total{{{WHERE}}}[20m]))))",
        {"{}": 740 / 800},
    ),
    "average runtime": (
        f"round({SUM} / {RUNS} > 0, 0.001)".format(by=""),
        {"{}": round((18 * 0.2 + 19 * 2) / 37, 3)},
    ),
    "average runtime by task": (
        f"round({SUM} / {RUNS} > 0, 0.001)".format(by="by (name)"),
        {'{name="shop.mail"}': 0.2, '{name="shop.bill"}': 2},
    ),
    "failures by task": (
        f"round(sum by (job, name) (increase(celery_task_failed_total{{{WHERE}}}[20m]) > 0))",
        {'{job="celery", name="shop.mail"}': 40, '{job="celery", name="shop.bill"}': 20},
    ),
    "exceptions": (
        f"round(sum by (job, exception) (increase(celery_task_failed_total{{{WHERE}}}[20m])) > 0)",
        {'{job="celery", exception="KeyError"}': 60},
    ),
    "queue length": (
        f"sum by (job, queue_name) (celery_queue_length{{{WHERE}}})",
        {'{job="celery", queue_name="mail"}': 150, '{job="celery", queue_name="slow"}': 100},
    ),
    "p50 of all": (QUANTILE.format("0.50", "job, le", WHERE), {'{job="celery"}': 1.039}),
    "p99 of all": (QUANTILE.format("0.99", "job, le", WHERE), {'{job="celery"}': 2.471}),
    "p95 by task": (
        QUANTILE.format("0.95", "name, job, le", 'name=~"shop.mail|shop.bill"'),
        {'{job="celery", name="shop.mail"}': 0.238, '{job="celery", name="shop.bill"}': 2.375},
    ),
    **{
        f"none {kind}": (f"sum(round(increase(celery_task_{kind}_total{{{WHERE}}}[20m])))", {"{}": 0})
        for kind in ("rejected", "retried", "revoked")
    },
    "what its lists offer": (
        'group by (job, name, queue_name) (celery_task_received_total{job="celery"})',
        {
            '{job="celery", name="shop.mail", queue_name="mail"}': 1,
            '{job="celery", name="shop.bill", queue_name="slow"}': 1,
        },
    ),
}


def test_its_panels_show_what_was(tmp_path: Path) -> None:
    expected = [
        {
            "expr": text,
            "eval_time": f"{MINUTES}m",
            "exp_samples": [{"labels": labels, "value": value} for labels, value in found.items()],
        }
        for text, found in PANELS.values()
    ]
    assert complaints(tmp_path, promql_expr_test=expected) == ""
