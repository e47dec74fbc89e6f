"""One process at a time writes a history; its lease is free as soon as it ends in any way."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from data_sources.config import Cluster, Secret
from data_sources.history.place import Place, PostgresPlace, SqlitePlace, place
from demo.servers import PostgreSQL, Process, wait_until
from recorder.database import StoreFailed
from recorder.lease import Lease, lease_of
from tests.recording import ROOT

HOLDER = """
import sys, time
from data_sources.config import Cluster, Secret
from data_sources.history.place import place
from recorder.lease import lease_of
lease = lease_of(place(Secret(sys.argv[1]), Cluster()))
assert lease.acquire()
print("acquired", flush=True)
time.sleep(600)
"""


@pytest.fixture
def where(history_url: Secret) -> Place:
    return place(history_url, Cluster())


@pytest.fixture
def lease(where: Place) -> Iterator[Lease]:
    """Acquired."""
    lease = lease_of(where)
    assert lease.acquire()
    yield lease
    lease.release()


def test_one_has_it_and_the_other_is_told_who(lease: Lease, where: Place) -> None:
    other = lease_of(where)

    assert not other.acquire()
    assert other.is_held()
    assert other.holder().startswith(f"process {os.getpid()}")
    assert (lease.is_ours(), other.is_ours()) == (True, False)


def test_what_is_given_back_is_free_and_looking_takes_it_from_nobody(lease: Lease, where: Place) -> None:
    other = lease_of(where)
    lease.release()

    assert not other.is_held()
    assert lease.acquire()
    assert not other.acquire()
    lease.release()
    assert not lease.is_ours()
    assert other.acquire()
    assert other.is_ours()
    other.release()


def test_a_holder_that_is_killed_has_it_no_longer(where: Place, history_url: Secret, tmp_path: Path) -> None:
    ours = lease_of(where)
    with Process(
        "holder", [sys.executable, "-c", HOLDER, history_url.reveal()], tmp_path / "holder", cwd=ROOT
    ) as holder:
        holder.wait_until(lambda: "acquired" in holder.log.read_text())
        assert not ours.acquire()
        assert ours.holder().split(" on ")[0] == f"process {holder.pid}"

        holder.signal(signal.SIGKILL)

        wait_until(ours.acquire, "the lease")
        assert ours.is_ours()
        ours.release()


def test_each_database_has_leases_of_its_own(postgresql: PostgreSQL) -> None:
    """The same cluster, recorded for two configurations on one server."""
    one, two = (lease_of(place(Secret(postgresql.new_database()), Cluster())) for _ in range(2))
    assert one.acquire()

    assert not two.is_held()
    assert two.acquire()
    one.release()
    two.release()


def test_a_lock_file_that_was_removed_is_no_lease(tmp_path: Path) -> None:
    where = place(Secret(f"sqlite://{tmp_path}"), Cluster())
    assert isinstance(where, SqlitePlace)
    lease = lease_of(where)
    assert lease.acquire()

    (lock,) = tmp_path.glob("*.lock")
    assert lock.stat().st_mode & 0o777 == 0o600
    lock.unlink()

    assert not lease.is_ours()


def test_a_lock_file_that_says_anything_is_quoted_briefly(tmp_path: Path) -> None:
    where = place(Secret(f"sqlite://{tmp_path}"), Cluster())
    assert isinstance(where, SqlitePlace)
    where.path.with_name(f"{where.path.name}.lock").write_bytes(b"\xff" + b"9" * 10_000)

    assert len(lease_of(where).holder()) < 40


def test_a_folder_that_cannot_be_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreFailed, match=str(tmp_path / "file" / "history")):
        lease_of(place(Secret(f"sqlite://{tmp_path / 'file' / 'history'}"), Cluster())).acquire()


# ---- PostgreSQL alone: a lease is a connection


@pytest.fixture
def on_server(postgresql: PostgreSQL) -> PostgresPlace:
    where = place(Secret(postgresql.new_database()), Cluster())
    assert isinstance(where, PostgresPlace)
    return where


def sessions(where: PostgresPlace) -> list[str]:
    """When each session of its database began."""
    server, _, database = where.url.reveal().rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid || ' ' || backend_start FROM pg_stat_activity"
            " WHERE datname = %s AND backend_type = 'client backend' ORDER BY 1",
            (database,),
        )
        return [began for (began,) in rows]


def test_who_looks_again_and_again_keeps_one_connection_and_gets_another_when_it_was_lost(
    on_server: PostgresPlace,
) -> None:
    lease, other = lease_of(on_server), lease_of(on_server)
    assert lease.acquire()
    assert other.is_held()
    began = sessions(on_server)
    assert len(began) == 2
    for _ in range(3):
        assert other.is_held()
        assert not other.acquire()
        assert other.holder().startswith(f"process {os.getpid()}")
    assert sessions(on_server) == began

    cut_off(on_server)
    assert not other.is_held()
    assert lease.is_ours()
    assert not other.acquire()
    lease.release()
    other.release()
    wait_until(lambda: sessions(on_server) == [], "the end of their sessions")


def cut_off(where: PostgresPlace) -> None:
    """Ends every connection to its database."""
    server, _, database = where.url.reveal().rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (database,)
        )


def let_in(where: PostgresPlace, allowed: bool) -> None:
    """Whether its database takes connections: without, it is away."""
    server, _, database = where.url.reveal().rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS {str(allowed).lower()}".encode())


def test_a_lease_whose_connection_was_lost_is_taken_again(on_server: PostgresPlace) -> None:
    lease, other = lease_of(on_server), lease_of(on_server)
    assert lease.acquire()
    cut_off(on_server)

    assert lease.is_ours()

    assert not other.acquire()
    lease.release()


def test_a_lease_whose_connection_was_lost_may_be_anothers(on_server: PostgresPlace) -> None:
    lease, other = lease_of(on_server), lease_of(on_server)
    assert lease.acquire()
    cut_off(on_server)

    assert other.acquire()

    assert not lease.is_ours()
    assert other.is_ours()
    other.release()


def test_while_the_server_is_away_the_lease_stays_whose_it_was(on_server: PostgresPlace) -> None:
    lease, other = lease_of(on_server), lease_of(on_server)
    assert lease.acquire()
    let_in(on_server, False)
    cut_off(on_server)

    assert lease.is_ours()
    for ask in (other.acquire, other.is_held):
        with pytest.raises(StoreFailed, match="it cannot be reached"):
            ask()
    assert other.holder() == "another process"

    let_in(on_server, True)
    assert lease.is_ours()
    assert not other.acquire()
    lease.release()


def test_no_error_quotes_a_password() -> None:
    where = place(Secret("postgresql://me:S3cr3t@127.0.0.1:1/history"), Cluster())

    with pytest.raises(StoreFailed) as failed:
        lease_of(where).acquire()

    assert "S3cr3t" not in repr(failed.value)
    assert failed.value.__cause__ is None
