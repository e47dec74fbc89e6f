"""What is made of answers, made once for all viewers who get the same ones."""

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

    def get(self, what: Hashable, answers: Sequence[Answer], make: Callable[[], Made]) -> Made:
        """What `make` makes of `answers`: of their frames, windows and notes, and of what stands in `what`."""
        frames = [answer.frame for answer in answers if not answer.frame.empty]
        key = (what, *map(seen, answers))
        with self._lock:
            made, known = self._made.pop(key, (None, ()))
            if made is None or any(ref() is not frame for ref, frame in zip(known, frames, strict=True)):
                made = make()
            self._made[key] = made, [weakref.ref(frame) for frame in frames]
            while len(self._made) > self._most:
                self._made.popitem(last=False)
            return made


def seen(answer: Answer) -> Hashable:
    return len(answer.frame) and id(answer.frame), answer.window, answer.notes
