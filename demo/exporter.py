"""The demo's one Prometheus exporter: cAdvisor's metrics of its workers, celery-exporter's of its tasks.

CELERY_BROKER_URL=redis://127.0.0.1:6379/0 python -m demo.exporter --port 9808 mail=1234 images=1240
"""

from __future__ import annotations

import argparse
import sys

from prometheus_client import CollectorRegistry, start_http_server

from demo.celery_metrics import follow, quiet_app
from demo.container_metrics import ContainerMetrics
from demo.shop import app as shop
from demo.workers import WORKERS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("workers", nargs="*", metavar="SERVICE=PID", help="a worker's service and its main process")
    options = parser.parse_args()

    pids = dict(worker.split("=", 1) for worker in options.workers)
    registry = CollectorRegistry()
    registry.register(ContainerMetrics({w: int(pids[w.service]) for w in WORKERS if w.service in pids}))
    watcher = quiet_app(shop.conf.broker_transport_options["priority_steps"])
    events = follow(watcher, registry, route=lambda task: str(shop.amqp.router.route({}, task)["queue"].name))
    start_http_server(options.port, "127.0.0.1", registry)
    events.join()  # it ends only when the broker is gone for good
    return 1


if __name__ == "__main__":
    sys.exit(main())
