"""A worker that ceases to send events is found by what it says that it accepted; one that never sent any is no gap."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery

import recorder.sampler
from data_sources.config import Broker, Cluster, Secret
from data_sources.events.celery_events import TaskEvent, WorkerEvent
from data_sources.history.answers import series_answer
from data_sources.history.place import SqlitePlace
from data_sources.history.reader import HistoryReader
from data_sources.latest import RecorderState
from data_sources.microseconds import moment, now_us
from data_sources.query import History
from data_sources.scope import Window, floor_time
from data_sources.workers.celery_control import give
from data_sources.workers.orders import EnableEvents
from data_sources.workers.seen import Key
from demo.servers import Redis, celery_worker, wait_until
from recorder.follow import Follower
from recorder.gaps import Gaps
from recorder.heartbeats import Heartbeats
from recorder.inbox import Inbox
from recorder.senders import Senders, Silence, Totals
from tests.recording import ROOT
from tests.test_recorder_faults import Past

MAIL, POLL = "shop.mail", "shop.poll"


class Rounds:
    """Of workers that run MAIL, five seconds apart; `at` is the last one's time."""

    def __init__(
        self, sends: Collection[str] = (), sent: Collection[str] = (), names: Collection[str] = (MAIL,)
    ) -> None:
        self.senders = Senders(sends, sent, names)
        self.accepted: dict[str, dict[str, int]] = {}
        # What the senders time by their own clock is before the first, however long this process stands still.
        self.times = itertools.count(self.senders._listens_since + 1_000, 5)
        self.at = 0.0

    def run(self, worker: str, count: int = 5, name: str = MAIL, events: bool = False) -> None:
        own = self.accepted.setdefault(worker, {})
        own[name] = own.get(name, 0) + count
        if events:
            self.senders.hear([TaskEvent("received", f"{worker}-{n}", 1, worker, name=name) for n in range(count)])

    def ask(self) -> str | None:
        """What the gap's reason is after a round."""
        self.at = next(self.times)
        accepted: dict[Key, dict[str, int]] = {(worker, 1): dict(counts) for worker, counts in self.accepted.items()}
        self.senders.judge(Totals(accepted, frozenset(self.accepted), self.at))
        return self.senders.gap.reason if self.senders.gap else None

    def after(self, worker: str) -> str | None:
        """The same after some tasks without events."""
        self.run(worker)
        return self.ask()


def beat(worker: str, processed: int = 1, kind: str = "heartbeat") -> WorkerEvent:
    return WorkerEvent(kind, worker, now_us(), now_us(), processed=processed, active=0, sw_ident="", sw_ver="")


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


def test_who_sent_events_and_ceases_is_a_gap_from_when_all_was_heard_until_it_is_heard_again(rounds: Rounds) -> None:
    rounds.run("a", events=True)
    rounds.run("b", events=True)
    assert rounds.ask() is None
    heard_at = rounds.at
    for reason in (None, "a sends no events of tasks; workers send them with -E"):
        rounds.run("a")
        rounds.run("b", events=True)
        assert rounds.ask() == reason
    assert rounds.senders.gap == Silence("senders", ["a"], heard_at)

    rounds.run("a", 1, events=True)

    assert rounds.senders.gap is None
    assert rounds.ask() is None


def test_while_others_send_the_gap_is_in_part_and_names_all_who_ceased(rounds: Rounds) -> None:
    for worker in "abc":
        rounds.run(worker, events=True)
    rounds.ask()
    heard_at = rounds.at
    for silent in ("a", "a", "ab", "ab", "abc"):
        for worker in "abc":
            rounds.run(worker, events=worker not in silent)
        rounds.ask()
    assert rounds.senders.gap == Silence("senders", ["a", "b"], heard_at)

    for worker in "abc":
        rounds.run(worker)
    rounds.ask()

    assert rounds.senders.gap == Silence("events", ["a", "b", "c"], heard_at)

    before = time.monotonic()
    rounds.run("b", events=True)

    assert rounds.senders.gap
    assert (rounds.senders.gap.source, rounds.senders.gap.workers) == ("senders", ["a", "c"])
    rounds.senders.silent = {worker: replace(one, since=0.0) for worker, one in rounds.senders.silent.items()}
    assert rounds.senders.gap.since >= before  # until then nobody was heard


def test_who_is_heard_counts_as_there_though_it_answers_nothing(rounds: Rounds) -> None:
    rounds.run("a", events=True)
    rounds.ask()
    for _ in range(3):
        rounds.senders.hear([TaskEvent("received", "mute", 1, "without remote control", name=MAIL)])
        rounds.after("a")
    assert rounds.senders.gap
    assert rounds.senders.gap.source == "senders"


def test_events_that_come_a_round_after_the_answer_are_no_silence(rounds: Rounds) -> None:
    for _ in range(5):
        rounds.run("a")
        rounds.ask()
        rounds.senders.hear([TaskEvent("started", "late", 1, "a")])
        assert rounds.ask() is None


def test_events_heard_between_a_round_and_its_judging_are_of_tasks_that_the_next_round_counts() -> None:
    senders = Senders()

    def heard(count: int) -> None:
        senders.hear([TaskEvent("received", f"task-{n}", 1, "a", name=MAIL) for n in range(count)])

    def judged(accepted: int, at: float) -> Silence | None:
        senders.judge(Totals({("a", 1): {MAIL: accepted}}, {"a"}, at))
        return senders.gap

    heard(10)
    asked = time.monotonic()
    heard(5)  # accepted after the answer, told before it is judged
    assert judged(10, asked) is None
    assert [judged(15, asked + 5 * number) for number in (1, 2, 3)] == [None] * 3

    for number, silence in ((4, None), (5, Silence("events", ["a"], asked + 15))):
        assert judged(5 * number, asked + 5 * number) == silence


def test_a_few_tasks_of_which_nothing_is_heard_yet_are_no_silence(rounds: Rounds) -> None:
    rounds.run("a", 1, events=True)
    rounds.ask()
    rounds.run("a", 2)
    assert [rounds.ask() for _ in range(5)] == [None] * 5


def test_where_nobody_ever_sent_events_there_is_no_gap() -> None:
    rounds = Rounds(names=())
    for _ in range(5):
        rounds.run("a")
        assert rounds.ask() is None


def test_who_never_sent_any_is_no_gap_beside_one_that_does_and_idles() -> None:
    rounds = Rounds(sends=["loud"])
    rounds.run("loud", 0)
    for _ in range(5):
        rounds.run("mute")
        assert rounds.ask() is None


def test_a_deploy_of_workers_with_other_names_and_without_events_is_a_gap(rounds: Rounds) -> None:
    rounds.run("old", events=True)
    rounds.ask()
    del rounds.accepted["old"]
    reasons = [rounds.after("new") for _ in range(3)]
    assert reasons == [None, None, "new sends no events of tasks; workers send them with -E"]
    assert rounds.senders.gap
    assert rounds.senders.gap.source == "events"


def test_a_deploy_that_keeps_its_name_is_a_gap_too(rounds: Rounds) -> None:
    rounds.run("a", 50, events=True)
    rounds.ask()
    heard_at = rounds.at
    rounds.accepted["a"] = {}
    assert [rounds.after("a") is not None for _ in range(3)] == [False, False, True]
    assert rounds.senders.gap == Silence("events", ["a"], heard_at)


def test_tasks_that_send_no_events_of_their_own_accord_are_no_silence(rounds: Rounds) -> None:
    """`send_events = False` of a task, in a worker with -E."""
    rounds.run("a", events=True)
    for _ in range(5):
        rounds.run("a", 100, POLL)
        assert rounds.ask() is None


def test_what_was_accepted_while_nobody_listened_is_no_silence(rounds: Rounds) -> None:
    rounds.run("a", events=True)
    rounds.ask()
    rounds.run("a")
    rounds.ask()
    rounds.senders.listen()
    rounds.times = itertools.count(rounds.senders._listens_since + 1, 5)
    rounds.run("a")
    assert [rounds.ask() for _ in range(5)] == [None] * 5


def test_the_gap_ends_when_who_made_it_is_gone(rounds: Rounds) -> None:
    rounds.run("a", events=True)
    assert [rounds.after("a") is not None for _ in range(4)] == [False, False, True, True]
    del rounds.accepted["a"]
    assert rounds.ask() is None


@pytest.mark.parametrize("anew", ["worker", "recorder"])
def test_who_had_ceased_makes_the_gap_anew_when_it_is_back_and_sends_none_still(anew: str) -> None:
    """From its first task on of which nothing is heard."""
    rounds = Rounds() if anew == "worker" else Rounds(sends=["b"], sent=["a"])
    if anew == "worker":
        for worker in "ab":
            rounds.run(worker, events=True)
        while rounds.ask() is None:
            rounds.run("a")
            rounds.run("b", events=True)
        del rounds.accepted["a"]
    rounds.run("b", events=True)
    assert rounds.ask() is None  # who is not there makes none
    last_at = rounds.at
    for reason in (None, None, "a sends no events of tasks; workers send them with -E"):
        rounds.run("a", 0 if "a" not in rounds.accepted else 1)
        rounds.run("b", events=True)
        assert rounds.ask() == reason
    assert rounds.senders.gap == Silence("senders", ["a"], max(last_at, rounds.senders._sent_since))

    rounds.run("a", 1, events=True)
    assert rounds.ask() is None
    rounds.run("a", 1)
    assert [rounds.ask() for _ in range(3)] == [None] * 3  # it sends again, so that its event may be under way


def test_a_recorder_that_starts_knows_from_the_one_before_it_who_had_ceased() -> None:
    before = Heartbeats({})
    before.absorb([TaskEvent("started", one, 1, one) for one in "abc"], [beat(one) for one in "abc"])
    before.cease(["a"])
    before.absorb([], [beat("a", kind="online"), beat("c", kind="online")])  # and no task of theirs since
    state = RecorderState(1, "h", "1", 1, "", workers=before.workers)
    told, gaps = RecorderState.from_json(state.to_json()), Gaps("shop")
    follower = Follower(Cluster(), Inbox(), gaps, told.workers, [MAIL], hide_arguments=False)

    for at, count in enumerate((0, 1, 1), 1):
        accepted: dict[Key, dict[str, int]] = {("a", 1): {MAIL: count}, ("b", 1): {MAIL: 0}, ("c", 1): {MAIL: count}}
        follower.totals = Totals(accepted, frozenset("abc"), time.monotonic() + at)
        follower._review()

    assert [(gap.source, gap.reason.split(" send")[0]) for gap in gaps.take()] == [("senders", "a, c")]
    assert follower.unheard == {"a", "c"}
    assert follower.quiet == ()  # the gap names them


def test_what_other_threads_read_of_who_is_unheard_changes_once_in_a_while_and_as_a_whole() -> None:
    follower = Follower(Cluster(), Inbox(), Gaps("shop"), {}, (), hide_arguments=False)
    follower.heartbeats.absorb([TaskEvent("started", "1", 1, "loud")], [beat("loud"), beat("mute", 0)])
    follower.heartbeats.absorb([], [beat("mute", 3)])
    assert not follower.unheard
    assert not follower.quiet

    follower._review()

    assert follower.unheard == {"mute"}
    assert follower.quiet == ("mute",)


# ---- Real workers


@contextmanager
def sending(app: Celery) -> Iterator[None]:
    """Five quick tasks a second, all the while."""
    ending = threading.Event()

    def send() -> None:
        while not ending.wait(0.2):
            app.send_task("shop.refresh_token")

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def sends_events(past: Past, worker: str = "w1@shop") -> bool | None:
    state = past.state()
    return state.workers[worker].sends_events if state and worker in state.workers else None


def have_sent(redis_server: Redis, names: Sequence[str]) -> None:
    """Tells these workers to send events until they say yes: one whose heart beats may not listen to commands yet."""
    broker = Broker.from_url(redis_server.url)
    wait_until(lambda: all(reply.outcome == "done" for reply in give(broker, EnableEvents(), names, 10)), "their yes")


def test_while_a_worker_sends_no_events_throughput_is_what_it_accepted(
    redis_server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder.sampler, "EVERY_SECONDS", 2.0)
    env = {"CELERY_BROKER_URL": redis_server.url, "PYTHONPATH": str(ROOT)}
    past = Past(redis_server.url, Secret(f"sqlite://{tmp_path}/history"))
    assert isinstance(past.place, SqlitePlace)
    with (
        celery_worker("tests.celery_app", "w1@shop", tmp_path, ["-P", "prefork", "-c", "1"], env, ROOT),
        Celery(broker=redis_server.url, set_as_current=False) as app,
        past.recorded_here(),
        sending(app),
    ):
        wait_until(lambda: sends_events(past) is not None, "the worker")
        have_sent(redis_server, ["w1@shop"])
        wait_until(lambda: bool(past.succeeded()), "tasks")
        assert past.gaps("events") == []

        app.control.disable_events()
        wait_until(lambda: bool(past.gaps("events")), "the gap")
        ((start_us, end_us, reason, missed),) = past.gaps("events")
        assert (end_us, missed) == (None, None)
        assert reason == "w1@shop sends no events of tasks; workers send them with -E"
        wait_until(lambda: sends_events(past) is False, "the same of the worker")

        reader, since = HistoryReader(past.place), moment(start_us)

        def silent_points() -> list[float]:
            end = floor_time(datetime.now(UTC), timedelta(seconds=10))
            window = Window(end - timedelta(seconds=120), end, timedelta(seconds=10))
            frame = series_answer(reader, History("throughput", "name"), window).frame
            return list(frame[frame["time"] > since + timedelta(seconds=10)]["value"])

        wait_until(lambda: bool(silent_points()), "throughput in the gap")
        assert min(silent_points()) > 0
        heard = len(past.succeeded())

        app.control.enable_events()
        wait_until(lambda: past.gaps("events")[0][1] is not None, "the gap's end")
        wait_until(lambda: len(past.succeeded()) > heard, "tasks")
        assert len(past.gaps("events")) == 1


def test_what_one_worker_does_is_recorded_while_another_sends_no_events(
    redis_server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder.sampler, "EVERY_SECONDS", 2.0)
    env = {"CELERY_BROKER_URL": redis_server.url, "PYTHONPATH": str(ROOT)}
    past = Past(redis_server.url, Secret(f"sqlite://{tmp_path}/history"))
    names, options = ["w1@shop", "w2@shop"], ["-P", "prefork", "-c", "1", "--prefetch-multiplier", "1"]

    def open_gaps() -> list[tuple[str, str]]:
        """Source and the workers named."""
        found = [(source, *gap) for source in ("events", "senders") for gap in past.gaps(source)]
        return [(source, reason.partition(" send")[0]) for source, _, end, reason, _ in found if end is None]

    with (
        celery_worker("tests.celery_app", "w1@shop", tmp_path, options, env, ROOT),
        celery_worker("tests.celery_app", "w2@shop", tmp_path, options, env, ROOT),
        Celery(broker=redis_server.url, set_as_current=False) as app,
        past.recorded_here(),
        sending(app),
    ):
        wait_until(lambda: all(sends_events(past, name) is not None for name in names), "both workers")
        have_sent(redis_server, names)  # what -E switched on, `disable_events` leaves on
        wait_until(lambda: all(sends_events(past, name) for name in names), "events of both")
        app.control.disable_events(destination=["w2@shop"])
        wait_until(lambda: open_gaps() == [("senders", "w2@shop")], "the gap in part")
        heard = len(past.succeeded())
        wait_until(lambda: len(past.succeeded()) > heard, "tasks of the other")
        state = past.state()
        assert state
        assert state.quiet == ()  # the gap names it
        assert past.gaps("events") == []

        app.control.disable_events(destination=["w1@shop"])
        wait_until(lambda: open_gaps() == [("events", "w1@shop, w2@shop")], "the whole gap")
        app.control.enable_events(destination=["w1@shop"])
        wait_until(lambda: open_gaps() == [("senders", "w2@shop")], "the gap in part")
        app.control.enable_events(destination=["w2@shop"])
        wait_until(lambda: open_gaps() == [], "the end")
        assert len(past.gaps("events")) == 1
        assert len(past.gaps("senders")) == 2
