"""The events of a cluster as a stream of messages, whatever its broker."""

from __future__ import annotations

from typing import NamedTuple, Protocol

MAX_MESSAGE_BYTES = 16 * 2**20  # an honest batch is some kilobytes; 24 tracebacks of a deep recursion some megabytes


class Message(NamedTuple):
    """What was published, not looked into. `fault`: why it could not even be taken out of its envelope."""

    body: bytes
    content_type: object = "application/json"
    fault: str | None = None


class EventStream(Protocol):
    """One thread at a time reads; `close` may come from another. Events that nobody listens for are lost.

    `read_until`: all that was published by then has been read, on the monotonic clock. `overdue`: what was read last
    had been left with the broker for longer than it keeps it, so that some of it is missed, without an error.
    """

    read_until: float
    overdue: bool

    def connect(self, deadline_seconds: float) -> None:
        """Returns when the broker confirmed that we listen. Raises SourceUnreachable or QueryRejected.

        Each wait is bounded; a server that drips its answer may take longer than the deadline.
        """
        ...

    def read(self, timeout_seconds: float) -> list[Message]:
        """What came since the last call, in order; waits that long for the first. Empty: nothing came.

        Raises SourceUnreachable when the connection is lost, by the broker's will (a reader too slow) or not: what
        was published since is missed, and `connect` listens anew.
        """
        ...

    def close(self) -> None:
        """Drops the connection without a word; a read under way in another thread fails."""
        ...
