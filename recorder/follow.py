"""The event stream of one cluster, listened to by a thread of its own, and the times it was deaf."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping

from data_sources.config import Cluster
from data_sources.errors import SourceError
from data_sources.events.celery_events import decode
from data_sources.events.event_stream import EventStream
from data_sources.events.event_streams import open_events
from data_sources.microseconds import now_us
from data_sources.workers.celery_control import MOST_WORKERS, give, names_one
from data_sources.workers.heartbeat import Heartbeat
from data_sources.workers.orders import EnableEvents
from recorder.gaps import Gaps
from recorder.heartbeats import Heartbeats, Mark
from recorder.inbox import Inbox
from recorder.senders import Senders, Totals

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0
READ_SECONDS = 0.5
RETRY_SECONDS = 2.0
SLOW_SECONDS = 1.0  # without a drop: then it is over
ASK_AGAIN_SECONDS = 60.0
REVIEW_SECONDS = 1.0
GONE_US = 60 * 1_000_000  # without a heartbeat: not worth asking

LATE_REASON = "they were not read for longer than RabbitMQ keeps them for the recorder"

DOWN, DEAF, SLOW, LATE = "down", "deaf", "slow", "late"  # what makes a gap in events
SILENT = ("events", "senders")  # what silent workers make a gap in: in all, or in part


class Follower:
    """Reads, decodes, and puts what was heard into the inbox.

    `earlier`: the heartbeats a recorder before this one knew, at its end; `names`: of the tasks it had heard of.

    `unheard`: workers that run tasks of which no events come; `quiet`: those of them that no gap names. Any thread may
    read both: they are replaced and never changed.
    """

    def __init__(
        self,
        cluster: Cluster,
        inbox: Inbox,
        gaps: Gaps,
        earlier: Mapping[str, Heartbeat],
        names: Collection[str],
        hide_arguments: bool,
    ) -> None:
        self.heartbeats = Heartbeats(earlier)
        self.totals: Totals | None = None  # the last, for the sampler to set
        self.poisoned = self.other = self.dropped = 0
        self.last_event_us: int | None = None
        self.failure: SourceError | None = None
        self.hears = False  # whether the stream is listened to
        self.unheard: frozenset[str] = frozenset()
        self.quiet: tuple[str, ...] = ()
        self._cluster = cluster
        self._inbox = inbox
        self._gaps = gaps
        self._hide_arguments = hide_arguments
        self._stream: EventStream | None = None
        self._before: dict[str, Mapping[str, Mark]] = {DOWN: self.heartbeats.marks()}
        self._heard_until = time.monotonic()
        self._senders = Senders(
            sends=[name for name, beat in earlier.items() if beat.sends_events],
            sent=[name for name, beat in earlier.items() if beat.sent_events],
            names=names,
        )
        self._judged: Totals | None = None
        self._dropped_at = 0.0
        self._dropped_in_gap = 0
        self._review_at = 0.0
        self._reason: str | None = None  # why an event could not be read, not logged yet
        self._asked: dict[str, float] = {}  # workers that were asked to send events, and when
        self._asking: threading.Thread | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow {cluster.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 1.0) -> None:
        self._ending.set()
        if self._stream:
            self._stream.close()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._listen()
            except SourceError as error:
                self._lost(error)
            except Exception as error:  # whatever a hostile message makes of our code: it must be heard on
                unexpected = SourceError.unexpected("Events", error)
                if self.failure is None or self.failure.what != unexpected.what:  # once, not every time
                    log.exception("%s: unexpected error while following events", self._cluster.name)
                self._lost(unexpected)

    def _listen(self) -> None:
        self._stream = stream = self._stream or open_events(self._cluster.broker)
        stream.connect(CONNECT_SECONDS)
        self.failure = None
        self.hears = True
        self._asked.clear()
        self._senders.listen()
        for cause in (DOWN, DEAF, LATE):
            self._ended(cause)
        while not self._ending.is_set():
            self._heard_until = stream.read_until
            messages = stream.read(READ_SECONDS)
            if stream.overdue:
                self._begin(LATE, LATE_REASON, self._heard_until)
            else:
                self._ended(LATE)
            if messages:
                heard = decode(messages, now_us(), hide_arguments=self._hide_arguments)
                self.poisoned += heard.poisoned
                self.other += heard.other
                self._reason = heard.reason or self._reason
                dropped = self._inbox.put_events(heard.tasks) if heard.tasks else 0
                kept = heard.tasks[: len(heard.tasks) - dropped]
                if kept:
                    self.last_event_us = kept[-1].at_us
                if dropped:
                    self._drop(dropped)
                self.heartbeats.absorb(kept, heard.workers)
                self._senders.hear(heard.tasks)
                self._tell_silence()
                for beat in heard.workers:
                    if beat.kind == "online":
                        self._asked.pop(beat.worker, None)
            if time.monotonic() >= self._review_at:
                self._review_at = time.monotonic() + REVIEW_SECONDS
                self._review()

    def _lost(self, error: SourceError) -> None:
        if self._ending.is_set():
            return
        self.failure = error
        self.hears = False
        self._ended(DOWN)
        if self._stream:
            self._heard_until = min(self._heard_until, self._stream.read_until)
            self._stream.close()
        self._begin(DEAF, error.what, self._heard_until)
        self._ending.wait(RETRY_SECONDS)

    def _begin(self, cause: str, reason: str, since: float) -> None:
        """A gap of which is found out, when it has ended, how much was missed."""
        if not self._gaps.is_open(cause):
            self._before[cause] = self.heartbeats.marks()
        self._gaps.begin(cause, "events", reason, time.monotonic() - since)

    def _drop(self, count: int) -> None:
        self.dropped += count
        self._dropped_in_gap += count
        self._dropped_at = time.monotonic()
        self._gaps.begin(SLOW, "events", self._inbox.blocked or "more events came than could be written")

    def _end_drops(self) -> None:
        """Ends the time of too many events, when it is over: how many were dropped is known."""
        if self._gaps.is_open(SLOW) and time.monotonic() - self._dropped_at > SLOW_SECONDS:
            if gap := self._gaps.end(SLOW):
                self._gaps.estimate(gap, self._dropped_in_gap)
            self._dropped_in_gap = 0

    def _review(self) -> None:
        if self._reason:
            log.warning("%s: %d events were left out: %s", self._cluster.name, self.poisoned, self._reason)
            self._reason = None
        self._end_drops()
        self._mind_senders()
        self._tell_unheard()
        for gap, missed in self.heartbeats.due_estimates():
            if missed is not None:
                self._gaps.estimate(gap, missed)
        if self._cluster.enable_events:
            self._ask_for_events()

    def _mind_senders(self) -> None:
        if self.totals is not None and self.totals is not self._judged:
            self._judged = self.totals
            self._senders.judge(self.totals)
            self.heartbeats.cease(self._senders.silent)
            self._tell_silence()

    def _tell_unheard(self) -> None:
        gap = self._senders.gap
        self.unheard = frozenset((*self._senders.silent, *self.heartbeats.quiet()))
        self.quiet = tuple(sorted(self.unheard.difference(gap.workers if gap else ())))

    def _tell_silence(self) -> None:
        silence = self._senders.gap
        for source in SILENT:
            cause = f"silent {source}"
            if silence is None or silence.source != source:
                self._gaps.end(cause)
            elif self._gaps.is_open(cause):
                self._gaps.reword(cause, silence.reason)
            else:
                self._gaps.begin(cause, source, silence.reason, time.monotonic() - silence.since)

    def _ended(self, cause: str) -> None:
        gap = self._gaps.end(cause)
        if gap is not None:
            self.heartbeats.measure(gap, self._before.pop(cause))

    def _ask_for_events(self) -> None:
        """In a thread: the stream goes on meanwhile, and a worker that was asked is given time."""
        now = time.monotonic()
        names = [
            name
            for name, beat in self.heartbeats.workers.items()
            if not beat.sends_events
            and names_one(name)
            and now_us() - beat.at_us < GONE_US
            and now - self._asked.get(name, -ASK_AGAIN_SECONDS) >= ASK_AGAIN_SECONDS
        ][:MOST_WORKERS]
        if names and not (self._asking and self._asking.is_alive()):
            self._asked.update(dict.fromkeys(names, now))
            self._asking = threading.Thread(target=self._enable_events, args=(names,), daemon=True)
            self._asking.start()

    def _enable_events(self, workers: list[str]) -> None:
        try:
            give(self._cluster.broker, EnableEvents(), workers, CONNECT_SECONDS)
            log.info("%s: asked %d workers to send task events", self._cluster.name, len(workers))
        except SourceError as error:
            log.warning("%s: workers could not be asked to send task events: %s", self._cluster.name, error.what)
            for name in workers:
                self._asked.pop(name, None)
