"""How long messages of a real Redis have waited, where lists are many, readings rare, or messages large."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest
import redis

from data_sources.brokers import redis_ages
from data_sources.brokers.redis_ages import LASTS_SECONDS, LEFT_OUT_SECONDS, MAX_BYTES, Ages
from demo.servers import Redis


@pytest.fixture
def client(redis_server: Redis) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(redis_server.url)) as client:
        yield client


class Watcher:
    """Reads lists at moments that a test says."""

    def __init__(self, client: redis.Redis, lists: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.client, self.lists, self.ages, self.now = client, [name.encode() for name in lists], Ages(), 1_000.0
        monkeypatch.setattr(redis_ages, "time", SimpleNamespace(monotonic=lambda: self.now))

    def after(self, seconds: float) -> dict[str, tuple[float | None, float | None]]:
        self.now += seconds
        lengths = {key: self.client.llen(key) for key in self.lists}
        self.ages.refresh(self.client, lengths)
        return {key.decode(): self.ages.of([key], lengths) for key in self.lists}

    @property
    def notes(self) -> list[str]:
        return [note.text for note in self.ages.notes((key, key.decode()) for key in self.lists)]


def test_lists_beyond_what_one_reading_looks_at_have_their_turn(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_ages, "MAX_LISTS", 2)
    names = ["a", "b", "c", "d", "z.reply.celery.pidbox"]
    watcher = Watcher(client, names, monkeypatch)
    for name in names:
        client.lpush(name, f"message of {name}")
    assert [least for _, least in watcher.after(0).values()] == [0, 0, None, None, None]
    assert watcher.notes == [
        "5 lists hold messages, and 2 are looked at in each reading: how long the oldest waits is of the last minute, "
        "or not known"
    ]
    for _ in range(14):
        told = watcher.after(5)
    assert all(least is not None and least >= 55 for _, least in told.values())
    client.delete("a", "b", "c")
    assert watcher.after(5)["a"] == (None, None)
    assert watcher.notes == []


def test_what_was_seen_is_told_no_longer_than_it_can_be_believed(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(client, ["a", "b"], monkeypatch)
    watcher.after(0)
    client.lpush("a", "first")
    client.lpush("b", "first")
    watcher.after(5)
    monkeypatch.setattr(redis_ages, "MAX_LISTS", 0)
    assert watcher.after(LASTS_SECONDS)["a"] == (0, 0)
    assert watcher.after(1)["a"] == (None, None)
    monkeypatch.setattr(redis_ages, "MAX_LISTS", 2)
    client.delete("b")
    assert watcher.after(4) == {"a": (LASTS_SECONDS + 5, LASTS_SECONDS + 5), "b": (None, None)}


def test_what_came_between_two_distant_readings_has_waited_at_least_since_the_second(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(client, ["empty before", "not empty"], monkeypatch)
    client.lpush("not empty", "first")
    watcher.after(0)
    client.lpush("empty before", "second")
    client.lpush("not empty", "second")
    watcher.after(300)
    client.rpop("not empty")
    assert watcher.after(5) == {"empty before": (None, 5), "not empty": (None, 5)}


def test_a_list_is_left_out_for_a_while_after_one_enormous_message(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(client, ["mail"], monkeypatch)
    client.rpush("mail", *("small" for _ in range(5_000)), "x" * (MAX_BYTES + 1))
    watcher.after(0)
    assert watcher.notes == [
        "A message of more than 256 KiB stands at an end of mail: how long the oldest waits is looked at every "
        "10 minutes there"
    ]
    client.config_resetstat()
    assert watcher.after(LASTS_SECONDS + 1) == {"mail": (None, None)}
    assert client.info("stats")["total_net_output_bytes"] < MAX_BYTES
    client.rpop("mail")
    assert watcher.after(LEFT_OUT_SECONDS - LASTS_SECONDS)["mail"][1] == 0
    assert watcher.notes == []
