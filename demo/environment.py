"""What a shell says of one's own clusters, which is no business of the demo, the tests and the benchmarks."""

from __future__ import annotations

import os

from data_sources.settings import ABOVE, CLUSTER


def forget_own_clusters() -> None:
    """In this process, and so in all that it starts. Celery takes CELERY_BROKER_URL before the broker it is given:
    tests would send to it.
    """
    for name in list(os.environ):
        if name.startswith("CELERY_") or name.lower() in CLUSTER | ABOVE:
            del os.environ[name]
    os.environ["CELERY_NOTEBOOK_CONFIG"] = os.devnull  # nor the file in this folder
