"""What the recorder knows, as Prometheus reads it: celery-exporter's names, nothing made up, and any name survives."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from data_sources.brokers.queue_depths import DepthReading, depth_rows
from data_sources.events.celery_events import TaskEvent
from data_sources.history.task_record import TaskRecord
from data_sources.latest import RecorderState
from data_sources.microseconds import microseconds
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.worker_rows import COLUMNS, WorkersReading
from demo.servers import program
from recorder.counters import Counters
from recorder.exposition import Known, families
from recorder.metrics import exposition

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = 1_000_000
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
FIXED = {"recorder": "celery-notebook"}

Series = dict[str, float]


def worker(name: str, seconds_ago: float = 1, **more: object) -> dict[str, object]:
    """A row of Presence.rows: a worker that answered."""
    row: dict[str, object] = dict.fromkeys(COLUMNS) | {
        "worker": name,
        "verdict": "working",
        "pool": "prefork",
        "concurrency": 4,
        "active": 1,
        "reserved": None,
        "processed": 100,
        "queues": ["mail"],
        "last_seen": NOW - timedelta(seconds=seconds_ago),
        "silent_since": None,
        "prefetch": 16,
        "uptime": 60,
        "pid": 7,
    }
    return {**row, **more}


def silent(name: str, seconds_ago: float, verdict: str = "silent") -> dict[str, object]:
    since = NOW - timedelta(seconds=seconds_ago)
    return worker(name, seconds_ago, verdict=verdict, silent_since=since, active=None, uptime=None)


def depths(**totals: int | None) -> DepthReading:
    rows = depth_rows(
        ["celeryev.1", "mail", "slow"],
        ready=[1, 7, None],
        unacked=[None, 3, None],
        consumers=[1, None, 2],
        oldest=[None, 12.5, None],
    )
    return DepthReading(rows, totals, (), "Redis", timedelta(0), NOW)


def counters() -> Counters:
    one = Counters()
    task = TaskRecord("1", name="shop.mail", queue="mail", sent_us=SECOND, started_us=3 * SECOND)
    events = [
        TaskEvent("sent", "1", SECOND),
        TaskEvent("received", "1", 2 * SECOND, "w1@h1"),
        TaskEvent("started", "1", 3 * SECOND, "w1@h1"),
        TaskEvent("succeeded", "1", 4 * SECOND, "w1@h1", runtime_us=SECOND // 5),
        TaskEvent("failed", "1", 4 * SECOND, "w1@h1", exception="KeyError('sku')"),
    ]
    one.absorb(events, [task])
    return one


def state(**more: object) -> RecorderState:
    given = {"pid": 1, "host": "h", "version": "0.1.0", "since_us": microseconds(NOW) - 60 * SECOND, "place": "/x.db"}
    return RecorderState(**{**given, **more})  # type: ignore[arg-type]


def answered(rows: Sequence[Mapping[str, object]]) -> WorkersReading:
    return WorkersReading(rows, len(rows), ())


EVERYTHING = Known(
    cells=counters().cells,
    workers=answered([worker("w1@h1")]),
    queues=depths(unacked=3, oldest_unacked=40),
    state=state(events=5, gaps=1, lag_seconds=0.1, last_event_us=microseconds(NOW)),
    up={"workers": True, "queues": False},
)


def samples(*ones: Known, accept: str = "", **clusters: Known) -> Series:
    """Values by metric and labels, without the label all series have: `celery_worker_up{hostname="h1"}`."""
    text, _ = exposition(families({"default": ones[0]} if ones else clusters, NOW), accept)
    parse = parse_openmetrics if accept else parse_text
    found: Series = {}
    for metric in parse(text.decode()):
        for sample in metric.samples:
            labels = dict(sample.labels)
            assert labels.pop("recorder") == "celery-notebook"
            key = sample.name + ",".join(f" {name}={labels[name]}" for name in sorted(labels))
            assert key not in found
            found[key] = sample.value
    return found


def of(found: Series, metric: str) -> Series:
    return {key.removeprefix(metric).strip(): value for key, value in found.items() if key.split(" ")[0] == metric}


# What celery-exporter's dashboards, alert rules (celery-mixin) and own README ask for, with the labels they go by.
CELERY_EXPORTER = {
    "celery_task_sent_total": {"name", "hostname", "queue_name"},
    "celery_task_received_total": {"name", "hostname", "queue_name"},
    "celery_task_started_total": {"name", "hostname", "queue_name"},
    "celery_task_succeeded_total": {"name", "hostname", "queue_name"},
    "celery_task_failed_total": {"name", "hostname", "queue_name", "exception"},
    "celery_task_rejected_total": {"name", "hostname", "queue_name"},
    "celery_task_revoked_total": {"name", "hostname", "queue_name"},
    "celery_task_retried_total": {"name", "hostname", "queue_name"},
    "celery_task_runtime_bucket": {"name", "hostname", "queue_name", "le"},
    "celery_task_runtime_count": {"name", "hostname", "queue_name"},
    "celery_task_runtime_sum": {"name", "hostname", "queue_name"},
    "celery_task_queue_wait_time_bucket": {"name", "hostname", "queue_name", "le"},
    "celery_worker_up": {"hostname"},
    "celery_worker_tasks_active": {"hostname"},
    "celery_queue_length": {"queue_name"},
    "celery_active_consumer_count": {"queue_name"},
    "celery_active_worker_count": {"queue_name"},
    "celery_active_process_count": {"queue_name"},
}


@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "OpenMetrics"])
def test_celery_exporters_metrics_and_labels_are_served(accept: str) -> None:
    text, content_type = exposition(families({"default": EVERYTHING}, NOW), accept)
    parse = parse_openmetrics if accept else parse_text
    served: dict[str, set[str]] = {}
    for metric in parse(text.decode()):
        for sample in metric.samples:
            served.setdefault(sample.name, set()).update(sample.labels)

    assert content_type.startswith("application/openmetrics-text" if accept else "text/plain")
    assert {name: served.get(name, set()) & labels for name, labels in CELERY_EXPORTER.items()} == CELERY_EXPORTER
    assert {name for name in served if not name.startswith(("celery_task_", "celery_notebook_"))} <= set(
        CELERY_EXPORTER
    )


def test_promtool_complains_of_celery_exporters_names_alone() -> None:
    text, _ = exposition(families({"shop": EVERYTHING, "mail": EVERYTHING}, NOW), "")

    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False, timeout=180
    )

    why = 'non-histogram and non-summary metrics should not have "_count" suffix'
    assert sorted(checked.stderr.decode().splitlines()) == [
        f"celery_active_{what}_count {why}" for what in ("consumer", "process", "worker")
    ]


def test_a_task_has_all_its_counters_from_its_first_event_on() -> None:
    found = samples(EVERYTHING)
    where = "hostname=h1, name=shop.mail, queue_name=mail, worker=w1@h1"

    assert of(found, "celery_task_retried_total") == {where: 0}
    assert of(found, "celery_task_failed_total") == {where: 0, f"exception=KeyError, {where}": 1}
    assert of(found, "celery_task_sent_total") == {"hostname=generic, name=shop.mail, queue_name=mail": 1}
    assert of(found, "celery_task_runtime_count") == {where: 1}
    assert of(found, "celery_task_runtime_sum") == {where: 0.2}
    assert found[f"celery_task_runtime_bucket hostname=h1, le=0.25, {where.removeprefix('hostname=h1, ')}"] == 1
    assert found[f"celery_task_runtime_bucket hostname=h1, le=0.1, {where.removeprefix('hostname=h1, ')}"] == 0
    assert of(found, "celery_task_queue_wait_time_sum") == {where: 2}


def test_a_name_or_queue_that_is_not_known_is_no_label() -> None:
    one = Counters()
    one.absorb([TaskEvent("succeeded", "1", 0, "w1@h1")], [])

    assert of(samples(Known(cells=one.cells)), "celery_task_succeeded_total") == {"hostname=h1, worker=w1@h1": 1}


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert samples(Known()) == {"celery_notebook_recorder_up": 0}


def test_unknown_depths_are_absent_and_celerys_own_queues_too() -> None:
    found = samples(Known(queues=depths(unacked=None)))

    assert of(found, "celery_queue_length") == {"queue_name=mail": 7}
    assert of(found, "celery_active_consumer_count") == {"queue_name=slow": 2}
    assert of(found, "celery_notebook_queue_unacked") == {"queue_name=mail": 3}
    assert of(found, "celery_notebook_queue_oldest_age_seconds") == {"queue_name=mail": 12.5}
    assert of(found, "celery_notebook_unacked") == {}


def test_a_worker_is_up_while_it_answers_or_its_heart_beats() -> None:
    rows = [
        worker("w1@h1"),
        worker("w2@h1", concurrency=None),
        silent("busy@h2", 600),
        silent("quiet@h2", 120),
        silent("dead@h2", 600),
        silent("forgotten@h2", 3700),
    ]
    beating = {"busy@h2": Heartbeat(microseconds(NOW) - SECOND, active=3), "mute@h3": Heartbeat(microseconds(NOW))}
    found = samples(Known(workers=answered(rows), state=state(workers=beating)))

    assert of(found, "celery_worker_up") == {
        "hostname=h1, worker=w1@h1": 1,
        "hostname=h1, worker=w2@h1": 1,
        "hostname=h2, worker=busy@h2": 1,
        "hostname=h2, worker=quiet@h2": 1,
        "hostname=h2, worker=dead@h2": 0,
        "hostname=h3, worker=mute@h3": 1,
    }
    assert of(found, "celery_worker_tasks_active") == {
        "hostname=h1, worker=w1@h1": 1,
        "hostname=h1, worker=w2@h1": 1,
        "hostname=h2, worker=busy@h2": 3,
    }
    assert of(found, "celery_notebook_worker_slots") == {"hostname=h1, worker=w1@h1": 4}


def test_a_worker_that_left_is_down_at_once_and_forgotten_as_celery_exporter_does() -> None:
    """Unless it answers since then, or another of its name does."""

    def left(seconds_ago: int) -> Heartbeat:
        return Heartbeat(microseconds(NOW) - seconds_ago * SECOND, active=1, left=True)

    rows = [
        worker("answered before@h1", 3),
        worker("back@h1", 1),
        worker("twin@h1", 3, pid=1),
        worker("twin@h1", 3, pid=2),
        silent("replaced@h1", 602),
    ]
    beats = {
        "answered before@h1": left(2),
        "back@h1": left(2),
        "twin@h1": left(2),
        "replaced@h1": left(600),
        "lately@h1": left(599),
    }
    found = samples(Known(workers=answered(rows), state=state(workers=beats)))

    assert of(found, "celery_worker_up") == {
        "hostname=h1, worker=answered before@h1": 0,
        "hostname=h1, worker=back@h1": 1,
        "hostname=h1, worker=twin@h1": 1,
        "hostname=h1, worker=lately@h1": 0,
    }
    assert of(found, "celery_worker_tasks_active").keys() == {
        "hostname=h1, worker=back@h1",
        "hostname=h1, worker=twin@h1",
    }


def test_a_worker_that_is_expected_and_never_came_has_no_metric() -> None:
    missing = worker("absent@*", last_seen=None, silent_since=NOW, active=None)
    found = samples(Known(workers=answered([worker("mail@h1"), missing])))
    assert list(of(found, "celery_worker_up")) == ["hostname=h1, worker=mail@h1"]


def test_two_processes_of_one_name_are_added_up_where_that_has_a_meaning() -> None:
    found = samples(Known(workers=answered([worker("w1@h1", pid=1), worker("w1@h1", pid=2, processed=3)])))

    assert of(found, "celery_worker_up") == {"hostname=h1, worker=w1@h1": 1}
    assert of(found, "celery_worker_tasks_active") == {"hostname=h1, worker=w1@h1": 2}
    assert of(found, "celery_notebook_worker_slots") == {"hostname=h1, worker=w1@h1": 8}
    assert of(found, "celery_notebook_worker_accepted_total") == {}  # it would fall when one of them ends


@pytest.mark.parametrize(
    ("rows", "workers", "slots"),
    [
        ([worker("a@h"), worker("b@h", queues=["mail", "slow"])], {"mail": 2, "slow": 1}, {"mail": 8, "slow": 4}),
        ([worker("a@h"), worker("b@h", queues=None)], {}, {}),
        ([worker("a@h"), worker("b@h", queues=None, may_consume=["mail"])], {"slow": 0}, {"slow": 0}),
        ([worker("a@h"), worker("b@h", concurrency=None)], {"mail": 2, "slow": 0}, {"slow": 0}),
        ([silent("a@h", 60)], {"slow": 0}, {"slow": 0}),
        ([silent("a@h", 60), worker("b@h")], {"mail": 1, "slow": 0}, {"mail": 4, "slow": 0}),
        ([silent("a@h", 60, "busy_not_answering")], {"mail": 1, "slow": 0}, {"mail": 4, "slow": 0}),
        ([silent("a@h", 60, "gone")], {"mail": 0, "slow": 0}, {"mail": 0, "slow": 0}),
    ],
    ids=["all known", "one did not say", "one of two did", "slots unknown", "silent", "another silent", "busy", "gone"],
)
def test_consumers_are_told_where_they_are_known_and_silence_is_no_none(
    rows: list[dict[str, object]], workers: dict[str, float], slots: dict[str, float]
) -> None:
    found = samples(Known(workers=answered(rows), queues=depths()))

    assert of(found, "celery_active_worker_count") == {f"queue_name={name}": n for name, n in workers.items()}
    assert of(found, "celery_active_process_count") == {f"queue_name={name}": n for name, n in slots.items()}


def test_clusters_are_told_apart_when_there_are_several() -> None:
    found = samples(shop=Known(queues=depths()), mail=Known(state=state()))

    assert of(found, "celery_queue_length") == {"cluster=shop, queue_name=mail": 7}
    assert of(found, "celery_notebook_recorder_up") == {"cluster=shop": 0, "cluster=mail": 1}
    assert of(found, "celery_notebook_build_info") == {"cluster=mail, version=0.1.0": 1}


def test_queues_beyond_the_bound_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.exposition.MOST_QUEUES", 2)
    rows = depth_rows(["a", "b", "c", "d"], ready=[1, 2, 3, 4], unacked=[1, 1, 1, None])
    found = samples(Known(queues=DepthReading(rows, {}, (), "Redis", timedelta(0), NOW)))

    assert of(found, "celery_queue_length") == {"queue_name=a": 1, "queue_name=b": 2, "queue_name=(other)": 7}
    assert of(found, "celery_notebook_queue_unacked") == {"queue_name=a": 1, "queue_name=b": 1}


NAMES = st.text(st.characters(), min_size=1, max_size=20)  # lone surrogates and control characters too


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), max_size=4, unique=True), st.sampled_from(["", OPENMETRICS]))
def test_any_name_survives(names: list[tuple[str, str, str]], accept: str) -> None:
    one = Counters()
    for name, host, queue in names:
        task = TaskRecord("1", name=name, queue=queue)
        one.absorb([TaskEvent("succeeded", "1", 0, host, runtime_us=1)], [task])
    rows = [worker(host) for host in {host.encode(errors="replace").decode() for _, host, _ in names}]
    found = samples(Known(cells=one.cells, workers=answered(rows)), accept=accept)

    assert sum(of(found, "celery_task_succeeded_total").values()) == len(names)


def test_what_a_worker_did_not_say_is_left_out() -> None:
    found = samples(Known(workers=answered([worker("w1@h1", active=None)])))

    assert of(found, "celery_worker_tasks_active") == {}
