"""What is connected and what is off, told from what a cluster's sources said last; nothing is asked for it alone but
how many containers and hosts Prometheus has.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from data_sources.answer import Answer
from data_sources.config import Settings
from data_sources.note import listed
from data_sources.now import sources_answer
from data_sources.now_frames import frame_rows, row_frame
from data_sources.poller import Reading
from data_sources.prometheus import promql
from data_sources.prometheus.client import PrometheusFacts
from data_sources.prometheus.whose import Whose
from data_sources.query import PromQL, Sources
from data_sources.setup.parts import MANAGEMENT, part
from data_sources.setup.recording import HOUR
from data_sources.setup_query import Setup
from data_sources.watch import Watch

COLUMNS = {
    "part": "str",  # a key of parts.PARTS, or a broker's transport
    "state": "str",  # one of STATES
    "what": "str",  # what it is, or what is wrong with it
    "address": "str",  # never a credential
    "latency_ms": "Float64",
    "since": "datetime64[ms, UTC]",  # of a failure
    "measured_at": "datetime64[ms, UTC]",
    "gives": "str",  # what is to be seen with it
    "setting": "str",  # what turns it on; NA: it is on
    "advice": "str",  # where that is set, and what else it takes; of a failure what to do
}
UNITS = {"latency_ms": "ms"}
FOLLOWED = ("redis", "amqp")  # brokers whose events are
COUNTED = {"containers": ("memory", "container"), "hosts": ("host_load", "instance")}  # what is measured of each
NO_RATE = timedelta(minutes=5)  # of neither of them
OWN = "our own /metrics"
FAMILY_NAMES: dict[promql.Family, str] = {
    "celery-exporter": "celery-exporter",
    "flower": "Flower",
    "recorder": OWN,
    "none": "",
}

Row = dict[str, Any]


def counts(facts: PrometheusFacts | None, whose: Whose) -> dict[str, PromQL]:
    """What Prometheus is asked for it, by COUNTED's keys; nothing as long as it has not answered."""
    if facts is None:
        return {}
    named = {name: promql.signal(*of, facts.family, NO_RATE, whose) for name, of in COUNTED.items()}
    return {name: PromQL(f"count(\n{promql.indented(one.text)}\n)", instant=True) for name, one in named.items() if one}


@dataclass(frozen=True)
class Known:
    """What the rows are told from. `recording`: a row of setup.recording; `counted`: by COUNTED's keys."""

    watch: Watch
    settings: Settings
    sources: Mapping[str, Row]  # those of sources_answer, by name
    recording: Answer
    counted: Mapping[str, Answer]


def setup_answer(
    query: Setup,
    watch: Watch,
    settings: Settings,
    recording: Answer,
    counted: Mapping[str, Answer],
    wait_seconds: float,
) -> Answer:
    """A row each, see COLUMNS, in the order people look for them."""
    began = time.monotonic()
    sources = sources_answer(Sources(), watch, wait_seconds)
    known = Known(watch, settings, {row["source"]: row for row in frame_rows(sources.frame)}, recording, counted)
    told = [row for row in parts(known) if not query.states or row["state"] in query.states]
    return Answer(
        row_frame(told, COLUMNS),
        query,
        UNITS,
        origin="Celery Notebook",
        measured_at=datetime.now(UTC),
        took=timedelta(seconds=time.monotonic() - began),
    )


def parts(known: Known) -> Iterator[Row]:
    yield from of_broker(known)
    yield workers(known)
    yield task_events(known)
    yield sent_events(known)
    yield from of_prometheus(known)
    yield recorder(known)
    yield history(known)
    yield from of_settings(known)


def told(name: str, state: str, what: str | None = None, **more: Any) -> Row:
    about = part(name)
    turned_on_by = {"setting": about.setting, "advice": about.advice or None} if state in ("off", "partly") else {}
    return {
        **dict.fromkeys(COLUMNS),
        "part": name,
        "state": state,
        "what": what,
        "gives": about.gives,
        **turned_on_by,
        **more,
    }


def of_source(name: str, known: Known, reading: Reading[Any], what: str | None, address: str | None) -> Row:
    """As the strip of sources has it, with when it was measured."""
    source = known.sources[name]
    if source["state"] == "off":
        return told(name, "off", source["what"], address=address)
    if source["state"] == "unknown":
        return told(
            name, "unknown", source["what"], address=address, since=source["since"], measured_at=reading.measured_at
        )
    if source["state"] == "failing":
        advice = {"advice": source["hint"] or None, "since": source["since"], "measured_at": reading.measured_at}
        return told(name, "failing", source["what"], address=address, **advice)
    latency = {"latency_ms": source["latency_ms"], "measured_at": reading.measured_at}
    return told(name, source["state"], what, address=address, **latency)


def of_broker(known: Known) -> Iterator[Row]:
    queues, cluster = known.watch.queues(), known.watch.cluster
    product = queues.value.origin.partition(" at ")[0] if queues.value else None
    yield of_source(cluster.broker.transport, known, queues, product, cluster.broker.address)
    if cluster.broker.transport != "amqp":
        return
    api = cluster.rabbitmq_management
    yield (
        of_source(MANAGEMENT, known, queues, "its HTTP API", api.address)
        if MANAGEMENT in known.sources and api
        else told(MANAGEMENT, "off", "No address of it is set")
    )


def workers(known: Known) -> Row:
    reading = known.watch.workers()
    answered = reading.value.answered if reading.value else None
    row = of_source("workers", known, reading, f"{answered:,} answered" if answered else None, None)
    return told("workers", "off", "None answers", measured_at=reading.measured_at) if nobody(row, answered) else row


def nobody(row: Row, answered: int | None) -> bool:
    return row["state"] == "ok" and answered == 0


def task_events(known: Known) -> Row:
    reading, heard = known.watch.recorder(), recorded(known.recording)
    state = reading.value
    if state is None or reading.failure:
        return told("task events", "pending" if reading.pending else "unknown", "The recorder alone hears them")
    if known.watch.cluster.broker.transport not in FOLLOWED:
        return told("task events", "unknown", "They are followed on Redis and RabbitMQ alone")
    if state.events_failure:
        return told("task events", "failing", state.events_failure)
    if not state.hears:
        return told("task events", "pending")
    if state.quiet:
        return told("task events", "partly", f"None come from {listed(state.quiet)}")
    last = heard.get("task_seen_last")
    if heard.get("accepted") and (last is None or datetime.now(UTC) - last > HOUR):
        return told("task events", "off", "Workers took on tasks within the last hour, and no event told of them")
    if state.events or last:
        return told("task events", "ok", f"{state.events:,} since the recorder began", measured_at=last)
    return told("task events", "unknown", "None came yet, and no task is known to have run")


def sent_events(known: Known) -> Row:
    heard = recorded(known.recording)
    seen, sent = heard.get("tasks_seen"), heard.get("tasks_sent")
    if not seen:
        return told("sent events", "unknown", "No task is recorded that could tell")
    last = {"measured_at": heard.get("task_seen_last")}
    if not sent:
        return told("sent events", "off", f"None of the newest {seen:,} tasks says when it was sent", **last)
    if heard["unsent"]:
        return told("sent events", "partly", f"None come of {listed(heard['unsent'])}", **last)
    return told("sent events", "ok", f"{sent:,} of the newest {seen:,} tasks say when they were sent", **last)


def of_prometheus(known: Known) -> Iterator[Row]:
    watch, endpoint = known.watch, known.watch.cluster.prometheus
    reading: Reading[PrometheusFacts] = watch.facts.read() if watch.facts else Reading()
    facts = reading.value
    every = facts.scrape_interval if facts else None
    interval = f", scrapes every {every.total_seconds():g} s" if every else ""
    row = of_source(
        "prometheus",
        known,
        reading,
        f"{facts.version}{interval}" if facts else None,
        endpoint.address if endpoint else None,
    )
    if row["state"] == "off":
        assumed = endpoint is not None  # and nobody is there
        yield row | {"what": "Nobody answers in the usual place" if assumed else "No address of it is set"}
        return
    yield row
    if facts is None:
        return
    where = watch.whose.where
    if facts.family == "none":
        yield told("task exporter", "off", f"No metrics of Celery within the last day{where}")
    else:
        yield told("task exporter", "ok", f"{FAMILY_NAMES[facts.family]}{where}", measured_at=reading.measured_at)
    for name, answer in known.counted.items():
        yield counted(name, answer)
    if watch.whose.mixed:
        yield told("cluster labels", "off", promql.MIXED.partition(":")[0])


def counted(name: str, answer: Answer) -> Row:
    if answer.failure and answer.measured_at is None:
        return told(name, "unknown", answer.failure.what, advice=answer.failure.hint or None)
    if answer.pending:
        return told(name, "pending")
    found = int(answer.frame["value"].sum()) if len(answer.frame) else 0
    if not found:
        return told(name, "off", f"Prometheus has none{' of this cluster' if name == 'containers' else ''}")
    return told(name, "ok", f"{found:,} {name if found > 1 else name[:-1]}", measured_at=answer.measured_at)


def recorder(known: Known) -> Row:
    reading = known.watch.recorder()
    state = reading.value
    what = f"Celery Notebook {state.version}, process {state.pid}" if state else None
    return of_source("recorder", known, reading, what, state.host if state else None)


def history(known: Known) -> Row:
    recording, place = known.recording, known.watch.history.place
    if recording.failure:
        failure = recording.failure
        advice = {"advice": failure.hint or None, "since": failure.since}
        return told("history", "failing", failure.what, address=place.address, **advice)
    if recording.pending:
        return told("history", "pending", address=place.address)
    took = {"latency_ms": recording.took.total_seconds() * 1000, "measured_at": recording.measured_at}
    return told("history", "ok", recorded(recording).get("store"), address=place.address, **took)


def of_settings(known: Known) -> Iterator[Row]:
    cluster, settings = known.watch.cluster, known.settings
    expected = len(cluster.workers_expected)
    names = f"{expected:,} name{'s' if expected > 1 else ''} or pattern{'s' if expected > 1 else ''}"
    yield told("expected workers", "ok" if expected else "off", names if expected else "Nobody said who")
    if settings.history_hide_arguments:
        yield told("arguments", "off", "HISTORY_HIDE_ARGUMENTS keeps them out of the history, and unseen")
    control = settings.access.control
    yield told("control", "ok" if control else "off", "by operators" if control else "Nobody may change anything")


def recorded(recording: Answer) -> Row:
    """The row of what is recorded; empty while nothing is known."""
    return next(iter(frame_rows(recording.frame)), {})
