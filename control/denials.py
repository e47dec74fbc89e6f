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
MOST = 1_000  # in that time; of more, those alone who have a name: addresses cost whoever likes to try nothing


class Denials:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._written: OrderedDict[tuple[Whose, str], float] = OrderedDict()  # when, the oldest first
        self._lock = threading.Lock()

    def record(self, person: Person, cluster: str, kind: str, workers: Sequence[str]) -> None:
        """Raises SourceError."""
        who, now = (whose(person), "" if person.name else person.address), time.monotonic()
        with self._lock:
            while self._written and now - next(iter(self._written.values())) >= AGAIN_SECONDS:
                self._written.popitem(last=False)
            if who in self._written or (len(self._written) >= MOST and not person.name):
                return
            self._written[who] = now
        journal.record_denied(self._workspace, person, cluster, kind, workers)
