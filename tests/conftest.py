"""Real servers for the tests: on free loopback ports, in folders of their own, stopped by pid."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import data_sources.settings
import demo.servers
from data_sources.config import Secret
from data_sources.history.reader import HistoryReader
from demo.environment import forget_own_clusters
from demo.servers import PostgreSQL, RabbitMQ, Redis
from tests.past import Past, postgres_past, sqlite_past

forget_own_clusters()
data_sources.settings.FILE = os.devnull  # whoever has one here keeps it

# Of the ports, each process of pytest-xdist has its own: one that looks free may have been given to another just now.
run, worker, processes = (os.environ.get(f"PYTEST_XDIST_{name}") for name in ("TESTRUNUID", "WORKER", "WORKER_COUNT"))
first_port = random.Random(run).randrange(12_000) + int((worker or "gw0").removeprefix("gw"))
demo.servers.PORTS = itertools.count(first_port, int(processes or 1))

# No test fails by chance: the examples are the same in each run, and none is timed, as other work slows it. With
# RELIABILITY, as `make reliability` runs them, they are many and always others.
settings.register_profile(
    "notebook",
    deadline=None,
    max_examples=50,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.register_profile("long", settings.get_profile("notebook"), max_examples=1_000, derandomize=False)
settings.load_profile("long" if os.environ.get("RELIABILITY") else "notebook")


LONG = (
    "test_worker_verdicts",
    "faults/test_sources",
    "test_celery_control",
    "test_flower_control",
    "test_recorder_faults",
    "test_recorder",
    "faults/test_viewers",
    "test_reliability",
    "browser/test_control",
    "test_flower",
    "test_sign_in",
    "test_demo",
    "test_celery_inspect",
    "test_control_cluster",
    "faults/test_lifetime",
    "test_rabbitmq_broker",
    "test_truth",
    "test_ask",
    "test_task_page",
    "test_schedule_beat",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that none is alone at the end while other processes have no more."""
    here = Path(__file__).parent
    places = {(here / f"{name}.py"): place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


@pytest.fixture(scope="session", autouse=True)
def patient_readers() -> Iterator[None]:
    """No read of a history in this process is refused because the machine stood still for two seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("place", "reader"):
            patch.setattr(f"data_sources.history.{module}.READ_SECONDS", demo.servers.PATIENCE_SECONDS)
        yield


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis of one's own: it starts in a tenth of a second."""
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """One RabbitMQ for the session, with the management plugin: it starts in ten seconds. Take a vhost of your own."""
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server
        server.signal(signal.SIGKILL)  # it would take leave for seconds


@pytest.fixture(scope="session")
def plain_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """One RabbitMQ without the management plugin."""
    with RabbitMQ(tmp_path_factory.mktemp("plain-rabbitmq"), management=False) as server:
        yield server
        server.signal(signal.SIGKILL)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    """One PostgreSQL for the session: it starts in two seconds. Take a database of your own: `new_database()`."""
    with PostgreSQL(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def history_url(request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    """A HISTORY_URL of one's own: what stands on it is tested with each database."""
    if request.param == "sqlite":
        return Secret(f"sqlite://{tmp_path / 'history'}")
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return Secret(server.new_database())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder of 2 MB, that can be filled, made bigger and made read-only; needs root."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip(f"no small disk can be mounted here: {mount.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """A history of the module's own, in each database."""
    if request.param == "sqlite":
        past = sqlite_past(tmp_path_factory.mktemp("history"))
    else:
        past = postgres_past(request.getfixturevalue("postgresql").new_database())
    yield past
    past.engine.dispose()


@pytest.fixture(scope="module")
def reader(database: Past) -> Iterator[HistoryReader]:
    reader = HistoryReader(database.place)
    yield reader
    reader.close()


@pytest.fixture
def past(database: Past) -> Past:
    database.empty()
    return database
