"""Recording the clusters of one configuration, each while its history is ours to write, until we are told to end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

from data_sources.config import Cluster, Settings
from data_sources.errors import SourceError
from data_sources.history.place import Place, SqlitePlace, place
from data_sources.latest import RecorderState, workers_from_json
from data_sources.microseconds import now_us
from data_sources.workers.worker_rows import Row
from recorder.batch import Batch, Gap
from recorder.careful_clock import CarefulClock
from recorder.database import StoreFailed
from recorder.follow import DOWN, Follower
from recorder.gaps import Gaps
from recorder.housekeeping import Housekeeping
from recorder.inbox import Inbox
from recorder.lease import Lease, lease_of
from recorder.names import NAME
from recorder.retention import Keep
from recorder.sampler import Sampler
from recorder.store import Store
from recorder.writer import Writer

log = logging.getLogger(__name__)

TRY_SECONDS = 1.0
AGAIN_SECONDS = 30.0  # before a cluster that was given up is tried again, while others are recorded
END_SECONDS = 6.0


class Recorder:
    """Records every cluster of `settings`, each in a thread. `failure`: why it ended by itself, when it did: no history
    can be written. While one can, the clusters of the others are given up alone, and tried again now and then.

    `alone`: whether it outlives whoever started it; None: nobody said.
    """

    def __init__(self, settings: Settings, alone: bool | None = None) -> None:
        self._alone = alone
        self.failure: str | None = None
        self.ending = threading.Event()
        self._given_up: dict[str, str] = {}  # by cluster: why
        self._giving_up = threading.Lock()
        self._threads = [
            threading.Thread(target=self._record, args=(cluster, settings), name=f"record {cluster.name}", daemon=True)
            for cluster in settings.clusters
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Writes what was heard, and gives the leases back."""
        self.ending.set()
        for thread in self._threads:
            thread.join(END_SECONDS)

    def _record(self, cluster: Cluster, settings: Settings) -> None:
        where = place(settings.history_url, cluster)
        log.info("%s: the history is %s", cluster.name, where.address)
        lease = lease_of(where)
        said = ""
        while not self.ending.is_set():
            rest = TRY_SECONDS
            try:
                said = self._try(cluster, settings, where, lease, said)
            except (StoreFailed, SourceError) as error:
                if isinstance(where, SqlitePlace):  # a folder does not come back by itself, a server may
                    self._give_up(cluster, f"the history of {cluster.name} cannot be written: {error}")
                    rest = AGAIN_SECONDS
                elif said != str(error):
                    said = str(error)
                    log.error("%s: %s; tried again each second", cluster.name, said)
            except Exception:
                log.exception("%s: unexpected error", cluster.name)
                self._give_up(cluster, f"{cluster.name} cannot be recorded: unexpected error")
                rest = AGAIN_SECONDS
            self.ending.wait(rest)
        lease.release()

    def _try(self, cluster: Cluster, settings: Settings, where: Place, lease: Lease, said: str) -> str:
        """Records while the lease is ours; what was said last of why it is not."""
        if lease.acquire():
            try:
                log.info("%s: lease taken", cluster.name)
                recording = Recording(cluster, settings, where, self._alone)
                self._given_up.pop(cluster.name, None)
                while not self.ending.wait(TRY_SECONDS) and recording.writes and lease.is_ours():
                    pass
                writes = recording.writes
                recording.stop()
                log.info("%s: stopped", cluster.name)
            finally:
                lease.release()
            if not writes:
                raise StoreFailed(f"{where.address}: what writes it ended by a fault, which the log shows")
            return ""
        self._given_up.pop(cluster.name, None)
        waiting = f"standing by: {lease.holder()} records it"
        if waiting != said:
            log.info("%s: %s", cluster.name, waiting)
        return waiting

    def _give_up(self, cluster: Cluster, failure: str) -> None:
        """For now; with the last one there is nothing to go on for."""
        with self._giving_up:
            if self._given_up.get(cluster.name) != failure:
                log.error("%s: given up: %s", cluster.name, failure)
            self._given_up[cluster.name] = failure
            if len(self._given_up) == len(self._threads):
                self.failure = "; ".join(self._given_up.values())
                self.ending.set()


class Recording:
    """All that runs for one cluster while its history is ours. Raises StoreFailed when that cannot be opened."""

    def __init__(self, cluster: Cluster, settings: Settings, where: Place, alone: bool | None) -> None:
        store = Store.open(where)
        try:
            tell_of_others(cluster, where, store)
            self._begin(store, cluster, settings, where, alone)
        except BaseException:
            store.close()
            raise

    def _begin(self, store: Store, cluster: Cluster, settings: Settings, where: Place, alone: bool | None) -> None:
        inbox, gaps = Inbox(), Gaps(cluster.name)
        earlier = last_state(store)
        state = earlier[1] if earlier else None
        keep = Keep(settings.history_keep, settings.history_size_bytes)
        clock = CarefulClock(earlier[0] if earlier else now_us())
        self._writer = Writer(store, where, inbox, gaps, Housekeeping(store, keep, clock), alone)
        if earlier is not None:
            beat_us = earlier[0]
            ended = [replace(gap, end_us=max(gap.start_us, beat_us)) for gap in store.open_gaps()]
            store.write(Batch(gaps=ended))
            lag_seconds = state.lag_seconds if state else 0.0  # what it had heard since then went with it
            written_us = beat_us - round(lag_seconds * 1e6)
            gaps.resume(DOWN, Gap("recorder", written_us, None, "the recorder was not running"))
        workers = state.workers if state else {}
        self._follower = Follower(cluster, inbox, gaps, workers, tasks_heard(store), settings.history_hide_arguments)
        self._sampler = Sampler(cluster, inbox, gaps, self._follower, last_workers(store))
        self._sampler.ended = self._writer.ended
        self._writer.follower = self._follower
        self._follower.start()  # first: what is not heard is lost
        self._writer.start()
        self._sampler.start()

    @property
    def writes(self) -> bool:
        return self._writer.alive

    def stop(self) -> None:
        self._sampler.end()
        self._follower.stop()
        self._writer.stop()
        self._sampler.stop()


def tell_of_others(cluster: Cluster, where: Place, store: Store) -> None:
    """Who gives a cluster a name begins a history: that the old one is still there is easily overlooked."""
    if isinstance(where, SqlitePlace):
        found = {path.name for path in where.path.parent.glob(f"*-{where.fingerprint}.db")}
    else:
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE ?"
        found = {name for (name,) in store.database.query(schemas, (rf"celery\_notebook\_%\_{where.fingerprint}",))}
    for other in sorted(found - {where.name}):
        log.info(
            "%s: %s holds a history of the same broker under another cluster's name; "
            "docs/history.md tells how to go on with that one",
            cluster.name,
            other,
        )


def last_workers(store: Store) -> Sequence[Row]:
    """The workers that the recorder before this one knew."""
    rows = store.database.query("SELECT body FROM latest WHERE kind = 'workers'")
    try:
        return next((workers_from_json(body).rows for (body,) in rows if body), ())
    except (ValueError, TypeError, AttributeError, KeyError):
        log.warning("the workers that the recorder before knew cannot be read; those that are gone are not missed")
        return ()


def tasks_heard(store: Store) -> Sequence[str]:
    """The names of tasks of which events came."""
    rows = store.database.query(f"SELECT text FROM names WHERE kind = {NAME}")
    return [text for (text,) in rows]


def last_state(store: Store) -> tuple[int, RecorderState | None] | None:
    """When the recorder before this one said something last, and what, if that can be read; None for a history that
    begins.
    """
    rows = store.database.query("SELECT measured_us, body FROM latest WHERE kind = 'recorder'")
    for at_us, body in rows:
        if at_us:
            try:
                return at_us, RecorderState.from_json(body)
            except (ValueError, TypeError, AttributeError):
                log.warning("what the recorder before said cannot be read; missed tasks are not estimated")
                return at_us, None
    return None
