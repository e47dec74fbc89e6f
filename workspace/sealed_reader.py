"""Reads snapshots for all who look at them: what was opened last stays open."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from weakref import WeakValueDictionary

from data_sources.errors import QueryRejected
from data_sources.sealed.answers import SOURCE, Sealed
from data_sources.sealed.file import BrokenSeal, read
from workspace import snapshots
from workspace.store import Workspace

MOST_OPEN = 8
MOST_BYTES = 2 * snapshots.MOST_BYTES  # of those that are open, as they are kept; frames take some five times that
SURE_SECONDS = 2.0  # so long it is not looked whether it was deleted or has expired


@dataclass
class Opened:
    sealed: Sealed
    bytes: int
    seen_at: float  # monotonic, when it was last known to be there


class SealedReader:
    """Any thread may use it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = Lock()
        self._reading = Lock()  # one at a time: while it is read it takes several times its bytes
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._turns: WeakValueDictionary[str, Lock] = WeakValueDictionary()  # of those that are asked for now

    def __call__(self, id: str) -> Sealed:
        """Raises QueryRejected when there is no such snapshot (any more), and SourceUnreachable."""
        with self._lock:
            turn = self._turns.setdefault(id, Lock())
        with turn:
            with self._lock:
                known = self._opened.pop(id, None)
            if known is None or time.monotonic() - known.seen_at > SURE_SECONDS:
                there = snapshots.snapshot(self._workspace, id)
                sealed = known.sealed if known else self._read(id)
                known = Opened(sealed, there.bytes, time.monotonic())
            with self._lock:
                self._opened[id] = known
                while len(self._opened) > MOST_OPEN or sum(one.bytes for one in self._opened.values()) > MOST_BYTES:
                    self._opened.popitem(last=False)
            return known.sealed

    def _read(self, id: str) -> Sealed:
        try:
            with self._reading:
                return read(snapshots.body(self._workspace, id))
        except BrokenSeal as exc:
            raise QueryRejected(SOURCE, f"what was kept {exc}", "Make a new one", "snapshot") from exc
