"""Query and scope in, answer out: what pages, routes and notebooks all go through. Never raises.

What the recorder wrote last is read from memory; the rest is asked in the background, once for all who want it.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from data_sources.answer import Answer
from data_sources.audit_query import Audit
from data_sources.blank import blank_frame, rejected
from data_sources.brokers.looks import Look
from data_sources.brokers.xray_answer import look_answer, of_what
from data_sources.config import Cluster, Settings
from data_sources.errors import BadParameter, QueryRejected, SourceError
from data_sources.failure import Failure
from data_sources.fetches import Fetches, ReadAudit
from data_sources.history.reader import HistoryReader
from data_sources.note import Note
from data_sources.now import chosen, depths_answer, leftovers_answer, seconds_left, sources_answer, workers_answer
from data_sources.poller import Reading
from data_sources.prometheus import promql
from data_sources.prometheus.client import PrometheusFacts
from data_sources.prometheus.whose import Whose
from data_sources.promql_query import OfPrometheus
from data_sources.query import SIGNALS, Depths, History, Inspect, PromQL, Query, Signal, Sources, Workers
from data_sources.queue_query import Leftovers, Xray
from data_sources.run_query import Held
from data_sources.schedule_query import Schedule
from data_sources.scope import Range, Scope, Window
from data_sources.sealed.answers import ReadSealed, Sealed
from data_sources.setup.answer import counts, setup_answer
from data_sources.setup_query import Recording, Setup
from data_sources.task_query import OfTasks, Task, Tasks
from data_sources.watch import Watch

log = logging.getLogger(__name__)

OF_MACHINES = ("container", "instance")  # these Prometheus alone knows
RECORDED = {name: by for name, by in SIGNALS.items() if by[0] not in OF_MACHINES}
HIDDEN = Note("HISTORY_HIDE_ARGUMENTS keeps arguments and results out of the history", "absent")
EXACT = ("depth", "busy_slots")  # what the recorder counts, an exporter may count in part
FINEST = timedelta(seconds=5)  # a step: as often as workers and queues are asked
NOW = Range(span=timedelta(minutes=5))


class Desk:
    """The clusters of one configuration, watched, and the questions asked of them; or a `bundle` of answers alone."""

    def __init__(self, settings: Settings, bundle: Sealed | None = None) -> None:
        self.settings = settings
        self.bundle = bundle
        self.ended = False
        self._watches = {
            one.name: Watch(one, settings.history_url, Whose.of(one, settings.clusters)) for one in settings.clusters
        }
        self._fetches = Fetches(settings.history_hide_arguments)
        self.audit: ReadAudit | None = None  # who steers says how the audit is read; without control there is none
        self.read_sealed: ReadSealed | None = None  # who keeps snapshots says how one is read

    def start(self) -> None:
        for watch in () if self.bundle else self._watches.values():
            watch.start()

    def stop(self) -> None:
        """Asks nobody any more. Pages that still run are answered with what is known."""
        self.ended = True
        self._fetches.close()
        with ThreadPoolExecutor(len(self._watches)) as together:
            list(together.map(Watch.stop, self._watches.values()))

    def ask(self, query: Query, scope: Scope, wait_seconds: float = 0.0) -> Answer:
        watch = self._watches.get(scope.cluster)
        if watch is None:
            return rejected(query, "cluster", f"there is no cluster “{scope.cluster[:60]}”")
        try:
            if sealed := self.sealed(scope):
                return sealed.answer(query, scope)
            return self._ask(query, watch, scope, wait_seconds)
        except BadParameter as error:
            return rejected(query, error.name, error.message)
        except SourceError as error:
            return Answer(blank_frame(query), query).failed(Failure.from_error(error, datetime.now(UTC), None))
        except Exception as error:  # whatever a hostile answer makes of our code, the rest of the page goes on
            log.exception("unexpected error while answering")
            unexpected = SourceError.unexpected("Celery Notebook", error)
            blank = Answer(blank_frame(query), query)
            return blank.failed(Failure.from_error(unexpected, datetime.now(UTC), None))

    def sealed(self, scope: Scope) -> Sealed | None:
        """What is answered from instead of the sources; None: from these. Raises SourceError when it is not there."""
        if self.bundle or not scope.snapshot:
            return self.bundle
        if self.read_sealed is None:
            raise QueryRejected("Snapshot", "none are kept here", parameter="snapshot")
        return self.read_sealed(scope.snapshot)

    def cluster(self, name: str) -> Cluster:
        return self._watches[name].cluster

    def keep_look(self, cluster: str, queue: str, look: Look) -> None:
        """What was seen of a queue is what is known of its inside, for a while."""
        self._watches[cluster].looks.keep(queue, look)

    def histories(self) -> dict[str, HistoryReader]:
        """By cluster."""
        return {name: watch.history for name, watch in self._watches.items()}

    def window(self, scope: Scope) -> Window:
        """The window that `scope` means now; all cells of a page agree on it. Raises BadParameter."""
        with suppress(SourceError):  # of a snapshot that is not there each cell says so
            if sealed := self.sealed(scope):
                return sealed.window(scope)
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
            case Setup():
                return self._setup(query, watch, scope, wait_seconds)
            case Recording():
                return self._fetches.recording(query, watch, scope, wait_seconds)
            case History():
                return self._history(query, watch, scope, wait_seconds)
            case Held():
                return self._fetches.held(query, watch, scope, self.window(scope), wait_seconds)
            case Tasks() | OfTasks() | Task():
                answer = self._fetches.history(query, watch, scope, self.window(scope), wait_seconds)
                hidden = self.settings.history_hide_arguments and isinstance(query, Task)
                return answer.noting((HIDDEN,)) if hidden else answer
            case Signal():
                return self._signal(query, watch, scope, wait_seconds)
            case Xray(queue=queue) if watch.cluster.broker.transport == "amqp":
                control = self.settings.access.control
                return of_what(query, look_answer(Xray(queue), watch.cluster, watch.looks, control))
            case Xray():
                return self._fetches.xray(query, watch, scope, wait_seconds)
            case Audit():
                return self._fetches.audit(query, scope, self.audit, wait_seconds)
            case Leftovers():
                return leftovers_answer(query, watch, wait_seconds)
            case Schedule():
                return self._fetches.schedule(query, watch, scope, self.window(scope), wait_seconds)
            case PromQL():
                return self._fetches.promql(query, watch, scope, self.window(scope), wait_seconds)
            case OfPrometheus():
                return self._fetches.of_prometheus(query, watch, scope, self.window(scope), wait_seconds)
            case Inspect():
                return self._fetches.inspect(query, watch, scope, wait_seconds)
        raise TypeError(f"no source answers {type(query).__name__}")

    def _setup(self, query: Setup, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        """As it is now, whatever the range."""
        ends, now = time.monotonic() + wait_seconds, replace(scope, range=NOW, step=None)
        facts: Reading[PrometheusFacts] = watch.facts.read(wait_seconds) if watch.facts else Reading()
        asked = counts(facts.value, watch.whose)
        recording = self._fetches.recording(Recording(), watch, now, seconds_left(ends))
        counted = {
            name: self._fetches.promql(one, watch, now, self.window(now), seconds_left(ends))
            for name, one in asked.items()
        }
        return setup_answer(query, watch, self.settings, recording, counted, seconds_left(ends))

    def _history(self, query: History, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        if not is_recorded(query):
            raise BadParameter("q", f"{query.name} by {query.by or 'total'} is not recorded; Prometheus may have it")
        return self._fetches.history(query, watch, scope, self.window(scope), wait_seconds)

    def _signal(self, signal: Signal, watch: Watch, scope: Scope, wait_seconds: float) -> Answer:
        """From Prometheus where an exporter other than our own gives it, else from the history; what exporters count in
        part, or cannot tell from other clusters', from the history where that covers the window.
        """
        if signal.by not in SIGNALS.get(signal.name, ()):
            raise BadParameter("q", f"there is no {signal.name} by {signal.by or 'nothing'}")
        ends = time.monotonic() + wait_seconds
        reading: Reading[PrometheusFacts] = watch.facts.read(wait_seconds) if watch.facts else Reading()
        window, facts = self.window(scope), reading.value
        named = self._named(signal, facts, watch, window) if facts else None
        knows_more = (signal.name in EXACT or watch.whose.mixed) and watch.recorded_since(window.start)
        if is_recorded(signal) and (named is None or knows_more):
            recorded = self._history(History(signal.name, signal.by, signal.of), watch, scope, seconds_left(ends))
            if named is None or recorded.pending or covers(recorded, window):
                return recorded
        if facts is None or named is None:
            return nowhere(signal, watch, reading)
        answer = self._fetches.promql(PromQL(named.text), watch, scope, window, seconds_left(ends), named)
        answer = answer.noting(promql.doubts(signal.name, facts.family, watch.cluster.broker.transport, watch.whose))
        if signal.of and signal.name not in RECORDED:
            return replace(answer, query=signal, frame=chosen(answer.frame, signal.by, signal.of))
        return answer

    def _named(self, signal: Signal, facts: PrometheusFacts, watch: Watch, window: Window) -> promql.NamedQuery | None:
        """The PromQL of a signal; None where the family cannot give it, or where it is a copy of our own history."""
        if facts.family == "recorder" and is_recorded(signal):
            return None
        rate_window = promql.rate_window(window.step, facts.scrape_interval)
        return promql.signal(signal.name, signal.by, facts.family, rate_window, watch.whose, signal.of)


def is_recorded(signal: Signal) -> bool:
    return signal.by in RECORDED.get(signal.name, ())


def covers(recorded: Answer, window: Window) -> bool:
    """Whether the recording knows something, and is silent of no more than half of the window."""
    if recorded.measured_at is None or recorded.frame.empty:
        return False
    gaps = [(note.start or window.start, note.end or window.end) for note in recorded.notes if note.kind == "gap"]
    silent, told_until = timedelta(0), window.start
    for begins, ends in sorted([*gaps, (recorded.measured_at, window.end)]):
        stretch = min(ends, window.end) - max(begins, told_until)
        silent, told_until = silent + max(stretch, timedelta(0)), max(told_until, ends)
    return silent <= (window.end - window.start) / 2


def nowhere(signal: Signal, watch: Watch, reading: Reading[PrometheusFacts]) -> Answer:
    """No source that answers now gives it: why, or what would."""
    blank = Answer(blank_frame(signal), signal, origin="Prometheus")
    if reading.failure and watch.has_prometheus:
        return blank.failed(reading.failure)
    if watch.facts and reading.pending:
        return blank
    missing = Note(promql.missing(signal.name, watch.has_prometheus, watch.whose), "absent")
    return replace(blank, measured_at=datetime.now(UTC), notes=(missing,))


_desk: Desk | None = None


def start(settings: Settings, bundle: Sealed | None = None) -> None:
    """Starts watching; once a process. Pages and routes then `ask`."""
    global _desk
    if _desk is None or _desk.ended:
        _desk = Desk(settings, bundle)
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
