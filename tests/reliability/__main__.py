"""What the recorder withstands, and what reads notebooks: `python -m tests.reliability`; `--short` as tests run it.

With names of proofs ("mutated links") those alone. Prints what was counted, and ends with 1 when anything was missed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from data_sources.config import Secret
from demo.servers import PostgreSQL
from tests.reliability import floods, kills, mutations, takeovers
from tests.reliability.mutations import MOST_TOLD, Mutated

ROOT = Path(__file__).resolve().parents[2]
SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"

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
        **on_each("a flood", partial(flood, 1_700 if short else 16_700, 12_500)),
        **on_each("2,000 events a second", partial(flood, 7_000 if short else 200_000, 2_000)),
        **on_each("kill -9", partial(killed, 10 if short else 200, not short)),
        **on_each("take-over", partial(taken_over, 3 if short else 20)),
        "faults": faults,
        "mutated notebooks": lambda: mutated("notebooks", mutations.mutated_notebooks, 2_000 if short else 100_000),
        "mutated links": lambda: mutated("links", mutations.mutated_links, 2_000 if short else 100_000),
    }
    if unknown := [name for name in asked.names if name not in proofs]:
        parser.error(f"there is no “{unknown[0]}”; there are {', '.join(proofs)}")
    missed = [name for name in asked.names or proofs if proofs[name]()]
    say(f"missed: {', '.join(missed)}" if missed else "nothing was missed")
    return 1 if missed else 0


def on_each(name: str, proof: Callable[[str], bool]) -> dict[str, Callable[[], bool]]:
    """The proof with the history in each database."""
    return {name: partial(proof, SQLITE), f"{name} on {POSTGRESQL}": partial(proof, POSTGRESQL)}


@contextmanager
def history(database: str) -> Iterator[Secret]:
    """A HISTORY_URL of its own."""
    with tempfile.TemporaryDirectory() as name:
        if database == SQLITE:
            yield Secret(f"sqlite://{name}")
        else:
            with PostgreSQL(Path(name)) as server:
                yield Secret(server.new_database())


def flood(tasks: int, rate: float, database: str) -> bool:
    with history(database) as url:
        counted = floods.run(tasks, rate, url)
    say(f"{counted.events:,} events at {rate:,.0f} a second into {database}", asdict(counted))
    return counted.missed


def killed(times: int, to_the_last: bool, database: str) -> bool:
    with history(database) as url:
        counted = kills.run(times, url, to_the_last)
    say(f"kill -9 at {times} random moments under load, with {database}", asdict(counted))
    return counted.missed


def taken_over(times: int, database: str) -> bool:
    with history(database) as url:
        counted = takeovers.run(times, url)
    say(f"one that stands by takes over {times} times under load, with {database}", asdict(counted))
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
