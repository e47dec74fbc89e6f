"""A shop that works, for dashboards to look at: Redis, one Celery worker, a Prometheus with known samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.servers import Process, Prometheus, Redis, celery_worker, wait_until
from tests.asking import records
from tests.blocks import prometheus_with
from tests.faults.site import ROOT, Site, known_samples


@dataclass(frozen=True)
class Shop:
    redis: Redis
    prometheus: Prometheus
    web_config: Path  # Prometheus's

    def set_web_config(self, text: str) -> None:
        """At once, as a whole: Prometheus reads it anew for each request."""
        new = self.web_config.with_suffix(".new")
        new.write_text(text)
        new.replace(self.web_config)

    @property
    def env(self) -> dict[str, str]:
        return {"CELERY_BROKER_URL": self.redis.url, "PROMETHEUS_URL": self.prometheus.url}


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    web_config = folder / "web.yml"
    web_config.touch()
    with (
        Redis(folder / "redis") as redis,
        prometheus_with(known_samples(), folder / "prometheus", [f"--web.config.file={web_config}"]) as prometheus,
        worker_of(redis, folder),
    ):
        yield Shop(redis, prometheus, web_config)


def worker_of(redis: Redis, folder: Path) -> Process:
    """A worker that is ready. Nobody asks it: a client of Celery's own would put back what others hold."""
    env = {"CELERY_BROKER_URL": redis.url, "PYTHONPATH": str(ROOT)}
    worker = celery_worker("tests.celery_app", "w1@shop", folder, ["--pool", "solo"], env, ROOT)
    worker.wait_until(lambda: "w1@shop ready" in worker.log.read_text())
    return worker


@pytest.fixture(scope="module")
def site(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A dashboard on the shop, with nothing wrong."""
    with Site(tmp_path_factory.mktemp("site"), shop.env) as site:
        wait_until(lambda: records(site.dashboard.url), "the recorder")
        yield site


OpenSite = Callable[[Mapping[str, str]], Site]


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[OpenSite]:
    """Starts dashboards, each in a folder of its own, with the environment given; stops them."""
    with ExitStack() as open_sites:

        def start(env: Mapping[str, str]) -> Site:
            folder = tmp_path / f"dashboard-{len(list(tmp_path.iterdir()))}"
            return open_sites.enter_context(Site(folder, env))

        yield start
