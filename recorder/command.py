"""Records the configured clusters until it is told to end.

python -m recorder                 alone: it goes on recording while no dashboard runs
python -m recorder --with-parent   ends when its standard input is closed, as the dashboard starts it
python -m recorder --metrics :9808 serves /metrics there as well, on this machine alone; host:port for others

Ends with 0 when it was told to, with 3 when no history can be written.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading

from data_sources import settings
from data_sources.config import Settings
from data_sources.errors import ConfigError
from data_sources.history.place import place
from data_sources.history.reader import HistoryReader
from recorder.run import END_SECONDS, Recorder

log = logging.getLogger(__name__)

WRONG_SETTINGS, CANNOT_WRITE = 2, 3


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m recorder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    parser.add_argument("--metrics", metavar="ADDRESS", help="serve /metrics at host:port")
    options = parser.parse_args()
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s recorder[%(process)d] %(levelname)s %(message)s"
    )
    try:
        configured = settings.load()
        recorder = Recorder(configured, alone=not options.with_parent)
        if options.metrics is not None:
            serve_metrics(options.metrics, configured)
    except ConfigError as error:
        log.critical("it does not start: %s", error)
        return WRONG_SETTINGS
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: recorder.ending.set())
    if options.with_parent:
        threading.Thread(target=end_with_parent, args=(recorder,), name="parent", daemon=True).start()
    recorder.start()
    recorder.ending.wait()
    recorder.stop()
    if recorder.failure:
        log.critical("it ends: %s", recorder.failure)
        return CANNOT_WRITE
    return 0


def serve_metrics(address: str, configured: Settings) -> None:
    """Of the histories, by cluster: whoever records them, this process or another. Raises ConfigError."""
    from recorder.metrics import serve  # few ask for it, and its library takes long to import

    serve(address, {one.name: HistoryReader(place(configured.history_url, one)) for one in configured.clusters})


def end_with_parent(recorder: Recorder) -> None:
    """The parent holds the other end of our standard input, and never writes: it is closed when the parent ends."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    recorder.ending.set()
    threading.Timer(END_SECONDS, os._exit, (1,)).start()
