"""What a recorder imports is what who killed it waits for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from demo.servers import Redis, wait_until
from tests.recording import ROOT, RecorderProcess

# For frames, pages, /metrics and PostgreSQL: together they take longer to import than all that records to a file.
FRAMES = {"pandas", "numpy", "pyarrow", "ddsketch"}
NOT_NEEDED = FRAMES | {"streamlit", "starlette", "plotly", "prometheus_client", "psycopg", "celery"}


def test_a_recorder_of_a_file_imports_nothing_that_only_others_need(tmp_path: Path, redis_server: Redis) -> None:
    with RecorderProcess(tmp_path, redis_server.url, {"PYTHONPROFILEIMPORTTIME": "1"}) as recorder:
        asked = "SELECT 1 FROM latest WHERE kind IN ('workers', 'queues') AND took_us IS NOT NULL"
        wait_until(lambda: len(recorder.history.rows(asked)) == 2, "the first answers")
        imported = set(re.findall(r"^import time: .*\| +(\w+)", recorder.log.read_text(), re.MULTILINE))

    assert {"recorder", "redis", "sqlite3"} <= imported
    assert imported & NOT_NEEDED == set()


def test_no_part_of_the_recorder_makes_frames() -> None:
    parts = ", ".join(f"recorder.{path.stem}" for path in (ROOT / "recorder").glob("*.py") if path.stem != "__init__")
    told = subprocess.check_output([sys.executable, "-c", f"import sys, {parts}; print(*sys.modules)"], cwd=ROOT)
    imported = {name.split(".")[0] for name in told.decode().split()}

    assert {"prometheus_client", "psycopg"} <= imported
    assert imported & FRAMES == set()
