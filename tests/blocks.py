"""Prometheus on samples whose values are known exactly: OpenMetrics text, made into blocks, served."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from data_sources.config import HttpEndpoint
from data_sources.prometheus.client import PrometheusClient
from demo.servers import Prometheus, program


def series(
    metric: str, labels: Mapping[str, str], values: Sequence[float | None], start: datetime, every: timedelta
) -> str:
    """OpenMetrics lines of one series, a value each `every` from `start`; None is a scrape that failed."""
    pairs = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    moments = (start + every * index for index in range(len(values)))
    return "".join(
        f"{metric}{{{pairs}}} {value!r} {moment.timestamp():.3f}\n"
        for moment, value in zip(moments, values, strict=True)
        if value is not None
    )


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def prometheus_with(samples: str, folder: Path, options: Sequence[str] = ()) -> Prometheus:
    """A Prometheus that holds `samples` (OpenMetrics lines with times, without the final `# EOF`) and nothing else.

    Lines of one metric stand together, as the format demands. `options` are Prometheus's own. Stop it when done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "samples.om"
    text.write_text(samples + "# EOF\n")
    promtool = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
    made = subprocess.run(promtool, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise ValueError(f"promtool refused the samples: {made.stdout}{made.stderr}")
    return Prometheus(folder, options=["--storage.tsdb.retention.time=100y", *options])  # samples may be of any year


@contextmanager
def client_of(samples: str, folder: Path) -> Iterator[PrometheusClient]:
    """Of a Prometheus that holds `samples`."""
    with prometheus_with(samples, folder) as server:
        client = PrometheusClient(HttpEndpoint(server.url))
        yield client
        client.close()
