"""Open connections, each of which ends when the session of whoever opened it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from identity.person import Person


class SessionOver(Exception):
    """Whoever opened the connection has to sign in again."""


class Connections:
    """`longest`: for those whose proof says nothing of its own end, such as a proxy's header."""

    def __init__(self, longest: timedelta) -> None:
        self._longest = longest
        self._open: dict[asyncio.Timeout, str] = {}

    @asynccontextmanager
    async def of(self, person: Person) -> AsyncIterator[None]:
        """While the block runs, it is open; it is cancelled, and raises SessionOver, when its time has come."""
        limit = asyncio.timeout(self._seconds(person))
        try:
            async with limit:
                self._open[limit] = person.session
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise SessionOver from None
        finally:
            self._open.pop(limit, None)

    def end(self, session: str) -> None:
        now = asyncio.get_running_loop().time()
        for limit, opened_by in self._open.items():
            if session and opened_by == session and not limit.expired():
                limit.reschedule(now)

    def _seconds(self, person: Person) -> float | None:
        if person.how in ("nobody", "local"):
            return None
        return (person.until - datetime.now(UTC) if person.until else self._longest).total_seconds()
