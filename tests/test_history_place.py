"""Where a history is, and what a reader is told when it is not there, or is another's."""

from __future__ import annotations

import subprocess
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from data_sources import schema
from data_sources.config import Broker, Cluster, Secret
from data_sources.errors import ConfigError, QueryRejected, SourceUnreachable
from data_sources.history.place import PostgresPlace, SqlitePlace, place
from data_sources.history.reader import HistoryReader
from recorder.batch import Batch, Gap
from recorder.migrations import write_meta
from recorder.store import Store

PASSWORD = "S3cr3tPw"


def test_without_a_url_it_is_in_the_platforms_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    found = place(None, Cluster("shop"))

    assert isinstance(found, SqlitePlace)
    assert found.path.name == f"shop-{found.fingerprint}.db"
    assert found.path.parent.name == "celery-notebook"


@pytest.mark.parametrize("url", ["sqlite:///var/history", "sqlite:////var/history"])
def test_a_folder_can_be_named(url: str) -> None:
    found = place(Secret(url), Cluster())

    assert isinstance(found, SqlitePlace)
    assert found.path.parent == Path("/var/history")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", "Ünïcode", "x" * 300, "'; DROP", ""])
def test_a_clusters_name_never_leaves_the_folder(name: str) -> None:
    in_folder = place(Secret("sqlite:///var/history"), Cluster(name))
    in_schema = place(Secret("postgresql://db/history"), Cluster(name))

    assert isinstance(in_folder, SqlitePlace)
    assert isinstance(in_schema, PostgresPlace)
    assert in_folder.path.parent == Path("/var/history")
    assert in_schema.schema.isidentifier()
    assert len(in_schema.schema) <= 63


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{PASSWORD}@db/history",
        f"postgresql://me:{PASSWORD}@db:port/history",
        f"postgresql://me:{PASSWORD}@db",
        "sqlite://relative",
        f"/var/{PASSWORD}",
        f"sqlite:///var/{PASSWORD}\x07",
        "sqlite:///",
        "sqlite:////",
        f"sqlite:///./{PASSWORD}",
        f"sqlite:///var/../{PASSWORD}",
        f"sqlite:///~/{PASSWORD}",
        "sqlite:///etc/passwd",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError, match="HISTORY_URL") as refused:
        place(Secret(url), Cluster())

    assert PASSWORD not in str(refused.value)


def test_an_address_holds_no_credential() -> None:
    found = place(Secret(f"postgresql://me:{PASSWORD}@db:5433/history"), Cluster())

    assert found.address == f"db:5433/history, schema celery_notebook_default_{found.fingerprint}"
    assert PASSWORD not in repr(found)


def test_the_fingerprint_is_of_the_broker_and_not_of_who_logs_in() -> None:
    def mark(url: str, **settings: object) -> str:
        return place(None, Cluster(broker=Broker.from_url(url, **settings))).fingerprint

    assert mark("redis://me:pw@a/0") == mark("redis://a:6379/0") == mark("rediss://a:6379/0")
    assert len({mark("redis://a/0"), mark("redis://a/1"), mark("redis://b/0"), mark("amqp://a//")}) == 4
    assert mark("redis://a/0") != mark("redis://a/0", transport_options={"global_keyprefix": "x"})


def test_what_is_not_there_is_said(history_url: Secret) -> None:
    with pytest.raises(SourceUnreachable, match=r"is not there|holds no history"):
        place(history_url, Cluster()).open_readonly()


def test_a_server_that_is_away_is_said_without_its_password() -> None:
    where = place(Secret(f"postgresql://me:{PASSWORD}@127.0.0.1:1/history"), Cluster())

    with pytest.raises(SourceUnreachable, match="nothing listens there") as said:
        where.open_readonly()

    assert PASSWORD not in str(said.value)


def test_a_reader_reads_and_never_writes(history_url: Secret) -> None:
    where = place(history_url, Cluster())
    with closing(Store.open(where)) as store:
        engine = where.open_readonly()
        store.write(Batch(gaps=[Gap("events", 1, None, "x")]))
        with engine.connect() as connection:
            assert connection.execute(select(schema.gaps.c.reason)).scalars().all() == ["x"]
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(schema.gaps.delete())
        engine.dispose()


def test_a_transaction_of_a_reader_is_one_moment(history_url: Secret) -> None:
    where = place(history_url, Cluster())
    count = text("SELECT count(*) FROM gaps")
    with closing(Store.open(where)) as store:
        engine = where.open_readonly()
        with engine.connect() as connection:
            before = connection.execute(count).scalar()
            store.write(Batch(gaps=[Gap("events", 1, None, "x")]))
            assert connection.execute(count).scalar() == before == 0
        with engine.connect() as connection:
            assert connection.execute(count).scalar() == 1
        engine.dispose()


def test_several_threads_read_at_once(history_url: Secret) -> None:
    where, seen = place(history_url, Cluster()), []
    with closing(Store.open(where)):
        engine = where.open_readonly()
        together = threading.Barrier(4, timeout=120)

        def read() -> None:
            with engine.connect() as connection:
                together.wait()
                seen.append(len(connection.execute(select(schema.meta)).all()))

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        engine.dispose()
    assert seen == [5] * 4


def test_a_history_of_another_broker_is_refused_by_name(history_url: Secret) -> None:
    where = place(history_url, Cluster("shop"))
    with closing(Store.open(where)):
        pass

    with pytest.raises(QueryRejected, match="another broker, of cluster 'shop'"):
        replace(where, fingerprint="0" * 12).open_readonly()


def test_a_newer_history_is_refused_and_an_older_one_waits_for_the_recorder(history_url: Secret) -> None:
    where = place(history_url, Cluster())
    with closing(Store.open(where)) as store:
        for version, error in (("99", QueryRejected), ("0", SourceUnreachable)):
            with store.database.transaction():
                write_meta(store.database, {"schema_version": version})
            with pytest.raises(error, match="version"):
                where.open_readonly()


def test_a_history_at_rest_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    where = place(Secret(f"sqlite://{tmp_path / 'history'}"), Cluster())
    with closing(Store.open(where)) as store:
        store.write(Batch(gaps=[Gap("events", 1, None, "x")]))
    folder = tmp_path / "history"
    bind = subprocess.run(["mount", "--bind", "-r", folder, folder], capture_output=True, check=False)
    if bind.returncode:
        pytest.skip(f"no folder can be made read-only here: {bind.stderr.decode().strip()}")
    try:
        engine = where.open_readonly()
        with engine.connect() as connection:
            assert connection.execute(select(schema.gaps.c.reason)).scalars().all() == ["x"]
        engine.dispose()
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_file_that_took_the_place_of_another_is_read_from_then_on(tmp_path: Path) -> None:
    where = place(Secret(f"sqlite://{tmp_path}"), Cluster())
    assert isinstance(where, SqlitePlace)
    reader = HistoryReader(where)
    for source in ("events", "workers"):
        with closing(Store.open(where)) as store:
            store.write(Batch(gaps=[Gap(source, 1, 2, "x")]))
        with reader.reading() as connection:
            assert connection.execute(select(schema.gaps.c.source)).all() == [(source,)]
        where.path.rename(where.path.with_suffix(".aside"))
    with pytest.raises(SourceUnreachable, match="is not there"), reader.reading():
        pass
    reader.close()
