"""What a subscriber hears from Redis, in either version of its protocol (RESP 2: arrays, RESP 3: pushes)."""

from __future__ import annotations

import re

from redis.exceptions import InvalidResponse, NoPermissionError, ResponseError

from data_sources.events.event_stream import MAX_MESSAGE_BYTES

# What a message of a pattern begins with. To take its parts one by one, as `_reply` does with all else, takes ten
# times as long: 0.6 us an event in batches, 12 us of one that comes alone.
TEXT = rb"\$(\d{1,8})\r\n([^\r\n]*)\r\n"
HEAD = re.compile(rb"[*>]4\r\n\$8\r\npmessage\r\n" + TEXT + TEXT + rb"\$(\d{1,8})\r\n").match

MOST_ELEMENTS = 8  # a message has four
MOST_DIGITS = 20
MOST_LINE = 1_000  # an error's text

Element = bytes | int | None


class Incomplete(Exception):
    """More bytes must come first."""


class PushParser:
    """Bytes in, payloads out. A payload too long to be true is let pass, and its length stands for it.

    Raises InvalidResponse for what is not Redis, ResponseError for what it refuses.
    """

    def __init__(self) -> None:
        self.payloads: list[bytes | int] = []
        self.confirmed = 0  # subscriptions
        self._rest = b""
        self._skip = 0  # bytes of a payload that is let pass

    @property
    def amid(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._rest or self._skip)

    def take(self) -> list[bytes | int]:
        """The payloads since the last call, in order."""
        taken, self.payloads = self.payloads, []
        return taken

    def feed(self, data: bytes) -> None:
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        buffer, at = self._rest + data, 0
        try:
            while at < len(buffer):
                at = self._reply(buffer, at)
        except Incomplete:
            pass
        self._skip += max(0, at - len(buffer))
        self._rest = buffer[at:]

    def _reply(self, buffer: bytes, at: int) -> int:
        """Takes in the reply at `at`; where the next begins."""
        if head := HEAD(buffer, at):
            pattern_size, pattern, channel_size, channel, size = head.groups()
            start, end = head.end(), head.end() + int(size)
            whole = int(pattern_size) == len(pattern) and int(channel_size) == len(channel)  # no line's end in a name
            if whole and int(size) <= MAX_MESSAGE_BYTES:
                if len(buffer) < end + 2:
                    raise Incomplete
                self.payloads.append(buffer[start:end])
                return end + 2
        if buffer[at] not in b"*>":
            return self._element(buffer, at)[1]  # the answer to a PING
        size, at = self._number(buffer, at)
        if size > MOST_ELEMENTS:
            raise InvalidResponse("not a message")
        elements: list[Element] = []
        for _ in range(size):
            element, at = self._element(buffer, at)
            elements.append(element)
        match elements:
            case [b"pmessage", _, _, bytes() | int() as payload]:
                self.payloads.append(payload)
            case [b"psubscribe", *_]:
                self.confirmed += 1
        return at

    def _element(self, buffer: bytes, at: int) -> tuple[Element, int]:
        kind = buffer[at : at + 1]
        if kind == b"$":
            size, start = self._number(buffer, at)
            end = start + size
            if size > MAX_MESSAGE_BYTES:
                return size, end + 2
            if len(buffer) < end + 2:
                raise Incomplete
            return buffer[start:end], end + 2
        if kind == b":":
            return self._number(buffer, at)
        line, after = self._line(buffer, at)
        if kind == b"-":
            text = line.decode(errors="replace")
            raise NoPermissionError(text) if text.startswith("NOPERM") else ResponseError(text)
        if kind in (b"+", b"_"):
            return None, after
        raise InvalidResponse("not a reply")

    def _number(self, buffer: bytes, at: int) -> tuple[int, int]:
        line, after = self._line(buffer, at)
        if not line.isdigit() or len(line) > MOST_DIGITS:
            raise InvalidResponse("not a number")
        return int(line), after

    def _line(self, buffer: bytes, at: int) -> tuple[bytes, int]:
        """What stands between the first character and the line's end, and where the next line begins."""
        end = buffer.find(b"\r\n", at, at + MOST_LINE)
        if end < 0:
            if len(buffer) - at >= MOST_LINE:
                raise InvalidResponse("not a reply")
            raise Incomplete
        return buffer[at + 1 : end], end + 2
