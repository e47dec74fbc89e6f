"""Deadlines that tests hold what they call to, on a machine of any speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

MACHINE_SECONDS = 20.0  # that a machine with much else to do may add


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done in here ends by then: without its deadline it would end minutes later, or never."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds + MACHINE_SECONDS, f"it took {took:.1f} s, and may take {seconds:g}"


@contextmanager
def costs(seconds: float) -> Iterator[None]:
    """What is done in here by this thread takes no more of a processor, however much else that has to do."""
    began = time.thread_time()
    yield
    spent = time.thread_time() - began
    assert spent < seconds, f"it cost {spent:.1f} s, and may cost {seconds:g}"
