"""What is made of frames, made once for all viewers who get the same ones."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

import pandas as pd

from data_sources.answer import Answer

Made = TypeVar("Made")


class Once(Generic[Made]):
    """Frames are known by identity, and not kept: `ask` decides how long an answer lives."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._made: OrderedDict[Hashable, tuple[Made, Sequence[weakref.ref[pd.DataFrame]]]] = OrderedDict()

    def get(self, what: Hashable, frames: Sequence[pd.DataFrame], make: Callable[[], Made]) -> Made:
        """What `make` makes of `frames`, and of what stands in `what`."""
        there = [frame for frame in frames if not frame.empty]  # those without a row are all the same
        key = (what, *(len(frame) and id(frame) for frame in frames))
        with self._lock:
            made, known = self._made.pop(key, (None, ()))
            if made is None or any(ref() is not frame for ref, frame in zip(known, there, strict=True)):
                made = make()
            # It goes with the first of its frames. The callback may come while the lock is held, and takes none.
            self._made[key] = made, [weakref.ref(frame, lambda _: self._made.pop(key, None)) for frame in there]
            while len(self._made) > self._most:
                self._made.popitem(last=False)
            return made

    def of(self, what: Hashable, answers: Sequence[Answer], make: Callable[[], Made]) -> Made:
        """What `make` makes of `answers`: of their frames, windows and notes, and of what stands in `what`."""
        about = tuple((answer.window, answer.notes) for answer in answers)
        return self.get((what, about), [answer.frame for answer in answers], make)


def of_when(answer: Answer) -> Hashable:
    """What else than its frame, window and notes tells an answer from an earlier one to the same query."""
    return answer.query, answer.measured_at, answer.failure
