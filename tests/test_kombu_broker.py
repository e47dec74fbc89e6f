"""Other kombu transports: ready where the transport can tell, and nothing where it cannot."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kombu.transport import memory, virtual

from data_sources.answer import Answer
from data_sources.brokers.open import open_broker
from data_sources.brokers.queue_depths import DepthReading
from data_sources.config import Broker, Cluster
from data_sources.errors import QueryRejected
from data_sources.query import Depths, Signal, Sources, Workers
from data_sources.setup_query import Setup
from data_sources.workers.celery_inspect import CeleryInspector
from demo.servers import PostgreSQL, wait_until
from headlines.headline import Part
from headlines.overview import overview
from headlines.workers import worker, workers
from tests.messages import send
from tests.watching import LIVE, watching


def depths(url: str, *known: str, **settings: Any) -> DepthReading:
    with closing(open_broker(Cluster(broker=Broker.from_url(url, **settings)))) as broker:
        return broker.depths(known, deadline_seconds=30)


def test_files_as_a_broker_show_what_is_ready_and_asking_makes_no_queue(tmp_path: Path) -> None:
    folders = {name: str(tmp_path) for name in ("data_folder_in", "data_folder_out", "control_folder")}
    send("filesystem://", "mail", [0, 0, 0], broker_transport_options=folders)
    before = sorted(path.name for path in tmp_path.iterdir())
    reading = depths("filesystem://", "mail", "empty", transport_options=folders)
    assert reading.per_queue("ready") == {"empty": 0, "mail": 3}
    assert reading.per_queue("unacked") == {"empty": None, "mail": None}
    assert reading.totals == {"ready": None, "unacked": None}  # others may be there
    assert "only how much is ready" in reading.notes[0].text
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.fixture(params=["sqlite", "postgresql"])
def table_broker(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Without remote control: SQLAlchemy's transport."""
    if request.param == "sqlite":
        return f"sqla+sqlite:///{tmp_path / 'broker.db'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_database().replace("postgresql://", "sqla+postgresql+psycopg://")


def test_without_remote_control_celerys_default_queue_is_asked_or_else_those_that_are_named(table_broker: str) -> None:
    send(table_broker, "celery", [0] * 7)
    send(table_broker, "mail", [0, 0])
    assert depths(table_broker).per_queue("ready") == {"celery": 7}
    assert "none, so “celery” is asked" in depths(table_broker).notes[0].text
    named = depths(table_broker, "mail", "absent")
    assert named.per_queue("ready") == {"mail": 2}
    assert [note.text for note in named.notes][1:] == ["absent: no queue of this name is there"]
    assert "absent: no queue" in depths(table_broker, "absent").notes[1].text  # asking has made none


def test_a_reader_that_stays_sees_what_comes_later(table_broker: str) -> None:
    send(table_broker, "celery")
    with closing(open_broker(Cluster(broker=Broker.from_url(table_broker)))) as broker:
        assert broker.depths([], deadline_seconds=30).per_queue("ready") == {"celery": 1}
        send(table_broker, "celery")
        assert broker.depths([], deadline_seconds=30).per_queue("ready") == {"celery": 2}


def test_on_a_broker_without_remote_control_nothing_is_wrong_and_workers_are_not_known(table_broker: str) -> None:
    send(table_broker, "mail", [0] * 7)
    with watching({"CELERY_BROKER_URL": table_broker, "CELERY_QUEUES": "mail"}) as desk:

        def answers() -> dict[str, Answer]:
            return {"queues": desk.ask(Depths(), LIVE), "workers": desk.ask(Workers(), LIVE)}

        wait_until(lambda: not any(answer.pending for answer in answers().values()), "the first round")
        nothing = {name: desk.ask(Signal(name), LIVE) for name in ("depth", "throughput", "failures")}
        told = overview({**answers(), **nothing})
        assert told.tone == "plain"
        assert [word.text if isinstance(word, Part) else word for word in told.sentence] == [
            "7 messages wait in the known queue",
            "; workers cannot be asked on this broker",
        ]
        assert "Celery's sqla transport has no remote control" in str(told.context)
        assert workers(answers()).tone == "plain"
        assert worker(answers()).tone == "plain"
        sources = desk.ask(Sources(), LIVE).frame.set_index("source")["state"].to_dict()
        assert sources == {"sqla": "ok", "workers": "unknown", "prometheus": "off", "recorder": "ok"}
        setup = desk.ask(Setup(), LIVE).frame.set_index("part")["state"].to_dict()
        assert {name: setup[name] for name in ("sqla", "workers", "task events")} == {
            "sqla": "ok",
            "workers": "unknown",
            "task events": "unknown",
        }


def test_a_transport_that_cannot_tell_shows_unknown_and_not_the_zero_it_inherits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory.Channel, "_size", virtual.Channel._size)
    reading = depths("memory://", "mail")
    assert reading.per_queue("ready") == {"mail": None}
    assert reading.totals == {"ready": None, "unacked": None}
    assert "cannot tell" in reading.notes[0].text


@pytest.mark.parametrize(
    ("scheme", "needs", "advice"),
    [
        ("mongodb", "needs pymongo", '"kombu[mongodb]"'),
        ("sqs", "needs botocore", '"kombu[sqs]"'),
        ("zookeeper", "needs kazoo", '"kombu[zookeeper]"'),
        ("consul", "needs python-consul", '"kombu[consul]"'),
        ("pgmq", "needs pgmq", '"kombu[pgmq]"'),
        ("kafka", "needs confluent_kafka", '"kombu[confluentkafka]"'),
        ("librabbitmq", "needs librabbitmq", "Write amqp://"),
    ],
)
def test_a_transport_whose_driver_is_missing_says_what_to_install(scheme: str, needs: str, advice: str) -> None:
    broker = Broker.from_url(f"{scheme}://user:correct-horse@127.0.0.1:1/db")
    for ask in (lambda: depths(broker.url.reveal(), "mail"), lambda: CeleryInspector(broker).snapshot(["ping"])):
        with pytest.raises(QueryRejected, match=f"{needs}, which is not installed here") as raised:
            ask()
        assert advice in raised.value.hint
        assert "correct-horse" not in f"{raised.value} {raised.value.hint}"
