"""Notebooks run without a browser: over a real Prometheus and a history that a recorder writes."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from celery import Celery

from data_sources.scope import iso
from demo.servers import Redis, celery_worker
from notebooks.command import main
from tests.blocks import prometheus_with, series
from tests.recording import RecorderProcess

ROOT = Path(__file__).resolve().parents[1]
EVERY = timedelta(seconds=15)
POINTS = 481  # two hours
# Closed long ago enough that nothing changes, on whole minutes.
END = (datetime.now(UTC) - timedelta(minutes=10)).replace(second=0, microsecond=0)
START = END - EVERY * (POINTS - 1)
TASKS = 7
HOSTILE = "\x1b[31mshop.<b>=1+1"  # the name of a task, seen as a queue of Prometheus

NOTEBOOK = """+++
celery_notebook = 1
title = "Mail"
range = "1h"

[variables.queue]
kind = "queue"
default = ["mail"]
+++

Whether the mail goes out.

```promql name="rate" title="Rate" chart="lines" label="jobs / s"
sum by (queue) (rate(jobs_total{queue=~"$queue"}[1m]))
```

```sql name="half_hours" title="By the half hour" chart="lines"
SELECT time_bucket(INTERVAL '30 minutes', time) AS time, queue, max(value) AS value
FROM rate GROUP BY ALL
```

```tasks name="ended" title="Tasks" chart="table" range="1h"
limit = "100"
```

```threshold name="quick" title="Quick enough"
of = "half_hours"
column = "value"
measure = "max"
op = "<"
limit = LIMIT
```

```threshold name="all_ended" title="All have ended"
of = "ended"
column = "id"
measure = "count"
op = ">="
limit = 7
```
"""


@dataclass(frozen=True)
class Place:
    env: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A cluster that has run a few tasks, recorded; and two hours of two queues in Prometheus."""
    folder = tmp_path_factory.mktemp("run")
    samples = "# TYPE jobs_total counter\n" + "".join(
        series("jobs_total", {"queue": queue}, [EVERY.total_seconds() * rate * k for k in range(POINTS)], START, EVERY)
        for queue, rate in (("mail", 2.0), (HOSTILE, 5.0))
    )
    with ExitStack() as running:
        redis = running.enter_context(Redis(folder / "redis"))
        prometheus = running.enter_context(prometheus_with(samples, folder / "prometheus"))
        recorder = running.enter_context(RecorderProcess(folder, redis.url))
        worker_env = {"CELERY_BROKER_URL": redis.url, "PYTHONPATH": str(ROOT)}
        running.enter_context(
            celery_worker("tests.celery_app", "w1@shop", folder, ["--pool", "solo", "-E"], worker_env, ROOT)
        )
        with Celery(broker=redis.url, set_as_current=False) as app:
            for _ in range(TASKS):
                app.send_task("shop.sleep", (0,))
        recorder.wait_until(lambda: recorder.history.ended() == TASKS)
        history = f"sqlite:///{folder / 'history'}"
        settings = {"PROMETHEUS_URL": prometheus.url, "ALERTMANAGER_URL": "", "PUBLIC_URL": "", "HISTORY_URL": history}
        yield Place({"CELERY_BROKER_URL": redis.url, **settings}, folder)


@pytest.fixture
def configured(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in place.env.items():
        monkeypatch.setenv(name, value)
    return place


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path, "3")


def written(folder: Path, limit: str) -> Path:
    path = folder / "mail.md"
    path.write_text(NOTEBOOK.replace("LIMIT", limit))
    return path


WHEN = ["--from", iso(END - timedelta(hours=1)), "--to", iso(END)]


def test_it_runs_as_a_cron_job_would_run_it(place: Place, file: Path, tmp_path: Path) -> None:
    out = [f"--html={tmp_path / 'mail.html'}", f"--csv={tmp_path / 'rows'}"]
    command = [sys.executable, "-m", "notebooks", "run", str(file), *WHEN, *out, "--check"]
    done = subprocess.run(
        command, cwd=ROOT, env={**place.env, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"Mail · default · {iso(END - timedelta(hours=1))} to {iso(END)}, every 5s"
    assert lines[1].startswith("rate        answered  1 series of 721 points, Prometheus ")
    assert lines[2] == "half_hours  answered  1 series of 3 points, DuckDB, from rate"
    assert lines[3].startswith(f"ended       answered  {TASKS} rows, History ")
    assert lines[4:] == [
        "quick       HOLDS     max of half_hours.value is 2 (mail); it must be < 3",
        "all_ended   HOLDS     count of ended.id is 7; it must be >= 7",
        "Of 2 thresholds 2 hold, 0 do not, 0 cannot be told",
    ]
    rows = [*csv.DictReader((tmp_path / "rows" / "half_hours.csv").read_text().splitlines())]
    assert [(row["queue"], round(float(row["value"]), 6)) for row in rows] == [("mail", 2.0)] * 3
    assert [row["time"] for row in rows] == sorted({row["time"] for row in rows})
    known = orjson.loads((tmp_path / "rows" / "half_hours.meta.json").read_bytes())
    assert (known["step"], known["rows"]) == (1800.0, 3)
    assert orjson.loads((tmp_path / "rows" / "ended.meta.json").read_bytes())["range"] == "1h"  # its own
    assert {path.name for path in (tmp_path / "rows").iterdir()} == {
        *(f"{name}.{kind}" for name in ("rate", "half_hours", "ended") for kind in ("csv", "meta.json")),
        "quick.csv",
        "all_ended.csv",
    }
    assert b"Whether the mail goes out." in (tmp_path / "mail.html").read_bytes()


@pytest.mark.usefixtures("configured")
def test_a_threshold_that_does_not_hold_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["run", str(written(tmp_path, "2")), *WHEN, "--check", "--var", "queue="])

    said = capsys.readouterr().out
    assert code == 1
    assert "quick       FAILS     max of half_hours.value is 5 (\N{REPLACEMENT CHARACTER}[31mshop" in said
    assert "Of 2 thresholds 1 hold, 1 do not, 0 cannot be told" in said
    assert "\x1b" not in said


def test_a_source_that_is_gone_ends_with_2_and_leaves_no_old_file(
    configured: Place,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PROMETHEUS_URL", "http://127.0.0.1:9")
    (tmp_path / "rate.csv").write_text("of yesterday")

    code = main(["run", str(file), "--check", "--csv", str(tmp_path)])

    said = capsys.readouterr().out.splitlines()
    assert code == 2
    assert said[1].startswith("rate        failed    Prometheus: cannot be connected to")
    assert said[4].startswith("quick       UNKNOWN   It cannot be told: Prometheus: cannot be connected to")
    assert said[5].startswith("all_ended   HOLDS")
    assert not (tmp_path / "rate.csv").exists()
    assert (tmp_path / "ended.csv").exists()
    assert main(["run", str(file), "--csv", str(tmp_path)]) == 2  # a cell was not answered


def test_without_a_recorder_it_starts_none_and_says_what_to_do(
    configured: Place,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HISTORY_URL", f"sqlite:///{tmp_path / 'history'}")
    monkeypatch.setattr("data_sources.watch.ALIVE_SECONDS", 0.5)  # as long as a recorder may take to start

    code = main(["run", str(file), *WHEN, "--check"])

    told = capsys.readouterr()
    assert code == 2
    assert "all_ended   UNKNOWN   It cannot be told: History: " in told.out
    assert "quick       HOLDS" in told.out
    assert told.err.startswith("Nothing is recorded now: start the dashboard, or python -m recorder")
    assert not (tmp_path / "history").exists()


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required"),
        (["run", "nowhere.md"], "nowhere.md: No such file or directory"),
        (["run", "FILE", "--range", "soon"], "range: “soon” is not a duration"),
        (["run", "FILE", "--range", "1h", "--to", "now"], "--range goes without --from and --to"),
        (["run", "FILE", "--cluster", "other"], "--cluster must be one of default"),
        (["run", "FILE", "--var", "worker=w1"], "var-worker: is no variable of this notebook; it has queue"),
        (["run", "FILE", "--var", "queue"], "--var takes a name and a value"),
        (["run", "FILE", "--deadline", "soon"], "--deadline: “soon” is not a duration"),
        (["check", "FILE", "BROKEN"], "broken.md:1: a notebook begins with a line +++"),
    ],
)
def test_a_wrong_call_is_told_in_one_line_and_ends_with_2(
    arguments: list[str], said: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = file.with_name("broken.md")
    broken.write_text("no notebook")

    code = main([{"FILE": str(file), "BROKEN": str(broken)}.get(word, word) for word in arguments])

    told = capsys.readouterr()
    assert (code, told.out, told.err.count("\n")) == (2, "", 1)
    assert said in told.err


def test_a_file_is_checked_and_written_anew(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = file.read_text()
    assert main(["check", str(file)]) == 0
    file.write_text(good.replace('kind = "queue"', 'kind="queue"'))
    assert main(["fmt", str(file)]) == 0
    assert main(["fmt", str(file)]) == 0
    assert capsys.readouterr().out == f"{file} is written anew\n"
    assert file.read_text() == good
    file.write_bytes(good.replace("\n", "\r\n").encode())
    assert main(["fmt", str(file)]) == 0
    assert capsys.readouterr().out == f"{file} is written anew\n"
    assert file.read_bytes() == good.encode()

    file.write_text(good.replace("FROM rate", "FROM rates").replace('"half_hours"\ncolumn', '"ended"\ncolumn'))
    assert main(["check", str(file)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}: half_hours reads rates, which is no cell with rows; there is rate, ended"
    ]
