"""How often somebody may try a password."""

from __future__ import annotations

import time
from collections import OrderedDict, deque

WITHIN_SECONDS = 300.0
MOST_HERE = 5  # for a name, from one address
MOST_NAMED = 30  # for a name, from all addresses: more than one address gets, so that one alone cannot lock a user out
MOST_FROM = 50  # from an address, for all names
MOST_KEPT = 30_000

Key = tuple[str, str]  # name and address; one of them empty for the sums


class TooManyAttempts(Exception):
    """Try again in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many attempts; try again in {seconds:.0f} s")
        self.seconds = seconds


class Attempts:
    """Counted before they are judged, so that many at once are many."""

    def __init__(self) -> None:
        self._made: OrderedDict[Key, deque[float]] = OrderedDict()

    def count(self, name: str, address: str) -> None:
        """Raises TooManyAttempts; what is refused so is not counted."""
        now = time.monotonic()
        limits = {(name, address): MOST_HERE, (name, ""): MOST_NAMED, ("", address): MOST_FROM}
        waits = [
            made[0] + WITHIN_SECONDS - now for key, most in limits.items() if len(made := self._of(key, now)) >= most
        ]
        if waits:
            raise TooManyAttempts(max(1.0, *waits))
        for key in limits:
            self._made.setdefault(key, deque()).append(now)
            self._made.move_to_end(key)
        while len(self._made) > MOST_KEPT:
            self._made.popitem(last=False)

    def forget(self, name: str, address: str) -> None:
        """They were right, and do not count; what came from the address for other names does."""
        self._made.pop((name, address), None)
        for key in ((name, ""), ("", address)):
            if made := self._made.get(key):
                made.pop()

    def _of(self, key: Key, now: float) -> deque[float]:
        made = self._made.get(key, deque())
        while made and made[0] <= now - WITHIN_SECONDS:
            made.popleft()
        return made
