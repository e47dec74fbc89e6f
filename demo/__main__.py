"""A real Celery cluster with traffic on this machine, and Celery Notebook looking at it.

python -m demo                  until Ctrl-C
python -m demo --no-dashboard   the cluster alone
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from demo.environment import forget_own_clusters
from demo.servers import Dashboard, Process
from demo.stack import Stack, running_stack


class StopRequested(BaseException):
    """Ctrl-C, SIGTERM, or the terminal was closed."""


def stop_on_signals() -> None:
    """The first signal stops the demo; those that follow must not interrupt the stopping."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def request_stop(number: int, frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise StopRequested

    for each in signals:
        signal.signal(each, request_stop)


def say(text: str) -> None:
    """Prints at once; a terminal that has gone must not keep the demo from stopping."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def ready_text(stack: Stack, dashboard: Dashboard | None) -> str:
    """Where everything is, for people."""
    lines = []
    if dashboard:
        taken = "" if dashboard.port == 8501 else "   (port 8501 is taken)"
        lines += ["", f"Celery Notebook is ready: {dashboard.url}/?range=15m{taken}"]
    lines += [
        "",
        f"  CELERY_BROKER_URL  {stack.redis.url}",
        f"  PROMETHEUS_URL     {stack.prometheus.url if stack.prometheus else 'not installed'}",
        f"  exporter           http://127.0.0.1:{stack.exporter.port}/metrics",
        *(f"  worker             {worker.hostname} consumes {', '.join(worker.queues)}" for worker in stack.workers),
        f"  logs               {stack.folder}",
        "",
        "Ctrl-C stops everything and removes the folder.",
    ]
    return "\n".join(lines)


def watch(processes: list[Process], until: Process | None) -> None:
    """Says once of each process that it ended; returns when `until` has. Stops when the terminal was closed:
    under make, which keeps SIGHUP to itself, nothing else tells.
    """
    ended: set[Process] = set()
    terminal = sys.stdin.isatty()
    while until is None or until.alive:
        if terminal and not sys.stdin.isatty():
            raise StopRequested
        for process in processes:
            if not process.alive and process not in ended:
                ended.add(process)
                say(f"{process.name} ended:\n{process.tail()}")
        time.sleep(1)


def run(folder: Path, with_dashboard: bool) -> int:
    """The demo until it is asked to stop (0), or until something it cannot go on without fails (1)."""
    try:
        with contextlib.ExitStack() as running:
            stack = running.enter_context(running_stack(folder, lambda text: say(f"  {text}")))
            dashboard = None
            if with_dashboard:
                say("  dashboard")
                dashboard = running.enter_context(Dashboard(folder, stack.env))
            say(ready_text(stack, dashboard))
            watch(stack.processes, until=dashboard)
            say(f"The dashboard ended:\n{dashboard.tail() if dashboard else ''}")
            return 1
    except StopRequested:
        say("\nStopped.")
        return 0
    except (FileNotFoundError, RuntimeError, TimeoutError) as exc:
        say(f"The demo could not start: {exc}")
        return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-dashboard", action="store_true", help="start the cluster alone")
    options = parser.parse_args()
    stop_on_signals()
    forget_own_clusters()
    say("Starting a Celery cluster to look at:")
    with tempfile.TemporaryDirectory(prefix="celery-notebook-demo-", ignore_cleanup_errors=True) as folder:
        return run(Path(folder), not options.no_dashboard)


if __name__ == "__main__":
    sys.exit(main())
