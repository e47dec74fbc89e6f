"""Names of tasks, queues and workers, by number. Others choose them, so there is a most of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set

from data_sources import schema
from recorder.database import Database
from recorder.interned import Interned

NAME, QUEUE, WORKER = range(len(schema.KINDS))
MOST = {NAME: 2_000, QUEUE: 2_000, WORKER: 5_000}
OTHER = "(other)"


class Names:
    """`others`: how often one that came too late was written as OTHER."""

    def __init__(self, database: Database) -> None:
        self._interned = Interned(schema.names, database)
        self._count: Counter[int] | None = None
        self._at_hand: tuple[dict[str, int], ...] = tuple({} for _ in MOST)
        self.others = 0
        self.flush, self.ids = self._interned.flush, self._interned.ids

    def id_of(self, kind: int, text: str | None) -> int | None:
        """None for one that is not known."""
        if text is None:
            return None
        return self._at_hand[kind].get(text) or self._look_up(kind, text)

    def _look_up(self, kind: int, text: str) -> int:
        if (kind, text) not in self._interned.ids():
            return self._new(kind, text)
        number = self._at_hand[kind][text] = self._interned.id_of((kind, text))
        return number

    def _new(self, kind: int, text: str) -> int:
        if self._count is None:
            self._count = Counter(kind for kind, _ in self._interned.ids())
        if self._count[kind] >= MOST[kind]:
            self.others += 1
            text = OTHER
        else:
            self._count[kind] += 1
        return self._interned.id_of((kind, text))

    def watch(self) -> None:
        """From now on it is noted what is asked for."""
        self._interned.watch()
        self._let_go()

    def drop_unused(self, used: Set[int]) -> Iterator[None]:
        """See Interned.drop_unused."""
        for _ in self._interned.drop_unused(used):
            self._let_go()
            yield

    def forget(self) -> None:
        """After a transaction that failed."""
        self._interned.forget()
        self._let_go()

    def _let_go(self) -> None:
        """What is at hand is looked up again."""
        self._count = None
        for known in self._at_hand:
            known.clear()
