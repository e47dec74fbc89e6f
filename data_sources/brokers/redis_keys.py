"""The names under which kombu keeps a broker's queues in Redis, with all that transport options change of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class RedisKeys:
    """`steps`: the priorities that are told apart, those served first at the front; the lowest has no suffix."""

    prefix: bytes
    separator: bytes
    steps: tuple[int, ...]
    unacked: bytes
    unacked_index: bytes
    bindings: bytes  # what stands before an exchange's name

    @classmethod
    def of(cls, channel: Any) -> RedisKeys:
        """As kombu's own channel says."""
        prefix = channel.global_keyprefix.encode()
        return cls(
            prefix,
            channel.sep.encode(),
            tuple(channel.priority_steps),
            prefix + channel.unacked_key.encode(),
            prefix + channel.unacked_index_key.encode(),
            prefix + (channel.keyprefix_queue % "").encode(),
        )

    def lists(self, queue: bytes) -> list[bytes]:
        """The keys of a queue, one a step."""
        start = self.prefix + queue
        return [start + end for end in self._ends]

    @cached_property
    def _ends(self) -> list[bytes]:
        """What the key of each step ends in."""
        return [self.separator + str(step).encode() if step else b"" for step in self.steps]
