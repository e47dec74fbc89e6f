"""What the recorder withstands, and what reads notebooks: `python -m tests.reliability`; `--short` as tests run it.

With names of proofs ("mutated links") those alone. Prints what was counted, and ends with 1 when anything was missed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.reliability import floods, kills, mutations
from tests.reliability.mutations import MOST_TOLD, Mutated

ROOT = Path(__file__).resolve().parents[2]

# Broker restart and outage, disk full, read-only folder, damaged file, clock set back, two recorders, hung sources.
FAULTS = (
    "tests/faults",
    "tests/test_recorder.py",
    "tests/test_recorder_faults.py",
    "tests/test_store.py",
    "tests/test_rollups.py",
    "tests/test_retention.py",
    "tests/test_thinning.py",
    "tests/test_live_tasks.py",
    "tests/test_event_streams.py",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    asked = parser.parse_args()
    short = asked.short
    proofs: dict[str, Callable[[], bool]] = {
        "a flood": lambda: flood(1_700 if short else 16_700, 12_500),
        "2,000 events a second": lambda: flood(7_000 if short else 200_000, 2_000),
        "kill -9": lambda: killed(10, to_the_last=False) if short else killed(200),
        "faults": faults,
        "mutated notebooks": lambda: mutated("notebooks", mutations.mutated_notebooks, 2_000 if short else 100_000),
        "mutated links": lambda: mutated("links", mutations.mutated_links, 2_000 if short else 100_000),
    }
    if unknown := [name for name in asked.names if name not in proofs]:
        parser.error(f"there is no “{unknown[0]}”; there are {', '.join(proofs)}")
    missed = [name for name in asked.names or proofs if proofs[name]()]
    say(f"missed: {', '.join(missed)}" if missed else "nothing was missed")
    return 1 if missed else 0


def flood(tasks: int, rate: float) -> bool:
    counted = floods.run(tasks, rate)
    say(f"{counted.events:,} events at {rate:,.0f} a second", asdict(counted))
    return counted.missed


def killed(times: int, to_the_last: bool = True) -> bool:
    counted = kills.run(times, to_the_last=to_the_last)
    say(f"kill -9 at {times} random moments under load", asdict(counted))
    return counted.missed


def faults() -> bool:
    """The tests of faults with all their examples, counted by pytest."""
    env = {**os.environ, "RELIABILITY": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *FAULTS], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|error|skipped)", run.stdout)}
    say("faults", counts)
    if run.returncode:
        sys.stdout.write(run.stdout)
    return run.returncode != 0


def mutated(what: str, run: Callable[[int], Mutated], times: int) -> bool:
    counted = run(times)
    counts = {"taken": counted.taken, "refused": counted.refused, "slowest_ms": round(1000 * counted.slowest_seconds)}
    say(f"{times:,} mutated {what}", {**counts, "faults": len(counted.faults), "touched": len(counted.touched)})
    for line in [*counted.faults, *counted.touched][:MOST_TOLD]:
        say(f"    {line}")
    return counted.missed


def say(what: str, counts: dict[str, object] | dict[str, int] | None = None) -> None:
    lines = [what, *(f"    {name.replace('_', ' '):<20} {count}" for name, count in (counts or {}).items())]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
