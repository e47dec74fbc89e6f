"""Query and scope in, answer out: what pages, routes and notebooks all go through. Never raises.

What the recorder wrote last is read from memory; the rest is asked in the background, once for all who want it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from data_sources import promql
from data_sources.answer import Answer, Failure, Note
from data_sources.config import Cluster, Settings
from data_sources.errors import BadParameter, SourceError, SourceUnreachable
from data_sources.flights import Flights
from data_sources.history import HistoryReader, facets_answer, series_answer, task_answer, tasks_answer
from data_sources.history_facets import FACET_COLUMNS
from data_sources.history_rows import ONE_TASK_COLUMNS, task_frame
from data_sources.inspect_frames import inspect_frame, notes_of
from data_sources.latest import RecorderState
from data_sources.now import depths_answer, seconds_left, source_frame, sources_answer, workers_answer
from data_sources.poller import Reading
from data_sources.presence import worker_frame
from data_sources.prometheus import PrometheusFacts
from data_sources.query import METHODS, SIGNALS, Depths, History, Inspect, PromQL, Query, Signal, Sources, Workers
from data_sources.queue_frame import depth_frame, listed
from data_sources.range_frame import empty_frame
from data_sources.scope import Scope, Window, floor_time
from data_sources.task_query import Facets, Task, Tasks
from data_sources.watch import Watch

log = logging.getLogger(__name__)

Recorded = History | Tasks | Facets | Task  # the kinds that the history answers

DEADLINE_SECONDS = 10.0
INSPECT_SECONDS = 5.0
RECORDED = {name: by for name, by in SIGNALS.items() if "container" not in by}  # those Prometheus alone knows
NO_TURN = (
    "Prometheus",
    f"gave no complete answer within {DEADLINE_SECONDS:g} s",
    "It is busy with other questions, or does not answer at all.",
)
FINEST = timedelta(seconds=5)  # a step: as often as workers and queues are asked
SETTLED_AFTER = timedelta(minutes=5)  # nothing is written that far back any more


class Desk:
    """The clusters of one configuration, watched, and the questions asked of them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ended = False
        self._watches = {cluster.name: Watch(cluster, settings.history_url) for cluster in settings.clusters}
        self._metrics = Flights("ask Prometheus", parallel=4)
        self._inspects = Flights("ask workers", parallel=2)
        self._histories = Flights("read the history", parallel=4)

    def start(self) -> None:
        for watch in self._watches.values():
            watch.start()

    def stop(self) -> None:
        """Asks nobody any more. Pages that still run are answered with what is known."""
        self.ended = True
        self._metrics.close()
        self._inspects.close()
        self._histories.close()
        with ThreadPoolExecutor(len(self._watches)) as together:
            list(together.map(Watch.stop, self._watches.values()))

    def ask(self, query: Query, scope: Scope, wait_seconds: float = 0.0) -> Answer:
        watch = self._watches.get(scope.cluster)
        if watch is None:
            return rejected(query, "cluster", f"there is no cluster “{scope.cluster[:60]}”")
        try:
            return self._ask(query, watch, scope, wait_seconds)
        except BadParameter as error:
            return rejected(query, error.name, error.message)
        except Exception as error:  # whatever a hostile answer makes of our code, the rest of the page goes on
            log.exception("unexpected error while answering")
            unexpected = SourceError.unexpected("Celery Notebook", error)
            blank = Answer(blank_frame(query), query)
            return blank.failed(Failure.from_error(unexpected, datetime.now(UTC), None))

    def cluster(self, name: str) -> Cluster:
        return self._watches[name].cluster

    def histories(self) -> dict[str, HistoryReader]:
        """By cluster."""
        return {name: watch.history for name, watch in self._watches.items()}

    def window(self, scope: Scope) -> Window:
        """The window that `scope` means now; all cells of a page agree on it. Raises BadParameter."""
        watch = self._watches[scope.cluster]
        finest = max(FINEST, watch.scrape_interval or timedelta(0))
        window = scope.range.resolve(datetime.now(UTC), step=scope.step, at_least=finest)
        if window.points == 1 and scope.step is None:  # no link can ask for a single moment
            return replace(window, start=window.start - window.step)
        return window

    def _ask(self, query: Query, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        match query:
            case Workers():
                return workers_answer(query, watch, wait_seconds)
            case Depths():
                return depths_answer(query, watch, wait_seconds)
            case Sources():
                return sources_answer(query, watch, wait_seconds)
            case History() | Tasks() | Facets() | Task():
                return self._history(query, watch, scope, wait_seconds)
            case Signal():
                return self._signal(query, watch, scope, wait_seconds)
            case PromQL():
                return self._promql(query, watch, scope, wait_seconds)
            case Inspect():
                return self._inspect(query, watch, scope, wait_seconds)
        raise TypeError(f"no source answers {type(query).__name__}")

    def _signal(self, signal: Signal, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        """From Prometheus where an exporter there gives it, else from the history."""
        ends = time.monotonic() + wait_seconds
        reading: Reading[PrometheusFacts] = watch.facts.read(wait_seconds) if watch.facts else Reading()
        if signal.by not in SIGNALS.get(signal.name, ()):
            raise BadParameter("q", f"there is no {signal.name} by {signal.by or 'nothing'}")
        if reading.value is not None:
            window = self.window(scope)
            rate_window = promql.rate_window(window.step, reading.value.scrape_interval)
            cluster = watch.cluster.name if len(self._watches) > 1 else None
            named = promql.signal(signal.name, signal.by, reading.value.family, rate_window, cluster)
            if named is not None:
                return self._promql(PromQL(named.text), watch, scope, seconds_left(ends), named)
        if signal.by in RECORDED.get(signal.name, ()):
            return self._history(History(signal.name, signal.by), watch, scope, seconds_left(ends))
        blank = Answer(blank_frame(signal), signal, origin="Prometheus")
        if reading.failure and watch.has_prometheus:
            return blank.failed(reading.failure)
        if watch.facts and reading.pending:
            return blank
        return replace(
            blank,
            measured_at=datetime.now(UTC),
            notes=(Note(promql.missing(signal.name, watch.has_prometheus), "absent"),),
        )

    def _history(self, query: Recorded, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        if isinstance(query, History) and query.by not in RECORDED.get(query.name, ()):
            raise BadParameter("q", f"{query.name} by {query.by or 'total'} is not recorded; Prometheus may have it")
        window = self.window(scope)
        answer = self._over_time(
            self._histories,
            query,
            scope,
            window,
            fetch=lambda: history_answer(watch.history, query, scope, window),
            blank=Answer(
                blank_frame(query), query, window=window if isinstance(query, History) else None, origin="History"
            ),
            wait_seconds=wait_seconds,
        )
        recorder = watch.recorder()
        answer = replace(answer, notes=answer.notes + quiet_notes(recorder.value))
        sampled = of_the_moment(query, watch) if scope.range.is_live else recorder
        failure = recorder.failure or sampled.failure
        return answer.failed(failure) if failure and answer.measured_at and not answer.failure else answer

    def _promql(
        self, query: PromQL, watch: Watch, scope: Scope, wait_seconds: float, named: promql.NamedQuery | None = None
    ) -> Answer:
        client = watch.prometheus
        if client is None:
            return rejected(query, "source", "no Prometheus is configured; set PROMETHEUS_URL", source="Prometheus")
        labels, units = (named.labels, {"value": named.unit}) if named else ((), {})
        window = self.window(scope)
        stretch = None if query.instant else window
        ends = time.monotonic() + DEADLINE_SECONDS  # of the time in line too, or nobody is told while others time out

        def fetch() -> Answer:
            seconds = round(ends - time.monotonic(), 1)
            if seconds <= 0:
                raise SourceUnreachable(*NO_TURN)
            if query.instant:
                result = client.query(query.text, window.end, deadline_seconds=seconds)
            else:
                result = client.query_range(query.text, window, deadline_seconds=seconds, labels=labels)
            warnings = [Note(text, "warning") for text in result.warnings] + [Note(text) for text in result.infos]
            if named and result.frame.empty:
                warnings.append(Note(promql.missing(named.name), "absent"))
            return Answer(
                frame=result.frame,
                query=query,
                units=units,
                window=stretch,
                origin=client.origin(),
                measured_at=datetime.now(UTC),
                took=result.took,
                notes=tuple(warnings),
            )

        blank = Answer(empty_frame(labels), query, units, stretch, origin="Prometheus")
        return self._over_time(self._metrics, query, scope, window, fetch, blank, wait_seconds)

    def _over_time(
        self,
        flights: Flights,
        query: Query,
        scope: Scope,
        window: Window,
        fetch: Callable[[], Answer],
        blank: Answer,
        wait_seconds: float,
    ) -> Answer:
        """One question of a stretch of time: what lies far enough back is fetched once, the rest as it moves on."""
        question = (scope.cluster, query, scope.range if scope.range.is_live else window, window.step)
        moment = steady_now() if scope.range.is_live else min(datetime.now(UTC), window.end + SETTLED_AFTER)
        due = slot(moment, max(window.step, scope.max_age))
        return flights.ask(question, due, fetch, blank, wait_seconds, lane=scope.cluster)

    def _inspect(self, query: Inspect, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        sampled = watch.workers()
        expected = sampled.value.expected if sampled.value and not sampled.failure else ()

        def fetch() -> Answer:
            snapshot = watch.inspector.snapshot(
                (query.method,),
                workers=query.workers or None,
                expected=expected,
                arguments={"query_task": {"ids": list(query.ids)}} if query.ids else {},
                deadline_seconds=INSPECT_SECONDS,
            )
            silent = sorted(set(snapshot.owing))
            return Answer(
                frame=inspect_frame(query.method, snapshot),
                query=query,
                origin=f"Celery at {watch.cluster.broker.address}",
                measured_at=snapshot.measured_at,
                took=snapshot.took,
                notes=tuple(Note(f"{name} did not answer", "warning") for name in silent)
                + (() if snapshot.answered else (Note("No worker answered", "warning"),))
                + notes_of(snapshot),
            )

        blank = Answer(blank_frame(query), query, origin="Celery")
        question, due = (scope.cluster, query), slot(steady_now(), scope.max_age)
        return self._inspects.ask(question, due, fetch, blank, wait_seconds, lane=scope.cluster)


def history_answer(history: HistoryReader, query: Recorded, scope: Scope, window: Window) -> Answer:
    """Read from the history, within its time limit. Raises SourceError."""
    match query:
        case Tasks():
            return tasks_answer(history, query, scope)
        case Facets():
            return facets_answer(history, query, scope)
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


def rejected(query: Query, parameter: str, message: str, source: str = "Celery Notebook") -> Answer:
    """The answer to a question that cannot be asked."""
    failure = Failure("rejected", source, message, "", datetime.now(UTC), None, parameter)
    return Answer(blank_frame(query), query, failure=failure)


def blank_frame(query: Query) -> pd.DataFrame:
    """The columns that an answer to `query` promises, without a row."""
    match query:
        case Workers():
            return worker_frame()
        case Depths():
            return depth_frame([])
        case Sources():
            return source_frame()
        case Inspect(method=method) if method in METHODS:
            return inspect_frame(method, None)
        case Tasks():
            return task_frame(())
        case Task():
            return task_frame((), ONE_TASK_COLUMNS)
        case Facets():
            return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in FACET_COLUMNS.items()})
        case Signal(by=by) if by:
            return empty_frame((by,))
    return empty_frame(())


BOOTED = datetime.now(UTC) - timedelta(seconds=time.monotonic())


def steady_now() -> datetime:
    """Now, by a clock that nobody sets back: until it caught up, what was fetched before would count as new."""
    return BOOTED + timedelta(seconds=time.monotonic())


def slot(moment: datetime, length: timedelta) -> float:
    """Where the slot begins that `moment` is in: all who ask within one share one fetch, or one of a later slot."""
    return floor_time(moment, length).timestamp()


_desk: Desk | None = None


def start(settings: Settings) -> None:
    """Starts watching; once a process. Pages and routes then `ask`."""
    global _desk
    if _desk is None or _desk.ended:
        _desk = Desk(settings)
        _desk.start()


def stop() -> None:
    if _desk is not None and not _desk.ended:
        _desk.stop()


def desk() -> Desk:
    """The desk of this process; raises RuntimeError before `start`."""
    if _desk is None:
        raise RuntimeError("nothing is watched yet: the dashboard's lifespan calls ask.start()")
    return _desk


def ask(query: Query, scope: Scope, wait_seconds: float = 0.0) -> Answer:
    return desk().ask(query, scope, wait_seconds)


def clusters() -> tuple[str, ...]:
    return tuple(cluster.name for cluster in desk().settings.clusters)
