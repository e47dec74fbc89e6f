"""What takes a while to answer, asked in the background, once for all who want it: the history, Prometheus, workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from data_sources.answer import Answer
from data_sources.audit_query import Audit
from data_sources.blank import blank_frame, rejected
from data_sources.brokers.xray_answer import of_what, xray_answer
from data_sources.errors import SourceUnreachable
from data_sources.flights import Fetch, Flights
from data_sources.history.answers import of_tasks_answer, series_answer, task_answer, tasks_answer
from data_sources.history.reader import HistoryReader
from data_sources.history.task_run import TaskRun
from data_sources.latest import RecorderState
from data_sources.note import Note, listed
from data_sources.poller import Reading
from data_sources.prometheus import promql
from data_sources.prometheus.answers import about_answer, values_answer
from data_sources.promql_query import OfPrometheus
from data_sources.query import History, Inspect, PromQL, Query
from data_sources.queue_query import Xray
from data_sources.range_frame import empty_frame
from data_sources.run_query import Held
from data_sources.schedule.answer import schedule_answer
from data_sources.schedule.load import load_answer
from data_sources.schedule.timetable import Timetable
from data_sources.schedule_query import Schedule, ScheduledLoad
from data_sources.scope import Scope, Window, floor_time
from data_sources.setup import recording
from data_sources.setup_query import Recording
from data_sources.task_query import Listing, OfTasks, Task, Tasks
from data_sources.watch import Watch
from data_sources.workers.inspect_frames import inspect_frame
from data_sources.workers.snapshot import notes_of

ReadAudit = Callable[[Audit, str], Answer]  # of a cluster
Recorded = History | Tasks | OfTasks | Task  # the kinds that the history answers

DEADLINE_SECONDS = 10.0
INSPECT_SECONDS = 5.0
ABOUT_SECONDS = 30.0  # which metrics and labels there are changes seldom
HIDDEN = Note("HISTORY_HIDE_ARGUMENTS hides the arguments of tasks here too")
NO_PROMETHEUS = ("no Prometheus is configured; set PROMETHEUS_URL", "Prometheus")
NO_TURN = (
    "Prometheus",
    f"gave no complete answer within {DEADLINE_SECONDS:g} s",
    "It is busy with other questions, or does not answer at all.",
)
RARELY = ("conf", "registered", "report")  # changes while a worker runs
RARELY_SECONDS = 60.0
SOON = timedelta(seconds=1)  # who asks for what is no older has just changed it
XRAY_SECONDS = 15.0
LOOKED_UP = timedelta(seconds=15)  # what costs half a second to look up is not looked up at every refresh
SETTLED_AFTER = timedelta(minutes=5)  # nothing is written that far back any more


class Fetches:
    """Each answers what is known by then, waiting at most `wait_seconds`; pending when that is nothing.

    `hide_arguments`: of the tasks that workers tell of, as of those that are recorded.
    """

    def __init__(self, hide_arguments: bool = False) -> None:
        self._hide_arguments = hide_arguments
        self._metrics = Flights("ask Prometheus", parallel=4)
        self._explored = Flights("explore Prometheus", parallel=2)
        self._inspects = Flights("ask workers", parallel=2)
        self._histories = Flights("read the history", parallel=4)
        self._xrays = Flights("look into queues", parallel=2)
        self._timetables: dict[str, Timetable] = {}  # by cluster
        self._schedules = Flights("read the schedule", parallel=2)
        self._audits = Flights("read the audit", parallel=1)

    def close(self) -> None:
        """Nothing more is fetched; whoever waits is answered."""
        self._metrics.close()
        self._explored.close()
        self._inspects.close()
        self._histories.close()
        self._xrays.close()
        self._schedules.close()
        self._audits.close()

    def history(self, query: Recorded, watch: Watch, scope: Scope, window: Window, wait_seconds: float) -> Answer:
        """As recorded; with the recorder's failure, while what it measures does not come in."""
        stretch = window if isinstance(query, History) else None
        blank = Answer(blank_frame(query), query, window=stretch, origin="History")

        lasts = LOOKED_UP if isinstance(query, Listing) and query.looks_up else timedelta(0)

        def fetch(_waited_seconds: float) -> Answer:
            return replace(history_answer(watch.history, query, scope, window), lasts=lasts)

        if isinstance(query, Task):  # one that is looked at is as it is now, whatever the range
            question, due = (scope.cluster, query), slot(steady_now(), scope.max_age)
            answer = self._histories.ask(question, due, fetch, blank, wait_seconds, lane=scope.cluster)
        else:
            answer = over_time(self._histories, query, scope, window, fetch, blank, wait_seconds, lasts)
        recorder = watch.recorder()
        answer = answer.noting(quiet_notes(recorder.value))
        sampled = of_the_moment(query, watch) if scope.range.is_live else recorder
        failure = recorder.failure or sampled.failure
        return answer.failed(failure) if failure and answer.measured_at and not answer.failure else answer

    def recording(self, query: Recording, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        """What the history is; while it cannot be read, what is known without."""

        def fetch(_waited_seconds: float) -> Answer:
            return recording.recording_answer(watch.history, query, watch.recorder())

        frame = recording.without_a_look(watch.history.place, watch.recorder())
        blank = Answer(frame, query, recording.UNITS, origin="History")
        question, due = (scope.cluster, query), slot(steady_now(), scope.max_age)
        return self._histories.ask(question, due, fetch, blank, wait_seconds, lane=scope.cluster)

    def held(self, query: Held, watch: Watch, scope: Scope, window: Window, wait_seconds: float) -> Answer:
        """What is said now of a task that has not ended, by the worker that has it as far as is recorded, else by all.

        The answer's query is what was asked; of a task that ended it stays as it is.
        """
        ends = time.monotonic() + wait_seconds
        recorded = self.history(Task(query.id), watch, scope, window, wait_seconds)
        blank = replace(recorded, frame=blank_frame(query), query=query, units={}, notes=())
        if recorded.pending:
            return blank
        run = next(iter(TaskRun.all_of(recorded.frame)), None)
        if run and run.ended:
            return blank
        whom = (run.worker,) if run and run.worker else ()
        asked = Inspect("query_task", whom, (query.id,))
        return self.inspect(asked, watch, scope, max(0.0, ends - time.monotonic()))

    def schedule(self, query: Schedule, watch: Watch, scope: Scope, window: Window, wait_seconds: float) -> Answer:
        """Entries as beat's stores tell them, and how they were kept, as recorded."""
        timetable = self._timetables.setdefault(watch.cluster.name, Timetable(watch))
        told = load_answer if isinstance(query, ScheduledLoad) else schedule_answer

        def fetch(_waited_seconds: float) -> Answer:
            return told(watch.history, query, timetable.read(), window)

        blank = Answer(blank_frame(query), query, origin="Celery")
        answer = over_time(self._schedules, query, scope, window, fetch, blank, wait_seconds)
        recorder = watch.recorder()
        answer = answer.noting(quiet_notes(recorder.value))
        failure = recorder.failure
        return answer.failed(failure) if failure and answer.measured_at and not answer.failure else answer

    def promql(
        self,
        query: PromQL,
        watch: Watch,
        scope: Scope,
        window: Window,
        wait_seconds: float,
        named: promql.NamedQuery | None = None,
    ) -> Answer:
        """`named`: the measurement that `query` was written for, whose labels and unit are known."""
        client = watch.prometheus
        if client is None:
            return rejected(query, "source", *NO_PROMETHEUS)
        labels, units = (named.labels, {"value": named.unit}) if named else ((), {})

        def fetch(waited_seconds: float) -> Answer:
            return values_answer(client, query, window, seconds_for(waited_seconds), named)

        stretch = None if query.instant else window
        blank = Answer(empty_frame(labels), query, units, stretch, origin="Prometheus")
        return over_time(self._metrics, query, scope, window, fetch, blank, wait_seconds)

    def of_prometheus(
        self, query: OfPrometheus, watch: Watch, scope: Scope, window: Window, wait_seconds: float
    ) -> Answer:
        """In a line of its own: who explores keeps no page waiting."""
        client = watch.prometheus
        if client is None:
            return rejected(query, "source", *NO_PROMETHEUS)
        lasts = timedelta(seconds=ABOUT_SECONDS)

        def fetch(waited_seconds: float) -> Answer:
            return replace(about_answer(client, query, window, seconds_for(waited_seconds)), lasts=lasts)

        blank = Answer(blank_frame(query), query, origin="Prometheus")
        return over_time(self._explored, query, scope, window, fetch, blank, wait_seconds, lasts)

    def inspect(self, query: Inspect, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        sampled = watch.workers()
        expected = sampled.value.expected if sampled.value and not sampled.failure else ()
        rarely = query.method in RARELY and scope.max_age >= SOON
        lasts = timedelta(seconds=RARELY_SECONDS if rarely else 0)

        def fetch(_waited_seconds: float) -> Answer:
            snapshot = watch.inspector.snapshot(
                (query.method,),
                workers=query.workers or None,
                expected=expected,
                arguments={"query_task": {"ids": list(query.ids)}} if query.ids else {},
                deadline_seconds=INSPECT_SECONDS,
            )
            silent = sorted(set(snapshot.owing))
            frame = inspect_frame(query.method, snapshot, hide_arguments=self._hide_arguments)
            hidden = self._hide_arguments and "args" in frame and not frame.empty
            return Answer(
                frame=frame,
                query=query,
                origin=f"Celery at {watch.cluster.broker.address}",
                measured_at=snapshot.measured_at,
                took=snapshot.took,
                totals={"answered": len(snapshot.answered)},
                lasts=lasts,
                notes=tuple(Note(f"{name} did not answer", "warning") for name in silent)
                + (() if snapshot.answered else (Note("No worker answered", "warning"),))
                + notes_of(snapshot)
                + ((HIDDEN,) if hidden else ()),
            )

        blank = Answer(blank_frame(query), query, origin="Celery")
        question, due = (scope.cluster, query), slot(steady_now(), max(scope.max_age, lasts))
        return self._inspects.ask(question, due, fetch, blank, wait_seconds, lane=scope.cluster)

    def audit(self, query: Audit, scope: Scope, read: ReadAudit | None, wait_seconds: float) -> Answer:
        """As the workspace has it, which whoever steers reads by `read`."""
        if read is None:
            return rejected(query, "source", "there is no audit: nobody may change anything here", source="Workspace")

        def fetch(_waited_seconds: float) -> Answer:
            return read(query, scope.cluster)

        blank = Answer(blank_frame(query), query, origin="Workspace")
        question, due = (scope.cluster, query), slot(steady_now(), min(scope.max_age, SOON))
        return self._audits.ask(question, due, fetch, blank, wait_seconds)

    def xray(self, query: Xray, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        messages = Xray(query.queue)
        blank = Answer(blank_frame(messages), messages, origin=watch.cluster.broker.address)
        lasts = timedelta(seconds=XRAY_SECONDS)
        question, due = (scope.cluster, messages), slot(steady_now(), max(scope.max_age, lasts))

        def fetch(_waited_seconds: float) -> Answer:
            return replace(xray_answer(messages, watch.cluster.broker), lasts=lasts)

        return of_what(query, self._xrays.ask(question, due, fetch, blank, wait_seconds, lane=scope.cluster))


def seconds_for(waited_seconds: float) -> float:
    """What is left to answer in. Raises SourceUnreachable when that is nothing.

    The deadline is of the time in line too, or nobody is told while others time out. No try has a shorter one because
    the last had failed: a question that takes its time would not be answered any more.
    """
    seconds = round(DEADLINE_SECONDS - waited_seconds, 1)
    if seconds <= 0:
        raise SourceUnreachable(*NO_TURN)
    return seconds


def over_time(
    flights: Flights,
    query: Query,
    scope: Scope,
    window: Window,
    fetch: Fetch,
    blank: Answer,
    wait_seconds: float,
    lasts: timedelta = timedelta(0),
) -> Answer:
    """One question of a stretch of time: what lies far enough back is fetched once, the rest as it moves on."""
    question = (scope.cluster, query, scope.range if scope.range.is_live else window, window.step)
    moment = steady_now() if scope.range.is_live else min(datetime.now(UTC), window.end + SETTLED_AFTER)
    due = slot(moment, max(window.step, scope.max_age, lasts))
    return flights.ask(question, due, fetch, blank, wait_seconds, lane=scope.cluster)


def history_answer(history: HistoryReader, query: Recorded, scope: Scope, window: Window) -> Answer:
    """Read from the history, within its time limit. Raises SourceError."""
    match query:
        case Tasks():
            return tasks_answer(history, query, scope)
        case OfTasks():
            return of_tasks_answer(history, query, scope)
        case Task():
            return task_answer(history, query)
        case History():
            return series_answer(history, query, window)


def of_the_moment(query: Recorded, watch: Watch) -> Reading[Any]:
    """What tells whether a measurement still comes in."""
    if not isinstance(query, History):
        return watch.recorder()
    return watch.queues() if query.name in ("depth", "unacked") else watch.workers()


def quiet_notes(recorder: RecorderState | None) -> tuple[Note, ...]:
    if recorder is None or not recorder.quiet:
        return ()
    what = f"What {listed(recorder.quiet)} ran is not recorded: no task events come from there"
    return (Note(f"{what}; start workers with -E, or set CELERY_ENABLE_EVENTS", "warning"),)


BOOTED = datetime.now(UTC) - timedelta(seconds=time.monotonic())


def steady_now() -> datetime:
    """Now, by a clock that nobody sets back: until it caught up, what was fetched before would count as new."""
    return BOOTED + timedelta(seconds=time.monotonic())


def slot(moment: datetime, length: timedelta) -> float:
    """Where the slot begins that `moment` is in: all who ask within one share one fetch, or one of a later slot."""
    return floor_time(moment, length).timestamp()
