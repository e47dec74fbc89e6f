"""Other kombu transports: ready where the transport can tell, and nothing where it cannot."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kombu.transport import memory, virtual

from data_sources.brokers.open import open_broker
from data_sources.brokers.queue_depths import DepthReading
from data_sources.config import Broker, Cluster
from data_sources.errors import QueryRejected
from data_sources.workers.celery_inspect import CeleryInspector
from tests.messages import send


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
