"""What is made of frames, made once for all viewers who get the same ones."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

import pandas as pd

from data_sources.answer import Answer

Made = TypeVar("Made")

MOST_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Kept(Generic[Made]):
    made: Made
    frames: Sequence[weakref.ref[pd.DataFrame]]
    bytes: int


class Once(Generic[Made]):
    """Frames are known by identity, and not kept: `ask` decides how long an answer lives.

    Any thread may use it. Of those that want the same, one makes it and the others wait; for another nobody waits.
    Kept are the `most` that were used last, and of those whose size `bytes_of` tells MOST_BYTES at most.
    """

    def __init__(self, most: int = 64, bytes_of: Callable[[Made], int] = lambda _: 0) -> None:
        self._most = most
        self._bytes_of = bytes_of
        self._lock = threading.Lock()
        self._made: dict[Hashable, Kept[Made]] = {}  # those used last at its end
        self._turns: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()  # of what is asked for now

    def get(self, what: Hashable, frames: Sequence[pd.DataFrame], make: Callable[[], Made]) -> Made:
        """What `make` makes of `frames`, and of what stands in `what`."""
        there = [frame for frame in frames if not frame.empty]  # those without a row are all the same
        key = (what, *(len(frame) and id(frame) for frame in frames))
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                known = self._made.pop(key, None)
                if known and all(ref() is frame for ref, frame in zip(known.frames, there, strict=True)):
                    self._made[key] = known
                    return known.made
            made = make()
            size = self._bytes_of(made)
            if size > MOST_BYTES:  # it would take the place of all others
                return made
            with self._lock:
                # It goes with the first of its frames. The callback may come while the lock is held, and takes none.
                refs = [weakref.ref(frame, lambda _: self._made.pop(key, None)) for frame in there]
                self._made[key] = Kept(made, refs, size)
                while len(self._made) > self._most or sum(one.bytes for one in [*self._made.values()]) > MOST_BYTES:
                    self._made.pop(next(iter(self._made)), None)
            return made

    def of(self, what: Hashable, answers: Sequence[Answer], make: Callable[[], Made]) -> Made:
        """What `make` makes of `answers`: of their frames, windows and notes, and of what stands in `what`."""
        about = tuple((answer.window, answer.notes) for answer in answers)
        return self.get((what, about), [answer.frame for answer in answers], make)


def of_when(answer: Answer) -> Hashable:
    """What else than its frame, window and notes tells an answer from an earlier one to the same query."""
    return answer.query, answer.measured_at, answer.failure
