"""What workers reply to orders (celery/worker/control.py), in words that tell why one was refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from data_sources.mask import mask, mask_text

MAX_WORDS = 300  # of a worker's own; a revoke repeats a thousand ids

Outcome = Literal["done", "refused", "no reply"]

# What is found in a worker's words -> what it means. The errors are texts of Python's exceptions.
REASONS: Mapping[str, str] = {
    r"no attribute 'grow'": "a threads or solo pool cannot grow while it runs",
    r"no attribute 'shrink'": "a threads or solo pool cannot shrink while it runs",
    r"not supported with autoscale": "it scales its pool by itself: change the range of that instead",
    r"All processes busy": "fewer of its processes were idle than were to end: those ended, the busy ones did not",
    r"does not implement kill_job": (
        "a running task can be terminated in a prefork, gevent or eventlet pool alone: it goes on, and the others of"
        " these tasks will not be started"
    ),
    r"Autoscale not enabled": "it was started without --autoscale",
    r"Pool restarts not enabled": "its setting worker_pool_restarts is off",
    r"unknown task": "it does not know this task",
    r"event dispatcher unavailable": "it was started without events, gossip and heartbeats, and sends nothing",
    r"module 'signal' has no attribute": "its system does not know this signal",
    r"^KeyError\('\w+'\)$": "it does not know this order: an old worker, or none at all, such as celery beat",
    r"^terminate: tasks unknown$": "it has none of these tasks now, and will not start them",
}
EXPECTED = "sent; a worker that shuts down does not reply"
SILENCE = "sent, not confirmed: it may be busy, as a solo worker is while a task runs, or stopped, or gone"
UNREADABLE = "sent, and what it replied cannot be read"


def understood(value: Any) -> tuple[Outcome, str]:
    """The outcome of an order by the value of a worker's reply, and what that means, its own words behind."""
    match value:
        case {"error": words}:
            return "refused", told(words)
        case {"ok": words}:
            return "done", told(words)
    return "no reply", UNREADABLE


def told(words: Any) -> str:
    own = mask_text(words if isinstance(words, str) else str(mask(words)))
    own = own if len(own) <= MAX_WORDS else f"{own[:MAX_WORDS]}…"
    reason = next((reason for pattern, reason in REASONS.items() if re.search(pattern, own)), "")
    return f"{reason} (it said: {own})" if reason else own
