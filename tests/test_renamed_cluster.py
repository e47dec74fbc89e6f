"""A cluster that gets another name: its old history is told of, and can be gone on with as docs/history.md says."""

from __future__ import annotations

import logging
from contextlib import closing

import psycopg
import pytest

from data_sources.config import Broker, Cluster, Secret
from data_sources.history.place import Place, SqlitePlace, place
from recorder.batch import Batch, Gap
from recorder.run import tell_of_others
from recorder.store import Store

BROKER = Broker.from_url("redis://queue:6379/1")


def record(where: Place) -> None:
    with closing(Store.open(where)) as store:
        store.write(Batch(gaps=[Gap("events", 1, None, "known since long ago")]))


def told(where: Place, cluster: Cluster, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of histories beside that one."""
    caplog.clear()
    with caplog.at_level(logging.INFO), closing(Store.open(where)) as store:
        tell_of_others(cluster, where, store)
    return [record.getMessage() for record in caplog.records if "same broker" in record.getMessage()]


def test_an_older_history_of_the_same_broker_is_told_of(history_url: Secret, caplog: pytest.LogCaptureFixture) -> None:
    default, shop = Cluster(broker=BROKER), Cluster("shop", BROKER)
    mail = Cluster("mail", Broker.from_url("redis://queue:6379/2"))
    was, now, other = (place(history_url, one) for one in (default, shop, mail))
    assert told(was, default, caplog) == []
    assert told(other, mail, caplog) == []
    assert told(now, shop, caplog) == [
        f"shop: {was.name} holds a history of the same broker under another cluster's name; "
        "docs/history.md tells how to go on with that one"
    ]


def test_it_is_gone_on_with_under_the_new_name(history_url: Secret) -> None:
    was, now = place(history_url, Cluster(broker=BROKER)), place(history_url, Cluster("shop", BROKER))
    record(was)
    if isinstance(was, SqlitePlace):
        assert isinstance(now, SqlitePlace)
        was.path.rename(now.path)
    else:
        with psycopg.connect(history_url.reveal(), autocommit=True) as connection:
            connection.execute(f"ALTER SCHEMA {was.name} RENAME TO {now.name}")

    with closing(Store.open(now)) as store:
        assert [gap.reason for gap in store.open_gaps()] == ["known since long ago"]
    now.open_readonly().dispose()
