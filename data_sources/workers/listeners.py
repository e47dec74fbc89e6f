"""Who still listens of those who do not answer: some brokers tell of each, Redis only how many there are."""

from __future__ import annotations

from collections.abc import Mapping


class Listeners:
    """Learns from each round of questions that everybody was asked."""

    def __init__(self) -> None:
        self.present: set[str] = set()
        self.absent: set[str] = set()
        self._silent: set[str] = set()

    def learn(self, silent: set[str], located: Mapping[str, bool], unheard: int | None) -> None:
        """`silent`: the names that did not answer; `located`: what the broker tells of each; `unheard`: how many
        listen and did not answer.

        Redis tells no names. But if as many listen as are silent, all are there; and if there are fewer, by as many as
        fell silent since the last round, when the others were there, then it is those who left: the simplest
        explanation.
        """
        gone = {name for name in silent if located.get(name) is False}
        there = {name for name in silent if located.get(name) is True}
        if unheard is not None:
            gone |= self.absent & silent
            left = silent - gone
            newly, too_few = left - self._silent, len(left) - unheard
            if too_few >= len(left):
                gone |= left
            elif too_few <= 0:
                there |= left
            elif too_few == len(newly) and left - newly <= self.present:
                gone |= newly
                there |= left - newly
        self.present, self.absent, self._silent = there, gone, set(silent)
