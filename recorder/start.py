"""Keeps a recorder running for a dashboard: starts one when nobody records, and ends it with the dashboard."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from data_sources.config import Settings
from data_sources.history.place import place
from recorder.database import StoreFailed
from recorder.lease import lease_of

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]
LOOK_SECONDS = 1.0
FIRST_REST, LAST_REST = 1.0, 30.0  # before a recorder that ended is started again; longer each time
STEADY_SECONDS = 60.0  # it ran that long: then it may be started again at once
STOP_SECONDS = 20.0  # far more than a recorder takes to end: killed before, it would leave its reply queue behind


class Keeper:
    """Looks each second whether somebody has the lease of every history, and starts a recorder when nobody has one.

    The recorder reads a pipe of ours: however this process ends, the pipe is closed, and the recorder ends too.
    """

    def __init__(self, settings: Settings) -> None:
        self._leases = [lease_of(place(settings.history_url, cluster)) for cluster in settings.clusters]
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = self._due = 0.0
        self._rest = FIRST_REST
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keep recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends our recorder, which writes what it has heard."""
        self._ending.set()
        self._thread.join(LOOK_SECONDS)
        for lease in self._leases:
            lease.release()
        if self._child is None:
            return
        self._close_pipe(self._child)
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._look()
            self._ending.wait(LOOK_SECONDS)

    def _look(self) -> None:
        if self._child is not None and (code := self._child.poll()) is not None:
            self._close_pipe(self._child)
            self._child = None
            if time.monotonic() - self._started_at >= STEADY_SECONDS:
                self._rest = FIRST_REST
            self._due = time.monotonic() + self._rest
            log.warning("the recorder ended with %d; another is started in %.0f s", code, self._rest)
            self._rest = min(2 * self._rest, LAST_REST)
        if self._child is None and time.monotonic() >= self._due and self._is_needed():
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            self._child = subprocess.Popen(
                [sys.executable, "-m", "recorder", "--with-parent"],
                stdin=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C reaches the dashboard alone, which ends it in order
            )
            self._started_at = time.monotonic()
            log.info("started a recorder, process %d", self._child.pid)

    def _is_needed(self) -> bool:
        """Whether a history has no recorder. One that cannot be asked for has none: the recorder says why."""
        try:
            return not all(lease.is_held() for lease in self._leases)
        except StoreFailed:
            return True

    def _close_pipe(self, child: subprocess.Popen[bytes]) -> None:
        if child.stdin:
            with contextlib.suppress(OSError):
                child.stdin.close()
