"""Who owes an answer, learnt from round to round. What must come at a certain moment of a round is made by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any, cast

from data_sources.workers.mailbox import Mailbox
from data_sources.workers.messages import Answer, Request
from data_sources.workers.roster import Roster
from data_sources.workers.snapshot import Round

LISTENING = {"quick@test", "solo@test"}


class Redis:
    """A mailbox at a broker that counts who listens, and knows the names that are bound."""

    rounds = 2

    def nodes(self) -> set[str]:
        return set(LISTENING)

    def located(self, names: Collection[str]) -> dict[str, bool]:
        return {}


REDIS = cast(Mailbox, cast(Any, Redis()))


def begun(roster: Roster, now: float) -> Round:
    """A round of one question that everybody is asked who is not excused, before any answer."""
    roster.review((), REDIS, now)
    excused = roster.excused(now)
    expected = roster.expected((), now)
    return Round([Request("ping", {})], expected, roster.beats, excused, reached=len(LISTENING))


def answer(asked: Round, worker: str) -> Answer:
    return Answer(asked.requests[-1].ticket, worker, {"ok": "pong"})


def test_who_pays_in_the_midst_of_a_round_owes_nothing_for_it() -> None:
    roster = Roster()
    busy = begun(roster, 0.0)
    busy.expected = Counter(dict.fromkeys(LISTENING, 1))
    busy.take(answer(busy, "quick@test"))
    roster.learn(busy, True, REDIS, 0.0)
    assert roster.debtors == {"solo@test"}

    back = begun(roster, 1.0)
    assert back.excused == {"solo@test"}
    late = answer(busy, "solo@test")
    roster.settle(late)
    for one in (late, answer(back, "quick@test")):
        back.take(one)
    roster.learn(back, True, REDIS, 1.0)

    assert roster.debtors == set()
    assert "solo@test" in begun(roster, 2.0).expected
