"""What was tried by who may not, in the audit; but not as often as somebody likes to try."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

from control import journal
from control.pending import Whose, whose
from identity import Person
from workspace.store import Workspace

AGAIN_SECONDS = 60.0  # whatever a person tries in this time, the first of it is written
MOST = 1_000  # people


class Denials:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._written: OrderedDict[Whose, float] = OrderedDict()
        self._lock = threading.Lock()

    def record(self, person: Person, cluster: str, kind: str, workers: Sequence[str]) -> None:
        """Raises SourceError."""
        who, now = whose(person), time.monotonic()
        with self._lock:
            if now - self._written.get(who, float("-inf")) < AGAIN_SECONDS:
                return
            self._written[who] = now
            self._written.move_to_end(who)
            while len(self._written) > MOST:
                self._written.popitem(last=False)
        journal.record_denied(self._workspace, person, cluster, kind, workers)
