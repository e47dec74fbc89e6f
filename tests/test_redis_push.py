"""What a subscriber hears from Redis, however it is cut into pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import InvalidResponse, NoPermissionError, RedisError, ResponseError

from data_sources.events import redis_push
from data_sources.events.redis_push import PushParser


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text)


CHANNEL = b"/0.celeryev/task.multi"


def message(payload: bytes, mark: bytes = b">", channel: bytes = CHANNEL) -> bytes:
    return mark + b"4\r\n" + b"".join(map(bulk, (b"pmessage", b"/0.celeryev/*", channel, payload)))


CONFIRMED = b">3\r\n" + bulk(b"psubscribe") + bulk(b"/0.celeryev/*") + b":1\r\n"


@given(
    st.lists(st.binary(max_size=30)),
    st.lists(st.integers(1, 60), min_size=1),
    st.sampled_from([b">", b"*"]),
    st.sampled_from([CHANNEL, b"", b"\r\n$1\r\nx\r\n", b"$1\r"]),
)
def test_messages_come_out_as_they_went_in_wherever_the_stream_is_cut(
    payloads: list[bytes], sizes: list[int], mark: bytes, channel: bytes
) -> None:
    stream = CONFIRMED + b"".join(message(payload, mark, channel) + b"+PONG\r\n" for payload in payloads)
    parser, heard = PushParser(), []
    for size in itertools.cycle(sizes):
        piece, stream = stream[:size], stream[size:]
        parser.feed(piece)
        heard += parser.take()
        if not stream:
            break
    assert heard == payloads
    assert parser.confirmed == 1
    assert not parser.amid


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_a_payload_too_long_to_be_true_is_let_pass(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(redis_push, "MAX_MESSAGE_BYTES", 1_000)
    parser = PushParser()
    stream = message(b"before") + message(b"x" * 5_000) + message(b"after")
    for start in range(0, len(stream), piece):
        parser.feed(stream[start : start + piece])
        assert len(parser._rest) < 11_000
    assert parser.take() == [b"before", 5_000, b"after"]


def test_the_answer_to_a_ping_is_no_message_in_either_protocol() -> None:
    parser = PushParser()
    parser.feed(b"+PONG\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n" + message(b"x"))
    assert parser.take() == [b"x"]


def test_what_redis_refuses_is_raised() -> None:
    with pytest.raises(NoPermissionError):
        PushParser().feed(b"-NOPERM this user has no permissions to access one of the channels\r\n")
    with pytest.raises(ResponseError, match="unknown command"):
        PushParser().feed(b"-ERR unknown command\r\n")


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b">999999999\r\n",
        b"*4\r\n$-1\r\n",
        b"*1\r\n*1\r\n",
        b"$" + b"9" * 2_000,
        b"x" * 2_000,
        b"$" + b"9" * 50 + b"\r\n",
    ],
)
def test_what_is_not_redis_is_said_to_be_so(stream: bytes) -> None:
    with pytest.raises(InvalidResponse):
        PushParser().feed(stream)


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"*4\r\n", b">3\r\n", b"$3\r\n", b"\r\n", b":1\r\n", b"-"])))
def test_no_bytes_make_it_fail_otherwise(pieces: list[bytes]) -> None:
    parser = PushParser()
    try:
        for piece in pieces:
            parser.feed(piece)
    except RedisError:
        return
    assert sum(map(len, pieces)) >= len(parser.take())
