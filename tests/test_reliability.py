"""What `make reliability` shows in full, in short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from data_sources.config import Secret
from tests.reliability import floods, kills

ROOT = Path(__file__).resolve().parents[1]
KILLS = 5  # on each database


def test_killed_under_load_it_loses_nothing_it_acknowledged_and_counts_nothing_twice(history_url: Secret) -> None:
    counted = kills.run(KILLS, history_url, to_the_last=False)

    assert counted.acknowledged > 0
    assert counted.buckets > 0
    faults = (counted.lost, counted.twice, counted.wrong_buckets, counted.unaccounted, counted.faults)
    assert (counted.kills, *faults) == (KILLS, 0, 0, 0, 0, [])
    assert counted.slow < counted.kills / 2  # a machine may be held up now and then, but not each time


def test_a_flood_of_events_is_recorded_to_the_last(history_url: Secret) -> None:
    counted = floods.run(1_667, 12_500, history_url)

    assert counted.recorded == counted.tasks == 1_667
    assert counted.dropped == 0


@pytest.mark.timeout(600)
def test_what_is_broken_of_a_notebook_or_a_link_is_refused_and_touches_nothing() -> None:
    # a process of its own: all that Python touches is heard, whoever does it
    proofs = ["mutated notebooks", "mutated links"]
    run = subprocess.run(
        [sys.executable, "-m", "tests.reliability", "--short", *proofs],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stdout.splitlines()[-1:]) == (0, ["nothing was missed"]), run.stdout + run.stderr
    assert run.stdout.count("2,000 mutated") == 2
