"""What an address shows is made when it is asked for, as whoever opened it last was shown it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

import pytest

import data_sources.ask
from cells.ahead import MOST_ADDRESSES, Ahead, Make, Part
from data_sources.answer import Answer
from data_sources.query import Depths, PromQL
from data_sources.scope import Scope
from demo.servers import free_port, wait_until
from tests.watching import unwatched

HERE = ("workers", [("range", "6h"), ("tz", "UTC")])


@pytest.fixture(scope="module", autouse=True)
def desk() -> Iterator[None]:
    """Of a Prometheus that refuses each question, and a broker that nobody asks."""
    desk = unwatched({"PROMETHEUS_URL": f"http://127.0.0.1:{free_port()}"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_sources.ask, "_desk", desk)
        yield
    desk.stop()


def part(make: Make) -> Part:
    return Part({"up": PromQL("up")}, Scope("default"), make)


def test_who_asks_for_a_page_has_made_what_it_showed_last() -> None:
    ahead, made = Ahead(), list[Mapping[str, Answer]]()
    ahead.remember(*HERE, [part(made.append)])
    ahead.begin("/workers", b"tz=UTC&range=6h")
    wait_until(lambda: bool(made), "what is made")
    (answers,) = made
    assert answers["up"].failure


def test_of_another_address_nothing_is_made_nor_of_what_is_not_known_yet() -> None:
    ahead, made, known = Ahead(), list[Mapping[str, Answer]](), threading.Event()
    pending = Part({"up": PromQL("up"), "rows": Depths()}, Scope("default"), made.append)
    ahead.remember(*HERE, [pending, part(lambda answers: known.set())])
    for path, params in (("/workers", b"range=6h"), ("/", b"range=6h&tz=UTC"), ("/workers", b"\xff=%ff&tz")):
        ahead.begin(path, params)
    ahead.begin("/workers", b"range=6h&tz=UTC")
    wait_until(known.is_set, "the only page that is known")
    assert made == []


def test_what_cannot_be_made_stops_neither_that_nor_the_next() -> None:
    ahead, tries = Ahead(), list[Mapping[str, Answer]]()

    def fails(answers: Mapping[str, Answer]) -> None:
        tries.append(answers)
        raise ValueError("no view for that")

    ahead.remember(*HERE, [part(fails)])
    for count in (1, 2):

        def again(count: int = count) -> bool:
            ahead.begin("/workers", b"range=6h&tz=UTC")  # while one is under way, another is not begun
            return len(tries) >= count

        wait_until(again, f"try {count}")


def test_addresses_that_nobody_opened_for_long_are_forgotten() -> None:
    ahead = Ahead()
    for number in range(MOST_ADDRESSES + 3):
        ahead.remember("task", [("id", str(number))], [])
    assert len(ahead._pages) == MOST_ADDRESSES
    assert ("task", (("id", "2"),)) not in ahead._pages
